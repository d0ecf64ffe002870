"""`firstlight serve`: everything that has to stand before the first request, and its orderly end."""

import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress

import uvicorn
from pydantic import SecretStr
from starlette.applications import Starlette

from server.app import create_app
from server.banner import Started, banner
from server.connections import HttpConnection
from server.sandbox import Standin, load_keys, sahha_standin
from server.signals import Stop, stop_on_signals
from server.sockets import drop_stalled_peers
from server.starting import StartError, migrated, sahha_access
from server.watchdog import watchdog
from server.webhooks import PATH as WEBHOOK_PATH
from server.websocket import SocketConnection
from services.clock import clock_starting_at
from services.config import Settings
from services.store.embedded import embedded_postgres

GRACEFUL_SHUTDOWN_S = 6
"""Open streams are ended after this, while the worker drains; the whole stop takes at most 10 s (reliability.md, P3)."""


async def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM, and end everything that it started. A second signal ends the process at once.

    Raises `StartError`, `MigrationError`, `EmbeddedPostgresError`.
    """
    async with AsyncExitStack() as stack:
        stop = stack.enter_context(stop_on_signals())
        stack.enter_context(watchdog())
        listener = stack.enter_context(_listen(settings))
        clock = clock_starting_at(settings.clock)
        keys = load_keys(settings)
        database_url = await _database_url(settings, stack)
        await stack.enter_async_context(migrated(database_url))
        standin = None
        if settings.sandbox:
            webhooks_to = _base_url(listener) + WEBHOOK_PATH
            standin = await stack.enter_async_context(sahha_standin(clock, webhooks_to, settings.sahha_webhook_secret))
        app = create_app(
            settings if standin is None else _with_webhooks_of(standin, settings),
            clock=clock,
            keyring=keys.keyring,
            sahha=sahha_access(settings, standin),
            database_url=database_url,
            stopping=stop.requested,
        )
        started = Started(settings, keys, _base_url(listener), settings.database_url is None, standin)
        await _Server(uvicorn_config(app), stop, started).serve(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn, stopped by our own signals and telling when it listens."""

    def __init__(self, config: uvicorn.Config, stop: Stop, started: Started) -> None:
        super().__init__(config)
        self._stop = stop
        self._started = started

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._stop.armed = False
        await super().startup(sockets)
        if self.started:
            with suppress(OSError):  # nobody reads it: no reason not to serve
                print(banner(self._started), flush=True)  # noqa: T201

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._stop.requested.is_set()


def uvicorn_config(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=HttpConnection,
        log_config=None,
        access_log=False,
        server_header=False,
        ws=SocketConnection,
        ws_ping_interval=None,  # `server.websocket` asks for signs of life: uvicorn's close code keeps clients from coming back
        ws_max_size=131_072,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
        timeout_keep_alive=75,
    )


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise StartError(f"Cannot listen on HOST {settings.host}, PORT {settings.port}: {error.strerror}.") from None
    drop_stalled_peers(listener)
    return listener


async def _database_url(settings: Settings, stack: AsyncExitStack) -> str:
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    server = await stack.enter_async_context(embedded_postgres(settings.data_dir))
    return server.url


def _with_webhooks_of(standin: Standin, settings: Settings) -> Settings:
    """The settings with the secret that the stand-in signs its webhooks with."""
    return settings.model_copy(update={"sahha_webhook_secret": SecretStr(standin.webhook_secret)})


def _base_url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - for display
    return f"http://{shown}:{port}"
