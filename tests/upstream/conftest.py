"""A stand-in on real HTTP, and a client of it, for each test."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import settings as hypothesis_settings

from server.standins.sahha import create_sahha_standin
from server.standins.serving import serve_standin
from services.clock import Clock, clock_starting_at
from services.config import load_settings
from services.sahha.client import SahhaAccess, SahhaClient, sahha_http

UNHURRIED = hypothesis_settings(deadline=None)
"""A property is true however busy the machine is."""

NOON = datetime(2026, 3, 18, 16, 0, tzinfo=UTC)
REAL_BODIES = Path(__file__).parents[2].parent / "shared" / "data" / "sahha"


@dataclass(frozen=True)
class Upstream:
    """A running stand-in with its controls, and a client of the product that speaks to it."""

    url: str
    clock: Clock
    client: SahhaClient
    http: httpx.AsyncClient
    controls: httpx.AsyncClient

    async def fail(self, *faults: dict[str, Any], seed: int = 0) -> None:
        answer = await self.controls.put("/_standin/faults", json={"faults": faults, "seed": seed})
        assert answer.status_code == 200, answer.text

    async def asked(self, kind: str) -> list[dict[str, Any]]:
        """The requests of a kind that the stand-in has seen."""
        return [request for request in (await self.controls.get("/_standin/log")).json() if request["kind"] == kind]


OpenUpstream = Callable[..., AbstractAsyncContextManager[Upstream]]


@asynccontextmanager
async def open_upstream(
    now: datetime = NOON,
    bodies: dict[str, Path] | None = None,
    token_life: timedelta = timedelta(hours=24),
    secret: str = "sandbox",  # noqa: S107 - the stand-in's
    **settings: float,
) -> AsyncIterator[Upstream]:
    clock = clock_starting_at(now)
    configured = load_settings(_env_file=None, **settings)
    app = create_sahha_standin(clock, bodies=bodies, token_life=token_life)
    async with (
        serve_standin(app) as url,
        sahha_http(configured) as http,
        httpx.AsyncClient(base_url=url, trust_env=False) as controls,
    ):
        client = SahhaClient(http, SahhaAccess(url, "sandbox", secret), configured, clock)
        yield Upstream(url, clock, client, http, controls)
        await client.aclose()


@pytest.fixture
def upstream_with() -> OpenUpstream:
    """Opens an upstream with other settings than the usual ones."""
    return open_upstream


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with open_upstream() as opened:
        yield opened


@pytest.fixture
def real_bodies() -> Path:
    if not REAL_BODIES.is_dir():
        pytest.skip("the real answers are not part of the project: no ../shared/data/sahha")
    return REAL_BODIES
