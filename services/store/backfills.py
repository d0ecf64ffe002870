"""How far back each person's past was fetched."""

from dataclasses import dataclass
from datetime import date, datetime

import asyncpg

from services.domain.ids import UserId


@dataclass(frozen=True, slots=True)
class Backfilled:
    """All days from `newest_day` down to `oldest_day` were fetched; none yet where that is `None`."""

    newest_day: date
    oldest_day: date | None


BEGIN = """
insert into backfills (user_id, newest_day, updated_at) values ($1, $2, $3)
on conflict (user_id) do update set updated_at = excluded.updated_at
returning newest_day, oldest_day
"""
ADVANCE = "update backfills set oldest_day = least(oldest_day, $2), failure = null, updated_at = $3 where user_id = $1"
FAIL = "update backfills set failure = $2, updated_at = $3 where user_id = $1"


async def begin(connection: asyncpg.Connection, user_id: UserId, today: date, now: datetime) -> Backfilled:
    """Where this person's backfill stands; one that never began does so today."""
    row = await connection.fetchrow(BEGIN, user_id, today, now)
    return Backfilled(row["newest_day"], row["oldest_day"])


async def advance(connection: asyncpg.Connection, user_id: UserId, oldest_day: date, now: datetime) -> None:
    """All days down to `oldest_day` are stored."""
    await connection.execute(ADVANCE, user_id, oldest_day, now)


async def fail(connection: asyncpg.Connection, user_id: UserId, failure: str, now: datetime) -> None:
    """`failure` is the name of its kind."""
    await connection.execute(FAIL, user_id, failure, now)
