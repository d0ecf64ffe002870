"""What a crash run is played on: PostgreSQL, web and worker processes that can be killed and frozen, the Sahha stand-in."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from services.clock import Clock
from services.store.migrations import migrate
from tests.cluster import WORKER_STARTED, Cluster, open_cluster
from tests.postgres import Postgres

HEARTBEAT_TIMEOUT_S = 2.0
UP_S = 60.0
STOP_S = 15.0
SLOW_AND_SHAKY = (
    {"match": "*", "kind": "status", "status": 503, "probability": 0.1},
    {"match": "*", "kind": "delay", "delay_s": 0.02, "probability": 0.4},
    {"match": "*", "kind": "delay", "delay_s": 0.6},
)
"""Of ten calls to Sahha one fails, four take 20 ms, five so long that a fault finds them under way."""
SERVICE = ("-m", "server")


class Slot:
    """The place of one process: whoever is killed in it is followed by another."""

    def __init__(self, name: str, command: Sequence[str], environment: dict[str, str], log: Path, port: int | None) -> None:
        self.name = name
        self.port = port
        self._command = command
        self._environment = environment
        self._log = log
        self._output: BinaryIO = log.open("ab")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own service
            [sys.executable, *self._command],
            env=self._environment,
            cwd=self._log.parent,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            start_new_session=True,
        )
        self._from = self._log.stat().st_size

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    async def kill(self) -> None:
        """SIGKILL, and gone when this returns."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait, STOP_S)

    async def replace(self) -> None:
        """Kill the process and start another, which is at work when this returns."""
        await self.kill()
        self.start()
        await self.until_up()

    async def until_up(self) -> None:
        async with asyncio.timeout(UP_S):
            while not self._up():
                assert self._process is not None
                assert self._process.poll() is None, f"{self.name} ended by itself; its log is {self._log}"
                await asyncio.sleep(0.05)

    def _up(self) -> bool:
        if self.port is None:
            with self._log.open("rb") as written:
                written.seek(self._from)
                return WORKER_STARTED.encode() in written.read()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    async def close(self) -> None:
        await self.kill()
        self._output.close()


@dataclass
class Stage:
    """`last_fault_at`, by `Clock.monotonic`: from then on everything has to settle."""

    cluster: Cluster
    postgres: Postgres
    webs: list[Slot]
    workers: list[Slot]
    last_fault_at: float = field(default_factory=Clock.monotonic)

    @property
    def slots(self) -> list[Slot]:
        return [*self.webs, *self.workers]

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{web.port}" for web in self.webs]

    @contextmanager
    def fault(self) -> Iterator[None]:
        yield
        self.last_fault_at = Clock.monotonic()


@asynccontextmanager
async def open_stage(
    folder: Path,
    *,
    webs: int,
    workers: int,
    web_module: Sequence[str] = SERVICE,
    worker_module: Sequence[str] = SERVICE,
) -> AsyncIterator[Stage]:
    """Everything started and at work, with its logs in `folder`. The modules are what runs in place of `server`."""
    async with AsyncExitStack() as stack:
        postgres = Postgres(folder / "postgres")
        stack.push_async_callback(postgres.aclose)
        await postgres.start()
        await migrate(postgres.url)
        cluster = await stack.enter_async_context(open_cluster(folder, postgres.url))
        await cluster.set_faults(*SLOW_AND_SHAKY)
        stage = Stage(cluster, postgres, [], [])
        for number in range(webs):
            port = _free_port()
            stage.webs.append(_slot(cluster, f"web-{number}", [*web_module, "serve", "--no-worker"], port))
        for number in range(workers):
            stage.workers.append(_slot(cluster, f"worker-{number}", [*worker_module, "worker"], None))
        for slot in stage.slots:
            stack.push_async_callback(slot.close)
            slot.start()
        await asyncio.gather(*(slot.until_up() for slot in stage.slots))
        yield stage


def _slot(cluster: Cluster, name: str, command: Sequence[str], port: int | None) -> Slot:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV"}}
    given = cluster.settings(
        PORT=str(port or 0),
        DATA_DIR=str(cluster.folder / name),
        WORKER_HEARTBEAT_TIMEOUT_S=f"{HEARTBEAT_TIMEOUT_S:g}",
        PYTHONUNBUFFERED="1",
        PYTHONPATH=str(Path(__file__).parents[2]),
    )
    return Slot(name, command, {**kept, **given}, cluster.folder / f"{name}.log", port)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
