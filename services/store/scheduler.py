"""The processes with a scheduler, which of them leads, and which jobs are paused."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg

LEAD_KEY = 0x66697273746C6561
"""The bytes of "firstlea": whichever session holds this advisory lock leads."""
FORGET_AFTER_S = 24 * 60 * 60
"""A process that has been silent for this long is no longer listed."""

TAKE_LEAD = "select pg_try_advisory_lock($1)"


async def take_lead(connection: asyncpg.Connection) -> bool:
    """Whether this session leads from now on; until it ends, or the lock is taken from it. To be asked once."""
    return bool(await connection.fetchval(TAKE_LEAD, LEAD_KEY))


HOLDS_LEAD = """
select exists (
    select from pg_locks
    where locktype = 'advisory' and pid = pg_backend_pid() and granted and objsubid = 1
      and (classid::bigint << 32) | objid::bigint = $1
)
"""


async def holds_lead(connection: asyncpg.Connection) -> bool:
    """Whether this session still holds the lock, as the server sees it."""
    return bool(await connection.fetchval(HOLDS_LEAD, LEAD_KEY))


BEAT = """
with others as (
    update scheduler_instances set leads = false where $3 and leads and instance_id <> $1
)
insert into scheduler_instances (instance_id, enabled, leads, started_at, seen_at)
values ($1, $2, $3, clock_timestamp(), clock_timestamp())
on conflict (instance_id) do update
set enabled = excluded.enabled, leads = excluded.leads, seen_at = excluded.seen_at
"""


async def beat(connection: asyncpg.Connection, instance_id: str, *, enabled: bool, leads: bool) -> None:
    """A sign of life, on the database's clock. Who leads is said by the one who does."""
    await connection.execute(BEAT, instance_id, enabled, leads)


RETIRE = "update scheduler_instances set enabled = false where instance_id = $1"


async def retire(connection: asyncpg.Connection, instance_id: str) -> None:
    """Say that this process stops in good order: it is not missed."""
    await connection.execute(RETIRE, instance_id)


FORGET = "delete from scheduler_instances where seen_at < clock_timestamp() - make_interval(secs => $1)"


async def forget_silent(connection: asyncpg.Connection) -> None:
    await connection.execute(FORGET, FORGET_AFTER_S)


@dataclass(frozen=True, slots=True)
class Instance:
    """A process with a scheduler. Instants are the database's; `silent_s` seconds have passed since its newest heartbeat."""

    id: str
    enabled: bool
    leads: bool
    started_at: datetime
    seen_at: datetime
    silent_s: float


INSTANCES = """
select *, extract(epoch from clock_timestamp() - seen_at)::float8 as silent_s from scheduler_instances
where seen_at >= clock_timestamp() - make_interval(secs => $1)
order by seen_at desc
"""


async def instances(connection: asyncpg.Connection) -> list[Instance]:
    """The processes seen within a day, the one with the newest heartbeat first."""
    return [
        Instance(
            id=row["instance_id"],
            enabled=row["enabled"],
            leads=row["leads"],
            started_at=row["started_at"],
            seen_at=row["seen_at"],
            silent_s=row["silent_s"],
        )
        for row in await connection.fetch(INSTANCES, FORGET_AFTER_S)
    ]


@dataclass(frozen=True, slots=True)
class JobState:
    """Occurrences of a job count from `active_since` on; `paused_at` is `None` while it is not paused."""

    active_since: datetime
    paused_at: datetime | None


ADD_JOBS = """
insert into scheduler_jobs (job_id, active_since) select job_id, $2 from unnest($1::text[]) as known(job_id)
on conflict (job_id) do nothing
"""


async def add_jobs(connection: asyncpg.Connection, job_ids: list[str], now: datetime) -> None:
    """Jobs that were never led before are active from now on."""
    await connection.execute(ADD_JOBS, job_ids, now)


JOBS = "select job_id, active_since, paused_at from scheduler_jobs"


async def job_states(connection: asyncpg.Connection) -> dict[str, JobState]:
    """Of every job that was ever led or paused."""
    return {row["job_id"]: JobState(row["active_since"], row["paused_at"]) for row in await connection.fetch(JOBS)}


PAUSE = """
insert into scheduler_jobs (job_id, active_since, paused_at) values ($1, $2, $2)
on conflict (job_id) do update set paused_at = coalesce(scheduler_jobs.paused_at, excluded.paused_at)
"""


async def pause(connection: asyncpg.Connection, job_id: str, now: datetime) -> None:
    """No occurrence of this job is begun any more; nothing changes for one that is paused."""
    await connection.execute(PAUSE, job_id, now)


RESUME = "update scheduler_jobs set paused_at = null, active_since = $2 where job_id = $1 and paused_at is not null"


async def resume(connection: asyncpg.Connection, job_id: str, now: datetime) -> None:
    """Occurrences count again, from now on; nothing changes for a job that is not paused."""
    await connection.execute(RESUME, job_id, now)
