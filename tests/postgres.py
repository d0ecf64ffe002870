"""A PostgreSQL that a test stops, kills and starts as it likes, at an address that stays the same."""

import os
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import MappingProxyType

from services.store.embedded import EmbeddedServer, embedded_postgres
from services.store.embedded.place import open_home


class Postgres:
    """With real fsync unless `options` say otherwise. `aclose` leaves nothing running."""

    def __init__(self, data_dir: Path, options: Mapping[str, str] = MappingProxyType({})) -> None:
        self._data_dir = data_dir
        self._options = options
        self._open = AsyncExitStack()
        self._server: EmbeddedServer | None = None

    @property
    def server(self) -> EmbeddedServer:
        assert self._server is not None, "not running"
        return self._server

    @property
    def url(self) -> str:
        """Known as soon as the server was started once."""
        return open_home(self._data_dir.resolve()).url(None)

    async def start(self) -> None:
        self._server = await self._open.enter_async_context(embedded_postgres(self._data_dir, options=self._options))
        assert self._server.url == self.url, "the path is too long for a socket"

    async def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: a fast and clean shutdown; SIGQUIT: an immediate one, as after a crash; SIGKILL: the crash itself."""
        if self._server is not None:
            os.kill(self._server.pid, number)
            self._server = None
            await self._open.aclose()
            self._open = AsyncExitStack()

    async def restart(self, number: signal.Signals = signal.SIGQUIT) -> None:
        await self.stop(number)
        await self.start()

    async def aclose(self) -> None:
        self._server = None
        await self._open.aclose()
