"""Every way in which the database can be away, made with a real one."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from services.errors import Unavailable
from services.store.database import Database, store_unavailable
from services.store.embedded import embedded_postgres


@pytest_asyncio.fixture
async def database(empty_database_url: str) -> AsyncIterator[Database]:
    async with Database.opened(empty_database_url, 3, "test", statement_timeout_ms=500) as opened:
        yield opened


async def one(database: Database, sql: str = "select 1") -> object:
    async with database.connection() as connection:
        return await connection.fetchval(sql)


async def in_transaction(database: Database, *statements: str) -> None:
    async with database.transaction() as connection:
        for sql in statements:
            await connection.execute(sql)


async def lose_session(database: Database, admin: asyncpg.Connection, *statements: str) -> None:
    """A transaction whose session is ended before these statements and its COMMIT."""
    async with database.transaction() as connection:
        await admin.execute("select pg_terminate_backend($1, 5000)", await connection.fetchval("select pg_backend_pid()"))
        for sql in statements:
            await connection.execute(sql)


async def test_a_transaction_commits_or_leaves_nothing(database: Database) -> None:
    await one(database, "create table t (value jsonb)")
    async with database.transaction() as connection:
        await connection.execute("insert into t values ($1)", {"at": [1, None, "x"]})
    with pytest.raises(asyncpg.DivisionByZeroError):
        await in_transaction(database, "insert into t values ('{}')", "select 1 / 0")
    async with database.connection() as connection:
        assert [row["value"] for row in await connection.fetch("select value from t")] == [{"at": [1, None, "x"]}]


async def test_mistakes_of_a_caller_are_not_called_unavailable(database: Database) -> None:
    with pytest.raises(asyncpg.UndefinedTableError):
        await one(database, "select * from absent")
    with pytest.raises(asyncpg.DataError):
        async with database.connection() as connection:
            await connection.fetchval("select $1::int", "text")
    async with database.connection() as connection:
        released = connection
    with pytest.raises(asyncpg.InterfaceError) as misuse:
        await released.fetchval("select 1")
    assert not store_unavailable(misuse.value)


async def test_a_full_pool_is_unavailable_within_a_second(database: Database) -> None:
    async with database.connection(), database.connection(), database.connection():
        started = asyncio.get_running_loop().time()
        with pytest.raises(Unavailable):
            await database.ping()
        assert asyncio.get_running_loop().time() - started < 2
    await database.ping()


async def test_slow_statements_and_locks_are_unavailable(database: Database) -> None:
    with pytest.raises(Unavailable):
        await one(database, "select pg_sleep(5)")
    await one(database, "create table t (id int)")
    async with database.transaction() as holder:
        await holder.execute("lock table t")
        with pytest.raises(Unavailable):
            await one(database, "select * from t")


async def test_terminated_sessions_are_unavailable_in_use_and_invisible_when_idle(
    database: Database, admin: asyncpg.Connection
) -> None:
    with pytest.raises(Unavailable) as lost:
        await lose_session(database, admin, "select 1")
    assert lost.value.retryable
    idle = await one(database, "select pg_backend_pid()")
    await admin.execute("select pg_terminate_backend($1, 5000)", idle)
    await asyncio.sleep(0.05)
    assert await one(database) == 1


async def test_a_lost_commit_is_unavailable(database: Database, admin: asyncpg.Connection) -> None:
    with pytest.raises(Unavailable):
        await lose_session(database, admin)
    await database.ping()


async def test_read_only_and_deadlock_are_unavailable(database: Database) -> None:
    await one(database, "create table t (id int primary key)")
    await one(database, "insert into t values (1), (2)")
    with pytest.raises(Unavailable):
        await in_transaction(database, "set transaction read only", "insert into t values (3)")

    async def update(first: int, second: int, met: asyncio.Barrier) -> None:
        async with database.transaction() as connection:
            await connection.execute("set local deadlock_timeout = '10ms'")
            await connection.execute("update t set id = id where id = $1", first)
            await met.wait()
            await connection.execute("update t set id = id where id = $1", second)

    met = asyncio.Barrier(2)
    results = await asyncio.gather(update(1, 2, met), update(2, 1, met), return_exceptions=True)
    assert [type(result) for result in results if result is not None] == [Unavailable]


async def test_too_many_connections_are_unavailable(database: Database, admin: asyncpg.Connection) -> None:
    name = await one(database, "select current_database()")
    await admin.execute(f"alter database {name} connection limit 0")
    # A superuser is not limited: a login without rights is.
    await admin.execute(f"create role {name} login password 'invented'")
    try:
        url = str(database._database.url.replace(username=name, password="invented", hostname=""))
        async with Database.opened(url, 2, "test") as limited:
            with pytest.raises(Unavailable):
                await limited.ping()
    finally:
        await admin.execute(f"drop role {name}")


async def test_a_stopped_backend_costs_its_own_query_only(database: Database) -> None:
    async with database.connection() as connection:
        pid = await connection.fetchval("select pg_backend_pid()")
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(TimeoutError) as timeout:
                await connection.fetchval("select 1")
            assert store_unavailable(timeout.value)
            assert await one(database) == 1
        finally:
            os.kill(pid, signal.SIGCONT)
    await database.ping()


async def test_a_cancelled_task_gives_its_connection_back(database: Database) -> None:
    async def work(delay_s: float) -> None:
        async with asyncio.timeout(delay_s), database.transaction() as connection:
            await connection.execute("select pg_sleep(0.003)")

    for step in range(120):
        await asyncio.gather(*(work(step * 0.0001) for _ in range(3)), return_exceptions=True)
    async with database.connection(), database.connection(), database.connection() as last:
        assert await last.fetchval("select 1") == 1


def nowhere(tmp_path: Path) -> str:
    return f"postgresql://nobody@/absent?host={tmp_path}&port=5432"


def refused(_: Path) -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"postgresql://nobody@127.0.0.1:{free.getsockname()[1]}/absent"


@pytest.mark.parametrize("url_of", [nowhere, refused])
async def test_an_absent_server_is_unavailable(tmp_path: Path, url_of: Callable[[Path], str]) -> None:
    async with Database.opened(url_of(tmp_path), 2, "test") as absent:
        with pytest.raises(Unavailable):
            await absent.ping()
    with pytest.raises(Unavailable):
        await absent.ping()


async def hit(database: Database, pid: int, number: int) -> None:
    """Sends the server a signal under an open transaction."""
    async with database.transaction() as connection:
        os.kill(pid, number)
        await connection.fetchval("select pg_sleep(2)")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL])
async def test_a_restarted_server_is_found_again(open_folder: Path, number: signal.Signals) -> None:
    async with AsyncExitStack() as stack:
        async with embedded_postgres(open_folder / "data") as server:
            database = await stack.enter_async_context(Database.opened(server.url, 2, "test", statement_timeout_ms=1000))
            await database.ping()
            with pytest.raises(Unavailable):
                await hit(database, server.pid, number)
            with pytest.raises(Unavailable):
                await database.ping()
        async with embedded_postgres(open_folder / "data"):
            await database.ping()


async def test_a_connection_that_is_never_given_back_does_not_hold_up_the_end(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.store.database.DISCONNECT_TIMEOUT_S", 0.2)
    database = Database(empty_database_url, 2, "test")
    await database.connect()

    async def hold() -> None:
        async with database.connection() as connection:
            await database.disconnect()
            await connection.execute("select 1")

    with pytest.raises(Unavailable):
        await hold()
