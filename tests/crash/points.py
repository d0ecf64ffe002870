"""Workers that die after their n-th step: `python -m tests.crash.points DATABASE_URL SAHHA_URL [MODEL_URL]`.

A step is a statement, a commit among them, or a call to Sahha or to the model; the first one is the claim of a job. Reads numbers
of steps from standard input, a line each, 0 for a worker that lives; answers with how it ended. Each worker is a fork of this
process, so that none has to be loaded.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import httpx2

from scheduler.worker import Worker
from services.clock import Clock
from services.config import Settings
from services.container import Services, open_services
from services.sahha.client import SahhaAccess
from tests.product import KEY as STANDIN_KEY

CLAIM = "SKIP LOCKED"
LEFT = """
select count(*) from routines where status in ('QUEUED', 'FETCHING', 'PLANNING')
union all select count(*) from pgqueuer where entrypoint = 'GENERATE_ROUTINE'
"""
PATIENCE_S = 20
KEY = "key-of-a-worker-that-nobody-calls"


AFTER_THE_MODEL = -1
"""In place of a number of steps: the worker dies as soon as the model answers."""


class Steps:
    """Counts what goes out of the process, and ends it after a given step."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._taken = 0

    def watch(self, owner: type, name: str) -> None:
        original: Callable[..., Awaitable[Any]] = getattr(owner, name)

        async def counted(this: object, *arguments: Any, **options: Any) -> Any:
            result = await original(this, *arguments, **options)
            if self._last == AFTER_THE_MODEL and owner is httpx2.AsyncClient:
                os.kill(os.getpid(), signal.SIGKILL)
            if LEFT in arguments:
                return result
            claims = bool(arguments) and isinstance(arguments[0], str) and CLAIM in arguments[0]
            if self._taken or (claims and result):
                self._taken += 1
                if self._taken == self._last:
                    os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(owner, name, counted)


async def until_nothing_is_left(services: Services) -> None:
    connection = await asyncpg.connect(services.database_url)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while any(row["count"] for row in await asyncpg.Connection.fetch(connection, LEFT)):
                await asyncio.sleep(0.05)
    finally:
        await connection.close()


async def work(database_url: str, sahha_url: str, model_url: str | None) -> None:
    settings = Settings(
        _env_file=None,
        openai_api_key=STANDIN_KEY if model_url else None,
        openai_base_url=f"{model_url}/v1" if model_url else None,
        sahha_client_id="client",
        sahha_client_secret="secret",
        admin_api_key=KEY,
        worker_heartbeat_timeout_s=2,
    )
    access = SahhaAccess(sahha_url, "client", "secret")
    async with (
        open_services(settings, clock=Clock(), sahha=access, database_url=database_url) as services,
        Worker(services).running(),
    ):
        await until_nothing_is_left(services)


def live(last: int, database_url: str, sahha_url: str, model_url: str | None = None) -> None:
    """What a fork does."""
    if last:
        steps = Steps(last)
        for name in ("execute", "fetch", "fetchrow", "fetchval"):
            steps.watch(asyncpg.Connection, name)
        steps.watch(httpx.AsyncClient, "send")
        steps.watch(httpx2.AsyncClient, "send")
    asyncio.run(work(database_url, sahha_url, model_url))


def main() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
            live(int(line), *sys.argv[1:])
            return
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
