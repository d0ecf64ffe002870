"""Deleting much without holding anybody up."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import asyncpg

from services.store.database import Database

BATCH = 5000
"""Rows of one transaction."""
Prune: TypeAlias = Callable[[asyncpg.Connection, int], Awaitable[int]]
"""Deletes at most so many rows, in the caller's transaction; how many went."""


async def in_batches(database: Database, prune: Prune) -> int:
    """Call `prune` until nothing is left, each time in a transaction of its own; how many rows went."""
    total = 0
    while True:
        async with database.transaction() as connection:
            gone = await prune(connection, BATCH)
        total += gone
        if gone == 0:
            return total
