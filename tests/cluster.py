"""Several processes of the service on one PostgreSQL, against one Sahha stand-in in the test's own process."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

import asyncpg
import httpx

from server.standins.generated import Crowd
from server.standins.sahha import create_sahha_standin
from server.standins.serving import serve_standin
from services.clock import Clock
from tests.process import ServiceProcess, service_process

SERVICE_KEY = "service-key-of-the-tests"
FAST_START = MappingProxyType({"SCHEDULER": "off", "WORKER_HEARTBEAT_TIMEOUT_S": "2"})
READY_S = 60
MUTATION = """
mutation($input: GenerateRoutineInput!, $waitSeconds: Int) {
  generateRoutine(input: $input, waitSeconds: $waitSeconds) {
    __typename
    ... on GenerateRoutineSuccess { routine { id status } }
  }
}
"""
WORKER_STARTED = "Background worker started successfully"


@dataclass(frozen=True)
class Cluster:
    """What the processes share."""

    folder: Path
    database_url: str
    standin_url: str

    def settings(self, **settings: str) -> dict[str, str]:
        return {
            "DATABASE_URL": self.database_url,
            "SAHHA_BASE_URL": self.standin_url,
            "SAHHA_CLIENT_ID": "client",
            "SAHHA_CLIENT_SECRET": "secret",
            "ADMIN_API_KEY": "admin-key-of-the-tests",
            "SERVICE_API_KEYS": f"tests:{sha256(SERVICE_KEY.encode()).hexdigest()}",
            **FAST_START,
            **settings,
        }

    def web(self, *arguments: str, **settings: str) -> AbstractAsyncContextManager[ServiceProcess]:
        """`firstlight serve`, ready or about to be."""
        command = ("serve", *arguments)
        return service_process(self.folder / "data", *command, until="/readyz", limits=None, **self.settings(**settings))

    def worker(self, **settings: str) -> AbstractAsyncContextManager[ServiceProcess]:
        """`firstlight worker`."""
        return service_process(self.folder / "data", "worker", until=WORKER_STARTED, limits=None, **self.settings(**settings))

    async def set_faults(self, *faults: Mapping[str, object], seed: int = 0) -> None:
        """What the stand-in does wrong from now on."""
        async with httpx.AsyncClient(base_url=self.standin_url) as http:
            (await http.put("/_standin/faults", json={"faults": list(faults), "seed": seed})).raise_for_status()

    async def fetch(self, sql: str) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.database_url)
        try:
            return list(await connection.fetch(sql))
        finally:
            await connection.close()

    async def calls(self) -> dict[str, int]:
        """How many requests of each kind the stand-in has seen."""
        counted: dict[str, int] = {}
        async with httpx.AsyncClient(base_url=self.standin_url) as http:
            for entry in (await http.get("/_standin/log")).json():
                counted[entry["kind"]] = counted.get(entry["kind"], 0) + 1
        return counted


async def ask(web: ServiceProcess, person: int, wait_s: int = 0) -> dict[str, str]:
    """Id and status of the routine of a generated person, asked for by one key."""
    given = {
        "userId": f"generated-{person:05}",
        "archetype": "PEAK_PERFORMER",
        "timezone": "Europe/Berlin",
        "idempotencyKey": "tap-1",
    }
    answer = await web.graphql(MUTATION, {"input": given, "waitSeconds": wait_s}, key=SERVICE_KEY)
    found = answer["data"]["generateRoutine"]
    assert found["__typename"] == "GenerateRoutineSuccess", answer
    routine: dict[str, str] = found["routine"]
    return routine


async def until_ready(web: ServiceProcess, person: int) -> None:
    async with asyncio.timeout(READY_S):
        while (await ask(web, person, wait_s=10))["status"] != "READY":
            await asyncio.sleep(0.1)


@asynccontextmanager
async def open_cluster(folder: Path, database_url: str, crowd: int = 1000) -> AsyncIterator[Cluster]:
    """A migrated database, and the stand-in with so many generated people beside the invented ones."""
    standin = create_sahha_standin(Clock(), client_id="client", client_secret="secret", crowd=Crowd(crowd))
    async with serve_standin(standin) as standin_url:
        yield Cluster(folder, database_url, standin_url)
