"""A network between the service and PostgreSQL, that can be cut at a commit, or swallow everything."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum
from urllib.parse import parse_qs, urlsplit

CHUNK = 65536
STARTUP_CODE_BYTES = 8
COMMIT = b"COMMIT;\0"


class Cut(Enum):
    """Where a connection breaks, once. The client learns the same in both cases: nothing."""

    BEFORE_COMMIT = "the server never gets the COMMIT"
    AFTER_COMMIT = "the server commits, its answer is lost"


class Network:
    """What the proxy does. `cut` strikes the next COMMIT, or one of those after it, and is `None` afterwards."""

    def __init__(self) -> None:
        self.cut: Cut | None = None
        self.spared = 0
        self.connections = 0
        self._open = asyncio.Event()
        self._open.set()

    def strike(self) -> Cut | None:
        """What happens to this COMMIT."""
        if self.cut is None or self.spared:
            self.spared = max(0, self.spared - 1)
            return None
        cut, self.cut = self.cut, None
        return cut

    def swallow(self) -> None:
        """From now on nothing arrives, and nobody is told."""
        self._open.clear()

    def restore(self) -> None:
        self._open.set()

    async def carry(self) -> None:
        await self._open.wait()


class _Link:
    """One connection of a client."""

    def __init__(self, network: Network, target: str) -> None:
        self._network = network
        self._target = target
        self._answers_lost = False

    async def run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(self._target)
        self._network.connections += 1
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._requests(reader, server_writer))
                group.create_task(self._answers(server_reader, writer))
        except* (OSError, asyncio.IncompleteReadError, _Broken):
            pass
        finally:
            self._network.connections -= 1
            for side in (writer, server_writer):
                side.transport.abort()

    async def _requests(self, reader: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        """Message by message: first one without a type (the start, a request for TLS or for a cancellation), then typed ones."""
        started = False
        while True:
            head = await reader.readexactly(STARTUP_CODE_BYTES if not started else 5)
            length = int.from_bytes(head[:4] if not started else head[1:5])
            body = await reader.readexactly(length - (STARTUP_CODE_BYTES if not started else 4))
            if not started and body:  # a request for TLS has none, and the real start follows
                started = True
            await self._network.carry()
            await self._pass_on(head + body, server, commit=head[:1] == b"Q" and body == COMMIT)

    async def _pass_on(self, message: bytes, server: asyncio.StreamWriter, *, commit: bool) -> None:
        cut = self._network.strike() if commit else None
        if cut is Cut.BEFORE_COMMIT:
            raise _Broken
        self._answers_lost = cut is Cut.AFTER_COMMIT
        server.write(message)
        await server.drain()

    async def _answers(self, server: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await server.read(CHUNK):
            await self._network.carry()
            if self._answers_lost:
                raise _Broken
            writer.write(data)
            await writer.drain()
        raise _Broken


class _Broken(Exception):
    pass


@asynccontextmanager
async def network_to(database_url: str) -> AsyncIterator[tuple[Network, str]]:
    """A network to the PostgreSQL of a URL by socket, and the URL at its near end."""
    parts = urlsplit(database_url)
    where = parse_qs(parts.query)
    target = f"{where['host'][0]}/.s.PGSQL.{where['port'][0]}"
    network = Network()
    links: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        links.add(task)
        with suppress(OSError):
            await _Link(network, target).run(reader, writer)
        links.discard(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    login = parts.netloc.rpartition("@")[0]
    try:
        yield network, f"postgresql://{login}@127.0.0.1:{port}{parts.path}"
    finally:
        server.close()
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)
