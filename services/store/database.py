"""The database: one pool, and one place that knows which of its failures mean "not now".

`databases` owns the pool's life. Its own transactions and connections are not used: they lose a connection when a COMMIT fails or
a task is cancelled at the wrong moment. Callers get the asyncpg connection and hand it on as an argument; nothing that waits for
anything but the database belongs inside.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Self, TypeVar

import asyncpg
import databases
import orjson
import structlog

from services.clock import Clock
from services.errors import Unavailable

T = TypeVar("T")

log = structlog.get_logger()

ACQUIRE_TIMEOUT_S = 1.0
"""For a free or new connection; asyncpg allows the same for giving it back."""
PING_TIMEOUT_S = 1.0
DISCONNECT_TIMEOUT_S = 5.0
COMMAND_MARGIN_S = 0.5
"""Past the server's own statement timeout: a server that does not keep it does not answer at all."""
IDLE_IN_TRANSACTION_TIMEOUT_MS = 10_000
JSONB_VERSION = b"\x01"
"""Stands before the text in PostgreSQL's binary form of jsonb."""

PASSING_CLASSES = ("08", "53", "57P", "58")
"""SQLSTATE: connection, resources (disk, memory, connections), operator intervention, system errors."""
PASSING_STATES = frozenset(
    {
        "25006",  # read-only: a standby that takes over
        "25P03",  # idle in transaction for too long
        "25P04",  # transaction timeout
        "40001",  # serialisation failure
        "40P01",  # deadlock
        "55P03",  # lock timeout
        "57014",  # statement timeout
    }
)


WRITES_REFUSED = frozenset({"25006", "53100"})
"""SQLSTATE: read-only, disk full. What is stored can still be read."""
REFUSAL_REMEMBERED_S = 30.0


def store_unavailable(error: BaseException) -> bool:
    """Whether this failure says that the database is away, overloaded or too slow: the same call may succeed later."""
    if isinstance(error, asyncpg.PostgresError):
        state = str(error.sqlstate)
        # A statement that was prepared before a migration: the next attempt prepares it anew.
        stale = isinstance(error, asyncpg.InvalidCachedStatementError)
        return stale or state in PASSING_STATES or state.startswith(PASSING_CLASSES)
    if isinstance(error, asyncpg.InterfaceError):
        return _lost_connection(error)
    # TimeoutError is an OSError, as are a refused, reset or missing socket.
    return isinstance(error, OSError | asyncpg.InternalClientError)


def _lost_connection(error: asyncpg.InterfaceError) -> bool:
    """A misuse of asyncpg has the same type as a lost connection, which also hides what was lost: a rollback fails on it."""
    if type(error) is not asyncpg.InterfaceError:
        return False
    hidden = error.__cause__ or error.__context__
    return "clos" in str(error) or (hidden is not None and store_unavailable(hidden))


class Database:
    """A pool of at most `pool_size` connections, opened when they are needed: the database may come later than we do.

    Every failure that `store_unavailable` knows is raised as `Unavailable`, within about ACQUIRE_TIMEOUT_S plus the timeout of
    the statement. After an `Unavailable` of a commit its outcome is not known.
    """

    def __init__(
        self,
        url: str,
        pool_size: int = 10,
        application_name: str = "firstlight",
        *,
        statement_timeout_ms: int = 2000,
        lock_timeout_ms: int = 1000,
    ) -> None:
        # asyncpg reads the URL itself: `databases` would pass over sslmode and whatever else libpq's URLs may hold.
        self._database = databases.Database(
            url,
            dsn=url,
            host=None,
            port=None,
            user=None,
            password=None,
            database=None,
            min_size=0,
            max_size=pool_size,
            command_timeout=statement_timeout_ms / 1000 + COMMAND_MARGIN_S,
            init=_prepare_connection,
            reset=_nothing_to_reset,
            server_settings={
                "application_name": application_name,
                "statement_timeout": str(statement_timeout_ms),
                "lock_timeout": str(lock_timeout_ms),
                "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_TIMEOUT_MS),
            },
        )
        self._pool: asyncpg.Pool | None = None
        self._refused_at: float | None = None

    @property
    def writes_refused(self) -> bool:
        """Within the last REFUSAL_REMEMBERED_S the database took no write, being read-only or full, while it may well be read."""
        return self._refused_at is not None and Clock.monotonic() - self._refused_at < REFUSAL_REMEMBERED_S

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, url: str, pool_size: int = 10, application_name: str = "firstlight", *, statement_timeout_ms: int = 2000
    ) -> AsyncIterator[Self]:
        """A connected database, disconnected on exit."""
        database = cls(url, pool_size, application_name, statement_timeout_ms=statement_timeout_ms)
        await database.connect()
        try:
            yield database
        finally:
            await database.disconnect()

    async def connect(self) -> None:
        """Opens the pool, once. Does not speak to the database: `ping` does."""
        await self._database.connect()
        # No public name exists for the pool, and the connections of `databases` break when a cancellation meets their return.
        self._pool = self._database._backend._pool  # noqa: SLF001

    async def disconnect(self) -> None:
        """Waits up to DISCONNECT_TIMEOUT_S for connections that are in use, then cuts them off."""
        self._pool = None
        try:
            async with asyncio.timeout(DISCONNECT_TIMEOUT_S):
                await self._database.disconnect()
        except TimeoutError:
            log.warning("Connections to the database were cut off in use", waited_s=DISCONNECT_TIMEOUT_S)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the pool, each statement a transaction of its own. jsonb goes in and comes out as Python values."""
        pool = self._pool
        if pool is None:
            raise Unavailable
        try:
            connection = await pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
            try:
                yield connection
            except asyncpg.InterfaceError as error:
                if _ended(connection):
                    raise Unavailable from error
                raise
            finally:
                await _give_back(pool, connection)
        except Exception as error:
            # `disconnect` takes connections away from those who hold one.
            taken_away = self._pool is not pool and isinstance(error, asyncpg.InterfaceError)
            if getattr(error, "sqlstate", None) in WRITES_REFUSED:
                self._refused_at = Clock.monotonic()
            if taken_away or store_unavailable(error):
                raise Unavailable from error
            raise

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection in a transaction, committed on leaving and rolled back on an exception. Repeats nothing itself."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def read(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """What `work` reads, asked once more where its connection broke meanwhile: for statements that change nothing."""
        try:
            async with self.connection() as connection:
                return await work(connection)
        except Unavailable as error:
            if not _broke(error.__cause__):
                raise
        async with self.connection() as connection:
            return await work(connection)

    async def ping(self) -> None:
        """Returns when the database answers. Raises `Unavailable`."""
        async with self.connection() as connection:
            await connection.fetchval("select 1", timeout=PING_TIMEOUT_S)


def _ended(connection: asyncpg.Connection) -> bool:
    """Whether a connection that is still held has ended: asyncpg takes it away from its holder, as it does on giving it back."""
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True


def _broke(error: BaseException | None) -> bool:
    """Whether a connection ended under a statement. A database that is too slow or too busy is not asked again at once."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate).startswith(("08", "57P"))
    return isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError | ConnectionError)


async def _give_back(pool: asyncpg.Pool, connection: asyncpg.Connection) -> None:
    """A connection that cannot be reset is closed by the pool; what was done with it stays done."""
    try:
        await pool.release(connection)
    except Exception as error:
        if not store_unavailable(error):
            raise
        log.warning("A connection to the database broke when it was given back", reason=type(error).__name__)


async def _nothing_to_reset(_connection: asyncpg.Connection) -> None:
    """Spares each use of a connection the round trip of asyncpg's own reset.

    In this pool nothing is set, listened to or locked but for the length of a transaction, and one that is open is rolled back
    all the same.
    """


async def _prepare_connection(connection: asyncpg.Connection) -> None:
    # In binary, so that a whole row can be read as one value: asyncpg has no text form for a row that holds text codecs.
    for name, mark in (("json", b""), ("jsonb", JSONB_VERSION)):
        await connection.set_type_codec(
            name, schema="pg_catalog", format="binary", encoder=partial(_encode, mark), decoder=partial(_decode, mark)
        )


def _encode(mark: bytes, value: Any) -> bytes:  # noqa: ANN401 - whatever JSON can hold
    """Text is JSON already: pgqueuer brings its own."""
    return mark + (value.encode() if isinstance(value, str) else orjson.dumps(value))


def _decode(mark: bytes, value: bytes) -> Any:  # noqa: ANN401 - whatever JSON can hold
    return orjson.loads(value[len(mark) :])
