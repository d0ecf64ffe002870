"""The services as the process wires them, against the Sahha stand-in on loopback."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx

from scheduler.worker import Worker
from server.standins.generated import Crowd
from server.standins.openai import create_openai_standin
from server.standins.sahha import create_sahha_standin
from server.standins.serving import serve_standin
from services.clock import clock_starting_at
from services.config import Settings
from services.container import Services, open_services
from services.sahha.client import SahhaAccess

MORNING = datetime.fromisoformat("2026-03-11T06:40:00-04:00")
ADMIN_KEY = "admin-key-of-the-tests"
KEY = "sandbox"


@dataclass(frozen=True, slots=True)
class Product:
    """Open services and the stand-in that they speak to."""

    services: Services
    standin_url: str
    model_url: str | None = None

    async def set_model(self, *faults: dict[str, object], **behaviour: object) -> None:
        """How the model behaves from now on."""
        async with httpx.AsyncClient(base_url=self.model_url or "") as http:
            (await http.put("/_standin/faults", json={**behaviour, "faults": faults})).raise_for_status()

    async def questions(self) -> int:
        """How many times the model was asked."""
        async with httpx.AsyncClient(base_url=self.model_url or "") as http:
            return len((await http.get("/_standin/log")).json())

    async def set_faults(self, *faults: dict[str, object]) -> None:
        """What the stand-in does wrong from now on."""
        async with httpx.AsyncClient(base_url=self.standin_url) as http:
            (await http.put("/_standin/faults", json={"faults": list(faults)})).raise_for_status()

    async def calls(self, kind: str) -> int:
        """How many requests of a kind the stand-in has seen."""
        async with httpx.AsyncClient(base_url=self.standin_url) as http:
            return sum(entry["kind"] == kind for entry in (await http.get("/_standin/log")).json())


@asynccontextmanager
async def open_product(
    database_url: str,
    *,
    at: datetime = MORNING,
    worker: bool = False,
    bodies: Mapping[str, Path] | None = None,
    crowd: int = 0,
    sahha_url: str | None = None,
    model: bool = False,
    **settings: object,
) -> AsyncIterator[Product]:
    """Services on this database, with a clock that starts at `at`; `worker` lets them do durable work too.

    `bodies`: people whose answers lie as JSON in a directory. `crowd`: so many generated people. `sahha_url`: what the services
    take for Sahha, in place of the stand-in. `model`: the model stand-in writes.
    """
    clock = clock_starting_at(at)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serve_standin(create_sahha_standin(clock, bodies=bodies, crowd=Crowd(crowd))))
        model_url = None
        if model:
            model_url = await stack.enter_async_context(serve_standin(create_openai_standin(api_key=KEY)))
            settings |= {"openai_api_key": KEY, "openai_base_url": f"{model_url}/v1"}
        services = await stack.enter_async_context(
            open_services(
                Settings(_env_file=None, **settings),  # type: ignore[arg-type]
                clock=clock,
                sahha=SahhaAccess(sahha_url or url, "sandbox", "sandbox"),
                database_url=database_url,
            )
        )
        if worker:
            await stack.enter_async_context(Worker(services).running())
        yield Product(services, url, model_url)
