"""The service with settings of a test's own, and what it tells of its open streams."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from services.clock import Clock
from tests.api.clients import PATIENCE_S, Api, Socket, acknowledged
from tests.api.conftest import NO_SAHHA, NOWHERE, running
from tests.tokens import TOKEN_SETTINGS, token_of

VIEWER = "{ viewer { subject } }"


@asynccontextmanager
async def edge_with(database_url: str = NOWHERE, **settings: object) -> AsyncIterator[Api]:
    """The service without worker or scheduler, and without a database unless told otherwise; it takes user tokens."""
    values = {"worker": "off", "scheduler": "off", **TOKEN_SETTINGS, **settings}
    async with running(database_url, NO_SAHHA, Clock(), **values) as api:
        yield api


def figure(api: Api, name: str, **labels: str) -> float:
    """A figure of the service's metrics."""
    return api.services.metrics.registry.get_sample_value(f"firstlight_{name}", labels) or 0.0


def open_sockets(api: Api) -> float:
    return figure(api, "open_streams", kind="websocket")


def open_event_streams(api: Api) -> float:
    return figure(api, "open_streams", kind="sse")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)


async def introduce(socket: Socket, credential: str) -> None:
    await socket.send({"type": "connection_init", "payload": {"authorization": f"Bearer {credential}"}})


def socket_of(api: Api, person: str) -> AbstractAsyncContextManager[Socket]:
    """A socket that was acknowledged with a token of this person."""
    return acknowledged(api, token_of(person))


async def works(socket: Socket) -> None:
    """The socket answers a query."""
    await socket.subscribe("works", VIEWER)
    assert (await socket.receive())["type"] == "next"
    assert (await socket.receive())["type"] == "complete"
