"""The scheduler in an admin's hands: paused, resumed and watched."""

import pytest

from services.events import NO_PERSON
from tests.api.clients import ADMIN_KEY, SERVICE_KEY, Api, acknowledged
from tests.api.edge import until

JOB = "check_service_levels"
SWITCH = """mutation($id: ID!) { %s(id: $id) {
    __typename ... on SchedulerJobSuccess { job { id paused nextRun overdue } run { id } } ... on Problem { code } } }"""
STATUS = "{ schedulerStatus { jobs { id paused nextRun } } }"
EVENTS = "subscription { schedulerEvents { id jobId status startedAt finishedAt detail } }"
RUN = "mutation($id: ID!) { runSchedulerJob(id: $id) { ... on SchedulerJobSuccess { run { id } } } }"


async def switch(service: Api, mutation: str, job_id: str = JOB) -> dict[str, object]:
    answer: dict[str, object] = (await service.data(SWITCH % mutation, {"id": job_id}, key=ADMIN_KEY))[mutation]
    return answer


async def test_a_job_is_paused_and_resumed(service: Api) -> None:
    paused = await switch(service, "pauseSchedulerJob")
    assert paused == {
        "__typename": "SchedulerJobSuccess",
        "job": {"id": JOB, "paused": True, "nextRun": None, "overdue": False},
        "run": None,
    }
    jobs = (await service.data(STATUS, key=ADMIN_KEY))["schedulerStatus"]["jobs"]
    assert [job["id"] for job in jobs if job["paused"]] == [JOB]
    resumed = await switch(service, "resumeSchedulerJob")
    jobs = (await service.data(STATUS, key=ADMIN_KEY))["schedulerStatus"]["jobs"]
    assert resumed["__typename"] == "SchedulerJobSuccess"
    assert not any(job["paused"] for job in jobs)
    assert all(job["nextRun"] for job in jobs)


@pytest.mark.parametrize("mutation", ["pauseSchedulerJob", "resumeSchedulerJob"])
async def test_a_job_that_does_not_exist(service: Api, mutation: str) -> None:
    assert await switch(service, mutation, "no_such_job") == {"__typename": "NotFound", "code": "NOT_FOUND"}


async def test_an_admin_watches_runs_start_and_end(service: Api) -> None:
    async with acknowledged(service, ADMIN_KEY) as socket:
        await socket.subscribe("1", EVENTS)
        await until(lambda: NO_PERSON in service.services.events._watchers)
        run = (await service.data(RUN, {"id": JOB}, key=ADMIN_KEY))["runSchedulerJob"]["run"]
        started, ended = [(await socket.receive())["payload"]["data"]["schedulerEvents"] for _ in range(2)]
    assert {started["id"], ended["id"]} == {run["id"]}
    assert (started["jobId"], started["status"], started["finishedAt"]) == (JOB, "RUNNING", None)
    assert (ended["status"], ended["startedAt"]) == ("SUCCEEDED", started["startedAt"])
    assert ended["finishedAt"] is not None
    await until(lambda: NO_PERSON not in service.services.events._watchers)


async def test_who_is_no_admin_watches_nothing(edge: Api) -> None:
    async with acknowledged(edge, SERVICE_KEY) as socket:
        await socket.subscribe("1", EVENTS)
        message = await socket.receive()
    assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "FORBIDDEN")
