"""What pages of other origins can do: those in CORS_ORIGINS call as they like, others reach nothing, not even by a form."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from websockets.exceptions import InvalidStatus

from services.clock import Clock
from tests.api.clients import Api, opened
from tests.api.conftest import NO_SAHHA, NOWHERE, running

ORIGIN = "https://app.example.com"
STRANGER = "https://app.example.com.evil.test"
WORK = 'mutation { generateRoutine(input: {userId: "anna", archetype: PEAK_PERFORMER, timezone: "UTC"}) { __typename } }'


@pytest_asyncio.fixture(scope="module")
async def listed() -> AsyncIterator[Api]:
    """The edge, with one origin in its list."""
    settings = {"worker": "off", "scheduler": "off", "cors_origins": (ORIGIN, "capacitor://localhost")}
    async with running(NOWHERE, NO_SAHHA, Clock(), **settings) as api:
        yield api


async def preflight(api: Api, origin: str, headers: str = "content-type,x-api-key", method: str = "POST") -> httpx.Response:
    asked = {"origin": origin, "access-control-request-method": method, "access-control-request-headers": headers}
    return await api.request("OPTIONS", "/graphql", key=None, headers=asked)


@pytest.mark.parametrize("origin", [ORIGIN, "capacitor://localhost"])
async def test_a_listed_origin_may_ask_with_a_key(listed: Api, origin: str) -> None:
    headers = "authorization,content-type,traceparent,x-api-key,x-request-id"
    allowed = (await preflight(listed, origin, headers)).headers
    assert allowed["access-control-allow-origin"] == origin
    assert set(headers.split(",")) <= {name.strip().lower() for name in allowed["access-control-allow-headers"].split(",")}
    assert "access-control-allow-credentials" not in allowed


@pytest.mark.parametrize("origin", [STRANGER, "http://app.example.com", "https://app.example.com:8443", "null"])
async def test_any_other_origin_may_not(listed: Api, origin: str) -> None:
    for response in (await preflight(listed, origin), await listed.post("{ viewer { subject } }", headers={"origin": origin})):
        assert "access-control-allow-origin" not in response.headers
        assert "Origin" in response.headers["vary"]


@pytest.mark.parametrize(("headers", "method"), [("cookie", "POST"), ("content-type", "DELETE")])
async def test_nobody_may_ask_for_more(listed: Api, headers: str, method: str) -> None:
    assert (await preflight(listed, ORIGIN, headers, method)).status_code == 400


@pytest.mark.parametrize(("body", "status"), [(b'{"query": "{ viewer { subject } }"}', 200), (b"{", 400), (b" " * 200_000, 413)])
async def test_a_page_can_read_answers_and_refusals(listed: Api, body: bytes, status: int) -> None:
    headers = {"origin": ORIGIN, "content-type": "application/json"}
    response = await listed.request("POST", "/graphql", content=body, headers=headers)
    assert response.status_code == status
    assert response.headers["access-control-allow-origin"] == ORIGIN
    assert response.headers["access-control-expose-headers"] == "retry-after, server-timing, x-request-id"
    assert response.headers["vary"] == "Accept, Origin"


async def test_without_a_list_nothing_is_said_of_origins(edge: Api) -> None:
    assert (await preflight(edge, ORIGIN)).status_code == 405
    response = await edge.post("{ viewer { subject } }", headers={"origin": ORIGIN})
    assert not [name for name in response.headers if name.startswith("access-control")]


async def test_a_socket_is_opened_from_a_listed_origin_from_our_own_and_from_an_app(listed: Api) -> None:
    for headers in ({"origin": ORIGIN}, {"origin": listed.url}, {}):
        async with opened(listed, headers) as socket:
            assert socket.connection.subprotocol == "graphql-transport-ws"


@pytest.mark.parametrize("origin", [STRANGER, "null", "https://127.0.0.1.evil.test"])
async def test_a_socket_from_any_other_origin_is_403(listed: Api, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with opened(listed, {"origin": origin}):
            pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_cookies_say_nothing_of_who_calls(edge: Api, method: str) -> None:
    """The reason why no page can act for anybody: what a browser sends by itself is not looked at."""
    cookies = {"cookie": "x-api-key=service-key-of-the-tests; authorization=Bearer service-key-of-the-tests", "origin": STRANGER}
    asked = {"query": "{ viewer { subject } }"}
    response = await edge.request(
        method, "/graphql", key=None, headers=cookies, params=asked if method == "GET" else None, body=asked
    )
    assert response.status_code == 401


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"])
@pytest.mark.parametrize("path", ["/graphql", "/api/user/anna/routine/generate"])
async def test_what_a_form_sends_without_a_preflight_does_nothing(edge: Api, path: str, content_type: str) -> None:
    headers = {"content-type": content_type, "cookie": "session=1", "origin": STRANGER}
    body = b'{"query": "mutation { __typename }", "a": "="}'
    assert (await edge.request("POST", path, key=None, content=body, headers=headers)).status_code == 401
    if path == "/graphql":
        response = await edge.request("POST", path, content=body, headers=headers)
        assert response.status_code == 415, "not even with a key"


async def test_a_link_changes_nothing(edge: Api) -> None:
    """Neither by itself nor with a key: what changes something takes POST."""
    assert (await edge.request("GET", "/graphql", key=None, params={"query": WORK})).status_code == 401
    response = await edge.request("GET", "/graphql", params={"query": WORK})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
