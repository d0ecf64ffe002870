"""`routineProgress` over a real socket: from the acknowledgement to the event that ends it, and on from any event between."""

from typing import Any
from uuid import UUID

import pytest

from tests.api.clients import Api, Socket, acknowledged
from tests.api.edge import until
from tests.api.test_routines import PERSON, generate

QUERY = """subscription($routineId: ID!, $after: ID) { routineProgress(routineId: $routineId, after: $after) {
    __typename id at routineId
    ... on RoutineStageChanged { status detail }
    ... on TimeBlockReady { planner revision final block { id title startTime endTime tasks { id title } } }
    ... on PlanReadyEvent { routine { status failure { code } timeBlocks { id title startTime endTime tasks { id title } } } }
} }"""


async def listen(socket: Socket, routine_id: str, after: str | None = None) -> None:
    await socket.subscribe("1", QUERY, {"routineId": routine_id, "after": after})


async def progress(api: Api, routine_id: str, after: str | None = None) -> list[dict[str, Any]]:
    """Everything that is told, to the end."""
    told = []
    async with acknowledged(api) as socket:
        await listen(socket, routine_id, after)
        while (message := await socket.receive())["type"] == "next":
            told.append(message["payload"]["data"]["routineProgress"])
        assert message == {"id": "1", "type": "complete"}
    return told


async def test_a_routine_is_told_from_its_acknowledgement_to_its_end(service: Api) -> None:
    answer = await generate(service)
    routine_id = answer["routine"]["id"]
    told = await progress(service, routine_id)
    assert {event["routineId"] for event in told} == {routine_id}
    assert [int(event["id"]) for event in told] == sorted({int(event["id"]) for event in told})
    assert int(told[0]["id"]) > int(answer["cursor"])
    assert (told[0]["__typename"], told[0]["status"]) == ("RoutineStageChanged", "FETCHING")
    assert (told[-1]["__typename"], told[-1]["routine"]["status"]) == ("PlanReadyEvent", "READY")
    assert await progress(service, routine_id, answer["cursor"]) == told


async def test_the_last_revisions_are_the_plan(service: Api) -> None:
    await service.data(f'{{ healthSnapshot(userId: "{PERSON}") {{ state }} }}')
    told = await progress(service, (await generate(service))["routine"]["id"])
    versions: dict[str, list[dict[str, Any]]] = {}
    for event in told:
        if event["__typename"] == "TimeBlockReady":
            versions.setdefault(event["block"]["id"], []).append(event)
    last = [events[-1] for events in versions.values()]
    assert {event["final"] for event in last} == {True}
    assert not any(event["final"] for events in versions.values() for event in events[:-1])
    for events in versions.values():
        revisions = [event["revision"] for event in events]
        assert revisions == sorted(set(revisions))
    plan = told[-1]["routine"]["timeBlocks"]
    assert len(plan) == 5
    assert sorted((event["block"] for event in last), key=lambda block: block["startTime"]) == plan


async def test_a_subscriber_goes_on_from_any_event(service: Api) -> None:
    routine_id = (await generate(service, wait=30))["routine"]["id"]
    told = await progress(service, routine_id)
    for index, event in enumerate(told[:-1]):
        assert await progress(service, routine_id, event["id"]) == told[index + 1 :]


async def test_after_the_last_event_there_is_nothing_to_wait_for(service: Api) -> None:
    routine_id = (await generate(service, wait=30))["routine"]["id"]
    last = (await progress(service, routine_id))[-1]
    await generate(service, wait=30, date="2026-03-12")
    assert await progress(service, routine_id, last["id"]) == []


async def test_a_failure_ends_the_stream(service: Api) -> None:
    told = await progress(service, (await generate(service, userId="nobody-here"))["routine"]["id"])
    assert (told[-1]["routine"]["status"], told[-1]["routine"]["failure"]["code"]) == ("FAILED", "NOT_FOUND")
    assert told[-1]["routine"]["timeBlocks"] == []


async def test_two_routines_of_a_person_are_told_apart(service: Api) -> None:
    first, second = [(await generate(service, date=f"2026-03-{day}"))["routine"]["id"] for day in (12, 13)]
    assert {event["routineId"] for event in await progress(service, second)} == {second}
    assert {event["routineId"] for event in await progress(service, first)} == {first}


@pytest.mark.parametrize(("after", "code"), [("999", "BAD_USER_INPUT"), ("x", "BAD_USER_INPUT")])
async def test_an_event_id_that_was_never_given_out_is_an_error(service: Api, after: str, code: str) -> None:
    routine_id = (await generate(service, wait=30))["routine"]["id"]
    async with acknowledged(service) as socket:
        await listen(socket, routine_id, after)
        message = await socket.receive()
        assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", code)


async def test_a_routine_that_does_not_exist_is_an_error(service: Api) -> None:
    async with acknowledged(service) as socket:
        await listen(socket, str(UUID(int=7, version=4)))
        message = await socket.receive()
        assert message["type"] == "error"
        assert message["payload"][0]["extensions"] == {"code": "NOT_FOUND", "retryable": False}


async def test_a_stream_that_ended_leaves_nobody_watching(service: Api) -> None:
    routine_id = (await generate(service, wait=30))["routine"]["id"]
    await progress(service, routine_id)
    await until(lambda: not service.services.events._watchers)
