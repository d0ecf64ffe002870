"""`firstlight serve` as a process of its own, as an operator runs it: what it prints is read, what it is asked goes over HTTP."""

import asyncio
import os
import re
import resource
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx

START_S = 60
STOP_S = 20


@dataclass
class ServiceProcess:
    """A running service. `lines` is all that it has printed."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)
    printed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    @property
    def url(self) -> str:
        return self._shown(r"GraphQL\s+(http\S+)/graphql")

    @property
    def admin_key(self) -> str:
        return self._shown(r"  admin key\s+(\S+)")

    @property
    def service_key(self) -> str:
        return self._shown(r"service key\s+(\S+)")

    @property
    def standin_url(self) -> str:
        return self._shown(r"(http://127\.0\.0\.1:\d+) \(an outage")

    @property
    def standin_pid(self) -> int:
        return int(self._shown(r"kill (\d+)"))

    def _shown(self, pattern: str) -> str:
        found = re.search(pattern, self.output)
        assert found, f"not printed: {pattern}\n{self.output}"
        return found.group(1)

    async def wait_for_line(self, text: str, seconds: float = 20, after: int = 0) -> str:
        """The first line, from line number `after` on, that holds `text`."""

        def found() -> str | None:
            return next((line for line in self.lines[after:] if text in line), None)

        async with self.printed:
            try:
                async with asyncio.timeout(seconds):
                    await self.printed.wait_for(lambda: found() is not None)
            except TimeoutError:
                raise AssertionError(f"not printed within {seconds} s: {text}\n{self.output}") from None
        line = found()
        assert line is not None
        return line

    async def read_output(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            async with self.printed:
                self.lines.append(line.decode().rstrip("\n"))
                self.printed.notify_all()

    async def graphql(self, query: str, variables: dict[str, Any] | None = None, key: str | None = None) -> dict[str, Any]:
        """The whole answer of one operation, with the service key unless told otherwise."""
        async with httpx.AsyncClient(timeout=60) as http:
            response = await http.post(
                f"{self.url}/graphql",
                json={"query": query, "variables": variables or {}},
                headers={"x-api-key": key or self.service_key},
            )
        answer: dict[str, Any] = response.json()
        return answer

    def stop_reading(self) -> None:
        """Whoever read what it prints is gone."""
        self.process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]

    async def end_standin(self) -> None:
        """An outage of Sahha: the stand-in's process is ended, as the banner says, and gone when this returns."""
        pid = self.standin_pid
        os.kill(pid, signal.SIGTERM)
        async with asyncio.timeout(STOP_S):
            while pid in children_of(self.process.pid):
                await asyncio.sleep(0.02)

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return await self.until_ended()

    async def until_ended(self, seconds: float = STOP_S) -> int:
        """The exit code. Unlike `process.wait`, this does not wait for children that hold the output open."""
        async with asyncio.timeout(seconds):
            while self.process.returncode is None:
                await asyncio.sleep(0.02)
        return self.process.returncode

    async def kill(self) -> None:
        self.process.kill()
        await self.until_ended()


@asynccontextmanager
async def service_process(
    data_dir: Path, *arguments: str, until: str = "service key", limits: Mapping[int, int] | None = None, **settings: str
) -> AsyncIterator[ServiceProcess]:
    """Start the service in sandbox mode on a free port, wait for its banner, and leave nothing of it behind.

    `arguments`: another command than `serve`; `until`: the line to wait for; `limits`: resource limits of the process, by number.
    """
    environment = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV"}}
    environment |= {"PORT": "0", "DATA_DIR": str(data_dir), "PYTHONUNBUFFERED": "1", **settings}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "server",
        *(arguments or ("serve",)),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=data_dir.parent,
        limit=2**20,
        preexec_fn=partial(_limit, limits or {}),
    )
    service = ServiceProcess(process)
    reading = asyncio.get_running_loop().create_task(service.read_output())
    try:
        await service.wait_for_line(until, START_S)
        yield service
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError, TimeoutError):
                await service.stop()
        if process.returncode is None:
            await service.kill()
        await asyncio.wait({reading}, timeout=5)
        reading.cancel()


def _limit(limits: Mapping[int, int]) -> None:
    for resource_number, value in limits.items():
        resource.setrlimit(resource_number, (value, value))


def children_of(pid: int) -> list[int]:
    """The processes that a process has started and that still run."""
    children = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                children.append(int(status.parent.name))
    return children
