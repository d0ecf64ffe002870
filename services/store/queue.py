"""Durable jobs, on pgqueuer: a job exists if and only if the caller's transaction commits. Payloads hold ids only."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

import asyncpg
from pgqueuer import AsyncpgDriver, JobId, Queries

from services.domain.ids import RoutineId, UserId


class Entrypoint(StrEnum):
    """The kinds of durable work. A worker leaves kinds alone that it does not know: a newer release takes them."""

    GENERATE_ROUTINE = "GENERATE_ROUTINE"
    SYNC_SAHHA_DATA = "SYNC_SAHHA_DATA"
    FOLLOW_NEWS = "FOLLOW_NEWS"


PRIORITY = {Entrypoint.GENERATE_ROUTINE: 10, Entrypoint.FOLLOW_NEWS: 4, Entrypoint.SYNC_SAHHA_DATA: 0}
"""Higher first: somebody waits for a routine, nobody for a sync."""
STANDING_PRIORITY = 5
"""Of routines that a standing order asks for: their people are asleep."""


async def enqueue_routine(connection: asyncpg.Connection, routine_id: RoutineId) -> None:
    """Queue the generation of a routine, once however often it is asked."""
    await _enqueue(connection, Entrypoint.GENERATE_ROUTINE, str(routine_id), _routine_key(routine_id))


async def enqueue_routines(connection: asyncpg.Connection, routine_ids: Sequence[RoutineId]) -> None:
    """As `enqueue_routine`, many at once, behind those that somebody waits for."""
    await Queries(AsyncpgDriver(connection)).enqueue(
        [Entrypoint.GENERATE_ROUTINE] * len(routine_ids),
        [str(routine_id).encode() for routine_id in routine_ids],
        [STANDING_PRIORITY] * len(routine_ids),
        dedupe_key=[_routine_key(routine_id) for routine_id in routine_ids],
        on_conflict="skip",
    )


async def enqueue_sync(connection: asyncpg.Connection, user_id: UserId) -> None:
    """Queue the sync of one person's older data; one at a time for each person."""
    await _enqueue(connection, Entrypoint.SYNC_SAHHA_DATA, user_id, f"sync:{user_id}")


async def enqueue_news(connection: asyncpg.Connection, user_id: UserId, delay: timedelta) -> None:
    """Have the news of one person looked at after a while, once for all that comes until then.

    While a look is under way a next one cannot be queued: it reads what is stored, news that comes later waits for the next.
    """
    await _enqueue(connection, Entrypoint.FOLLOW_NEWS, user_id, f"news:{user_id}", delay)


async def _enqueue(
    connection: asyncpg.Connection, entrypoint: Entrypoint, payload: str, dedupe_key: str, delay: timedelta = timedelta(0)
) -> None:
    await Queries(AsyncpgDriver(connection)).enqueue(
        entrypoint,
        payload.encode(),
        PRIORITY[entrypoint],
        delay,
        dedupe_key,
        on_conflict="skip",
    )


JOBS_OF = "select id from pgqueuer where dedupe_key = $1 and status in ('queued', 'picked')"


async def cancel_routine(connection: asyncpg.Connection, routine_id: RoutineId) -> None:
    """Remove the job of a routine, and tell the worker that does it, if one does, when the transaction commits."""
    jobs = [JobId(row["id"]) for row in await connection.fetch(JOBS_OF, _routine_key(routine_id))]
    if jobs:
        await Queries(AsyncpgDriver(connection)).mark_job_as_cancelled(jobs)


ORPHANS = """
select routines.id from routines
where status in ('QUEUED', 'FETCHING', 'PLANNING') and created_at < $1
  and not exists (
      select from pgqueuer where dedupe_key = 'routine:' || routines.id and status in ('queued', 'picked')
  )
  and not exists (select from pgqueuer where dedupe_key = 'routine:' || routines.id and status = 'failed')
order by created_at limit $2
"""
"""Two questions, since only the first has an index. What is held is an admin's to judge."""


async def requeue_orphans(connection: asyncpg.Connection, created_before: datetime, limit: int) -> int:
    """Queue again the unfinished routines that no job stands for; how many there were.

    No known fault leaves such a routine; a queue table that was restored or emptied does.
    """
    rows = await connection.fetch(ORPHANS, created_before, limit)
    for row in rows:
        await enqueue_routine(connection, RoutineId(row["id"]))
    return len(rows)


PRUNE = """
with log as (
    delete from pgqueuer_log where id in (
        select id from pgqueuer_log where created < now() - $1::interval order by created limit $2
    ) returning id
), counts as (
    delete from pgqueuer_statistics where id in (
        select id from pgqueuer_statistics where created < now() - $1::interval order by id limit $2
    ) returning id
)
select (select count(*) from log) + (select count(*) from counts)
"""


async def prune(connection: asyncpg.Connection, kept_for: timedelta, limit: int) -> int:
    """Forget what became of jobs longer ago than `kept_for`, by the database's clock; the number of rows, at most 2 x `limit`."""
    return int(await connection.fetchval(PRUNE, kept_for, limit))


def _routine_key(routine_id: RoutineId) -> str:
    return f"routine:{routine_id}"
