"""`planReady` over a real socket: what was missed comes once each, in order; what is new comes when it happens."""

from typing import Any

from tests.api.clients import Api, Socket, acknowledged
from tests.api.edge import until
from tests.api.test_routines import PERSON, generate

QUERY = """subscription($userId: ID!, $after: ID) { planReady(userId: $userId, after: $after) {
    __typename id at
    routine { id userId status date failure { code } timeBlocks { id } }
    ... on RoutineEvent { routineId }
} }"""


async def listen(socket: Socket, after: str | None = None, person: str = PERSON) -> None:
    await socket.subscribe("1", QUERY, {"userId": person, "after": after})


async def next_event(socket: Socket) -> dict[str, Any]:
    message = await socket.receive()
    assert message["type"] == "next", message
    event: dict[str, Any] = message["payload"]["data"]["planReady"]
    return event


async def test_a_subscriber_with_the_cursor_misses_nothing(service: Api) -> None:
    acknowledged_first = await generate(service)
    async with acknowledged(service) as socket:
        await listen(socket, acknowledged_first["cursor"])
        event = await next_event(socket)
    assert (event["__typename"], event["routine"]["status"]) == ("PlanReadyEvent", "READY")
    assert event["routineId"] == event["routine"]["id"] == acknowledged_first["routine"]["id"]
    assert len(event["routine"]["timeBlocks"]) == 5


async def test_a_subscriber_that_was_away_gets_each_once_in_order(service: Api) -> None:
    dates = [f"2026-03-{day}" for day in (12, 13, 14)]
    made = [await generate(service, wait=30, date=date) for date in dates]
    async with acknowledged(service) as socket:
        await listen(socket, made[0]["cursor"])
        events = [await next_event(socket) for _ in dates]
    assert [event["routine"]["date"] for event in events] == dates
    async with acknowledged(service) as socket:
        await listen(socket, events[1]["id"])
        assert await next_event(socket) == events[2]
        await generate(service, date="2026-03-15")
        assert (await next_event(socket))["routine"]["date"] == "2026-03-15"


async def test_a_failure_is_announced(service: Api) -> None:
    answer = await generate(service, userId="nobody-here")
    async with acknowledged(service) as socket:
        await listen(socket, answer["cursor"], "nobody-here")
        event = await next_event(socket)
    assert (event["routine"]["status"], event["routine"]["failure"]["code"]) == ("FAILED", "NOT_FOUND")


async def test_a_persons_events_reach_no_other_subscriber(service: Api) -> None:
    async with acknowledged(service) as socket:
        await listen(socket, "0", "sandbox-blake")
        await generate(service, wait=30)
        await generate(service, wait=30, userId="sandbox-blake")
        event = await next_event(socket)
        assert event["routine"]["userId"] == "sandbox-blake"


async def test_an_event_id_that_was_never_given_out(service: Api) -> None:
    async with acknowledged(service) as socket:
        await listen(socket, "999")
        message = await socket.receive()
        assert (message["id"], message["type"]) == ("1", "error")
        assert message["payload"][0]["path"] == ["planReady"]
        extensions = message["payload"][0]["extensions"]
        assert (extensions["code"], extensions["field"]) == ("BAD_USER_INPUT", ["after"])


async def test_complete_ends_a_subscription_and_frees_its_id(service: Api) -> None:
    async with acknowledged(service) as socket:
        await listen(socket)
        await socket.send({"id": "1", "type": "complete"})
        await socket.subscribe("1", "{ viewer { subject } }")
        assert (await socket.receive())["payload"] == {"data": {"viewer": {"subject": "service:tests"}}}


async def test_an_id_in_use_closes_with_4409(service: Api) -> None:
    async with acknowledged(service) as socket:
        await listen(socket)
        await listen(socket)
        assert await socket.close_code() == 4409


async def test_a_socket_runs_ten_operations_and_no_more(service: Api) -> None:
    async with acknowledged(service) as socket:
        for number in range(11):
            await socket.subscribe(str(number), QUERY, {"userId": PERSON})
        message = await socket.receive()
        assert (message["id"], message["type"]) == ("10", "error")
        assert message["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
        await socket.send({"id": "3", "type": "complete"})
        await socket.subscribe("10", "{ viewer { subject } }")
        assert (await socket.receive())["type"] == "next"


async def test_a_socket_that_breaks_leaves_nobody_watching(service: Api) -> None:
    watchers = service.services.events._watchers
    async with acknowledged(service) as kept:
        await listen(kept, "0", "sandbox-blake")
        for _ in range(5):
            async with acknowledged(service) as socket:
                await listen(socket, "0")
                await until(lambda: PERSON in watchers)
                socket.connection.transport.abort()
            await until(lambda: PERSON not in watchers)
        assert set(watchers) == {"sandbox-blake"}
    await until(lambda: not watchers)
