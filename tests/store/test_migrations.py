import asyncio
from pathlib import Path

import asyncpg
import pytest

from services.store import migrations
from services.store.database import store_unavailable
from services.store.migrations import MigrationError, migrate, pending, queue_release, read_migrations

QUEUE = f"pgqueuer {queue_release()}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "0001_people.sql", "create table people (id int primary key); insert into people values (1);")
    write(tmp_path, "0002_names.sql", "alter table people add column name text;")
    return tmp_path


def write(folder: Path, name: str, sql: str) -> None:
    (folder / name).write_text(sql, "utf-8")


async def fetch(url: str, sql: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return list(await connection.fetch(sql))
    finally:
        await connection.close(timeout=10)


async def pending_at(url: str, folder: Path) -> list[str]:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return await pending(connection, folder=folder)
    finally:
        await connection.close(timeout=10)


async def test_each_file_is_applied_once_and_in_order(empty_database_url: str, folder: Path) -> None:
    everything = [QUEUE, "0001_people.sql", "0002_names.sql"]
    assert await pending_at(empty_database_url, folder) == everything
    assert await migrate(empty_database_url, folder=folder) == everything
    assert await pending_at(empty_database_url, folder) == []
    assert await migrate(empty_database_url, folder=folder) == []
    write(folder, "0003_more.sql", "insert into people (id, name) values (2, 'two')")
    assert await migrate(empty_database_url, folder=folder) == ["0003_more.sql"]
    assert [tuple(row) for row in await fetch(empty_database_url, "select * from people order by id")] == [(1, None), (2, "two")]


async def test_many_migrators_at_once_apply_everything_once(empty_database_url: str, folder: Path) -> None:
    applied = await asyncio.gather(*(migrate(empty_database_url, folder=folder) for _ in range(4)))
    assert sorted(map(len, applied)) == [0, 0, 0, 3]


async def test_a_failing_file_leaves_nothing_and_can_be_mended(empty_database_url: str, folder: Path) -> None:
    write(folder, "0003_broken.sql", "create table half (id int); select 1 / 0;")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(empty_database_url, folder=folder)
    assert await pending_at(empty_database_url, folder) == ["0003_broken.sql"]
    assert (await fetch(empty_database_url, "select to_regclass('half') as half"))[0]["half"] is None
    write(folder, "0003_broken.sql", "create table half (id int)")
    assert await migrate(empty_database_url, folder=folder) == ["0003_broken.sql"]


async def test_a_killed_migrator_holds_up_nobody(empty_database_url: str, folder: Path) -> None:
    write(folder, "0003_slow.sql", "create table slow (id int); select pg_sleep(60)")
    first = asyncio.create_task(migrate(empty_database_url, folder=folder))
    end = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"
    async with asyncio.timeout(20):
        while not await fetch(empty_database_url, end):
            await asyncio.sleep(0.05)
    with pytest.raises(asyncpg.InterfaceError) as lost:
        await first
    assert store_unavailable(lost.value)
    write(folder, "0003_slow.sql", "create table slow (id int)")
    assert await migrate(empty_database_url, folder=folder) == ["0003_slow.sql"]


async def test_a_changed_file_is_refused(empty_database_url: str, folder: Path) -> None:
    await migrate(empty_database_url, folder=folder)
    write(folder, "0001_people.sql", "create table others (id int)")
    with pytest.raises(MigrationError, match=r"0001_people\.sql was changed"):
        await migrate(empty_database_url, folder=folder)
    with pytest.raises(MigrationError, match=r"0001_people\.sql was changed"):
        await pending_at(empty_database_url, folder)


async def test_an_older_release_may_use_a_newer_schema(empty_database_url: str, folder: Path) -> None:
    write(folder, "0003_newer.sql", "create table newer (id int)")
    await migrate(empty_database_url, folder=folder)
    (folder / "0003_newer.sql").unlink()
    await fetch(empty_database_url, "update schema_components set version = '99.0.0'")
    assert await pending_at(empty_database_url, folder) == []
    assert await migrate(empty_database_url, folder=folder) == []
    assert (await fetch(empty_database_url, "select version from schema_components"))[0]["version"] == "99.0.0"


async def test_tables_of_an_older_queue_are_converged(empty_database_url: str, folder: Path) -> None:
    await migrate(empty_database_url, folder=folder)
    await fetch(empty_database_url, "update schema_components set version = '1.5.9'")
    await fetch(empty_database_url, "drop table pgqueuer_schedules")
    assert await pending_at(empty_database_url, folder) == [QUEUE]
    assert await migrate(empty_database_url, folder=folder) == [QUEUE]
    assert (await fetch(empty_database_url, "select to_regclass('pgqueuer_schedules') as there"))[0]["there"] is not None


async def test_a_table_that_is_in_use_is_waited_for_and_not_blocked(
    empty_database_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("LOCK_TIMEOUT_MS", 100), ("LOCK_PAUSE_S", 0.05), ("LOCK_ATTEMPTS", 3)):
        monkeypatch.setattr(migrations, name, value)
    await migrate(empty_database_url, folder=folder)
    write(folder, "0003_more.sql", "alter table people add column born date")
    reader = await asyncpg.connect(empty_database_url, timeout=10)
    try:
        async with reader.transaction():
            await reader.fetch("select * from people")
            with pytest.raises(MigrationError, match=r"0003_more\.sql: a lock was not free in 3 attempts"):
                await migrate(empty_database_url, folder=folder)
    finally:
        await reader.close(timeout=10)
    assert await migrate(empty_database_url, folder=folder) == ["0003_more.sql"]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("0004_gap.sql", "stands where number 0003 belongs"),
        ("0002_twice.sql", "stands where number 0003 belongs"),
        ("3_short.sql", "is not named"),
    ],
)
def test_names_that_are_no_history_are_refused(folder: Path, name: str, problem: str) -> None:
    write(folder, name, "select 1")
    with pytest.raises(MigrationError, match=problem):
        read_migrations(folder)


async def test_our_own_migrations_fit_an_empty_database(database_url: str) -> None:
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        assert await pending(connection) == []
        assert await connection.fetchval("select count(*) from schema_migrations") == len(read_migrations())
    finally:
        await connection.close(timeout=10)
