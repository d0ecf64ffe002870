"""Routines: a row each, the plan as a document in it, every final write fenced by the attempt that makes it."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import asyncpg
import orjson

from services.domain.ids import EventId, RoutineId, UserId
from services.domain.pages import Page
from services.domain.problems import Problem
from services.domain.routine import (
    Archetype,
    Condition,
    HealthDataUse,
    Plan,
    Routine,
    RoutineRequest,
    RoutineStatus,
    RoutineTiming,
)
from services.store.plan_document import (
    dump_failure,
    dump_health_data,
    dump_plan,
    dump_preferences,
    dump_timing,
    load_failure,
    load_health_data,
    load_plan,
    load_preferences,
    load_timing,
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """The right to finish a routine, until somebody takes the next attempt."""

    routine: Routine
    number: int


ASKED = """
insert into people (user_id, first_asked_at, last_asked_at) values ($1, $2, $2)
on conflict (user_id) do update set last_asked_at = greatest(people.last_asked_at, excluded.last_asked_at)
returning event_seq
"""


async def lock_person(connection: asyncpg.Connection, user_id: UserId, now: datetime) -> EventId:
    """Note that this person was asked for, and hold their row until the transaction ends; their newest event id."""
    return EventId(await connection.fetchval(ASKED, user_id, now))


IDENTICAL = """
select * from routines
where user_id = $1 and request_hash = $2 and status in ('QUEUED', 'FETCHING', 'PLANNING')
order by created_at desc limit 1
"""


async def find_running(connection: asyncpg.Connection, user_id: UserId, request_hash: bytes, now: datetime) -> Routine | None:
    """The unfinished routine of an identical request."""
    row = await connection.fetchrow(IDENTICAL, user_id, request_hash)
    return _routine(row, now) if row else None


INSERT = """
insert into routines (id, user_id, local_date, timezone, archetype, preferences, condition, auto_replan, replan_of,
                      request_hash, status, cursor, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'QUEUED', $11, $12)
returning *
"""


async def insert(
    connection: asyncpg.Connection,
    routine_id: RoutineId,
    request: RoutineRequest,
    local_date: date,
    cursor: EventId,
    now: datetime,
    replan_of: RoutineId | None = None,
) -> Routine:
    """A QUEUED routine of a validated request; `replan_of` is the routine whose rest of the day it plans again."""
    row = await connection.fetchrow(
        INSERT,
        routine_id,
        request.user_id,
        local_date,
        request.timezone,
        request.archetype.value,
        dump_preferences(request.preferences),
        request.condition.value,
        request.auto_replan,
        replan_of,
        request_hash(request, local_date, replan_of),
        cursor,
        now,
    )
    return _routine(row, now)


READ = "select * from routines where id = $1 and ($2::text is null or user_id = $2)"


async def read(connection: asyncpg.Connection, routine_id: UUID, owner: UserId | None, now: datetime) -> Routine | None:
    """A routine of `owner`; of anybody where that is `None`, for callers who may act for every person."""
    row = await connection.fetchrow(READ, routine_id, owner)
    return _routine(row, now) if row else None


PAGE = """
select * from routines
where user_id = $1 and ($2::timestamptz is null or (created_at, id) < ($2, $3::uuid))
order by created_at desc, id desc limit $4
"""


async def page(
    connection: asyncpg.Connection, user_id: UserId, first: int, after: tuple[datetime, UUID] | None, now: datetime
) -> Page[Routine]:
    """A person's routines, newest first, from the one that follows `after`."""
    at, last_id = after or (None, None)
    rows = await connection.fetch(PAGE, user_id, at, last_id, first + 1)
    items = tuple(_routine(row, now) for row in rows[:first])
    return Page(
        items=items,
        cursors=tuple(dump_cursor(item.created_at, item.id) for item in items),
        has_next=len(rows) > first,
        has_previous=after is not None,
    )


TAKE = """
update routines set attempt = attempt + 1, status = 'FETCHING'
where id = $1 and status in ('QUEUED', 'FETCHING', 'PLANNING')
returning *
"""


async def take(connection: asyncpg.Connection, routine_id: RoutineId, now: datetime) -> Attempt | None:
    """The next attempt at an unfinished routine; `None` when there is nothing left to do. Fences every earlier attempt."""
    row = await connection.fetchrow(TAKE, routine_id)
    return Attempt(_routine(row, now), row["attempt"]) if row else None


PLANNING = "update routines set status = 'PLANNING' where id = $1 and attempt = $2 and status = 'FETCHING' returning id"


async def mark_planning(connection: asyncpg.Connection, attempt: Attempt) -> bool:
    """False: somebody took over."""
    return await connection.fetchval(PLANNING, attempt.routine.id, attempt.number) is not None


SUPERSEDE = """
update routines set superseded_by = $1
where user_id = $2 and local_date = $3 and status = 'READY' and superseded_by is null
returning id
"""
FENCE = """
select from routines where id = $1 and attempt = $2 and status in ('QUEUED', 'FETCHING', 'PLANNING') for update
"""
READY = """
update routines
set status = 'READY', ready_at = $3, plan = $4, health_data = $5, timing = $6, supersedes = $7, reused_from = $8
where id = $1 and attempt = $2
"""
TASKS = """
insert into routine_tasks (task_id, routine_id, user_id) select task_id, $2, $3 from unnest($1::text[]) as new(task_id)
on conflict (task_id) do update set routine_id = excluded.routine_id where routine_tasks.user_id = excluded.user_id
"""
"""A task that a replan kept belongs to the newest routine that holds it."""


@dataclass(frozen=True, slots=True)
class Result:
    """What an attempt came to."""

    ready_at: datetime
    plan: Plan
    health_data: HealthDataUse
    timing: RoutineTiming
    reused_from: RoutineId | None = None


async def finish(connection: asyncpg.Connection, attempt: Attempt, result: Result) -> bool:
    """READY, and the newest of its person and day. False, and nothing changed: somebody took over.

    The caller holds the person's row lock, so two routines of one day cannot both become the newest.
    """
    routine = attempt.routine
    if not await holds(connection, attempt):
        return False
    superseded = await connection.fetchval(SUPERSEDE, routine.id, routine.user_id, routine.date)
    await connection.execute(
        READY,
        routine.id,
        attempt.number,
        result.ready_at,
        dump_plan(result.plan),
        dump_health_data(result.health_data),
        dump_timing(result.timing),
        superseded,
        result.reused_from,
    )
    await connection.execute(TASKS, [task.id for task in result.plan.tasks], routine.id, routine.user_id)
    return True


async def holds(connection: asyncpg.Connection, attempt: Attempt) -> bool:
    """Whether this attempt is still the newest of an unfinished routine; it stays so until the transaction ends."""
    return await connection.fetchrow(FENCE, attempt.routine.id, attempt.number) is not None


CURRENT = """
select * from routines where user_id = $1 and local_date = $2 and status = 'READY' and superseded_by is null
"""


async def current(connection: asyncpg.Connection, user_id: UserId, local_date: date, now: datetime) -> Routine | None:
    """The newest READY routine of a person and day."""
    row = await connection.fetchrow(CURRENT, user_id, local_date)
    return _routine(row, now) if row else None


OF_TASK = """
select routines.* from routine_tasks join routines on routines.id = routine_tasks.routine_id
where routine_tasks.task_id = $1 and ($2::text is null or routine_tasks.user_id = $2)
for update of routines
"""


async def lock_routine_of_task(
    connection: asyncpg.Connection, task_id: str, owner: UserId | None, now: datetime
) -> Routine | None:
    """The routine that holds a task, its row locked until the transaction ends; `owner` as for `read`."""
    row = await connection.fetchrow(OF_TASK, task_id, owner)
    return _routine(row, now) if row else None


REWRITE_PLAN = "update routines set plan = $3 where id = $1 and user_id = $2"


async def rewrite_plan(connection: asyncpg.Connection, routine: Routine, plan: Plan) -> None:
    """Replace the plan of a routine whose row the caller has locked."""
    await connection.execute(REWRITE_PLAN, routine.id, routine.user_id, dump_plan(plan))


FAIL = """
update routines set status = 'FAILED', failure = $3
where id = $1 and attempt = $2 and status in ('QUEUED', 'FETCHING', 'PLANNING')
returning id
"""


async def fail(connection: asyncpg.Connection, attempt: Attempt, problem: Problem) -> bool:
    """FAILED with its reason. False: somebody took over."""
    return await connection.fetchval(FAIL, attempt.routine.id, attempt.number, dump_failure(problem)) is not None


def request_hash(request: RoutineRequest, local_date: date | None, replan_of: RoutineId | None = None) -> bytes:
    """SHA-256 of what was asked: equal for identical requests. The idempotency key is not part of it."""
    document = [
        request.user_id,
        request.archetype.value,
        request.timezone,
        local_date and local_date.isoformat(),
        dump_preferences(request.preferences),
        request.condition.value,
        request.auto_replan,
        replan_of and str(replan_of),
    ]
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).digest()


def dump_cursor(created_at: datetime, routine_id: UUID) -> str:
    """An opaque page cursor."""
    return base64.urlsafe_b64encode(f"{created_at.isoformat()}|{routine_id}".encode()).decode()


def load_cursor(cursor: str) -> tuple[datetime, UUID] | None:
    """The inverse of `dump_cursor`; `None` for anything that it did not make."""
    try:
        at, _, routine_id = base64.urlsafe_b64decode(cursor.encode("ascii")).decode("ascii").partition("|")
        created_at = datetime.fromisoformat(at)
        return (created_at, UUID(routine_id)) if created_at.tzinfo else None
    except (ValueError, binascii.Error):
        return None


def _routine(row: asyncpg.Record, now: datetime) -> Routine:
    return Routine(
        id=RoutineId(row["id"]),
        user_id=UserId(row["user_id"]),
        date=row["local_date"],
        timezone=row["timezone"],
        archetype=Archetype(row["archetype"]),
        preferences=load_preferences(row["preferences"]),
        status=RoutineStatus(row["status"]),
        created_at=row["created_at"],
        cursor=EventId(row["cursor"]),
        attempt=row["attempt"],
        ready_at=row["ready_at"],
        failure=load_failure(row["failure"]) if row["failure"] else None,
        health_data=load_health_data(row["health_data"], now) if row["health_data"] else None,
        plan=load_plan(row["plan"], now) if row["plan"] else None,
        timing=load_timing(row["timing"]) if row["timing"] else None,
        supersedes=row["supersedes"],
        superseded_by=row["superseded_by"],
        condition=Condition(row["condition"]),
        auto_replan=row["auto_replan"],
        replan_of=row["replan_of"],
        reused_from=row["reused_from"],
    )
