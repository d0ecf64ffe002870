"""The GraphiQL page: what is served, and what an admin sees of it in a real browser."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio
from graphql import build_schema, parse, validate
from starlette.applications import Starlette

from server import pages
from services.config import load_settings
from tests.api.clients import ADMIN_KEY, Api
from tests.api.serving import serving
from tests.browser import Page, opened_page
from tests.tools import missing

ROOT = Path(__file__).parents[2]
REAL = {"sahha_client_id": "id-7f3a", "sahha_client_secret": "secret-7f3a", "admin_api_key": ADMIN_KEY}
PLAN = (
    "mutation { generateRoutine(waitSeconds: 60, input: "
    '{userId: "sandbox-avery", archetype: FOUNDATION_BUILDER, timezone: "America/New_York"}) '
    "{ ... on GenerateRoutineSuccess { routine { id status } } } }"
)
BETWEEN_THE_QUOTES = "{line: 1, ch: 16}"
HEADERS = "document.querySelector('[aria-label=Headers] .graphiql-editor:not(.hidden) .CodeMirror')?.CodeMirror"
SHOWN = "document.querySelector('.graphiql-response .CodeMirror')?.CodeMirror.getValue()"


@pytest.fixture
def built() -> None:
    if not (pages.DIST / "graphiql.html").exists():
        missing("the pages are not built: make web")


@asynccontextmanager
async def served(dist: Path, **settings: object) -> AsyncIterator[httpx.AsyncClient]:
    """The pages as built in `dist`, without the service behind them."""
    app = Starlette(routes=pages.routes(load_settings(_env_file=None, **settings), dist))
    async with serving(app) as (url, _), httpx.AsyncClient(base_url=url) as http:
        yield http


async def asset(api: Api, kind: str) -> str:
    """The URL's path of a file that the page names."""
    html = (await api.request("GET", "/graphiql", key=None)).text
    (name,) = re.findall(rf"assets/graphiql-\w+\.{kind}", html)
    return f"/{name}"


@pytest.mark.usefixtures("built")
async def test_the_page_holds_no_key_and_lets_nothing_in_from_elsewhere(edge: Api) -> None:
    first, second = [await edge.request("GET", "/graphiql", key=None) for _ in range(2)]
    assert (first.status_code, first.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert first.headers["cache-control"] == "no-store"
    assert "://" not in first.text
    assert ADMIN_KEY not in first.text
    policy = first.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    assert {"default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"} <= set(policy.split("; "))
    (nonce,) = re.findall(r"'nonce-([\w-]{20,})'", policy)
    assert f'nonce="{nonce}"' in first.text
    assert nonce not in second.text


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize(("kind", "media_types"), [("js", {"text/javascript", "application/javascript"}), ("css", {"text/css"})])
async def test_files_are_kept_for_good_and_compressed(edge: Api, kind: str, media_types: set[str]) -> None:
    path = await asset(edge, kind)
    packed = await edge.request("GET", path, key=None)
    plain = await edge.request("GET", path, key=None, headers={"accept-encoding": "identity"})
    assert packed.content == plain.content
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert 3 * int(packed.headers["content-length"]) < int(plain.headers["content-length"])
    for response in (packed, plain):
        assert response.headers["content-type"].split(";")[0] in media_types
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert response.headers["vary"] == "accept-encoding"
        assert response.headers["x-content-type-options"] == "nosniff"
    again = await edge.request("GET", path, key=None, headers={"if-none-match": packed.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/assets/",
        "/assets/no-such.js",
        "/assets/../graphiql.html",
        "/assets/%2e%2e/graphiql.html",
        "/assets/..%2fgraphiql.html",
        "/assets/%2fetc/passwd",
        "/assets//etc/passwd",
        "/assets/%00",
        f"/assets/{'a' * 5000}",
    ],
)
async def test_no_other_file_is_served(edge: Api, path: str) -> None:
    response = await edge.request("GET", path, key=None)
    assert (response.status_code, response.headers["cache-control"]) == (404, "no-store")


@pytest.mark.parametrize(
    ("settings", "status"),
    [({}, 503), ({"graphiql": "off"}, 404), (REAL, 404), ({**REAL, "graphiql": "on"}, 503)],
)
async def test_it_is_on_in_sandbox_mode_and_elsewhere_by_setting(settings: dict[str, Any], status: int, tmp_path: Path) -> None:
    async with served(tmp_path, **settings) as http:
        page = await http.get("/graphiql")
        assert page.status_code == status
        assert ("make web" in page.text) is (status == 503)
        assert (await http.get("/assets/graphiql.js")).status_code == 404


def test_the_examples_are_operations_of_the_contract() -> None:
    schema = build_schema((ROOT / "schema" / "schema.graphql").read_text())
    examples = parse((ROOT / "server" / "web" / "src" / "examples.graphql").read_text())
    assert validate(schema, examples) == []
    assert len(examples.definitions) == 3


@pytest_asyncio.fixture
async def page(built: None) -> AsyncIterator[Page]:  # noqa: ARG001 - a browser is of no use without
    async with opened_page() as page:
        yield page


async def enter_key(page: Page, api: Api, key: str) -> None:
    """Open the page and type the key where the first line of the examples says."""
    await page.visit(f"{api.url}/graphiql")
    await page.until(f"!!{HEADERS}")
    await page.evaluate(f"{HEADERS}.focus(), {HEADERS}.setCursor({BETWEEN_THE_QUOTES})")
    await page.type(key)


async def run(page: Page, operation: str) -> None:
    await page.click(".graphiql-execute-button[aria-haspopup=menu]")
    await page.click("[role=menuitem]", operation)


async def shown(page: Page, text: str) -> dict[str, Any]:
    """The answer in the result window, once it holds `text`."""
    answer: dict[str, Any] = orjson.loads(await page.until(f"{SHOWN}?.includes({text!r}) && {SHOWN}"))
    return answer


async def test_the_page_breaks_no_rule_of_its_own_policy(edge: Api, page: Page) -> None:
    await page.visit(f"{edge.url}/graphiql")
    await page.until(f"!!{HEADERS}")
    assert "key" in (await shown(page, "errors"))["errors"][0]["message"]
    await page.click("[aria-label='Open settings dialog']")
    await page.until("!!document.querySelector('.graphiql-dialog')")
    assert page.problems == []


async def test_it_fits_a_phone_by_day_and_by_night(edge: Api, page: Page) -> None:
    await page.resize(390, 844)
    await page.visit(f"{edge.url}/graphiql")
    await page.until(f"!!{HEADERS}")
    assert await page.evaluate("document.documentElement.scrollWidth") == 390
    widths = "['editors', 'response'].map(name => document.querySelector('.graphiql-' + name).offsetWidth)"
    assert min(await page.evaluate(widths)) > 350
    paper = "getComputedStyle(document.querySelector('.graphiql-container')).backgroundColor.match(/\\d+/)[0]"
    assert int(await page.evaluate(paper)) > 200
    await page.resize(390, 844, dark=True)
    assert int(await page.evaluate(paper)) < 60


async def test_an_admin_plans_reads_the_schema_and_looks_at_the_scheduler(service: Api, page: Page) -> None:
    await enter_key(page, service, ADMIN_KEY)
    await page.click("[aria-label='Show Documentation Explorer']")
    await page.until("document.querySelector('.graphiql-doc-explorer')?.innerText.includes('Subscription')")
    await run(page, "PlanMyDay")
    routine = (await shown(page, "generateRoutine"))["data"]["generateRoutine"]["routine"]
    assert routine["status"] == "READY"
    await run(page, "SchedulerStatus")
    assert (await shown(page, "schedulerStatus"))["data"]["schedulerStatus"]["running"]
    assert page.problems == []


async def test_the_key_stays_in_its_browser_tab(service: Api, page: Page) -> None:
    await enter_key(page, service, ADMIN_KEY)
    await page.until(f"sessionStorage.getItem('graphiql:headers')?.includes('{ADMIN_KEY}')")
    assert await page.evaluate("[localStorage.length, document.cookie, location.href]") == [0, "", f"{service.url}/graphiql"]
    await page.visit(f"{service.url}/graphiql")
    await page.until(f"{HEADERS}?.getValue().includes('{ADMIN_KEY}')")
    assert await page.evaluate("document.querySelectorAll('.graphiql-tab').length") == 1
    await run(page, "SchedulerStatus")
    await shown(page, "schedulerStatus")


async def test_a_subscription_gets_its_event(service: Api, page: Page) -> None:
    """Over WebSocket: `/graphql` answers no subscription otherwise."""
    await enter_key(page, service, ADMIN_KEY)
    await run(page, "PlanReady")
    await page.until("!!document.querySelector('[aria-label^=\"Stop\"]')")
    routine = (await service.data(PLAN))["generateRoutine"]["routine"]
    event = (await shown(page, routine["id"]))["data"]["planReady"]
    assert event["routine"]["status"] == "READY"
    assert page.problems == []


async def test_a_wrong_key_gets_the_typed_error(service: Api, page: Page) -> None:
    await enter_key(page, service, "a-key-that-nobody-has")
    await run(page, "SchedulerStatus")
    error = (await shown(page, "UNAUTHENTICATED"))["errors"][0]
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    await run(page, "PlanReady")
    await page.until(f"{SHOWN}?.includes('4401')")
    assert all("401" in problem for problem in page.problems), page.problems
