"""The connection on which the database tells of news: lost in whatever way it comes back, and the log says so once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from structlog.testing import capture_logs
from structlog.typing import EventDict

from services.background import background
from services.clock import Clock
from services.domain.ids import UserId
from services.events import PlanReadyHub
from services.store import events as store
from services.store.database import Database
from tests.faults.proxy import network_to

PERSON = UserId("anna")
NAME = "firstlight-events"
SESSIONS = "select count(*) from pg_stat_activity where application_name = $1 and datname = current_database()"
END = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = $1 and datname = current_database()"
PATIENCE_S = 30


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[PlanReadyHub]:
    """A hub that asks its connection often."""
    async with Database.opened(url) as database:
        hub = PlanReadyHub(database, url, Clock(), probe_s=0.2)
        async with background(hub.listen(), "events"):
            yield hub


async def until_woken(hub: PlanReadyHub, connection: asyncpg.Connection) -> None:
    """A notification of the database reaches whoever waits."""
    with hub.watch(PERSON) as wake:
        async with asyncio.timeout(PATIENCE_S):
            while await connection.fetchval(SESSIONS, NAME) == 0:
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.2)  # whoever has just come back wakes everybody by itself
            wake.clear()
            await connection.execute("select pg_notify($1, $2)", store.CHANNEL, PERSON)
            await wake.wait()


async def until_logged(logs: list[EventDict], word: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not any(word in entry["event"] for entry in logs):
            await asyncio.sleep(0.02)


def told(logs: list[EventDict]) -> list[tuple[str, str]]:
    return [(entry["log_level"], entry["event"]) for entry in logs if entry["event"].startswith("[EVENTS]")]


DOWN_AND_UP = [
    ("warning", "[EVENTS] The listening connection is down"),
    ("info", "[EVENTS] The listening connection is up"),
]


async def test_a_lost_connection_comes_back(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    async with listening(database_url) as hub:
        await until_woken(hub, connection)
        with capture_logs() as logs:
            assert await connection.fetchval(END, NAME)
            await until_logged(logs, "is up")
            await until_woken(hub, connection)
        assert told(logs) == DOWN_AND_UP
    await connection.close()


async def test_a_connection_that_falls_silent_is_noticed(database_url: str) -> None:
    """Nothing arrives any more and nobody says so: the heartbeat finds out, and many attempts make one line."""
    connection = await asyncpg.connect(database_url)
    async with network_to(database_url) as (network, far), listening(far) as hub:
        await until_woken(hub, connection)
        connections = network.connections
        with capture_logs() as logs:
            network.swallow()
            await until_logged(logs, "is down")
            async with asyncio.timeout(PATIENCE_S):
                while network.connections < connections + 2:
                    await asyncio.sleep(0.02)
            network.restore()
            await until_logged(logs, "is up")
            await until_woken(hub, connection)
        assert told(logs) == DOWN_AND_UP
    await connection.close()
