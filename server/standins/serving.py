"""Serving a stand-in on loopback: within the running loop, or as a process of its own."""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.standins.generated import Crowd
from server.standins.openai import create_openai_standin
from server.standins.sahha import create_sahha_standin
from server.standins.webhooks_out import Target
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


@dataclass(frozen=True, slots=True)
class Standin:
    """What a stand-in process serves. Its clock is the machine's moved by `clock_offset_s`."""

    client_id: str
    client_secret: str = field(repr=False)
    clock_offset_s: float = 0.0
    crowd: Crowd = field(default_factory=Crowd)
    webhooks: Target = field(default_factory=Target)


def run_sahha_standin(fd: int | None, host: str, port: int, standin: Standin) -> None:
    """Serve the Sahha stand-in until SIGINT or SIGTERM: on the listening socket `fd`, else on `host` and `port`.

    Raises `ValueError` for a host that is not loopback.
    """
    if fd is None and not ipaddress.ip_address(host).is_loopback:
        raise ValueError("a stand-in listens on loopback only")
    app = create_sahha_standin(
        Clock(offset=timedelta(seconds=standin.clock_offset_s)),
        client_id=standin.client_id,
        client_secret=standin.client_secret,
        crowd=standin.crowd,
        webhooks=standin.webhooks,
    )
    with socket.socket(fileno=fd) if fd is not None else _listener(host, port) as listener:
        uvicorn.Server(_config(app)).run(sockets=[listener])


def run_openai_standin(host: str, port: int, api_key: str) -> None:
    """Serve the model stand-in until SIGINT or SIGTERM. Raises `ValueError` for a host that is not loopback."""
    if not ipaddress.ip_address(host).is_loopback:
        raise ValueError("a stand-in listens on loopback only")
    with _listener(host, port) as listener:
        uvicorn.Server(_config(create_openai_standin(api_key=api_key))).run(sockets=[listener])


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
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
