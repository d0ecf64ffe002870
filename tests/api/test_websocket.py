"""graphql-transport-ws, frame by frame."""

import json

import pytest
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from tests.api.clients import Api, acknowledged, opened

PLAN_READY = 'subscription { planReady(userId: "anna") { id } }'


async def test_a_query_is_answered_on_a_socket(edge: Api) -> None:
    async with acknowledged(edge) as socket:
        await socket.subscribe("1", "{ viewer { subject } }")
        answer = {"data": {"viewer": {"subject": "service:tests"}}}
        assert await socket.receive() == {"id": "1", "type": "next", "payload": answer}
        assert await socket.receive() == {"id": "1", "type": "complete"}


async def test_ping_is_answered(edge: Api) -> None:
    async with acknowledged(edge) as socket:
        await socket.send({"type": "ping", "payload": None})
        assert await socket.receive() == {"type": "pong"}


MALFORMED: list[object] = [
    [],
    "x",
    None,
    1,
    {},
    {"type": None},
    {"type": ["subscribe"]},
    {"type": "x" * 1000},
    {"type": "start", "id": "1", "payload": {"query": "{a}"}},
    {"type": "ping", "payload": 1},
    {"type": "complete"},
    {"type": "complete", "id": ["1"]},
    {"type": "subscribe"},
    {"type": "subscribe", "id": "1"},
    {"type": "subscribe", "id": "1", "payload": None},
    {"type": "subscribe", "id": "1", "payload": []},
    {"type": "subscribe", "id": 1, "payload": {"query": "{a}"}},
    {"type": "subscribe", "id": "", "payload": {"query": "{a}"}},
    {"type": "subscribe", "id": "1", "payload": {"query": 1}},
    {"type": "subscribe", "id": "1", "payload": {"query": "{a}", "variables": []}},
    {"type": "subscribe", "id": "1", "payload": {"query": "{a}", "operationName": 1}},
    {"type": "subscribe", "id": "1", "payload": {"query": "{a}", "extensions": "x"}},
]


@pytest.mark.parametrize("message", MALFORMED, ids=lambda message: json.dumps(message)[:60])
async def test_a_malformed_message_closes_with_4400(edge: Api, message: object) -> None:
    async with acknowledged(edge) as socket:
        await socket.send(message)
        assert await socket.close_code() == 4400


@pytest.mark.parametrize(
    "frame", ["{", "", "[" * 60_000, '{"type": NaN}', b"\x00", b'{"type": "ping"}'], ids=lambda frame: repr(frame[:12])
)
async def test_a_frame_that_is_no_json_text_closes_with_4400(edge: Api, frame: str | bytes) -> None:
    async with acknowledged(edge) as socket:
        await socket.connection.send(frame)
        assert await socket.close_code() == 4400


async def test_a_first_payload_that_is_no_object_closes_with_4400(edge: Api) -> None:
    async with opened(edge) as socket:
        await socket.send({"type": "connection_init", "payload": ["x"]})
        assert await socket.close_code() == 4400


async def test_a_subscription_before_the_first_message_closes_with_4401(edge: Api) -> None:
    async with opened(edge, {"x-api-key": "wrong"}) as socket:
        await socket.subscribe("1", PLAN_READY)
        assert await socket.close_code() == 4401


async def test_a_second_first_message_closes_with_4429(edge: Api) -> None:
    async with acknowledged(edge) as socket:
        await socket.send({"type": "connection_init", "payload": {}})
        assert await socket.close_code() == 4429


async def test_a_frame_over_the_limit_closes_with_1009(edge: Api) -> None:
    async with acknowledged(edge) as socket:
        await socket.subscribe("1", "{ viewer { subject } }" + " " * 200_000)
        assert await socket.close_code() == 1009


@pytest.mark.parametrize("protocol", [None, Subprotocol("graphql-ws")])
async def test_other_protocols_close_with_4406(edge: Api, protocol: Subprotocol | None) -> None:
    async with opened(edge, protocol=protocol) as socket:
        assert await socket.close_code() == 4406


async def test_another_origin_is_refused(edge: Api) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with opened(edge, {"origin": "https://elsewhere.test"}):
            pass
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("subscription { " + "x" * 500 + " }", "GRAPHQL_VALIDATION_FAILED"),
        ("", "GRAPHQL_VALIDATION_FAILED"),
        ("query A { viewer { subject } } query B { viewer { subject } }", "GRAPHQL_VALIDATION_FAILED"),
        ('subscription { planReady(userId: "anna", after: ["x", 1]) { id } }', "BAD_USER_INPUT"),
        ('subscription { planReady(userId: "anna", after: "x") { id } }', "BAD_USER_INPUT"),
        ('subscription { planReady(userId: "") { id } }', "BAD_USER_INPUT"),
        ('subscription { routineProgress(routineId: "") { id } }', "BAD_USER_INPUT"),
        ('subscription { routineProgress(routineId: "nonsense") { id } }', "NOT_FOUND"),
    ],
)
async def test_what_cannot_run_ends_its_operation_and_no_other(edge: Api, query: str, code: str) -> None:
    async with acknowledged(edge) as socket:
        await socket.subscribe("1", query)
        message = await socket.receive()
        assert (message["id"], message["type"]) == ("1", "error")
        assert message["payload"][0]["extensions"]["code"] == code
        await socket.send({"type": "ping"})
        assert await socket.receive() == {"type": "pong"}


async def test_a_subscription_on_a_store_that_is_away_says_so(edge: Api) -> None:
    async with acknowledged(edge) as socket:
        await socket.subscribe("1", PLAN_READY)
        message = await socket.receive()
        assert (message["id"], message["type"]) == ("1", "error")
        assert message["payload"][0]["extensions"] == {"code": "UNAVAILABLE", "retryable": True, "retryAfterMs": 1000}
