"""The schema's history: files `NNNN_name.sql` beside this one, applied once each, in order, forward only.

The tables of the queue are pgqueuer's own and made by its own code, before ours.
"""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import asyncpg
import structlog
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.queries import Queries

from services.clock import Clock

log = structlog.get_logger()

FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
QUEUE = "pgqueuer"

ADVISORY_KEY = 0x66697273746C6967
"""The bytes of "firstlig": whoever holds this advisory lock migrates, all others wait."""
WAIT_FOR_OTHERS_S = 120.0
POLL_S = 0.2
CONNECT_TIMEOUT_S = 10
STATEMENT_TIMEOUT_S = 600
LOCK_TIMEOUT_MS = 3000
LOCK_ATTEMPTS = 5
LOCK_PAUSE_S = 1.0

CREATE_HISTORY = """
create table if not exists schema_migrations (
    version int primary key,
    name text not null,
    sha256 text not null,
    applied_at timestamptz not null default now()
);
create table if not exists schema_components (
    name text primary key,
    version text not null,
    installed_at timestamptz not null default now()
)
"""
HISTORY_EXISTS = "select to_regclass('schema_migrations') is not null and to_regclass('schema_components') is not null"
APPLIED = "select version, sha256 from schema_migrations"
RECORD_MIGRATION = "insert into schema_migrations (version, name, sha256) values ($1, $2, $3)"
COMPONENT = "select version from schema_components where name = $1"
RECORD_COMPONENT = """
insert into schema_components (name, version) values ($1, $2)
on conflict (name) do update set version = excluded.version, installed_at = now()
"""


class MigrationError(Exception):
    """The schema cannot be brought up to date. The text names the file and holds no data."""


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(folder: Traversable | Path | None = None) -> list[Migration]:
    """The migrations of a folder, by default those of this package, in order. Raises `MigrationError` on a gap or a double."""
    source = files(__name__) if folder is None else folder
    found = []
    for entry in sorted(source.iterdir(), key=lambda each: each.name):
        if entry.name.endswith(".sql"):
            match = FILE_NAME.fullmatch(entry.name)
            if match is None:
                raise MigrationError(f"{entry.name} is not named NNNN_name.sql")
            found.append(Migration(int(match.group(1)), entry.name, entry.read_text("utf-8")))
    for expected, migration in enumerate(found, start=1):
        if migration.number != expected:
            raise MigrationError(f"{migration.name} stands where number {expected:04d} belongs")
    return found


def queue_release() -> str:
    """The release of pgqueuer whose tables this code uses."""
    return version(QUEUE)


async def migrate(url: str, *, folder: Traversable | Path | None = None) -> list[str]:
    """Brings the database up to date and returns the names of what was applied, an empty list if nothing was.

    Safe to run by many at once, and again after a kill: each file is one transaction. Raises `MigrationError`, and whatever
    asyncpg raises when the database cannot be reached.
    """
    migrations = read_migrations(folder)
    connection = await asyncpg.connect(
        url,
        timeout=CONNECT_TIMEOUT_S,
        command_timeout=STATEMENT_TIMEOUT_S,
        server_settings={"application_name": "firstlight-migrate", "lock_timeout": str(LOCK_TIMEOUT_MS)},
    )
    try:
        await _wait_for_turn(connection)
        return await _apply_all(connection, migrations)
    finally:
        # Closing the session lets the advisory lock go.
        await connection.close(timeout=CONNECT_TIMEOUT_S)


async def pending(connection: asyncpg.Connection, *, folder: Traversable | Path | None = None) -> list[str]:
    """What `migrate` would apply: file names, and `pgqueuer N` where the queue's tables are missing or of an older release.

    Empty means that this code may use the database, also one that a newer release has migrated further. Raises `MigrationError`
    where the history and the files contradict each other.
    """
    migrations = read_migrations(folder)
    if not await connection.fetchval(HISTORY_EXISTS):
        return [f"{QUEUE} {queue_release()}", *(each.name for each in migrations)]
    waiting = [each.name for each in await _unapplied(connection, migrations)]
    return waiting if await _queue_fits(connection) else [f"{QUEUE} {queue_release()}", *waiting]


async def _wait_for_turn(connection: asyncpg.Connection) -> None:
    """Asks again and again: a waiter inside `pg_advisory_lock` would deadlock with `create index concurrently`."""
    deadline = Clock.monotonic() + WAIT_FOR_OTHERS_S
    while not await connection.fetchval("select pg_try_advisory_lock($1)", ADVISORY_KEY):
        if Clock.monotonic() > deadline:
            raise MigrationError(f"Another process has been migrating this database for {WAIT_FOR_OTHERS_S:.0f} s")
        await asyncio.sleep(POLL_S)


async def _apply_all(connection: asyncpg.Connection, migrations: Sequence[Migration]) -> list[str]:
    await connection.execute(CREATE_HISTORY)
    # Read before anything is changed: a history that contradicts the files changes nothing.
    waiting = await _unapplied(connection, migrations)
    applied = []
    if not await _queue_fits(connection):
        await _retrying_locks(lambda: _install_queue(connection), QUEUE)
        applied.append(f"{QUEUE} {queue_release()}")
    for migration in waiting:
        await _retrying_locks(lambda: _apply(connection, migration), migration.name)  # noqa: B023 - awaited before the next one
        applied.append(migration.name)
    if applied:
        log.info("Database migrated", applied=applied)
    return applied


async def _unapplied(connection: asyncpg.Connection, migrations: Sequence[Migration]) -> list[Migration]:
    """Those not yet in the history. Numbers in it that we do not know are of a newer release, and fine."""
    history = {row["version"]: row["sha256"] for row in await connection.fetch(APPLIED)}
    for migration in migrations:
        if history.get(migration.number, migration.sha256) != migration.sha256:
            raise MigrationError(f"{migration.name} was changed after it was applied to this database")
    waiting = [each for each in migrations if each.number not in history]
    if waiting and history and waiting[0].number < max(history):
        raise MigrationError(f"{waiting[0].name} was not applied, and later ones were")
    return waiting


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.sql)
        await connection.execute(RECORD_MIGRATION, migration.number, migration.name, migration.sha256)


async def _install_queue(connection: asyncpg.Connection) -> None:
    """Creates or converges pgqueuer's tables, statement by statement as its enums demand; a run after a kill finishes it."""
    await Queries(AsyncpgDriver(connection)).upgrade()
    await connection.execute(RECORD_COMPONENT, QUEUE, queue_release())


async def _queue_fits(connection: asyncpg.Connection) -> bool:
    """Whether the queue's tables are of our release or a newer one: pgqueuer's releases run on newer tables."""
    recorded = await connection.fetchval(COMPONENT, QUEUE)
    return recorded is not None and _numbers(recorded) >= _numbers(queue_release())


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", release)[:3])


async def _retrying_locks(step: Callable[[], Awaitable[None]], name: str) -> None:
    """Gives way to the traffic: a lock that is not free within LOCK_TIMEOUT_MS is let go and asked for again later."""
    for attempt in range(1, LOCK_ATTEMPTS + 1):
        try:
            await step()
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            if attempt == LOCK_ATTEMPTS:
                raise MigrationError(f"{name}: a lock was not free in {LOCK_ATTEMPTS} attempts") from error
            log.warning("Migration waits for a lock", name=name, attempt=attempt)
            await asyncio.sleep(LOCK_PAUSE_S)
        else:
            return
