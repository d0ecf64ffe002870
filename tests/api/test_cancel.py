"""Routines called off, through GraphQL and in front of those who follow them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest_asyncio

from services.clock import clock_starting_at
from tests.api.clients import Api, acknowledged
from tests.api.conftest import MORNING, NO_SAHHA, running
from tests.api.test_progress import listen, progress
from tests.api.test_routines import generate

CANCEL = """mutation($id: ID!) { cancelRoutine(id: $id) {
    __typename
    ... on CancelRoutineSuccess { routine { id status readyAt timeBlocks { id } } }
    ... on Problem { code retryable }
} }"""


@pytest_asyncio.fixture
async def idle(database_url: str) -> AsyncIterator[Api]:
    """The service without a worker: what is queued stays queued."""
    async with running(database_url, NO_SAHHA, clock_starting_at(MORNING), worker="off", scheduler="off") as api:
        await api.until_ready()
        yield api


async def cancel(api: Api, routine_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = (await api.data(CANCEL, {"id": routine_id}))["cancelRoutine"]
    return answer


async def test_a_routine_is_called_off_once_and_stays_so(idle: Api) -> None:
    routine_id = (await generate(idle))["routine"]["id"]
    answer = await cancel(idle, routine_id)
    assert answer == {
        "__typename": "CancelRoutineSuccess",
        "routine": {"id": routine_id, "status": "CANCELLED", "readyAt": None, "timeBlocks": []},
    }
    assert await cancel(idle, routine_id) == answer
    told = await progress(idle, routine_id)
    assert [(event["__typename"], event["status"]) for event in told] == [("RoutineStageChanged", "CANCELLED")]


async def test_who_follows_it_is_told_and_the_stream_ends(idle: Api) -> None:
    routine_id = (await generate(idle))["routine"]["id"]
    async with acknowledged(idle) as socket:
        await listen(socket, routine_id)
        await cancel(idle, routine_id)
        event = (await socket.receive())["payload"]["data"]["routineProgress"]
        assert (event["__typename"], event["status"]) == ("RoutineStageChanged", "CANCELLED")
        assert await socket.receive() == {"id": "1", "type": "complete"}


async def test_who_waits_for_it_waits_no_longer(idle: Api) -> None:
    routine_id = (await generate(idle))["routine"]["id"]
    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(generate(idle, wait=60))
        await cancel_when_joined(idle, routine_id)
    assert (waiting.result()["routine"]["id"], waiting.result()["routine"]["status"]) == (routine_id, "CANCELLED")


async def cancel_when_joined(idle: Api, routine_id: str) -> None:
    while not idle.services.events._watchers:
        await asyncio.sleep(0.01)
    await cancel(idle, routine_id)


async def test_what_is_ready_cannot_be_called_off(service: Api) -> None:
    routine_id = (await generate(service, wait=30))["routine"]["id"]
    assert await cancel(service, routine_id) == {"__typename": "NotCancellable", "code": "NOT_CANCELLABLE", "retryable": False}


async def test_a_routine_that_does_not_exist_is_not_found(idle: Api) -> None:
    for unknown in (str(UUID(int=7, version=4)), "no-uuid"):
        assert await cancel(idle, unknown) == {"__typename": "NotFound", "code": "NOT_FOUND", "retryable": False}
