"""A database that takes no writes (reliability.md, D9-D11), and one whose sessions end (D7)."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import asyncpg
import httpx
import pytest

from services.clock import Clock
from services.domain.health import DataSource, ReadPolicy
from services.domain.ids import UserId
from services.domain.routine import Archetype, RoutineStatus
from services.errors import Unavailable
from services.store.database import Database
from services.store.embedded.place import open_home
from services.store.migrations import migrate
from tests.api.conftest import NO_SAHHA, running
from tests.faults.asking import PERSON, acknowledged
from tests.postgres import Postgres
from tests.product import Product, open_product

SMALL_MB = 48
FILL = "insert into filler select repeat(md5(i::text), 30) from generate_series(1, 1000) as i"


@pytest.fixture
async def postgres(open_folder: Path) -> AsyncIterator[Postgres]:
    server = Postgres(open_folder / "data", {"max_connections": "12", "superuser_reserved_connections": "0"})
    await server.start()
    try:
        await migrate(server.url)
        yield server
    finally:
        await server.aclose()


@pytest.fixture
def small_disk(open_folder: Path, postgres: Postgres) -> Iterator[Path]:
    """A disk of its own that belongs to the account of `postgres`, which runs."""
    assert postgres.url
    folder = open_folder / "small"
    folder.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_MB}m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mounted, check=False, capture_output=True).returncode:  # noqa: S603
        pytest.skip("a disk can be mounted by root only")
    try:
        account = open_home((open_folder / "data").resolve()).account
        os.chown(folder, account.uid, account.gid)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False, capture_output=True)  # noqa: S603, S607


async def reads_are_served(product: Product, ready: object) -> None:
    page = await product.services.routines.page(PERSON, 10, None)
    assert ready in {routine.id for routine in page.items}
    snapshot = await product.services.health_data.snapshot(PERSON, ReadPolicy.DATABASE)
    assert snapshot.source is DataSource.DATABASE
    assert snapshot.biomarkers


async def made(product: Product) -> object:
    """The id of a routine that is READY."""
    routine = (await acknowledged(product, None)).routine
    await product.services.routines.fulfil(routine.id)
    found = await product.services.routines.read(routine.id, PERSON)
    assert found is not None
    assert found.status is RoutineStatus.READY
    return routine.id


async def test_a_full_disk_refuses_writes_and_serves_reads(postgres: Postgres, small_disk: Path) -> None:
    control = await asyncpg.connect(postgres.url)
    await control.execute(f"create tablespace small location '{small_disk}'")
    await control.execute("create database small tablespace small")
    url = postgres.url.replace("/firstlight?", "/small?")
    await migrate(url)
    filler = await asyncpg.connect(url)
    try:
        async with open_product(url) as product:
            ready = await made(product)
            await filler.execute("create table filler (bytes text)")
            with pytest.raises(asyncpg.DiskFullError):
                await without_end(lambda _: filler.execute(FILL))
            with pytest.raises(Unavailable):  # not at once: some rows fit into pages that are there
                await without_end(lambda number: acknowledged(product, f"tap-{number}", list(Archetype)[number % 6]))
            assert product.services.database.writes_refused
            await reads_are_served(product, ready)
            await filler.execute("drop table filler")
            await filler.execute("checkpoint")
            assert await made(product) != ready
    finally:
        filler.terminate()
        await control.execute("drop database small with (force)")
        await control.execute("drop tablespace small")
        control.terminate()


async def test_a_read_only_database_refuses_writes_and_serves_reads(postgres: Postgres) -> None:
    """As after a failover to a standby."""
    async with open_product(postgres.url) as product:
        ready = await made(product)
        await set_read_only(postgres, value=True)
        with pytest.raises(Unavailable):
            await acknowledged(product, "tap-1")
        await reads_are_served(product, ready)
        await set_read_only(postgres, value=False)
        assert await made(product) != ready


async def test_readiness_tells_a_database_that_takes_no_writes(postgres: Postgres) -> None:
    async with running(postgres.url, NO_SAHHA, Clock(), worker="off", scheduler="off") as api:
        await set_read_only(postgres, value=True)
        with suppress(Unavailable):
            await api.services.routines.prune()
        answer: httpx.Response = await api.request("GET", "/readyz", key=None)
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")


async def without_end(work: Callable[[int], Awaitable[object]]) -> None:
    for number in count():
        await work(number)


async def another(url: str, connections: list[asyncpg.Connection]) -> None:
    connections.append(await asyncpg.connect(url))


async def set_read_only(postgres: Postgres, *, value: bool) -> None:
    connection = await asyncpg.connect(postgres.url)
    try:
        await connection.execute("set default_transaction_read_only = off")
        await connection.execute(f"alter system set default_transaction_read_only = {'on' if value else 'off'}")
        await connection.execute("select pg_reload_conf()")
        await asyncio.sleep(0.3)
    finally:
        await connection.close()


async def test_a_server_without_free_sessions_is_unavailable_until_one_is_free(postgres: Postgres) -> None:
    async with Database.opened(postgres.url, 4) as database:
        others: list[asyncpg.Connection] = []
        with pytest.raises(asyncpg.TooManyConnectionsError):
            await without_end(lambda _: another(postgres.url, others))
        started = Clock.monotonic()
        with pytest.raises(Unavailable):
            await database.ping()
        assert Clock.monotonic() - started < 20
        for connection in others:
            await connection.close()
        await database.ping()


async def test_a_read_whose_session_ends_is_asked_again_and_a_write_is_not(database: Database, admin: asyncpg.Connection) -> None:
    asked = []

    async def slow(connection: asyncpg.Connection) -> int:
        asked.append(await connection.fetchval("select pg_backend_pid()"))
        if len(asked) == 1:
            await admin.execute("select pg_terminate_backend($1, 5000)", asked[0])
        return int(await connection.fetchval("select 7"))

    assert await database.read(slow) == 7
    assert len(asked) == 2

    async def always(connection: asyncpg.Connection) -> None:
        await admin.execute("select pg_terminate_backend($1, 5000)", await connection.fetchval("select pg_backend_pid()"))
        await connection.fetchval("select 7")

    with pytest.raises(Unavailable):
        await database.read(always)


async def test_a_read_that_is_too_slow_is_not_asked_again(database_url: str) -> None:
    asked = 0

    async def slow(connection: asyncpg.Connection) -> None:
        nonlocal asked
        asked += 1
        await connection.fetchval("select pg_sleep(5)")

    async with Database.opened(database_url, 2, statement_timeout_ms=200) as database:
        with pytest.raises(Unavailable):
            await database.read(slow)
    assert asked == 1


async def test_a_notification_holds_the_longest_id_there_is(database: Database) -> None:
    """Ids only, and PostgreSQL takes 7,999 bytes (D17)."""
    async with database.connection() as connection:
        await connection.execute("select pg_notify('firstlight_events', $1)", UserId("🌅" * 128))
