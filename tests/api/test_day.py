"""During the day: tasks are marked, and what is left of the day is planned again."""

from typing import Any
from uuid import UUID

import pytest

from tests.api.clients import Api, acknowledged
from tests.api.test_routines import PERSON, WHOLE, generate
from tests.api.test_subscriptions import listen, next_event

MARK = (
    """mutation($id: ID!, $status: TaskStatus!) { setTaskStatus(taskId: $id, status: $status) {
        __typename
        ... on SetTaskStatusSuccess { task { id status title } routine { ...Whole } }
        ... on Problem { code message retryable }
        ... on InvalidInput { field }
    } }"""
    + WHOLE
)
REPLAN = (
    """mutation($id: ID!, $key: String) { replanRoutine(id: $id, idempotencyKey: $key) {
        __typename
        ... on GenerateRoutineSuccess { joined cursor routine { ...Whole } }
        ... on Problem { code message retryable }
        ... on InvalidInput { field }
    } }"""
    + WHOLE
)
NOWHERE = str(UUID(int=7, version=4))


async def mark(api: Api, task_id: str, status: str = "DONE") -> dict[str, Any]:
    answer: dict[str, Any] = (await api.data(MARK, {"id": task_id, "status": status}))["setTaskStatus"]
    return answer


async def replan(api: Api, routine_id: str, key: str | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = (await api.data(REPLAN, {"id": routine_id, "key": key}))["replanRoutine"]
    return answer


async def replanned(api: Api, routine_id: str) -> dict[str, Any]:
    """The READY routine that replaces another."""
    answer = await replan(api, routine_id)
    async with acknowledged(api) as socket:
        await listen(socket, answer["cursor"])
        assert (await next_event(socket))["routine"]["id"] == answer["routine"]["id"]
    return await read(api, answer["routine"]["id"])


async def read(api: Api, routine_id: str) -> dict[str, Any]:
    query = "query($id: ID!) { routine(id: $id) { ...Whole } }" + WHOLE
    routine: dict[str, Any] = (await api.data(query, {"id": routine_id}))["routine"]
    return routine


def tasks_of(routine: dict[str, Any]) -> list[dict[str, Any]]:
    return [task for block in routine["timeBlocks"] for task in block["tasks"]]


@pytest.mark.parametrize("status", ["DONE", "SKIPPED"])
async def test_a_task_is_marked_and_unmarked(service: Api, status: str) -> None:
    routine = (await generate(service, wait=30))["routine"]
    task = tasks_of(routine)[1]
    marked = await mark(service, task["id"], status)
    assert marked["task"] == {"id": task["id"], "status": status, "title": task["title"]}
    assert {each["id"]: each["status"] for each in tasks_of(marked["routine"])} == {
        each["id"]: status if each["id"] == task["id"] else "PENDING" for each in tasks_of(routine)
    }
    kept = await read(service, routine["id"])
    assert tasks_of(kept)[1]["status"] == status
    assert (kept["inputsHash"], kept["readyAt"]) == (routine["inputsHash"], routine["readyAt"])
    assert (await mark(service, task["id"], "PENDING"))["task"]["status"] == "PENDING"


@pytest.mark.parametrize("task_id", ["nonsense", NOWHERE, "0"])
async def test_a_task_that_does_not_exist(service: Api, task_id: str) -> None:
    answer = await mark(service, task_id)
    assert (answer["__typename"], answer["code"], answer["retryable"]) == ("NotFound", "NOT_FOUND", False)


async def test_a_replan_takes_the_place_of_its_routine(service: Api) -> None:
    first = (await generate(service, wait=30, autoReplan=True, condition="TIRED"))["routine"]
    again = await replanned(service, first["id"])
    assert (again["status"], again["supersedes"], again["supersededBy"]) == ("READY", first["id"], None)
    assert again["archetype"] == first["archetype"]
    assert (await read(service, first["id"]))["supersededBy"] == again["id"]
    assert all(change["because"] and change["taskTitle"] for change in again["changes"])
    assert first["changes"] == []


async def test_what_is_done_stays(service: Api) -> None:
    first = (await generate(service, wait=30))["routine"]
    done = tasks_of(first)[0]
    await mark(service, done["id"])
    again = await replanned(service, first["id"])
    kept = [task for task in tasks_of(again) if task["status"] == "DONE"]
    assert [(task["title"], task["startTime"], task["endTime"]) for task in kept] == [
        (done["title"], done["startTime"], done["endTime"])
    ]


async def test_a_task_that_stays_belongs_to_the_newest_routine(service: Api) -> None:
    first = (await generate(service, wait=30))["routine"]
    again = await replanned(service, first["id"])
    shared = next(task for task in tasks_of(again) if task["id"] in {each["id"] for each in tasks_of(first)})
    assert (await mark(service, shared["id"]))["routine"]["id"] == again["id"]
    assert {task["status"] for task in tasks_of(await read(service, first["id"]))} == {"PENDING"}


async def test_a_routine_that_was_replaced_is_not_replanned(service: Api) -> None:
    first = (await generate(service, wait=30))["routine"]
    await replanned(service, first["id"])
    answer = await replan(service, first["id"])
    assert (answer["__typename"], answer["field"]) == ("InvalidInput", ["id"])


@pytest.mark.parametrize("routine_id", ["nonsense", NOWHERE])
async def test_a_routine_that_does_not_exist_is_not_replanned(service: Api, routine_id: str) -> None:
    assert (await replan(service, routine_id))["__typename"] == "NotFound"


async def test_the_same_key_replans_once(service: Api) -> None:
    first, other = [(await generate(service, wait=30, date=f"2026-03-{day}"))["routine"]["id"] for day in (12, 13)]
    again = await replan(service, first, "k-1")
    repeated = await replan(service, first, "k-1")
    assert (repeated["routine"]["id"], repeated["cursor"]) == (again["routine"]["id"], again["cursor"])
    assert (await replan(service, other, "k-1"))["__typename"] == "IdempotencyKeyReused"
    assert (await generate(service, idempotencyKey="k-1"))["__typename"] == "GenerateRoutineSuccess"


@pytest.mark.parametrize("key", ["", "x" * 129, "\0"])
async def test_a_key_that_cannot_be_kept(service: Api, key: str) -> None:
    routine_id = (await generate(service, wait=30))["routine"]["id"]
    answer = await replan(service, routine_id, key)
    assert (answer["__typename"], answer["field"]) == ("InvalidInput", ["idempotencyKey"])


async def test_a_replan_is_announced_to_the_person(service: Api) -> None:
    first = await generate(service, wait=30)
    async with acknowledged(service) as socket:
        await listen(socket, first["cursor"], PERSON)
        assert (await next_event(socket))["routine"]["id"] == first["routine"]["id"]
        again = await replan(service, first["routine"]["id"])
        assert (await next_event(socket))["routine"]["id"] == again["routine"]["id"]
