"""Starts the embedded PostgreSQL, waits until it answers, and stops it."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

import asyncpg
import structlog

from services.clock import Clock
from services.store.embedded import child, cluster
from services.store.embedded.account import EmbeddedPostgresError
from services.store.embedded.binaries import Binaries
from services.store.embedded.place import DATABASE, Home, lock_holder, locked, make_data_dir, open_home

log = structlog.get_logger()

LOCK_WAIT_S = 2.0
START_TIMEOUT_S = 120
"""Long, because a start after a crash first replays what was written since the last checkpoint."""
CONNECT_TIMEOUT_S = 10
STOPS = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0))
"""Clean shutdown, immediate shutdown, end; each with the seconds it may take."""
POLL_S = 0.02
ATTEMPTS = 5
RETRY_PAUSE_S = 0.5
PASSING_TROUBLE = ("is still in use", "Address already in use")
"""Backends of a killed server that are about to go; a port that somebody took between our look and the start."""


class Lifeline(Enum):
    """What stops the server when its owner is killed: a signal by the Linux kernel, or a process that watches a pipe."""

    KERNEL = "kernel"
    PIPE = "pipe"


DEFAULT_LIFELINE = Lifeline.KERNEL if sys.platform == "linux" else Lifeline.PIPE


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """`url` holds a password: never log it. `adopted`: a server that a killed owner had left running was shut down first."""

    url: str = field(repr=False)
    pid: int
    adopted: bool


@asynccontextmanager
async def embedded_postgres(
    data_dir: Path, *, options: Mapping[str, str] = MappingProxyType({}), lifeline: Lifeline = DEFAULT_LIFELINE
) -> AsyncIterator[EmbeddedServer]:
    """A running PostgreSQL with its data in DATA_DIR, shut down cleanly on exit; it ends with this process even after kill -9.

    `options` are configuration parameters over our own; unless they say otherwise, committed data is on the disk. The URL names
    the database `firstlight`; asyncpg and `databases` accept it. Enter it in a thread that outlives the context: Linux takes the
    end of the thread that started the server for the owner's. Raises `EmbeddedPostgresError`.
    """
    with ExitStack() as locks:
        resolved = _make(data_dir)
        await _lock(locks, resolved / "postgres.lock", resolved)
        home = await asyncio.to_thread(open_home, resolved)
        await _lock(locks, home.folder / "owner.lock", resolved)
        adopted = await _stop_orphan(home)
        binaries = await asyncio.to_thread(cluster.prepare, home)
        process, port = await _start(home, binaries, options, lifeline)
        try:
            await _ensure_database(home, port)
            pid = cluster.postmaster(home) or process.pid
            log.info("Embedded PostgreSQL started", major=binaries.major, folder=str(home.folder), pid=pid, adopted=adopted)
            yield EmbeddedServer(home.url(port), pid, adopted)
        finally:
            await _stop(process, home)


def _make(data_dir: Path) -> Path:
    try:
        return make_data_dir(data_dir)
    except OSError as error:
        raise EmbeddedPostgresError(
            f"DATA_DIR {data_dir} cannot be made: {error.strerror}.", "Set DATA_DIR to a folder that you can write to."
        ) from error


async def _lock(locks: ExitStack, path: Path, data_dir: Path) -> None:
    """Waits a moment: an owner that is being killed holds its locks until the kernel is done with it."""

    def lock_taken() -> bool:
        try:
            locks.enter_context(locked(path))
        except BlockingIOError:
            return False
        return True

    try:
        taken = await _until(lock_taken, LOCK_WAIT_S)
    except OSError as error:
        raise EmbeddedPostgresError(
            f"DATA_DIR {data_dir} cannot be used: {error.strerror} ({path}).",
            "Start as the account that made it, or set DATA_DIR to another folder.",
        ) from error
    if not taken:
        raise EmbeddedPostgresError(
            f"DATA_DIR {data_dir} is in use by process {lock_holder(path)}.",
            "Stop that process, or set DATA_DIR to another folder; several processes can share one DATABASE_URL.",
        )


async def _start(
    home: Home, binaries: Binaries, options: Mapping[str, str], lifeline: Lifeline
) -> tuple[subprocess.Popen[bytes], int | None]:
    """The running server, and its TCP port where a socket cannot be used."""
    for attempt in range(1, ATTEMPTS + 1):
        port = None if home.socket_usable() else cluster.free_port()
        with cluster.open_log(home) as output:
            begun = output.tell()
            process = _spawn(home, cluster.server_command(home, binaries, options, port), lifeline, output)
        try:
            if await _ready(process, home):
                return process, port
        except BaseException:
            await _stop(process, home)
            raise
        told = cluster.log_since(home, begun)
        if attempt == ATTEMPTS or not any(sign in told for sign in PASSING_TROUBLE):
            break
        await asyncio.sleep(RETRY_PAUSE_S)
    raise EmbeddedPostgresError(
        f"PostgreSQL did not start: {told[-500:].strip() or f'it ended with code {process.returncode}'}",
        f"The whole log is {home.log}. See to that, or set DATA_DIR or DATABASE_URL.",
    )


async def _ready(process: subprocess.Popen[bytes], home: Home) -> bool:
    """Whether the server takes connections; false when it ended instead."""
    if not await _until(lambda: process.poll() is not None or cluster.accepts_connections(home), START_TIMEOUT_S):
        raise EmbeddedPostgresError(
            f"PostgreSQL was not ready within {START_TIMEOUT_S} s.", f"See its log {home.log}; a recovery may need more time."
        )
    return process.poll() is None


def _spawn(home: Home, command: list[str], lifeline: Lifeline, output: BinaryIO) -> subprocess.Popen[bytes]:
    # Here and not in a pool's thread: PR_SET_PDEATHSIG follows the thread that forks.
    who = [str(home.account.uid), str(home.account.gid)] if home.account.switch else ["-", "-"]
    return subprocess.Popen(  # noqa: S603 - our own program, no shell
        [sys.executable, "-I", "-S", child.__file__, lifeline.value, str(os.getpid()), *who, *command],
        cwd="/",
        start_new_session=True,
        stdin=subprocess.PIPE if lifeline is Lifeline.PIPE else subprocess.DEVNULL,
        stdout=output,
        stderr=output,
    )


async def _ensure_database(home: Home, port: int | None) -> None:
    url = home.url(port, database="postgres")
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S, command_timeout=CONNECT_TIMEOUT_S)
        try:
            if not await connection.fetchval("select exists (select from pg_database where datname = $1)", DATABASE):
                await connection.execute(f"create database {DATABASE}")
        finally:
            await connection.close(timeout=CONNECT_TIMEOUT_S)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise EmbeddedPostgresError(
            f"PostgreSQL runs, and its database cannot be opened: {error}", f"See its log {home.log}."
        ) from error


async def _stop(process: subprocess.Popen[bytes], home: Home) -> None:
    """Ends the server and waits for it: at most the sum of the seconds in STOPS."""
    for number, patience_s in STOPS:
        if process.poll() is None:
            for pid in {process.pid, cluster.postmaster(home) or process.pid}:
                _signal(pid, number)
        if await _until(lambda: process.poll() is not None, patience_s):
            break
        log.warning("Embedded PostgreSQL does not stop", signal=number.name, waited_s=patience_s)
    if process.stdin is not None:
        process.stdin.close()


async def _stop_orphan(home: Home) -> bool:
    """Ends a server that a killed owner left behind, in whatever state it is. Whether there was one."""
    pid = cluster.postmaster(home)
    if pid is None:
        return False
    found = cluster.serves(pid, home)
    for number, patience_s in STOPS:
        if cluster.serves(pid, home):
            _signal(pid, number)
        if await _until(lambda: not cluster.serves(pid, home), patience_s):
            cluster.forget_postmaster(home)
            return found
    raise EmbeddedPostgresError(
        f"A PostgreSQL of an earlier start (process {pid}) holds {home.data} and does not end.", "End it and start again."
    )


async def _until(condition: Callable[[], bool], patience_s: float) -> bool:
    """Whether the condition came true within these seconds."""
    deadline = Clock.monotonic() + patience_s
    while not condition():
        if Clock.monotonic() > deadline:
            return False
        await asyncio.sleep(POLL_S)
    return True


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
