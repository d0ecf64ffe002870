"""The service on a real socket, in this process: uvicorn with the configuration it is served with."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette

from server.connections import HttpConnection
from server.serve import uvicorn_config
from server.sockets import drop_stalled_peers
from services.background import owned_task

START_S = 60
STOP_S = 60


class LoopbackServer(uvicorn.Server):
    """uvicorn that leaves the signals to the test run."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(
    app: Starlette, connections: type[HttpConnection] = HttpConnection
) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
    """The base URL at which `app` is served for as long as the block lasts, and what its lifespan gave."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        drop_stalled_peers(listener)
        # asyncio's own loop, unlike uvloop, leaves connections of such a listener with Nagle's 40 ms an answer.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        config = uvicorn_config(app)
        config.http = connections
        server = LoopbackServer(config)
        async with owned_task(server.serve(sockets=[listener]), "server") as serve:
            async with asyncio.timeout(START_S):
                while not server.started:
                    assert not serve.done(), "the server did not start"
                    await asyncio.sleep(0.01)
            try:
                yield f"http://127.0.0.1:{listener.getsockname()[1]}", server.lifespan.state
            finally:
                server.should_exit = True
                async with asyncio.timeout(STOP_S):
                    await serve
