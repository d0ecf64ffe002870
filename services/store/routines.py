"""Routines: a row each, the plan as a document in it, every final write fenced by the attempt that makes it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg

from services.domain.ids import EventId, RoutineId, UserId
from services.domain.pages import Page
from services.domain.problems import Problem
from services.domain.routine import HealthDataUse, Plan, Preferences, ReplanOf, Routine, RoutineRequest, RoutineTiming
from services.store.plan_document import dump_failure, dump_health_data, dump_plan, dump_preferences, dump_timing
from services.store.routine_rows import VIEWED, dump_cursor, load_routine, request_hash, view_routine


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
    return load_routine(row, now) if row else None


ASKED_MANY = """
insert into people (user_id, first_asked_at, last_asked_at)
select user_id, $2, $2 from unnest($1::text[]) as asked(user_id) order by user_id
on conflict (user_id) do update set last_asked_at = greatest(people.last_asked_at, excluded.last_asked_at)
returning user_id, event_seq
"""


async def lock_people(connection: asyncpg.Connection, user_ids: Sequence[UserId], now: datetime) -> dict[UserId, EventId]:
    """`lock_person` of many, each named once, always in the same order."""
    return {UserId(row["user_id"]): EventId(row["event_seq"]) for row in await connection.fetch(ASKED_MANY, user_ids, now)}


INSERT = """
insert into routines (id, user_id, local_date, timezone, archetype, preferences, condition, auto_replan, replan_of,
                      replan_trigger, request_hash, status, cursor, created_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'QUEUED', $12, $13)
returning *
"""


async def insert(
    connection: asyncpg.Connection,
    routine_id: RoutineId,
    request: RoutineRequest,
    local_date: date,
    cursor: EventId,
    now: datetime,
    replan: ReplanOf | None = None,
) -> Routine:
    """A QUEUED routine of a validated request."""
    row = await connection.fetchrow(INSERT, *_columns(routine_id, request, local_date, cursor, now, replan))
    return load_routine(row, now)


@dataclass(frozen=True, slots=True)
class NewRoutine:
    """What `insert` is told of one."""

    id: RoutineId
    request: RoutineRequest
    local_date: date
    cursor: EventId


async def insert_many(connection: asyncpg.Connection, routines: Iterable[NewRoutine], now: datetime) -> None:
    """As `insert`, many at once."""
    rows = [_columns(each.id, each.request, each.local_date, each.cursor, now, None) for each in routines]
    await connection.executemany(INSERT, rows)


def _columns(
    routine_id: RoutineId,
    request: RoutineRequest,
    local_date: date,
    cursor: EventId,
    now: datetime,
    replan: ReplanOf | None,
) -> tuple[Any, ...]:
    """In the order of `INSERT`."""
    return (
        routine_id,
        request.user_id,
        local_date,
        request.timezone,
        request.archetype.value,
        dump_preferences(request.preferences or Preferences()),
        request.condition.value,
        request.auto_replan,
        replan.routine_id if replan else None,
        replan.trigger if replan else None,
        request_hash(request, local_date, replan.routine_id if replan else None),
        cursor,
        now,
    )


READ = "select * from routines where id = $1 and ($2::text is null or user_id = $2)"
VIEW = READ.replace("*", VIEWED)


async def read(connection: asyncpg.Connection, routine_id: UUID, owner: UserId | None, now: datetime) -> Routine | None:
    """A routine of `owner`; of anybody where that is `None`, for callers who may act for every person."""
    row = await connection.fetchrow(READ, routine_id, owner)
    return load_routine(row, now) if row else None


async def view(connection: asyncpg.Connection, routine_id: UUID, owner: UserId | None, now: datetime) -> Routine | None:
    """As `read`, to be shown: its plan is one of `view_plan`, as are those of a `page`."""
    row = await connection.fetchrow(VIEW, routine_id, owner)
    return view_routine(row, now) if row else None


PAGE = f"""
select {VIEWED} from routines
where user_id = $1 and ($2::timestamptz is null or (created_at, id) < ($2, $3::uuid))
order by created_at desc, id desc limit $4
"""  # noqa: S608 - columns of our own


async def page(
    connection: asyncpg.Connection, user_id: UserId, first: int, after: tuple[datetime, UUID] | None, now: datetime
) -> Page[Routine]:
    """A person's routines, newest first, from the one that follows `after`."""
    at, last_id = after or (None, None)
    rows = await connection.fetch(PAGE, user_id, at, last_id, first + 1)
    return Page(
        items=tuple(view_routine(row, now) for row in rows[:first]),
        cursor_of=_cursor_of,
        has_next=len(rows) > first,
        has_previous=after is not None,
    )


def _cursor_of(routine: Routine) -> str:
    return dump_cursor(routine.created_at, routine.id)


TAKE = """
update routines set attempt = attempt + 1, status = 'FETCHING'
where id = $1 and status in ('QUEUED', 'FETCHING', 'PLANNING')
returning *
"""


async def take(connection: asyncpg.Connection, routine_id: RoutineId, now: datetime) -> Attempt | None:
    """The next attempt at an unfinished routine; `None` when there is nothing left to do. Fences every earlier attempt."""
    row = await connection.fetchrow(TAKE, routine_id)
    return Attempt(load_routine(row, now), row["attempt"]) if row else None


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


FAIL = """
update routines set status = 'FAILED', failure = $3
where id = $1 and attempt = $2 and status in ('QUEUED', 'FETCHING', 'PLANNING')
returning id
"""


async def fail(connection: asyncpg.Connection, attempt: Attempt, problem: Problem) -> bool:
    """FAILED with its reason. False: somebody took over."""
    return await connection.fetchval(FAIL, attempt.routine.id, attempt.number, dump_failure(problem)) is not None


CANCEL = """
update routines set status = 'CANCELLED'
where id = $1 and user_id = $2 and status in ('QUEUED', 'FETCHING', 'PLANNING')
returning *
"""


async def cancel(connection: asyncpg.Connection, routine_id: RoutineId, user_id: UserId, now: datetime) -> Routine | None:
    """CANCELLED, and every attempt at it fenced. `None`, and nothing changed: it is final already."""
    row = await connection.fetchrow(CANCEL, routine_id, user_id)
    return load_routine(row, now) if row else None
