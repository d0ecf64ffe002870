"""Durable jobs that ended in a bug: an admin sees them and lets them be done again."""

import asyncio
from typing import Any

from services.store import queue
from services.store.queue import Entrypoint
from tests.api.clients import ADMIN_KEY, PATIENCE_S, Api

HELD = "{ heldJobs(first: 10) { id kind subject reason attempts queuedAt heldAt } }"
REQUEUE = """mutation($id: ID!) { requeueHeldJob(id: $id) {
    __typename ... on RequeueHeldJobSuccess { id } ... on Problem { code } } }"""


async def held(service: Api) -> list[dict[str, Any]]:
    async with asyncio.timeout(PATIENCE_S):
        while not (jobs := (await service.data(HELD, key=ADMIN_KEY))["heldJobs"]):
            await asyncio.sleep(0.05)
    return list(jobs)


async def requeue(service: Api, job_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = (await service.data(REQUEUE, {"id": job_id}, key=ADMIN_KEY))["requeueHeldJob"]
    return answer


async def test_a_job_that_ends_in_a_bug_is_seen_and_done_again(service: Api) -> None:
    async with service.services.database.transaction() as connection:
        await queue._enqueue(connection, Entrypoint.GENERATE_ROUTINE, "not a routine", "routine:none")
    [job] = await held(service)
    assert (job["kind"], job["subject"], job["reason"]) == ("GENERATE_ROUTINE", "not a routine", "ValueError")
    assert await requeue(service, job["id"]) == {"__typename": "RequeueHeldJobSuccess", "id": job["id"]}
    [again] = await held(service)
    assert again["heldAt"] > job["heldAt"]


async def test_a_job_that_is_not_held_is_not_found(service: Api) -> None:
    for job_id in ("1", "999999999999999999", "no-number"):
        assert await requeue(service, job_id) == {"__typename": "NotFound", "code": "NOT_FOUND"}


async def test_held_jobs_are_for_admins(service: Api) -> None:
    assert (await service.error(HELD))["extensions"]["code"] == "FORBIDDEN"
    assert (await service.error(REQUEUE, {"id": "1"}))["extensions"]["code"] == "FORBIDDEN"
