"""The scheduler and the durable work, for admins."""

import strawberry

from resolvers.access import admin
from resolvers.arguments import (
    JOB_RUN_LIMIT,
    PAGE_LIMIT,
    USER_ID_LENGTH,
    FirstArgument,
    HeldJobArgument,
    JobArgument,
    RunsArgument,
    known_as_held_job,
    storable,
    within,
)
from resolvers.context import Info
from services.domain.held_jobs import HeldJob
from services.domain.job_runs import JobRun, SchedulerJob, SchedulerStatus
from services.domain.outcomes import RequeueHeldJobResult, SchedulerJobResult
from services.held_jobs import NO_SUCH_JOB


async def scheduler_status(info: Info) -> SchedulerStatus:
    admin(info)
    return await info.context.scheduler.status()


async def run_scheduler_job(info: Info, id: JobArgument) -> SchedulerJobResult:  # noqa: A002 - the contract's name
    admin(info)
    return await info.context.scheduler.run_job(storable(id, "id", longest=USER_ID_LENGTH))


async def pause_scheduler_job(info: Info, id: JobArgument) -> SchedulerJobResult:  # noqa: A002 - the contract's name
    admin(info)
    return await info.context.scheduler.pause_job(storable(id, "id", longest=USER_ID_LENGTH))


async def resume_scheduler_job(info: Info, id: JobArgument) -> SchedulerJobResult:  # noqa: A002 - the contract's name
    admin(info)
    return await info.context.scheduler.resume_job(storable(id, "id", longest=USER_ID_LENGTH))


async def held_jobs(info: Info, first: FirstArgument = 50) -> tuple[HeldJob, ...]:
    admin(info)
    return await info.context.services.held_jobs.newest(within(first, "first", 1, PAGE_LIMIT))


async def requeue_held_job(info: Info, id: HeldJobArgument) -> RequeueHeldJobResult:  # noqa: A002 - the contract's name
    admin(info)
    job_id = known_as_held_job(id)
    return NO_SUCH_JOB if job_id is None else await info.context.services.held_jobs.requeue(job_id)


def job_runs(job: strawberry.Parent[SchedulerJob], info: Info, first: RunsArgument = 20) -> tuple[JobRun, ...]:
    admin(info)
    return job.last_runs[: within(first, "first", 1, JOB_RUN_LIMIT)]
