"""The main job through GraphQL, with a real database, worker and the stand-in for Sahha."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from tests.api.clients import ADMIN_KEY, Api
from tests.api.conftest import MORNING

PERSON = "sandbox-avery"
INPUT: dict[str, Any] = {
    "userId": PERSON,
    "archetype": "TRANSFORMATION_SEEKER",
    "timezone": "America/New_York",
    "preferences": {"wakeTime": "07:00", "sleepTime": "22:00"},
}
WHOLE = """
fragment Whole on Routine {
  id userId date timezone archetype status createdAt readyAt planner model summary safetyNotice inputsHash
  reusedFrom supersedes supersededBy
  failure { __typename code message retryable retryAfterMs }
  healthData { source state biomarkers scores newestValueAt oldestValueAgeSeconds missingCategories confidence }
  timeBlocks {
    id title energyZone startTime endTime purpose whyItMatters locked
    tasks {
      id title description type priority startTime endTime status
      evidence { kind type value unit measuredAt ageSeconds source }
    }
  }
  checks { rule verdict detail citation }
  timing { fetchMs planMs firstBlockMs totalMs speculative }
  usage { inputTokens cachedInputTokens outputTokens }
  changes { kind taskId taskTitle from to because }
}
"""
GENERATE = (
    """mutation($input: GenerateRoutineInput!, $wait: Int! = 0) {
  generateRoutine(input: $input, waitSeconds: $wait) {
    __typename
    ... on GenerateRoutineSuccess { joined cursor routine { ...Whole } }
    ... on Problem { code message retryable }
    ... on InvalidInput { field }
  }
}"""
    + WHOLE
)


async def generate(service: Api, wait: int = 0, **changed: object) -> dict[str, Any]:
    answer: dict[str, Any] = (await service.data(GENERATE, {"input": {**INPUT, **changed}, "wait": wait}))["generateRoutine"]
    return answer


async def test_a_routine_is_ready_in_one_call(service: Api) -> None:
    answer = await generate(service, wait=30)
    routine = answer["routine"]
    assert (answer["joined"], routine["status"], routine["failure"]) == (False, "READY", None)
    assert routine["planner"] == "RULES"
    assert routine["healthData"]["source"] == "LIVE"
    assert (routine["healthData"]["biomarkers"], routine["healthData"]["scores"]) == (156, 89)
    assert len(routine["timeBlocks"]) == 5
    assert all(check["detail"] for check in routine["checks"])
    assert [block["startTime"] for block in routine["timeBlocks"]] == sorted(
        block["startTime"] for block in routine["timeBlocks"]
    )
    assert all(routine[name].endswith("+00:00") for name in ("createdAt", "readyAt"))
    evidence = [each for block in routine["timeBlocks"] for task in block["tasks"] for each in task["evidence"]]
    assert {each["source"] for each in evidence} == {"LIVE"}


async def test_it_is_acknowledged_at_once_and_read_later(service: Api) -> None:
    answer = await generate(service)
    assert answer["routine"]["status"] in {"QUEUED", "FETCHING", "PLANNING", "READY"}
    query = "query($id: ID!) { routine(id: $id) { ...Whole } }" + WHOLE
    async with asyncio.timeout(20):
        while (found := (await service.data(query, {"id": answer["routine"]["id"]}))["routine"])["status"] != "READY":
            await asyncio.sleep(0.05)
    assert found["id"] == answer["routine"]["id"]
    upper = (await service.data(query, {"id": found["id"].upper()}))["routine"]
    assert (upper["id"], upper["inputsHash"]) == (found["id"], found["inputsHash"])


async def test_the_same_key_gives_the_same_routine(service: Api) -> None:
    first = await generate(service, wait=30, idempotencyKey="k-1")
    again = await generate(service, wait=30, idempotencyKey="k-1")
    assert (again["routine"]["id"], again["cursor"]) == (first["routine"]["id"], first["cursor"])
    other = await generate(service, idempotencyKey="k-1", archetype="PEAK_PERFORMER")
    assert other["__typename"] == "IdempotencyKeyReused"
    assert other["code"] == "IDEMPOTENCY_KEY_REUSED"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"timezone": "Mars/Olympus"}, ["input", "timezone"]),
        ({"timezone": "UTC\0"}, ["input", "timezone"]),
        ({"userId": ""}, ["input", "userId"]),
        ({"userId": "a\0b"}, ["input", "userId"]),
        ({"userId": "x" * 129}, ["input", "userId"]),
        ({"idempotencyKey": ""}, ["input", "idempotencyKey"]),
        ({"idempotencyKey": "\0"}, ["input", "idempotencyKey"]),
        ({"date": "2026-03-10"}, ["input", "date"]),
        ({"date": "2027-03-13"}, ["input", "date"]),
        ({"date": "9999-12-31"}, ["input", "date"]),
        ({"date": "0001-01-01"}, ["input", "date"]),
        ({"preferences": {"wakeTime": "07:00", "sleepTime": "07:00"}}, ["input", "preferences", "sleepTime"]),
        ({"preferences": {"goal": "x" * 501}}, ["input", "preferences", "goal"]),
        ({"preferences": {"goal": "a\0b"}}, ["input", "preferences", "goal"]),
    ],
)
async def test_input_that_makes_no_sense_is_an_outcome(service: Api, changed: dict[str, Any], field: list[str]) -> None:
    answer = await generate(service, **changed)
    assert (answer["__typename"], answer["code"]) == ("InvalidInput", "INVALID_INPUT")
    assert answer["field"] == field


@pytest.mark.parametrize("condition", ["SICK", "INJURED"])
async def test_who_is_not_well_is_told_to_take_care(service: Api, condition: str) -> None:
    assert (await generate(service, wait=30))["routine"]["safetyNotice"] is None
    assert (await generate(service, wait=30, condition=condition))["routine"]["safetyNotice"]


async def test_what_a_person_avoids_and_wants(service: Api) -> None:
    """The longest goal is kept; whatever is not said is the same as said by default."""
    avoiding = {**INPUT["preferences"], "avoidTaskTypes": ["SOCIAL", "WELLNESS"], "goal": "x" * 500}
    routine = (await generate(service, wait=30, preferences=avoiding))["routine"]
    types = {task["type"] for block in routine["timeBlocks"] for task in block["tasks"]}
    assert types
    assert not types & {"SOCIAL", "WELLNESS"}
    plain = (await generate(service, wait=30, idempotencyKey="k-1"))["routine"]
    preferences = {**INPUT["preferences"], "avoidTaskTypes": None, "goal": None}
    said = await generate(service, idempotencyKey="k-1", preferences=preferences, condition="WELL", autoReplan=False)
    assert said["routine"]["id"] == plain["id"]


async def test_fixed_events_that_overlap(service: Api) -> None:
    events = [
        {"title": "Dentist", "startTime": "09:00", "endTime": "10:00"},
        {"title": "Call", "startTime": "09:30", "endTime": "09:45"},
    ]
    answer = await generate(service, preferences={"fixedEvents": events})
    assert answer["__typename"] == "InvalidInput"
    assert answer["field"][:3] == ["input", "preferences", "fixedEvents"]


async def test_a_person_whom_sahha_does_not_know(service: Api) -> None:
    answer = await generate(service, wait=30, userId="nobody-here")
    routine = answer["routine"]
    assert (routine["status"], routine["failure"]["__typename"]) == ("FAILED", "NotFound")
    assert (await service.error('{ healthSnapshot(userId: "nobody-here") { state } }'))["extensions"]["code"] == "NOT_FOUND"


async def test_a_routine_that_does_not_exist(service: Api) -> None:
    error = await service.error("query($id: ID!) { routine(id: $id) { id } }", {"id": str(UUID(int=7, version=4))})
    assert error["extensions"] == {"code": "NOT_FOUND", "retryable": False}


async def test_pages_are_newest_first_and_hold_while_rows_arrive(service: Api) -> None:
    made = [(await generate(service, wait=30, date=f"2026-03-{day}"))["routine"]["id"] for day in (12, 13, 14)]
    query = """query($after: String) { routines(userId: "sandbox-avery", first: 2, after: $after) {
        edges { cursor node { id } } nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    first = (await service.data(query))["routines"]
    assert [node["id"] for node in first["nodes"]] == made[:0:-1]
    assert [edge["node"] for edge in first["edges"]] == first["nodes"]
    page = first["pageInfo"]
    assert (page["hasNextPage"], page["hasPreviousPage"]) == (True, False)
    assert (page["startCursor"], page["endCursor"]) == (first["edges"][0]["cursor"], first["edges"][1]["cursor"])
    await generate(service, wait=30, date="2026-03-15")
    second = (await service.data(query, {"after": page["endCursor"]}))["routines"]
    assert [node["id"] for node in second["nodes"]] == made[:1]
    assert (second["pageInfo"]["hasNextPage"], second["pageInfo"]["hasPreviousPage"]) == (False, True)


async def test_a_person_never_seen_has_an_empty_page(service: Api) -> None:
    page = (await service.data('{ routines(userId: "nobody") { nodes { id } pageInfo { hasNextPage startCursor endCursor } } }'))[
        "routines"
    ]
    assert page == {"nodes": [], "pageInfo": {"hasNextPage": False, "startCursor": None, "endCursor": None}}


async def test_a_cursor_that_no_page_gave_out(service: Api) -> None:
    error = await service.error('{ routines(userId: "nobody", after: "nonsense") { nodes { id } } }')
    assert (error["extensions"]["code"], error["extensions"]["field"]) == ("BAD_USER_INPUT", ["after"])


SNAPSHOT = """query($policy: ReadPolicy!) { healthSnapshot(userId: "sandbox-avery", policy: $policy) {
    userId state source asOf missingCategories
    biomarkers {
      id category type periodicity aggregation value number unit valueType startDateTime endDateTime receivedAt ageSeconds source
    }
    scores {
      id type state score scoreDateTime createdAt dataSources receivedAt ageSeconds source
      factors { name value goal score state unit }
    }
} }"""


async def test_a_snapshot_live_and_stored_tell_the_same_values(service: Api) -> None:
    live = (await service.data(SNAPSHOT, {"policy": "LIVE_FIRST"}))["healthSnapshot"]
    stored = (await service.data(SNAPSHOT, {"policy": "DATABASE"}))["healthSnapshot"]
    assert (live["source"], stored["source"]) == ("LIVE", "DATABASE")
    values = [
        [(row["category"], row["type"], row["value"], row["startDateTime"]) for row in each["biomarkers"]]
        for each in (live, stored)
    ]
    assert values[0] == values[1] != []
    assert all(row["startDateTime"].endswith("-04:00") or row["startDateTime"].endswith("-05:00") for row in live["biomarkers"])


async def test_an_admin_refreshes_by_hand(service: Api) -> None:
    query = """mutation($force: Boolean!) { refreshSahha(userId: "sandbox-avery", force: $force) {
        __typename
        ... on RefreshSahhaSuccess { userId biomarkers scores changed fetchedAt durationMs }
        ... on Problem { code }
    } }"""
    answer = (await service.data(query, {"force": True}, key=ADMIN_KEY))["refreshSahha"]
    assert answer["biomarkers"] >= 156
    assert answer["changed"] > 0
    unknown = await service.data('mutation { refreshSahha(userId: "nobody-here") { __typename } }', key=ADMIN_KEY)
    assert unknown["refreshSahha"] == {"__typename": "NotFound"}


RUN = "id jobId instanceId scheduledAt startedAt finishedAt durationMs lateMs status detail"


async def test_an_admin_sees_the_scheduler_and_runs_a_job(service: Api) -> None:
    status = f"""{{ schedulerStatus {{ health running leader instanceId startedAt lastHeartbeatAt totalJobs successRate
        jobs {{
            id name trigger timezone nextRun paused overdue successRate lastRun {{ {RUN} }} runs(first: 5) {{ {RUN} }}
        }} }} }}"""
    before = (await service.data(status, key=ADMIN_KEY))["schedulerStatus"]
    assert (before["health"], before["running"], before["totalJobs"]) == ("RUNNING", True, 4)
    assert all(job["nextRun"] > MORNING.astimezone().isoformat()[:10] for job in before["jobs"])
    run = f"""mutation($id: ID!) {{ runSchedulerJob(id: $id) {{
        __typename ... on SchedulerJobSuccess {{ job {{ id }} run {{ {RUN} }} }} ... on Problem {{ code }} }} }}"""
    started = (await service.data(run, {"id": "check_service_levels"}, key=ADMIN_KEY))["runSchedulerJob"]
    assert started["run"]["status"] == "RUNNING"
    unknown = (await service.data(run, {"id": "no_such_job"}, key=ADMIN_KEY))["runSchedulerJob"]
    assert unknown == {"__typename": "NotFound", "code": "NOT_FOUND"}
    for first in (0, 101):
        error = await service.error(f"{{ schedulerStatus {{ jobs {{ runs(first: {first}) {{ id }} }} }} }}", key=ADMIN_KEY)
        assert error["extensions"]["field"] == ["first"]
