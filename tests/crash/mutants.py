"""The service with a promise taken out of it: `python -m tests.crash.mutants NAME serve|worker`. A run with one has to fail."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import asyncpg

from server.cli import app
from services import container
from services.store import routines
from services.store.database import Database

HASTE_S = 0.4


def without_fence() -> None:
    """Whoever made a plan writes it, whoever else has taken over or finished meanwhile."""
    routines.FENCE = "select from routines where id = $1 and $2::int > 0 for update"
    routines.READY = routines.READY.replace("and attempt = $2", "and $2::int > 0")


class HastyDatabase(Database):
    """Says that a transaction is committed, and commits it afterwards."""

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        opened = super().transaction()
        connection = await opened.__aenter__()
        try:
            yield connection
        except BaseException:
            await opened.__aexit__(*sys.exc_info())
            raise
        late = asyncio.ensure_future(_commit_late(opened))
        LATE.add(late)
        late.add_done_callback(LATE.discard)


LATE: set[asyncio.Future[None]] = set()


async def _commit_late(opened: AbstractAsyncContextManager[asyncpg.Connection]) -> None:
    await asyncio.sleep(HASTE_S)
    await opened.__aexit__(None, None, None)


def hasty() -> None:
    """A request is acknowledged before it is durable."""
    setattr(container, "Database", HastyDatabase)  # noqa: B010 - what the container builds services on


MUTANTS: dict[str, Callable[[], None]] = {"without-fence": without_fence, "hasty": hasty}


if __name__ == "__main__":
    MUTANTS[sys.argv.pop(1)]()
    app()
