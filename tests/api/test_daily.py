"""Standing orders through GraphQL: set, followed, fallen back on and stopped."""

import asyncio
from typing import Any

import pytest

from server.rest import to_command
from services.domain.ids import UserId
from tests.api.clients import ADMIN_KEY, Api
from tests.api.test_routines import INPUT, PERSON, generate

SHOWN = """userId archetype timezone leadMinutes wakeTime sleepTime nextAt
    lastRoutine { id userId date status }"""
RESULT = f"""__typename
    ... on SetDailyRoutineSuccess {{ dailyRoutine {{ {SHOWN} }} }}
    ... on Problem {{ code retryable }}
    ... on InvalidInput {{ field }}"""
SET = f"mutation($input: DailyRoutineInput!) {{ setDailyRoutine(input: $input) {{ {RESULT} }} }}"
STOP = f"mutation($userId: ID!) {{ stopDailyRoutine(userId: $userId) {{ {RESULT} }} }}"
READ = f"query($userId: ID!) {{ dailyRoutine(userId: $userId) {{ {SHOWN} }} }}"
ORDERED_EARLY = {"wakeTime": "05:30", "sleepTime": "21:00"}


async def order(service: Api, **changed: object) -> dict[str, Any]:
    answer: dict[str, Any] = (await service.data(SET, {"input": {**INPUT, **changed}}))["setDailyRoutine"]
    return answer


async def read(service: Api) -> dict[str, Any] | None:
    found: dict[str, Any] | None = (await service.data(READ, {"userId": PERSON}))["dailyRoutine"]
    return found


async def test_an_order_is_set_replaced_and_stopped(service: Api) -> None:
    assert await read(service) is None
    first = await order(service)
    assert first == {
        "__typename": "SetDailyRoutineSuccess",
        "dailyRoutine": {
            "userId": PERSON,
            "archetype": "TRANSFORMATION_SEEKER",
            "timezone": "America/New_York",
            "leadMinutes": 30,
            "wakeTime": "07:00",
            "sleepTime": "22:00",
            "nextAt": "2026-03-11T10:30:00+00:00",
            "lastRoutine": None,
        },
    }
    assert await read(service) == first["dailyRoutine"]
    second = (await order(service, leadMinutes=240, preferences=None))["dailyRoutine"]
    assert (second["leadMinutes"], second["wakeTime"], second["sleepTime"]) == (240, None, None)
    assert await read(service) == second
    for _ in range(2):
        stopped = (await service.data(STOP, {"userId": PERSON}))["stopDailyRoutine"]
        assert stopped == {"__typename": "SetDailyRoutineSuccess", "dailyRoutine": None}
    assert await read(service) is None


async def test_a_due_order_has_its_routine(service: Api) -> None:
    await order(service)
    await service.data('mutation { runSchedulerJob(id: "generate_daily_routines") { __typename } }', key=ADMIN_KEY)
    async with asyncio.timeout(20):
        while (last := ((await read(service)) or {})["lastRoutine"]) is None or last["status"] != "READY":
            await asyncio.sleep(0.05)
    assert (last["userId"], last["date"]) == (PERSON, "2026-03-11")
    assert ((await read(service)) or {})["nextAt"] == "2026-03-12T10:30:00+00:00"


@pytest.mark.parametrize("left_out", [{}, {"preferences": None}])
async def test_preferences_left_out_are_those_of_the_order(service: Api, left_out: dict[str, None]) -> None:
    await order(service, preferences=ORDERED_EARLY)
    assert await first_start(service, "2026-03-12", **left_out) == "2026-03-12T09:30:00+00:00"
    assert await first_start(service, "2026-03-13", preferences=INPUT["preferences"]) == "2026-03-13T11:00:00+00:00"


async def first_start(service: Api, date: str, **preferences: object) -> str:
    without = {name: value for name, value in INPUT.items() if name != "preferences"}
    query = """mutation($input: GenerateRoutineInput!) { generateRoutine(input: $input, waitSeconds: 30) {
        ... on GenerateRoutineSuccess { routine { timeBlocks { startTime } } } } }"""
    answer = await service.data(query, {"input": {**without, "date": date, **preferences}})
    start: str = answer["generateRoutine"]["routine"]["timeBlocks"][0]["startTime"]
    return start


def test_the_predecessors_body_can_leave_them_out_too() -> None:
    body = {"archetype": "Peak Performer", "timezone": "UTC"}
    assert to_command(UserId(PERSON), body).preferences is None
    assert to_command(UserId(PERSON), {**body, "preferences": {}}).preferences is not None


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"leadMinutes": 4}, ["input", "leadMinutes"]),
        ({"leadMinutes": 241}, ["input", "leadMinutes"]),
        ({"timezone": "Mars/Olympus"}, ["input", "timezone"]),
        ({"userId": ""}, ["input", "userId"]),
        ({"preferences": {"wakeTime": "07:00", "sleepTime": "07:00"}}, ["input", "preferences", "sleepTime"]),
    ],
)
async def test_an_order_that_makes_no_sense_is_an_outcome(service: Api, changed: dict[str, Any], field: list[str]) -> None:
    answer = await order(service, **changed)
    assert answer == {"__typename": "InvalidInput", "code": "INVALID_INPUT", "retryable": False, "field": field}


async def test_a_person_of_whom_nothing_is_known_has_none_to_stop(service: Api) -> None:
    stopped = (await service.data(STOP, {"userId": "nobody-here"}))["stopDailyRoutine"]
    assert (stopped["__typename"], stopped["code"]) == ("NotFound", "NOT_FOUND")


async def test_a_routine_made_by_hand_is_not_the_orders(service: Api) -> None:
    await order(service)
    await generate(service, wait=30)
    assert ((await read(service)) or {})["lastRoutine"] is None
