"""People: when they were asked for, how their data stands, and who keeps it warm."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from services.domain.ids import UserId


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of a person's data. Each moment is `None` where there was none.

    `asked_at`: when it was last asked for, to ASKED_TO. `last_live_at`: the last whole live read. `covered_until`: what their
    device had sent by then is in what was read. `webhook_at`: the newest event of theirs. `offset`: that of their newest row.
    """

    user_id: UserId
    asked_at: datetime | None = None
    last_live_at: datetime | None = None
    covered_until: datetime | None = None
    device_seen_at: datetime | None = None
    webhook_at: datetime | None = None
    offset: timedelta | None = None


READ = """
select user_id, last_asked_at, last_live_at, covered_until, device_seen_at, webhook_at, offset_s from people where user_id = $1
"""


async def read(connection: asyncpg.Connection, user_id: UserId) -> Person:
    """One without any moment for a person never seen."""
    row = await connection.fetchrow(READ, user_id)
    return _person(row) if row else Person(user_id)


NOTE_ASKED = """
insert into people (user_id, first_asked_at, last_asked_at) values ($1, $2, $2)
on conflict (user_id) do update set
    first_asked_at = coalesce(people.first_asked_at, excluded.first_asked_at), last_asked_at = excluded.last_asked_at
where people.last_asked_at is null or people.last_asked_at < excluded.last_asked_at - $3::interval
"""
ASKED_TO = timedelta(minutes=1)
"""How exactly it is known when a person was asked for, so that reads in a row write once."""


async def note_asked(connection: asyncpg.Connection, user_id: UserId, now: datetime) -> None:
    """Remember that this person's data was asked for."""
    await connection.execute(NOTE_ASKED, user_id, now, ASKED_TO)


@dataclass(frozen=True, slots=True)
class Heard:
    """What an answer of Sahha tells of a person: `None` where it tells nothing. `whole_at`: when a read gave all of it."""

    whole_at: datetime | None = None
    covered_until: datetime | None = None
    device_seen_at: datetime | None = None
    webhook_at: datetime | None = None
    offset: timedelta | None = None


NOTE_HEARD = """
insert into people (user_id, last_live_at, covered_until, device_seen_at, webhook_at, offset_s) values ($1, $2, $3, $4, $5, $6)
on conflict (user_id) do update set
    last_live_at = greatest(people.last_live_at, excluded.last_live_at),
    covered_until = greatest(people.covered_until, excluded.covered_until),
    device_seen_at = greatest(people.device_seen_at, excluded.device_seen_at),
    webhook_at = greatest(people.webhook_at, excluded.webhook_at),
    offset_s = coalesce(excluded.offset_s, people.offset_s),
    refresh_failed_at = case when excluded.last_live_at is null then people.refresh_failed_at end,
    refresh_failure = case when excluded.last_live_at is null then people.refresh_failure end
"""


async def note_heard(connection: asyncpg.Connection, user_id: UserId, heard: Heard) -> None:
    """Remember what was told. The person's row stays locked until the transaction ends, so their archive has one writer."""
    offset_s = None if heard.offset is None else int(heard.offset.total_seconds())
    await connection.execute(
        NOTE_HEARD, user_id, heard.whole_at, heard.covered_until, heard.device_seen_at, heard.webhook_at, offset_s
    )


NEWS_AT = "select news_at from people where user_id = $1"


async def news_at(connection: asyncpg.Connection, user_id: UserId) -> datetime | None:
    """When something new or different was last stored of this person."""
    return await connection.fetchval(NEWS_AT, user_id)  # type: ignore[no-any-return]


NOTE_NEWS = "update people set news_at = greatest(news_at, $2) where user_id = $1"


async def note_news(connection: asyncpg.Connection, user_id: UserId, now: datetime) -> None:
    """Remember that something new or different arrived."""
    await connection.execute(NOTE_NEWS, user_id, now)


WANT_SYNC = """
update people set sync_queued_at = $2, sync_wanted_at = $2
where user_id = $1 and (sync_queued_at is null or sync_queued_at <= $3)
returning user_id
"""


async def claim_sync(connection: asyncpg.Connection, user_id: UserId, now: datetime, not_since: datetime) -> bool:
    """True, at most once since `not_since`: the caller queues the person's sync in this transaction."""
    return await connection.fetchval(WANT_SYNC, user_id, now, not_since) is not None


SYNC_WANTED = "select sync_wanted_at from people where user_id = $1"


async def sync_wanted_at(connection: asyncpg.Connection, user_id: UserId) -> datetime | None:
    """Since when a sync is wanted; `None`: it is not."""
    return await connection.fetchval(SYNC_WANTED, user_id)  # type: ignore[no-any-return]


SYNC_DONE = "update people set sync_wanted_at = null where user_id = $1 and sync_wanted_at is not distinct from $2 returning 1"


async def settle_sync(connection: asyncpg.Connection, user_id: UserId, wanted_at: datetime | None) -> bool:
    """The sync that was wanted then is done. False: it was wanted again in the meantime."""
    return await connection.fetchval(SYNC_DONE, user_id, wanted_at) is not None


LOST_SYNCS = """
select user_id from people
where sync_wanted_at < $1
  and not exists (select from pgqueuer where dedupe_key = 'sync:' || user_id)
order by sync_wanted_at limit $2
"""


async def lost_syncs(connection: asyncpg.Connection, wanted_before: datetime, limit: int) -> list[UserId]:
    """People whose sync is wanted and who have no job, not even a held one: it was wanted when the one before it just ended."""
    return [UserId(row["user_id"]) for row in await connection.fetch(LOST_SYNCS, wanted_before, limit)]


CLAIM_REFRESH = """
with due as (
    select user_id from people where last_asked_at >= $1 and (refresh_tick is null or refresh_tick < $2)
    limit $3 for update skip locked
)
update people set refresh_tick = $2 from due where people.user_id = due.user_id returning people.*
"""


async def claim_refresh(connection: asyncpg.Connection, asked_since: datetime, tick: datetime, limit: int) -> list[Person]:
    """Some of the people asked for since then whom nobody has taken for this tick yet: they are the caller's now."""
    return [_person(row) for row in await connection.fetch(CLAIM_REFRESH, asked_since, tick, limit)]


REFRESH_FAILED = "update people set refresh_failed_at = $2, refresh_failure = $3 where user_id = $1"


async def note_refresh_failure(connection: asyncpg.Connection, user_id: UserId, at: datetime, failure: str) -> None:
    """`failure` is the name of its kind."""
    await connection.execute(REFRESH_FAILED, user_id, at, failure)


COUNT_ACTIVE = "select count(*) from people where last_asked_at >= $1"


async def count_active(connection: asyncpg.Connection, asked_since: datetime) -> int:
    return int(await connection.fetchval(COUNT_ACTIVE, asked_since))


COUNT = "select count(*) from people"
PAGE = "select user_id from people where user_id > $1 order by user_id limit $2"


async def count(connection: asyncpg.Connection) -> int:
    """Everybody who was ever seen."""
    return int(await connection.fetchval(COUNT))


async def page(connection: asyncpg.Connection, after: str, limit: int) -> list[UserId]:
    """People by id, from the one that follows `after`."""
    return [UserId(row["user_id"]) for row in await connection.fetch(PAGE, after, limit)]


def _person(row: asyncpg.Record) -> Person:
    return Person(
        user_id=UserId(row["user_id"]),
        asked_at=row["last_asked_at"],
        last_live_at=row["last_live_at"],
        covered_until=row["covered_until"],
        device_seen_at=row["device_seen_at"],
        webhook_at=row["webhook_at"],
        offset=None if row["offset_s"] is None else timedelta(seconds=row["offset_s"]),
    )
