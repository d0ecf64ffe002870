"""A subscriber on graphql-transport-ws, as an official client is one."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

PROTOCOL = Subprotocol("graphql-transport-ws")
PLAN_READY = """
subscription($userId: ID!, $after: ID) { planReady(userId: $userId, after: $after) { id routineId routine { status } } }
"""
PATIENCE_S = 30


@asynccontextmanager
async def subscribed(url: str, key: str, user_id: str, after: str | None) -> AsyncIterator[ClientConnection]:
    """A connection with a subscription to `planReady` after an event."""
    async with connect(f"{url.replace('http', 'ws', 1)}/graphql", subprotocols=[PROTOCOL]) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": {"x-api-key": key}}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        payload = {"query": PLAN_READY, "variables": {"userId": user_id, "after": after}}
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        yield socket


async def next_event(socket: ClientConnection) -> dict[str, Any]:
    """The next event of the subscription."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            message = json.loads(await socket.recv())
            assert message["type"] not in {"error", "complete"}, message
            if message["type"] == "next":
                event: dict[str, Any] = message["payload"]["data"]["planReady"]
                return event


async def until_closed(socket: ClientConnection) -> tuple[list[dict[str, Any]], int | None]:
    """The events that still came, and the code with which the server closed."""
    events = []
    try:
        while True:
            events.append(await next_event(socket))
    except ConnectionClosed as closed:
        return events, closed.rcvd.code if closed.rcvd else None
