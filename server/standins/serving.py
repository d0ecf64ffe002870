"""Serving a stand-in on loopback: within the running loop, or as a process of its own."""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.standins.sahha import create_sahha_standin
from services.clock import Clock

START_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 5.0


class _OpenProtocol(HttpToolsProtocol):
    """Hands each request its connection (`scope["state"]["transport"]`), which the faults beneath HTTP need."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class _GuestServer(uvicorn.Server):
    """A server within somebody else's loop: signals are theirs to handle."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serve_standin(app: ASGIApp) -> AsyncIterator[str]:
    """Serve `app` on a free loopback port for the length of the block; yields its base URL."""
    server = _GuestServer(_config(app))
    with _listener("127.0.0.1", 0) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="stand-in")
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                await server.ready.wait()
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await serving


def run_sahha_standin(fd: int | None, host: str, port: int, clock_offset_s: float, *, client_id: str, client_secret: str) -> None:
    """Serve the Sahha stand-in until SIGINT or SIGTERM: on the listening socket `fd`, else on `host` and `port`.

    Its clock is the machine's moved by `clock_offset_s`. Raises `ValueError` for a host that is not loopback.
    """
    if fd is None and not ipaddress.ip_address(host).is_loopback:
        raise ValueError("a stand-in listens on loopback only")
    clock = Clock(offset=timedelta(seconds=clock_offset_s))
    app = create_sahha_standin(clock, client_id=client_id, client_secret=client_secret)
    with socket.socket(fileno=fd) if fd is not None else _listener(host, port) as listener:
        uvicorn.Server(_config(app)).run(sockets=[listener])


def _listener(host: str, port: int) -> socket.socket:
    """A bound socket. It names TCP, which asyncio wants to see before it turns off the delay of small packets."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_OpenProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
