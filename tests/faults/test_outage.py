"""PostgreSQL comes late, goes, comes back, and stands still, under services and a worker that are not told (D1-D6, D16, D18)."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest

from services.clock import Clock
from services.domain.ids import EventId
from services.domain.outcomes import GenerateRoutineSuccess
from services.domain.routine import Archetype, Routine, RoutineStatus
from services.errors import Unavailable
from services.store.database import Database
from services.store.migrations import migrate
from tests.faults.asking import PERSON, acknowledged, count, request
from tests.faults.proxy import network_to
from tests.postgres import Postgres
from tests.product import Product, open_product

PATIENCE_S = 15
AFTER_RETURN_S = 20
"""The first success after PostgreSQL is back: 5 s is promised (reliability.md, section 8), and tests share a busy machine."""


@pytest.fixture
async def postgres(open_folder: Path) -> AsyncIterator[Postgres]:
    """A migrated server of its own."""
    server = Postgres(open_folder / "data")
    await server.start()
    try:
        await migrate(server.url)
        yield server
    finally:
        await server.aclose()


async def ask_until_acknowledged(product: Product, key: str, archetype: Archetype = Archetype.PEAK_PERFORMER) -> Routine:
    """As a client does: the same key again, until there is an answer."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                outcome = await product.services.routines.request(request(key, archetype))
            except Unavailable:
                await asyncio.sleep(0.05)
                continue
            assert isinstance(outcome, GenerateRoutineSuccess)
            return outcome.routine


async def ready(product: Product, routine: Routine, within_s: float = PATIENCE_S) -> float:
    """Seconds until a routine is READY."""
    started = Clock.monotonic()
    while Clock.monotonic() - started < within_s:
        try:
            found = await product.services.routines.wait(routine.id, 0.5)
        except Unavailable:
            await asyncio.sleep(0.05)
            continue
        if found.status is RoutineStatus.READY:
            return Clock.monotonic() - started
        assert not found.status.final
    raise AssertionError("not READY in time")


async def test_a_worker_outlives_a_database_that_goes_and_comes_back(postgres: Postgres) -> None:
    async with open_product(postgres.url, worker=True) as product:
        await ready(product, (await acknowledged(product, "before")).routine)
        await postgres.stop()
        with pytest.raises(Unavailable):
            await acknowledged(product, "during")
        await asyncio.sleep(4)
        await postgres.start()
        started = Clock.monotonic()
        await ready(product, await ask_until_acknowledged(product, "during"))
        assert Clock.monotonic() - started < AFTER_RETURN_S


async def test_a_database_that_restarts_every_moment_loses_and_doubles_nothing(postgres: Postgres) -> None:
    async with open_product(postgres.url, worker=True, worker_heartbeat_timeout_s=2) as product:
        await product.set_faults({"match": "*", "kind": "delay", "delay_s": 0.3})
        routines = {}
        for turn, archetype in enumerate(Archetype):
            routines[turn] = await ask_until_acknowledged(product, f"tap-{turn}", archetype)
            await asyncio.sleep(0.2)
            await postgres.restart()
            await asyncio.sleep(0.8)
        for turn, archetype in enumerate(Archetype):
            assert (await ask_until_acknowledged(product, f"tap-{turn}", archetype)).id == routines[turn].id
            await ready(product, routines[turn])
        database = product.services.database
        assert await count(database, "routines") == await count(database, "events where kind = 'READY'") == len(routines)
        assert await count(database, "pgqueuer where status = 'failed'") == 0


async def test_services_may_come_before_their_database(postgres: Postgres) -> None:
    await postgres.stop()
    async with open_product(postgres.url, worker=True) as product:
        with pytest.raises(Unavailable):
            await acknowledged(product, "early")
        await asyncio.sleep(2)
        await postgres.start()
        started = Clock.monotonic()
        await ready(product, await ask_until_acknowledged(product, "early"))
        assert Clock.monotonic() - started < AFTER_RETURN_S


async def test_a_killed_backend_costs_the_others_a_moment(postgres: Postgres) -> None:
    async with open_product(postgres.url, worker=True) as product:
        await ready(product, (await acknowledged(product, "before")).routine)
        async with product.services.database.connection() as connection:
            pid = await connection.fetchval("select pg_backend_pid()")
        os.kill(pid, signal.SIGKILL)
        started = Clock.monotonic()
        routine = await ask_until_acknowledged(product, "after")
        assert Clock.monotonic() - started < 20
        await ready(product, routine)


async def test_a_standing_postmaster_stops_new_connections_only(postgres: Postgres) -> None:
    async with Database.opened(postgres.url, 3) as database:
        async with database.connection() as first, database.connection():
            assert await first.fetchval("select 1") == 1
        os.kill(postgres.server.pid, signal.SIGSTOP)
        try:
            async with database.connection() as first, database.connection() as second:
                assert await first.fetchval("select 1") + await second.fetchval("select 1") == 2
                started = Clock.monotonic()
                with pytest.raises(Unavailable):
                    await database.ping()
                assert Clock.monotonic() - started < 20
        finally:
            os.kill(postgres.server.pid, signal.SIGCONT)
        async with database.connection(), database.connection():
            await database.ping()


async def test_a_subscriber_misses_nothing_while_nobody_listens(database_url: str, admin: asyncpg.Connection) -> None:
    """The listening connection is lost while a plan becomes ready: what is lost is a wake-up, never an event (D16)."""
    name = database_url.partition("?")[0].rpartition("/")[2]
    async with open_product(database_url) as product:
        routine = (await acknowledged(product, "tap-1")).routine
        stream = await product.services.events.subscribe(PERSON, EventId(routine.cursor))
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.3)
        ended = await admin.fetchval(
            "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity "
            "where application_name = 'firstlight-events' and datname = $1",
            name,
        )
        assert ended == 1
        await product.services.routines.fulfil(routine.id)
        async with asyncio.timeout(3):
            assert (await waiting).routine_id == routine.id
        await stream.aclose()


async def test_a_network_that_swallows_everything_is_noticed_in_time(database_url: str) -> None:
    async with AsyncExitStack() as stack:
        network, far = await stack.enter_async_context(network_to(database_url))
        product = await stack.enter_async_context(open_product(far, worker=True))
        await ready(product, (await acknowledged(product, "before")).routine)
        network.swallow()
        started = Clock.monotonic()
        with pytest.raises(Unavailable):
            await acknowledged(product, "during")
        assert Clock.monotonic() - started < 20
        await asyncio.sleep(6)
        network.restore()
        await ready(product, await ask_until_acknowledged(product, "during"))
