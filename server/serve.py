"""`firstlight serve`: everything that has to stand before the first request, and its orderly end."""

import asyncio
import random
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from types import FrameType

import asyncpg
import structlog
import uvicorn
from starlette.applications import Starlette

from server.app import create_app
from server.banner import Started, banner
from server.sandbox import Standin, load_keys, sahha_standin
from services.background import background
from services.clock import clock_starting_at
from services.config import SAHHA_PRODUCTION_URL, Settings
from services.sahha.client import SahhaAccess
from services.store.embedded import embedded_postgres
from services.store.migrations import migrate

GRACEFUL_SHUTDOWN_S = 8
"""Open streams are ended after this; the whole stop takes at most 10 s (reliability.md, P3)."""

log = structlog.get_logger()


class StartError(Exception):
    """Why the service cannot start, in words that say what to do."""


async def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; a second one forces. Ends everything that it started."""
    stop = _Stop.installed()
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(_listen(settings))
        clock = clock_starting_at(settings.clock)
        keys = load_keys(settings)
        database_url = await _database_url(settings, stack)
        await stack.enter_async_context(migrated(database_url))
        standin = await stack.enter_async_context(sahha_standin(clock)) if settings.sandbox else None
        app = create_app(
            settings,
            clock=clock,
            keyring=keys.keyring,
            sahha=_sahha(settings, standin),
            database_url=database_url,
            stopping=stop.event,
        )
        started = Started(settings, keys, _base_url(listener), settings.database_url is None, standin)
        await _Server(uvicorn_config(app), stop, lambda: print(banner(started), flush=True)).serve(sockets=[listener])  # noqa: T201


class _Stop:
    """Signals before and after uvicorn holds them: they cancel the start, and are swallowed once the stop is under way."""

    def __init__(self, task: asyncio.Task[None], loop: asyncio.AbstractEventLoop) -> None:
        self._task = task
        self.loop = loop
        self.armed = True
        self.event = asyncio.Event()

    @classmethod
    def installed(cls) -> "_Stop":
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("not in a task")
        stop = cls(task, asyncio.get_running_loop())
        for number in (signal.SIGINT, signal.SIGTERM):
            stop.loop.add_signal_handler(number, stop.requested)
        return stop

    def requested(self) -> None:
        if self.armed:
            self.armed = False
            self._task.cancel()


class _Server(uvicorn.Server):
    """uvicorn, telling when it listens."""

    def __init__(self, config: uvicorn.Config, stop: _Stop, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop = stop
        self._on_started = on_started

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        # Called by the signal itself, in the middle of whatever the loop does.
        self._stop.loop.call_soon_threadsafe(self._stop.event.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._stop.armed = False
        await super().startup(sockets)
        if self.started:
            self._on_started()


@asynccontextmanager
async def migrated(database_url: str) -> AsyncIterator[None]:
    """Bring the schema up to date. Where PostgreSQL is not there yet this goes on beside the block: live, and not ready."""
    try:
        await migrate(database_url)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        log.warning("[STARTUP] PostgreSQL cannot be reached yet", reason=type(error).__name__)
        async with background(_migrate_when_reachable(database_url), "migrations"):
            yield
    else:
        yield


async def _migrate_when_reachable(database_url: str) -> None:
    while True:
        await asyncio.sleep(random.uniform(0.5, 1.5))
        try:
            await migrate(database_url)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            continue
        log.info("[STARTUP] PostgreSQL is reachable and its schema is up to date")
        return


def uvicorn_config(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        ws="websockets-sansio",
        ws_ping_interval=20,
        ws_ping_timeout=20,
        ws_max_size=131_072,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
        timeout_keep_alive=75,
        h11_max_incomplete_event_size=32_768,
    )


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise StartError(f"Cannot listen on HOST {settings.host}, PORT {settings.port}: {error.strerror}.") from None


async def _database_url(settings: Settings, stack: AsyncExitStack) -> str:
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    server = await stack.enter_async_context(embedded_postgres(settings.data_dir))
    return server.url


def _sahha(settings: Settings, standin: Standin | None) -> SahhaAccess:
    if standin is not None:
        return standin.access
    if settings.sahha_client_id is None or settings.sahha_client_secret is None:
        raise StartError("SAHHA_CLIENT_ID and SAHHA_CLIENT_SECRET are missing.")
    return SahhaAccess(
        settings.sahha_base_url or SAHHA_PRODUCTION_URL,
        settings.sahha_client_id.get_secret_value(),
        settings.sahha_client_secret.get_secret_value(),
    )


def _base_url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - for display
    return f"http://{shown}:{port}"
