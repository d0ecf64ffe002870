"""The limits where callers meet them: over HTTP, WebSocket and SSE, with the codes, statuses and settings that go with them."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.clock import Clock
from tests.api.clients import ADMIN_KEY, Api, acknowledged
from tests.api.conftest import NO_SAHHA, NOWHERE, running, running_beside_sahha
from tests.api.test_routines import GENERATE, INPUT

GRAPHQL_RESPONSE = "application/graphql-response+json"
START = 'generateRoutine(input: {userId: "anna", archetype: PEAK_PERFORMER, timezone: "UTC"}) { __typename }'
LIVE = 'query Live { healthSnapshot(userId: "sandbox-avery") { state } }'
START_AND_REFRESH = """mutation($i: GenerateRoutineInput!) {
  generateRoutine(input: $i) { __typename }
  refreshSahha(userId: "anna") { __typename }
}"""
SCORES = "query($u: ID!, $n: Int!, $t: [String!]) { scores(userId: $u, first: $n, types: $t) { nodes { factors { name } } } }"
Transport = Callable[[Api, str, Mapping[str, object] | None], Awaitable[list[dict[str, Any]]]]


async def over_http(api: Api, query: str, variables: Mapping[str, object] | None) -> list[dict[str, Any]]:
    response = await api.post(query, variables)
    assert response.status_code == 400
    assert "data" not in response.json()
    errors: list[dict[str, Any]] = response.json()["errors"]
    return errors


async def over_websocket(api: Api, query: str, variables: Mapping[str, object] | None) -> list[dict[str, Any]]:
    async with acknowledged(api) as socket:
        await socket.subscribe("1", query, variables)
        message = await socket.receive()
    assert message["type"] == "error"
    errors: list[dict[str, Any]] = message["payload"]
    return errors


async def over_sse(api: Api, query: str, variables: Mapping[str, object] | None) -> list[dict[str, Any]]:
    response = await api.request(
        "POST", "/graphql", headers={"accept": "text/event-stream"}, body={"query": query, "variables": variables}
    )
    (data,) = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    answer = json.loads(data)
    assert answer.get("data") is None
    errors: list[dict[str, Any]] = answer["errors"]
    return errors


TRANSPORTS = [over_http, over_websocket, over_sse]
TOO_MUCH: list[tuple[str, Mapping[str, object] | None, dict[str, Any]]] = [
    (f"mutation {{ a: {START} b: {START} }}", None, {"limit": "generateRoutine", "maximum": 1, "value": 2}),
    ("{ viewer { " + "subject " * 1000 + "} }", None, {"limit": "tokens", "maximum": 1000}),
    ("query Q " + "{ a " * 9 + "}" * 9, None, {"limit": "depth", "maximum": 8, "value": 9}),
    (
        "{ viewer { " + " ".join(f"a{number}: subject" for number in range(16)) + " } }",
        None,
        {"limit": "aliases", "maximum": 15, "value": 16},
    ),
    (SCORES, {"u": "a", "n": 1, "t": ["x"] * 101}, {"limit": "entries", "maximum": 100, "value": 101, "field": ["types"]}),
    (
        GENERATE,
        {"input": {**INPUT, "preferences": {"fixedEvents": [{}] * 101}}},
        {"limit": "entries", "maximum": 100, "value": 101, "field": ["input", "preferences", "fixedEvents"]},
    ),
]


@pytest.mark.parametrize("transport", TRANSPORTS, ids=lambda transport: transport.__name__)
@pytest.mark.parametrize(("query", "variables", "told"), TOO_MUCH, ids=[told["limit"] for _, _, told in TOO_MUCH])
async def test_too_much_is_refused_wherever_it_comes_from(
    edge: Api, transport: Transport, query: str, variables: Mapping[str, object] | None, told: dict[str, Any]
) -> None:
    (error,) = await transport(edge, query, variables)
    assert error["extensions"] == {"code": "BAD_USER_INPUT", **told}
    assert str(told["maximum"]) in error["message"] or told["maximum"] == 1


@pytest.mark.parametrize("accept", ["application/json", GRAPHQL_RESPONSE])
async def test_a_limit_is_400_in_every_media_type(edge: Api, accept: str) -> None:
    response = await edge.post("{ viewer { " + "subject " * 1000 + "} }", headers={"accept": accept})
    assert (response.status_code, response.headers["content-type"].split(";")[0]) == (400, accept)


async def test_a_list_of_a_million_does_not_come_in(edge: Api) -> None:
    response = await edge.post(SCORES, {"u": "a", "n": 1, "t": [""] * 1_000_000})
    assert response.status_code == 413


@asynccontextmanager
async def alone(**settings: object) -> AsyncIterator[Api]:
    """A service of its own, without a database."""
    async with running(NOWHERE, NO_SAHHA, Clock(), worker="off", scheduler="off", **settings) as api:
        yield api


async def test_the_main_limits_are_settings() -> None:
    async with alone(max_tokens=100, max_depth=4, max_aliases=0, max_cost=1000) as api:
        assert (await api.error("{ viewer { " + "subject " * 100 + "} }"))["extensions"]["maximum"] == 100
        assert (await api.error("query Q " + "{ a " * 5 + "}" * 5))["extensions"]["maximum"] == 4
        assert (await api.error("{ a: viewer { subject } }"))["extensions"]["maximum"] == 0
        assert (await api.error('{ routines(userId: "a", first: 100) { nodes { checks { rule } } } }'))["extensions"] == {
            "code": "BAD_USER_INPUT",
            "limit": "cost",
            "maximum": 1000,
            "value": 2 + 100 * (2 + 40 * 3),
        }


async def test_outside_sandbox_mode_nobody_is_told_what_there_is() -> None:
    credentials = {"sahha_client_id": "client-7f3a", "sahha_client_secret": "s3cr3t-7f3a", "admin_api_key": ADMIN_KEY}
    async with alone(**credentials) as api:
        assert (await api.error("{ __schema { description } }"))["extensions"]["code"] == "FORBIDDEN"
        assert "mean" not in (await api.error("{ viewr { subject } }"))["message"]
        assert (await api.data("{ __typename }")) == {"__typename": "Query"}
    async with alone(**credentials, introspection="on") as api:
        assert "errors" not in await api.graphql("{ __schema { description } }")


async def test_the_cost_of_an_answer_is_told_to_who_asks(service: Api) -> None:
    body = {"query": '{ routines(userId: "sandbox-avery", first: 7) { nodes { id } pageInfo { hasNextPage } } }'}
    for _ in range(3):
        told = await service.request("POST", "/graphql", body={**body, "extensions": {"cost": True}})
        assert told.json()["extensions"] == {"cost": {"requested": 2 + 7 * 3 + 3, "answered": 2 + 3, "maximum": 50_000}}
        assert "extensions" not in (await service.request("POST", "/graphql", body=body)).json()


@asynccontextmanager
async def slow_sahha(database_url: str, delay_s: float, **settings: object) -> AsyncIterator[Api]:
    """A service whose Sahha takes so long for each answer."""
    async with running_beside_sahha(database_url, **settings) as (api, sahha):
        (await sahha.put("/_standin/faults", json={"faults": [{"kind": "delay", "delay_s": delay_s}]})).raise_for_status()
        yield api


async def test_an_operation_ends_at_its_deadline_and_what_was_acknowledged_stays(database_url: str) -> None:
    async with slow_sahha(database_url, 5, operation_deadline_s=1, worker="off") as api:
        for _ in range(2):  # by the ordinary executor and by generated code
            response = await api.post(LIVE)
            assert (response.status_code, response.headers["retry-after"]) == (503, "1")
            (error,) = response.json()["errors"]
            assert error["extensions"] == {"code": "UNAVAILABLE", "retryable": True, "retryAfterMs": 1000}
        async with acknowledged(api) as socket:
            await socket.subscribe("1", LIVE)
            assert (await socket.receive())["payload"][0]["extensions"]["code"] == "UNAVAILABLE"
        response = await api.post(START_AND_REFRESH, {"i": {**INPUT, "userId": "anna"}}, key=ADMIN_KEY)
        assert response.status_code == 503
        kept = await api.data('{ routines(userId: "anna") { nodes { status } } }')
        assert kept["routines"]["nodes"] == [{"status": "QUEUED"}]


async def test_waiting_for_a_plan_is_not_counted(database_url: str) -> None:
    async with slow_sahha(database_url, 0.6, operation_deadline_s=0.5) as api:
        answer = await api.data(GENERATE, {"input": INPUT, "wait": 60})
        assert answer["generateRoutine"]["routine"]["status"] == "READY"


CANARY = "canary-resting-heart-rate-48"
QUOTING: list[tuple[str, Mapping[str, object] | None]] = [
    (f'{{ routine(id: "{CANARY}") {{ id }} }}', None),
    (f'{{ biomarkers(userId: "{CANARY}") {{ source }} }}', None),
    (f'{{ routine(id: "{CANARY}) {{ id }} }}', None),
    (f'{{ routine(id: "{CANARY}") {{ nothing }} }}', None),
    (f'{{ scores(userId: "a", first: "{CANARY}") {{ source }} }}', None),
    (f"{{ viewer {{ {CANARY.replace('-', '_')}: subject }} }}", None),
    (f"# {CANARY}\n" + "{ viewer { " + "subject " * 1000 + "} }", None),
    (SCORES, {"u": CANARY, "n": CANARY, "t": [CANARY] * 101}),
    (GENERATE, {"input": {**INPUT, "preferences": {"goal": CANARY, "wakeTime": CANARY}}, "wait": CANARY}),
    (GENERATE, {"input": {**INPUT, "preferences": {"goal": CANARY}}}),
]


async def test_neither_documents_nor_variables_are_logged(edge: Api, capfd: pytest.CaptureFixture[str]) -> None:
    with capture_logs() as logs:
        for query, variables in QUOTING:
            await edge.post(query, variables)
            async with acknowledged(edge) as socket:
                await socket.subscribe("1", query, variables)
                await socket.receive()
    written = str(logs) + "".join(capfd.readouterr())
    assert CANARY not in written
    assert CANARY.replace("-", "_") not in written
