"""What every long-lived process does before its work: find its upstream, and see that its database is of this release."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import asyncpg
import structlog

from server.sandbox import Standin
from services.background import background, owned_task
from services.config import SAHHA_PRODUCTION_URL, Settings
from services.sahha.client import SahhaAccess
from services.store.migrations import MigrationError, migrate

PATIENCE_S = 5.0
"""A start waits this long for a migration that works or waits for another process; the platform wants to see a live process."""
AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)
POOLER_REFUSES = "unsupported startup parameter"

log = structlog.get_logger()


class StartError(Exception):
    """Why the process cannot start, in words that say what to do."""


def sahha_access(settings: Settings, standin: Standin | None) -> SahhaAccess:
    """Where Sahha is. Raises `StartError`."""
    if standin is not None:
        return standin.access
    if settings.sahha_client_id is None or settings.sahha_client_secret is None:
        raise StartError("SAHHA_CLIENT_ID and SAHHA_CLIENT_SECRET are missing.")
    return SahhaAccess(
        settings.sahha_base_url or SAHHA_PRODUCTION_URL,
        settings.sahha_client_id.get_secret_value(),
        settings.sahha_client_secret.get_secret_value(),
    )


@asynccontextmanager
async def migrated(database_url: str) -> AsyncIterator[None]:
    """Bring the schema up to date; beside the block where PostgreSQL is not there yet, or another process is at it for long.

    Until then the process is live and not ready. Raises `MigrationError` and `StartError` for what waiting does not mend.
    """
    async with owned_task(migrate(database_url), "migration") as first:
        await asyncio.wait({first}, timeout=PATIENCE_S)
        if first.done() and _done(first):
            yield
            return
        async with background(_migrate_when_reachable(first, database_url), "migrations"):
            yield


def _done(migration: asyncio.Task[list[str]]) -> bool:
    """Whether the schema is up to date; false where PostgreSQL could not be reached."""
    try:
        migration.result()
    except AWAY as error:
        if POOLER_REFUSES in str(error):
            raise StartError(
                "DATABASE_URL leads to a connection pooler such as PgBouncer, which does not take the settings of our sessions: "
                "point it at PostgreSQL itself."
            ) from error
        log.warning("[STARTUP] PostgreSQL cannot be reached yet", reason=type(error).__name__)
        return False
    return True


async def _migrate_when_reachable(attempt: Awaitable[list[str]], database_url: str) -> None:
    """Wait for this attempt and make others until one succeeds; also after a `MigrationError`, since that may be a lock."""
    while True:
        pause_s = 1.0
        try:
            await attempt
        except AWAY:
            pass
        except MigrationError as error:
            log.error("[STARTUP] The schema cannot be brought up to date", problem=str(error))  # noqa: TRY400 - it says all there is
            pause_s = 10.0
        else:
            log.info("[STARTUP] PostgreSQL is reachable and its schema is up to date")
            return
        await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))
        attempt = migrate(database_url)
