"""The scheduler, for admins."""

import strawberry

from resolvers.access import admin
from resolvers.arguments import JOB_RUN_LIMIT, USER_ID_LENGTH, JobArgument, RunsArgument, storable, within
from resolvers.context import Info
from services.domain.job_runs import JobRun, SchedulerJob, SchedulerStatus
from services.domain.outcomes import SchedulerJobResult


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


def job_runs(job: strawberry.Parent[SchedulerJob], info: Info, first: RunsArgument = 20) -> tuple[JobRun, ...]:
    admin(info)
    return job.last_runs[: within(first, "first", 1, JOB_RUN_LIMIT)]
