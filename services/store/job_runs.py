"""Runs of scheduled jobs: one row for each occurrence, whoever inserts it runs it."""

from datetime import datetime
from uuid import uuid4

import asyncpg

from services.domain.ids import JobRunId
from services.domain.job_runs import JobRun, JobRunStatus

BEGIN = """
insert into job_runs (id, job_id, instance_id, scheduled_at, started_at, status)
values ($1, $2, $3, $4, $5, 'RUNNING')
on conflict (job_id, scheduled_at) do nothing
returning *
"""


async def begin(
    connection: asyncpg.Connection, job_id: str, instance_id: str, scheduled_at: datetime, now: datetime
) -> JobRun | None:
    """A RUNNING run, or `None` when this occurrence is somebody else's."""
    row = await connection.fetchrow(BEGIN, uuid4(), job_id, instance_id, scheduled_at, now)
    return _run(row) if row else None


END = "update job_runs set finished_at = $2, status = $3, detail = $4 where id = $1 and status = 'RUNNING'"


async def end(connection: asyncpg.Connection, run_id: JobRunId, status: JobRunStatus, detail: str | None, now: datetime) -> None:
    await connection.execute(END, run_id, now, status.value, detail)


EXPIRE = """
update job_runs set status = 'TIMED_OUT', finished_at = $2, detail = 'its process ended, or it hung'
where status = 'RUNNING' and started_at < $1
"""


async def expire(connection: asyncpg.Connection, started_before: datetime, now: datetime) -> int:
    """End the runs that nobody can still be working on; how many there were."""
    return int((await connection.execute(EXPIRE, started_before, now)).split()[-1])


NEWEST = """
select run.* from unnest($1::text[]) as wanted(job_id)
cross join lateral (
    select * from job_runs where job_runs.job_id = wanted.job_id order by started_at desc limit $2
) as run
order by run.started_at desc
"""


async def newest(connection: asyncpg.Connection, job_ids: list[str], limit: int) -> dict[str, tuple[JobRun, ...]]:
    """The newest runs of each job, newest first, at most `limit` of each."""
    found: dict[str, list[JobRun]] = {job_id: [] for job_id in job_ids}
    for row in await connection.fetch(NEWEST, job_ids, limit):
        found[row["job_id"]].append(_run(row))
    return {job_id: tuple(runs) for job_id, runs in found.items()}


PRUNE = "delete from job_runs where id in (select id from job_runs where started_at < $1 limit $2)"


async def prune(connection: asyncpg.Connection, before: datetime, limit: int) -> int:
    return int((await connection.execute(PRUNE, before, limit)).split()[-1])


def _run(row: asyncpg.Record) -> JobRun:
    return JobRun(
        id=JobRunId(row["id"]),
        job_id=row["job_id"],
        instance_id=row["instance_id"],
        scheduled_at=row["scheduled_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        status=JobRunStatus(row["status"]),
        detail=row["detail"],
    )
