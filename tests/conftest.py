"""One embedded PostgreSQL for the whole run, and a database of its own for each test that asks for `database_url`.

The process that the run was started in owns the server; xdist's workers are told its address. Nothing outlives the run.
"""

import asyncio
import hashlib
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import settings

from services.store.database import Database
from services.store.embedded import embedded_postgres
from services.store.migrations import migrate, queue_release, read_migrations

FAST_AND_FORGETFUL = MappingProxyType(
    {
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "autovacuum": "off",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_connections": "200",
    }
)
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("thorough", max_examples=5_000, deadline=None)
settings.load_profile("repeatable")
TEMPLATE_LOCK = 0x74656D706C617465
SERVER_URL = pytest.StashKey[str]()


class RunServer:
    """The server of a run, in a folder that goes with it."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._open = AsyncExitStack()
        self._folder = Path(tempfile.mkdtemp(prefix="firstlight-tests-"))
        # Root's PostgreSQL runs as another account, which has to pass through.
        self._folder.chmod(0o711)

    def start(self) -> str:
        server = embedded_postgres(self._folder / "data", options=FAST_AND_FORGETFUL)
        return self._runner.run(self._open.enter_async_context(server)).url

    def stop(self) -> None:
        try:
            self._runner.run(self._open.aclose())
        finally:
            self._runner.close()
            shutil.rmtree(self._folder, ignore_errors=True)


def pytest_configure(config: pytest.Config) -> None:
    worker_input = getattr(config, "workerinput", None)
    if worker_input is not None:
        config.stash[SERVER_URL] = worker_input["server_url"]
    elif not config.option.collectonly:
        server = RunServer()
        config.add_cleanup(server.stop)
        config.stash[SERVER_URL] = server.start()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Called by xdist in the process that owns the server, for each worker before it starts."""
    config, worker_input = node.config, node.workerinput  # type: ignore[attr-defined]
    worker_input["server_url"] = config.stash[SERVER_URL]


def at_database(url: str, name: str) -> str:
    """The same server and login, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
def server_url(pytestconfig: pytest.Config) -> str:
    """The run's PostgreSQL, database `firstlight`: for what has to act on a whole server."""
    return pytestconfig.stash[SERVER_URL]


@pytest.fixture(scope="session")
def database_names(worker_id: str) -> Iterator[str]:
    """Names that no other worker and no other run uses."""
    return (f"test_{worker_id}_{os.getpid()}_{number}" for number in itertools.count(1))


@pytest_asyncio.fixture(scope="session")
async def admin(server_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(server_url, timeout=10, command_timeout=60)
    yield connection
    await connection.close(timeout=10)


@pytest_asyncio.fixture(scope="session")
async def template(admin: asyncpg.Connection, server_url: str) -> str:
    """The name of a migrated database to copy from, made by the worker that comes first."""
    content = "".join(each.sha256 for each in read_migrations()) + queue_release()
    name = f"template_{hashlib.sha256(content.encode()).hexdigest()[:16]}"
    await admin.execute("select pg_advisory_lock($1)", TEMPLATE_LOCK)
    try:
        if not await admin.fetchval("select exists (select from pg_database where datname = $1)", name):
            await admin.execute("drop database if exists template_unfinished with (force)")
            await admin.execute("create database template_unfinished")
            await migrate(at_database(server_url, "template_unfinished"))
            await admin.execute(f"alter database template_unfinished rename to {name}")
    finally:
        await admin.execute("select pg_advisory_unlock($1)", TEMPLATE_LOCK)
    return name


NewDatabase = Callable[[], AbstractAsyncContextManager[str]]


@pytest.fixture(scope="session")
def new_database(admin: asyncpg.Connection, server_url: str, template: str, database_names: Iterator[str]) -> NewDatabase:
    """Makes migrated databases without rows, each dropped after its block."""

    @asynccontextmanager
    async def made() -> AsyncIterator[str]:
        name = next(database_names)
        await admin.execute(f"create database {name} template {template} strategy file_copy")
        yield at_database(server_url, name)
        await admin.execute(f"drop database {name} with (force)")

    return made


@pytest_asyncio.fixture
async def database_url(new_database: NewDatabase) -> AsyncIterator[str]:
    """A migrated database without rows, for this test alone."""
    async with new_database() as url:
        yield url


@pytest_asyncio.fixture
async def empty_database_url(admin: asyncpg.Connection, server_url: str, database_names: Iterator[str]) -> AsyncIterator[str]:
    """A database without tables, for this test alone."""
    name = next(database_names)
    await admin.execute(f"create database {name} strategy file_copy")
    yield at_database(server_url, name)
    await admin.execute(f"drop database {name} with (force)")


@pytest_asyncio.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A pool on `database_url`."""
    async with Database.opened(database_url) as opened:
        yield opened


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """An empty folder that other accounts can pass through, unlike `tmp_path`: root's PostgreSQL runs as one of them."""
    folder = Path(tempfile.mkdtemp(prefix="firstlight-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


WHOLE_PROCESSES = ("tests/faults/", "tests/jobs/test_processes.py", "tests/api/test_checklist.py")
"""Tests that start services of their own. One worker plays them all, so that they do not take each other's time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(WHOLE_PROCESSES):
            item.add_marker(pytest.mark.xdist_group("processes"))
