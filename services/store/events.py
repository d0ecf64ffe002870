"""Events of a person: append-only, ids in commit order, kept for 72 hours."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

import asyncpg

from services.domain.ids import EventId, RoutineId, UserId
from services.domain.routine import Planner, RoutineStatus, TimeBlock
from services.store.plan_document import dump_block
from services.store.stored_plans import load_block

CHANNEL = "firstlight_events"
"""PostgreSQL channel; the payload is the id of the person who has news."""


class EventKind(Enum):
    """READY and FAILED are for `planReady`, all are for `routineProgress`."""

    READY = "READY"
    FAILED = "FAILED"
    STAGE = "STAGE"
    BLOCK = "BLOCK"


ANNOUNCED = (EventKind.READY, EventKind.FAILED)


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to write. `payload` is what the routine's row does not tell."""

    kind: EventKind
    payload: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    id: EventId
    kind: EventKind
    at: datetime
    routine_id: RoutineId
    payload: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class EventBounds:
    """Ids above `floor` and up to `newest` can be read."""

    floor: EventId
    newest: EventId


@dataclass(frozen=True, slots=True)
class PublishedBlock:
    """A block as it was published."""

    block: TimeBlock
    planner: Planner
    revision: int
    final: bool


def stage(status: RoutineStatus, detail: str | None = None) -> NewEvent:
    return NewEvent(EventKind.STAGE, {"status": status.value, "detail": detail})


def block(published: PublishedBlock) -> NewEvent:
    return NewEvent(
        EventKind.BLOCK,
        {
            "block": dump_block(published.block),
            "planner": published.planner.value,
            "revision": published.revision,
            "final": published.final,
        },
    )


def load_published(payload: dict[str, Any], as_of: datetime) -> PublishedBlock:
    """The inverse of `block`."""
    return PublishedBlock(load_block(payload["block"], as_of), Planner(payload["planner"]), payload["revision"], payload["final"])


APPEND = """
with counter as (
    update people set event_seq = event_seq + $6 where user_id = $1 returning event_seq - $6 as before
), written as (
    insert into events (user_id, id, kind, routine_id, at, payload)
    select $1, before + new.ordinal, new.kind, $2, $3, new.payload
    from counter, unnest($4::text[], $5::jsonb[]) with ordinality as new(kind, payload, ordinal)
    returning id
)
select max(id) from written
"""
WAKE = "select pg_notify($1, $2)"


async def append(
    connection: asyncpg.Connection, user_id: UserId, routine_id: UUID, at: datetime, events: Sequence[NewEvent]
) -> EventId:
    """Write events and wake this person's subscribers when the transaction commits; the id of the last one.

    The person's row stays locked until then, so the ids of one person follow the order of commits.
    """
    kinds = [event.kind.value for event in events]
    payloads = [event.payload for event in events]
    newest = await connection.fetchval(APPEND, user_id, routine_id, at, kinds, payloads, len(events))
    await connection.execute(WAKE, CHANNEL, user_id)
    return EventId(newest)


ANNOUNCEMENTS = """
select id, kind, at, routine_id, payload from events
where user_id = $1 and id > $2 and kind in ('READY', 'FAILED') order by id limit $3
"""


async def announcements(connection: asyncpg.Connection, user_id: UserId, after: EventId, limit: int) -> list[StoredEvent]:
    """The routines of a person that became READY or FAILED after an event, oldest first."""
    return [_event(row) for row in await connection.fetch(ANNOUNCEMENTS, user_id, after, limit)]


PROGRESS = """
select id, kind, at, routine_id, payload from events
where user_id = $1 and id > $2 and routine_id = $3 and kind in ('READY', 'FAILED', 'STAGE', 'BLOCK') order by id limit $4
"""
"""Kinds that a newer release writes are passed over by this one."""


async def progress(
    connection: asyncpg.Connection, user_id: UserId, routine_id: RoutineId, after: EventId, limit: int
) -> list[StoredEvent]:
    """What happened to one routine after an event, oldest first."""
    return [_event(row) for row in await connection.fetch(PROGRESS, user_id, after, routine_id, limit)]


BOUNDS = "select events_floor, event_seq from people where user_id = $1"


async def bounds(connection: asyncpg.Connection, user_id: UserId) -> EventBounds:
    """What can be read of a person's events; zeros for a person never seen."""
    row = await connection.fetchrow(BOUNDS, user_id)
    return EventBounds(EventId(row["events_floor"]), EventId(row["event_seq"])) if row else EventBounds(EventId(0), EventId(0))


PRUNE = """
with old as (
    delete from events where (user_id, id) in (select user_id, id from events where at < $1 order by at limit $2)
    returning user_id, id
), floors as (
    select user_id, max(id) as id from old group by user_id
), raised as (
    update people set events_floor = greatest(events_floor, floors.id) from floors where people.user_id = floors.user_id
)
select count(*) from old
"""


async def prune(connection: asyncpg.Connection, before: datetime, limit: int) -> int:
    """Forget at most `limit` events older than `before`; the number of events forgotten."""
    return int(await connection.fetchval(PRUNE, before, limit))


def _event(row: asyncpg.Record) -> StoredEvent:
    return StoredEvent(EventId(row["id"]), EventKind(row["kind"]), row["at"], RoutineId(row["routine_id"]), row["payload"])
