"""The service as the tests of its edge call it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from hashlib import sha256

import httpx
import pytest_asyncio

from server.app import create_app
from server.standins.sahha import create_sahha_standin
from server.standins.serving import serve_standin
from services.accounts import Keyring
from services.clock import Clock, clock_starting_at
from services.config import load_settings
from services.sahha.client import SahhaAccess
from tests.api.clients import ADMIN_KEY, SERVICE_KEY, WEBHOOK_SECRET, Api
from tests.api.serving import serving
from tests.tokens import TOKEN_SETTINGS

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
"""A database that is not there."""
MORNING = datetime.fromisoformat("2026-03-11T06:40:00-04:00")
NO_SAHHA = SahhaAccess("http://127.0.0.1:1", "client", "secret")


@asynccontextmanager
async def running(database_url: str, sahha: SahhaAccess, clock: Clock, **settings: object) -> AsyncIterator[Api]:
    """The whole service in this process, on a loopback socket."""
    keyring = Keyring(ADMIN_KEY, {"tests": sha256(SERVICE_KEY.encode()).hexdigest()})
    app = create_app(
        load_settings(_env_file=None, **{"sahha_webhook_secret": WEBHOOK_SECRET, **settings}),
        clock=clock,
        keyring=keyring,
        sahha=sahha,
        database_url=database_url,
        stopping=asyncio.Event(),
    )
    async with serving(app) as (url, state):
        yield Api(url, state["services"])


@pytest_asyncio.fixture(scope="session")
async def edge() -> AsyncIterator[Api]:
    """The service without database, worker or scheduler: for what must be answered before anything is looked up."""
    async with running(
        NOWHERE, NO_SAHHA, Clock(), worker="off", scheduler="off", unknown_keys_per_min=1_000_000, **TOKEN_SETTINGS
    ) as api:
        yield api


@asynccontextmanager
async def running_beside_sahha(database_url: str, **settings: object) -> AsyncIterator[tuple[Api, httpx.AsyncClient]]:
    """As `running_whole`; and a client of the stand-in, with which it can be made to fail."""
    clock = clock_starting_at(MORNING)
    async with (
        serve_standin(create_sahha_standin(clock)) as sahha_url,
        running(database_url, SahhaAccess(sahha_url, "sandbox", "sandbox"), clock, **settings) as api,
        httpx.AsyncClient(base_url=sahha_url) as sahha,
    ):
        await api.until_ready()
        yield api, sahha


@asynccontextmanager
async def running_whole(database_url: str, **settings: object) -> AsyncIterator[Api]:
    """The service with everything: its own database, worker, scheduler, and the Sahha stand-in on the same clock."""
    async with running_beside_sahha(database_url, **settings) as (api, _):
        yield api


@pytest_asyncio.fixture
async def service(database_url: str) -> AsyncIterator[Api]:
    """See `running_whole`."""
    async with running_whole(database_url) as api:
        yield api
