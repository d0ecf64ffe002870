"""Durable jobs, on pgqueuer: a job exists if and only if the caller's transaction commits. Payloads hold ids only."""

from datetime import datetime, timedelta
from enum import StrEnum

import asyncpg
from pgqueuer import AsyncpgDriver, Queries

from services.domain.ids import RoutineId, UserId


class Entrypoint(StrEnum):
    """The kinds of durable work."""

    GENERATE_ROUTINE = "GENERATE_ROUTINE"
    SYNC_SAHHA_DATA = "SYNC_SAHHA_DATA"


PRIORITY = {Entrypoint.GENERATE_ROUTINE: 10, Entrypoint.SYNC_SAHHA_DATA: 0}
"""Higher first: somebody waits for a routine, nobody for a sync."""


async def enqueue_routine(connection: asyncpg.Connection, routine_id: RoutineId) -> None:
    """Queue the generation of a routine, once however often it is asked."""
    await _enqueue(connection, Entrypoint.GENERATE_ROUTINE, str(routine_id), f"routine:{routine_id}")


async def enqueue_sync(connection: asyncpg.Connection, user_id: UserId) -> None:
    """Queue the sync of one person's older data; one at a time for each person."""
    await _enqueue(connection, Entrypoint.SYNC_SAHHA_DATA, user_id, f"sync:{user_id}")


async def _enqueue(connection: asyncpg.Connection, entrypoint: Entrypoint, payload: str, dedupe_key: str) -> None:
    await Queries(AsyncpgDriver(connection)).enqueue(
        entrypoint,
        payload.encode(),
        PRIORITY[entrypoint],
        timedelta(0),
        dedupe_key,
        on_conflict="skip",
    )


ORPHANS = """
select routines.id from routines
where status in ('QUEUED', 'FETCHING', 'PLANNING') and created_at < $1
  and not exists (
      select from pgqueuer where dedupe_key = 'routine:' || routines.id and status in ('queued', 'picked')
  )
order by created_at limit $2
"""


async def requeue_orphans(connection: asyncpg.Connection, created_before: datetime, limit: int) -> int:
    """Queue again the unfinished routines that no job stands for; how many there were.

    A worker that is cancelled in the middle of a job leaves such a routine; so would a lost queue table.
    """
    rows = await connection.fetch(ORPHANS, created_before, limit)
    for row in rows:
        await enqueue_routine(connection, RoutineId(row["id"]))
    return len(rows)
