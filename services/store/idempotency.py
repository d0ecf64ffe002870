"""Idempotency keys: key, scope, fingerprint and result, in the transaction of the effect."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from services.domain.ids import RoutineId, UserId


@dataclass(frozen=True, slots=True)
class Claim:
    """What a key was first used for."""

    fingerprint: bytes
    routine_id: RoutineId


FIND = "select fingerprint, routine_id from idempotency_keys where user_id = $1 and operation = $2 and key = $3"


async def find(connection: asyncpg.Connection, user_id: UserId, operation: str, key: str) -> Claim | None:
    row = await connection.fetchrow(FIND, user_id, operation, key)
    return Claim(row["fingerprint"], RoutineId(row["routine_id"])) if row else None


CLAIM = """
insert into idempotency_keys (user_id, operation, key, fingerprint, routine_id, created_at)
values ($1, $2, $3, $4, $5, $6)
"""


async def claim(
    connection: asyncpg.Connection,
    user_id: UserId,
    operation: str,
    key: str,
    fingerprint: bytes,
    routine_id: UUID,
    at: datetime,
) -> None:
    """Bind a key that `find` did not find. The caller holds the person's row lock, so nobody else is between the two."""
    await connection.execute(CLAIM, user_id, operation, key, fingerprint, routine_id, at)


PRUNE = """
delete from idempotency_keys where (user_id, operation, key) in (
    select user_id, operation, key from idempotency_keys where created_at < $1 order by created_at limit $2
)
"""


async def prune(connection: asyncpg.Connection, before: datetime, limit: int) -> int:
    """Forget at most `limit` keys first used before `before`; the number of keys forgotten."""
    return int((await connection.execute(PRUNE, before, limit)).split()[-1])
