"""The inbox of Sahha's events: what was acknowledged is here until it is applied."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from services.domain.ids import UserId


@dataclass(frozen=True, slots=True)
class InboxEvent:
    """An event as it came. `digest` is equal for the same event of the same person and nothing else.

    `kept_for`: why it is not to be applied but kept; `None`: it waits to be applied.
    """

    user_id: UserId
    event_type: str
    body: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    received_at: datetime
    kept_for: str | None = None


@dataclass(frozen=True, slots=True)
class WaitingEvent:
    id: int
    event_type: str
    body: bytes = field(repr=False)
    received_at: datetime


PUT = """
insert into webhook_inbox (user_id, event_type, body, digest, received_at, kept_for)
select * from unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[], $5::timestamptz[], $6::text[])
on conflict (digest) do nothing
returning digest
"""
COUNT = """
insert into webhook_counts (minute, event_type, fate, events)
select * from unnest($1::timestamptz[], $2::text[], $3::text[], $4::bigint[])
on conflict (minute, event_type, fate) do update set events = webhook_counts.events + excluded.events
"""


async def put(connection: asyncpg.Connection, events: Sequence[InboxEvent]) -> set[bytes]:
    """Write those that are not here already; their digests."""
    rows = ((each.user_id, each.event_type, each.body, each.digest, each.received_at, each.kept_for) for each in events)
    return {row["digest"] for row in await connection.fetch(PUT, *zip(*rows, strict=True))}


async def count(connection: asyncpg.Connection, fates: Iterable[tuple[datetime, str, str]]) -> None:
    """Add events, as moment, type and fate, to their minute's counts."""
    counted = Counter((at.replace(second=0, microsecond=0), event_type, fate) for at, event_type, fate in fates)
    rows = sorted((*key, events) for key, events in counted.items())
    if rows:
        await connection.execute(COUNT, *zip(*rows, strict=True))


NEWEST = "select id from webhook_inbox where kept_for is null order by id desc limit 1"
TAKE_PERSON = """
select user_id from webhook_inbox where kept_for is null and id <= $1 order by id limit 1 for update skip locked
"""
TAKE = """
select id, event_type, body, received_at from webhook_inbox
where user_id = $1 and kept_for is null and id <= $2 order by id limit $3 for update skip locked
"""


async def newest_waiting(connection: asyncpg.Connection) -> int | None:
    """The number of the event that came last of those that wait; `None` when none does."""
    return await connection.fetchval(NEWEST)  # type: ignore[no-any-return]


async def take(connection: asyncpg.Connection, up_to: int, limit: int) -> tuple[UserId, list[WaitingEvent]] | None:
    """Somebody's waiting events up to a number, the oldest first, locked until the transaction ends; `None`: none is left."""
    user_id = await connection.fetchval(TAKE_PERSON, up_to)
    if user_id is None:
        return None
    rows = await connection.fetch(TAKE, user_id, up_to, limit)
    return UserId(user_id), [WaitingEvent(row["id"], row["event_type"], row["body"], row["received_at"]) for row in rows]


DONE = "delete from webhook_inbox where user_id = $1 and id = any($2::bigint[])"
KEEP = "update webhook_inbox set kept_for = $3 where user_id = $1 and id = any($2::bigint[])"


async def settle(connection: asyncpg.Connection, user_id: UserId, ids: Sequence[int]) -> None:
    """These are applied and go."""
    await connection.execute(DONE, user_id, ids)


async def keep(connection: asyncpg.Connection, user_id: UserId, ids: Sequence[int], reason: str) -> None:
    """These are not applied; they stay to be looked at, and wait no more."""
    await connection.execute(KEEP, user_id, ids, reason)


COUNT_SINCE = "select coalesce(sum(events), 0) from webhook_counts where minute >= $1 and ($2::text is null or fate = $2)"
COUNT_WAITING = "select count(*) from webhook_inbox where kept_for is null"


async def events_since(connection: asyncpg.Connection, since: datetime, fate: str | None = None) -> int:
    """How many events came since then, to the minute; with `fate`, of that fate alone."""
    return int(await connection.fetchval(COUNT_SINCE, since, fate))


async def waiting(connection: asyncpg.Connection) -> int:
    """How many events are acknowledged and not yet applied."""
    return int(await connection.fetchval(COUNT_WAITING))
