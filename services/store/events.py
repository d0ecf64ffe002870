"""Events of a person: append-only, ids in commit order, kept for 72 hours."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

import asyncpg

from services.domain.ids import EventId, RoutineId, UserId

CHANNEL = "firstlight_events"
"""PostgreSQL channel; the payload is the id of the person who has news."""


class EventKind(Enum):
    READY = "READY"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class StoredEvent:
    id: EventId
    at: datetime
    routine_id: RoutineId


@dataclass(frozen=True, slots=True)
class EventBounds:
    """Ids above `floor` and up to `newest` can be read."""

    floor: EventId
    newest: EventId


APPEND = """
with counter as (
    update people set event_seq = event_seq + 1 where user_id = $1 returning event_seq
), event as (
    insert into events (user_id, id, kind, routine_id, at) select $1, event_seq, $2, $3, $4 from counter returning id
)
select id, pg_notify($5, $1) from event
"""


async def append(connection: asyncpg.Connection, user_id: UserId, kind: EventKind, routine_id: UUID, at: datetime) -> EventId:
    """Write an event and wake this person's subscribers when the transaction commits.

    The person's row stays locked until then, so the ids of one person follow the order of commits.
    """
    return EventId(await connection.fetchval(APPEND, user_id, kind.value, routine_id, at, CHANNEL))


AFTER = "select id, at, routine_id from events where user_id = $1 and id > $2 order by id limit $3"


async def after(connection: asyncpg.Connection, user_id: UserId, event_id: EventId, limit: int) -> list[StoredEvent]:
    """The events of a person that follow `event_id`, oldest first."""
    rows = await connection.fetch(AFTER, user_id, event_id, limit)
    return [StoredEvent(EventId(row["id"]), row["at"], RoutineId(row["routine_id"])) for row in rows]


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
