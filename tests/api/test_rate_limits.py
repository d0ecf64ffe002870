"""Budgets: what they count, how a refusal looks, and whom it leaves alone."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from services.accounts import Principal, Scope
from services.clock import Clock
from services.config import load_settings
from services.domain.ids import UserId
from services.errors import RateLimited
from services.metrics import Metrics
from services.rate_limits import RateLimits
from tests.api.clients import ADMIN_KEY, PATIENCE_S, SERVICE_KEY, Api, acknowledged, opened
from tests.api.conftest import NO_SAHHA, NOWHERE, running

KEY = Principal("service:app", frozenset({Scope.SERVICE}))
ANNA = Principal("user:anna", frozenset(), UserId("anna"))
VIEWER = "{ viewer { subject } }"
GENERATE = """mutation($user: ID!) { generateRoutine(input: {userId: $user, archetype: PEAK_PERFORMER, timezone: "UTC"}) {
  __typename } }"""


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def limits(metrics: Metrics) -> RateLimits:
    budgets = {"key_operations_per_s": 5, "person_operations_per_min": 3, "person_work_per_h": 2, "unknown_keys_per_min": 1}
    return RateLimits(load_settings(_env_file=None, **budgets), metrics)


def test_a_person_and_a_key_have_budgets_of_their_own(limits: RateLimits, metrics: Metrics) -> None:
    for _ in range(3):
        limits.operation(ANNA)
    with pytest.raises(RateLimited) as refused:
        limits.operation(ANNA)
    assert refused.value.retry_after_ms is not None
    assert 0 < refused.value.retry_after_ms <= 20_000, "the third part of a minute gives one of three back"
    limits.operation(Principal("user:ben", frozenset(), UserId("ben")))
    limits.operation(KEY)
    assert metrics.registry.get_sample_value("firstlight_rate_limited_total", {"budget": "person"}) == 1


def test_work_is_counted_for_the_person_whoever_asks(limits: RateLimits) -> None:
    limits.work(UserId("anna"))
    limits.work(UserId("anna"))
    with pytest.raises(RateLimited):
        limits.work(UserId("anna"))
    limits.work(UserId("ben"))


@pytest_asyncio.fixture
async def strict() -> AsyncIterator[Api]:
    """A service with little patience."""
    budgets = {"key_operations_per_s": 20, "person_work_per_h": 1, "unknown_keys_per_min": 2}
    async with running(NOWHERE, NO_SAHHA, Clock(), worker="off", scheduler="off", **budgets) as api:
        yield api


async def until_limited(api: Api, key: str) -> httpx.Response:
    async with asyncio.timeout(PATIENCE_S), httpx.AsyncClient(base_url=api.url, headers={"x-api-key": key}) as http:
        while True:
            answers = await asyncio.gather(*(http.post("/graphql", json={"query": VIEWER}) for _ in range(25)))
            if limited := [answer for answer in answers if answer.status_code != 200]:
                return limited[0]


async def test_a_key_that_asks_too_often_is_429(strict: Api) -> None:
    response = await until_limited(strict, SERVICE_KEY)
    assert response.status_code == 429
    (error,) = response.json()["errors"]
    assert (error["extensions"]["code"], error["extensions"]["retryable"]) == ("RATE_LIMITED", True)
    assert 0 < error["extensions"]["retryAfterMs"] <= 1000
    assert response.headers["retry-after"] == "1"
    assert "data" not in response.json()
    assert (await strict.post(VIEWER, key=ADMIN_KEY)).status_code == 200
    assert (await strict.request("GET", "/livez", key=None)).status_code == 200


async def test_begun_work_is_counted_apart(strict: Api) -> None:
    assert (await strict.post(GENERATE, {"user": "anna"})).status_code == 503, "there is no database"
    response = await strict.post(GENERATE, {"user": "anna"})
    assert response.status_code == 429
    assert 3500 <= int(response.headers["retry-after"]) <= 3600
    assert response.json()["errors"][0]["path"] == ["generateRoutine"]
    assert (await strict.post(GENERATE, {"user": "ben"})).status_code == 503
    body = {"archetype": "Foundation Builder", "timezone": "UTC"}
    rest = await strict.request("POST", "/api/user/anna/routine/generate", body=body)
    assert (rest.status_code, rest.json()["error"]["code"]) == (429, "RATE_LIMITED")


async def test_on_a_socket_it_is_an_error_of_the_operation() -> None:
    settings = {"key_operations_per_s": 1, "worker": "off", "scheduler": "off"}
    async with running(NOWHERE, NO_SAHHA, Clock(), **settings) as api, acknowledged(api) as socket:
        for number in range(20):
            await socket.subscribe(str(number), VIEWER)
        while (message := await socket.receive())["type"] != "error":
            assert message["type"] in {"next", "complete"}
        extensions = message["payload"][0]["extensions"]
        assert extensions["code"] == "RATE_LIMITED"
        assert 0 < extensions["retryAfterMs"] <= 1000


async def test_begun_work_on_a_socket_is_counted_too(strict: Api) -> None:
    async with acknowledged(strict) as socket:
        codes = []
        for number in range(2):
            await socket.subscribe(str(number), GENERATE, {"user": "anna"})
            codes.append((await socket.receive())["payload"]["errors"][0]["extensions"]["code"])
            assert (await socket.receive())["type"] == "complete"
    assert codes == ["UNAVAILABLE", "RATE_LIMITED"]


async def test_wrong_keys_are_limited_by_address_and_good_ones_never_wait(strict: Api) -> None:
    statuses = [(await strict.post(VIEWER, key=f"guess-{number}")).status_code for number in range(4)]
    assert statuses == [401, 401, 429, 429]
    assert (await strict.post(VIEWER)).status_code == 200
    elsewhere = {"x-forwarded-for": "203.0.113.9"}  # as a proxy on this host tells it
    assert (await strict.post(VIEWER, key="guess", headers=elsewhere)).status_code == 401


async def test_wrong_keys_on_sockets_are_counted_too_and_final(strict: Api) -> None:
    for number in range(3):
        async with opened(strict) as socket:
            await socket.send({"type": "connection_init", "payload": {"x-api-key": f"guess-{number}"}})
            assert await socket.close_code() == 4401
    assert (await strict.post(VIEWER, key="guess")).status_code == 429


@pytest.mark.parametrize(("address", "status"), [("2001:db8:1:2:ffff::9", 429), ("2001:db8:1:3::1", 401)])
async def test_whoever_has_a_network_has_one_budget(strict: Api, address: str, status: int) -> None:
    for number in range(2):
        headers = {"x-forwarded-for": f"2001:db8:1:2::{number}"}
        assert (await strict.post(VIEWER, key="guess", headers=headers)).status_code == 401
    assert (await strict.post(VIEWER, key="guess", headers={"x-forwarded-for": address})).status_code == status
