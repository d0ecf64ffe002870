"""Runs of scheduled jobs: one row for each occurrence, whoever inserts it runs it.

The start and the end of a run are changes with numbers in the order of commits: that is how they are followed.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

import asyncpg

from services.domain.ids import JobRunId
from services.domain.job_runs import JobRun, JobRunStatus

CHANNEL = "firstlight_job_runs"
"""PostgreSQL channel; tells that a run has started or ended, and nothing else."""

BEGIN = """
with change as (update job_run_changes set newest = newest + 1 returning newest)
insert into job_runs (id, job_id, instance_id, scheduled_at, started_at, status, by_hand, start_change)
select $1, $2, $3, $4, $5, 'RUNNING', $6, change.newest from change
where $6 or not exists (select from scheduler_jobs where job_id = $2 and paused_at is not null)
on conflict (job_id, scheduled_at) do update set status = job_runs.status where job_runs.id = excluded.id
returning *, pg_notify($7, '')
"""


async def begin(
    connection: asyncpg.Connection,
    job_id: str,
    instance_id: str,
    scheduled_at: datetime,
    now: datetime,
    *,
    by_hand: bool = False,
    run_id: JobRunId | None = None,
) -> JobRun | None:
    """A RUNNING run; `None` when this occurrence is somebody else's, or the job is paused and it is not asked for by hand.

    With the same `run_id` again: the same run, for a caller who does not know whether it was begun.
    """
    row = await connection.fetchrow(BEGIN, run_id or uuid4(), job_id, instance_id, scheduled_at, now, by_hand, CHANNEL)
    return _run(row) if row else None


END = """
with change as (update job_run_changes set newest = newest + 1 returning newest)
update job_runs set finished_at = $2, status = $3, detail = $4, end_change = change.newest from change
where id = $1 and status = 'RUNNING'
returning pg_notify($5, '')
"""


async def end(connection: asyncpg.Connection, run_id: JobRunId, status: JobRunStatus, detail: str | None, now: datetime) -> None:
    """Record how a run ended; nothing when that is recorded already."""
    await connection.execute(END, run_id, now, status.value, detail, CHANNEL)


LOST = """
select job_runs.id from job_runs
left join unnest($1::text[], $2::timestamptz[]) as hung(job_id, started_before) using (job_id)
where status = 'RUNNING' and (
    started_at < hung.started_before
    or not exists (
        select from scheduler_instances
        where scheduler_instances.instance_id = job_runs.instance_id and seen_at > clock_timestamp() - make_interval(secs => $3)
    )
)
"""


async def lost(connection: asyncpg.Connection, hung_if_before: dict[str, datetime], silent_s: float) -> list[JobRunId]:
    """The running runs that nobody can still be working on.

    Those that began before a moment that their job has to be over by, and those whose process has not beaten for `silent_s`.
    """
    rows = await connection.fetch(LOST, list(hung_if_before), list(hung_if_before.values()), silent_s)
    return [JobRunId(row["id"]) for row in rows]


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


@dataclass(frozen=True, slots=True)
class JobRunChange:
    """A run as it started or as it ended."""

    number: int
    run: JobRun


CHANGES = """
select * from (
    (select start_change as change, false as ended, * from job_runs where start_change > $1 order by start_change limit $2)
    union all
    (select end_change, true, * from job_runs where end_change > $1 order by end_change limit $2)
) as changes
order by change limit $2
"""


async def changes(connection: asyncpg.Connection, after: int, limit: int) -> list[JobRunChange]:
    """The starts and ends that follow a change, in order. A start is told as it was, also when the run is over by now."""
    found = []
    for row in await connection.fetch(CHANGES, after, limit):
        run = _run(row)
        if not row["ended"]:
            run = replace(run, status=JobRunStatus.RUNNING, finished_at=None, detail=None)
        found.append(JobRunChange(row["change"], run))
    return found


async def newest_change(connection: asyncpg.Connection) -> int:
    """The number of the newest start or end; 0 before the first."""
    return int(await connection.fetchval("select newest from job_run_changes"))


async def start_change(connection: asyncpg.Connection, run_id: JobRunId) -> int | None:
    """The number of the change that began a run; `None` for a run that is not known."""
    number = await connection.fetchval("select start_change from job_runs where id = $1", run_id)
    return None if number is None else int(number)


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
        by_hand=row["by_hand"],
    )
