"""Clients of the service: GraphQL over HTTP with httpx, and graphql-transport-ws spoken by hand over the `websockets` library."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from services.container import Services

ADMIN_KEY = "admin-key-of-the-tests"
SERVICE_KEY = "service-key-of-the-tests"
WEBHOOK_SECRET = "webhook-secret-of-the-tests"
PROTOCOL = Subprotocol("graphql-transport-ws")
PATIENCE_S = 60
"""How long anything is waited for: only what never comes takes so long."""


@dataclass(frozen=True)
class Api:
    """A running service, called with the service key unless told otherwise. `services` are its own, to look inside."""

    url: str
    services: Services

    async def request(
        self,
        method: str,
        path: str,
        *,
        key: str | None = SERVICE_KEY,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        content: bytes | AsyncIterator[bytes] | None = None,
        body: object = None,
    ) -> httpx.Response:
        """`body` is sent as JSON, `content` as it is."""
        sent = {**({"x-api-key": key} if key else {}), **(headers or {})}
        async with httpx.AsyncClient(base_url=self.url, timeout=60) as http:
            return await http.request(method, path, headers=sent, params=params, content=content, json=body)

    async def post(
        self,
        query: str,
        variables: Mapping[str, object] | None = None,
        *,
        key: str | None = SERVICE_KEY,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        return await self.request("POST", "/graphql", key=key, headers=headers, body={"query": query, "variables": variables})

    async def graphql(
        self,
        query: str,
        variables: Mapping[str, object] | None = None,
        *,
        key: str | None = SERVICE_KEY,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.post(query, variables, key=key, headers=headers)).json()
        return answer

    async def data(
        self, query: str, variables: Mapping[str, object] | None = None, *, key: str | None = SERVICE_KEY
    ) -> dict[str, Any]:
        """The data of an operation that has no errors."""
        answer = await self.graphql(query, variables, key=key)
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    async def error(
        self, query: str, variables: Mapping[str, object] | None = None, *, key: str | None = SERVICE_KEY
    ) -> dict[str, Any]:
        """The only error of an operation."""
        (error,) = (await self.graphql(query, variables, key=key))["errors"]
        found: dict[str, Any] = error
        return found

    async def until_ready(self) -> httpx.Response:
        """The first answer of `/readyz` that says ready."""
        async with asyncio.timeout(PATIENCE_S):
            while (response := await self.request("GET", "/readyz", key=None)).status_code != 200:
                await asyncio.sleep(0.05)
        return response


@dataclass
class Socket:
    """One graphql-transport-ws connection."""

    connection: ClientConnection

    async def send(self, message: object) -> None:
        await self.connection.send(json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            frame = await self.connection.recv()
        assert isinstance(frame, str), "the protocol's frames are text"
        message: dict[str, Any] = json.loads(frame)
        return message

    async def subscribe(self, identifier: str, query: str, variables: Mapping[str, object] | None = None) -> None:
        payload = {"query": query, "variables": variables}
        await self.send({"id": identifier, "type": "subscribe", "payload": payload})

    async def close_code(self) -> int | None:
        """The code with which the server closes."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    await self.connection.recv()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None


@asynccontextmanager
async def opened(
    api: Api, headers: dict[str, str] | None = None, protocol: Subprotocol | None = PROTOCOL
) -> AsyncIterator[Socket]:
    """A connection on which nothing was said yet."""
    url = api.url.replace("http", "ws", 1) + "/graphql"
    async with connect(url, subprotocols=[protocol] if protocol else None, additional_headers=headers) as connection:
        yield Socket(connection)


@asynccontextmanager
async def acknowledged(api: Api, key: str = SERVICE_KEY) -> AsyncIterator[Socket]:
    """A connection that the server has acknowledged."""
    async with opened(api) as socket:
        await socket.send({"type": "connection_init", "payload": {"x-api-key": key}})
        assert (await socket.receive())["type"] == "connection_ack"
        yield socket
