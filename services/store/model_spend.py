"""Tokens of the model by UTC day: of each person, and of everybody. Both are checked and raised together or not at all."""

from datetime import date

import asyncpg

from services.domain.ids import UserId

PERSON = """
insert into model_spend (day, user_id, tokens)
select $1, user_id, $3 from people where user_id = $2 and $3::bigint <= $4::bigint
on conflict (day, user_id) do update set tokens = model_spend.tokens + excluded.tokens
where model_spend.tokens + excluded.tokens <= $4
returning tokens
"""
EVERYBODY = """
insert into model_spend_total (day, tokens)
select $1, $2 where $2::bigint <= $3::bigint
on conflict (day) do update set tokens = model_spend_total.tokens + excluded.tokens
where model_spend_total.tokens + excluded.tokens <= $3
returning tokens
"""


async def reserve_person(connection: asyncpg.Connection, user_id: UserId, day: date, tokens: int, most: int) -> bool:
    """Set tokens aside for a person.

    False, and nothing changed: with them the day would hold more than `most`, or the person is not known, or no longer.
    """
    return await connection.fetchval(PERSON, day, user_id, tokens, most) is not None


async def reserve_total(connection: asyncpg.Connection, day: date, tokens: int, most: int) -> bool:
    """As `reserve_person`, for everybody together. Comes last in its transaction: all callers meet in this row."""
    return await connection.fetchval(EVERYBODY, day, tokens, most) is not None


CORRECT_PERSON = "update model_spend set tokens = greatest(0, tokens + $3) where day = $1 and user_id = $2"
CORRECT_TOTAL = "update model_spend_total set tokens = greatest(0, tokens + $2) where day = $1"


async def correct(connection: asyncpg.Connection, user_id: UserId, day: date, by: int) -> None:
    """Add to what was set aside, or take from it. A person who was erased meanwhile stays erased."""
    await connection.execute(CORRECT_PERSON, day, user_id, by)
    await connection.execute(CORRECT_TOTAL, day, by)


SPENT = """
select
    coalesce((select tokens from model_spend where day = $1 and user_id = $2), 0) as person,
    coalesce((select tokens from model_spend_total where day = $1), 0) as everybody
"""


async def spent(connection: asyncpg.Connection, user_id: UserId, day: date) -> tuple[int, int]:
    """Tokens of the day: of this person, and of everybody."""
    row = await connection.fetchrow(SPENT, day, user_id)
    return row["person"], row["everybody"]


PRUNE = """
delete from model_spend where (day, user_id) in (select day, user_id from model_spend where day < $1 order by day limit $2)
"""
PRUNE_TOTAL = (
    "delete from model_spend_total where day in (select day from model_spend_total where day < $1 order by day limit $2)"
)


async def prune(connection: asyncpg.Connection, before: date, limit: int) -> int:
    """Forget days before this one, at most `limit` rows of each kind; how many rows went."""
    gone = [await connection.execute(statement, before, limit) for statement in (PRUNE, PRUNE_TOTAL)]
    return sum(int(tag.rpartition(" ")[2]) for tag in gone)
