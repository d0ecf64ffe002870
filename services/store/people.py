"""People who were asked for: when, and how their data stands."""

from datetime import datetime

import asyncpg

from services.domain.ids import UserId

NOTE_ASKED = """
insert into people (user_id, first_asked_at, last_asked_at) values ($1, $2, $2)
on conflict (user_id) do update set last_asked_at = excluded.last_asked_at
where people.last_asked_at < excluded.last_asked_at - interval '1 minute'
"""


async def note_asked(connection: asyncpg.Connection, user_id: UserId, now: datetime) -> None:
    """Remember that this person's data was asked for; to the minute, so that reads in a row write once."""
    await connection.execute(NOTE_ASKED, user_id, now)


NOTE_LIVE = """
insert into people (user_id, first_asked_at, last_asked_at, last_live_at) values ($1, $2, $2, $2)
on conflict (user_id) do update set last_live_at = greatest(people.last_live_at, excluded.last_live_at)
"""


async def note_live_read(connection: asyncpg.Connection, user_id: UserId, now: datetime) -> None:
    """Remember that Sahha answered for this person."""
    await connection.execute(NOTE_LIVE, user_id, now)


WANT_SYNC = """
update people set sync_queued_at = $2
where user_id = $1 and (sync_queued_at is null or sync_queued_at <= $3)
returning user_id
"""


async def claim_sync(connection: asyncpg.Connection, user_id: UserId, now: datetime, not_since: datetime) -> bool:
    """True, at most once since `not_since`: the caller queues the person's sync in this transaction."""
    return await connection.fetchval(WANT_SYNC, user_id, now, not_since) is not None


LAST_LIVE = "select last_live_at from people where user_id = $1"


async def last_live_at(connection: asyncpg.Connection, user_id: UserId) -> datetime | None:
    return await connection.fetchval(LAST_LIVE, user_id)  # type: ignore[no-any-return]


ACTIVE = "select user_id from people where last_asked_at >= $1 and user_id > $2 order by user_id limit $3"


async def active(connection: asyncpg.Connection, asked_since: datetime, after: str, limit: int) -> list[UserId]:
    """A page of the people asked for since then, by id, from the one that follows `after`."""
    return [UserId(row["user_id"]) for row in await connection.fetch(ACTIVE, asked_since, after, limit)]


COUNT_ACTIVE = "select count(*) from people where last_asked_at >= $1"


async def count_active(connection: asyncpg.Connection, asked_since: datetime) -> int:
    return int(await connection.fetchval(COUNT_ACTIVE, asked_since))
