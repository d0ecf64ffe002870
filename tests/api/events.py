"""A client of server-sent events: what a stream holds, line by line, as the HTML standard reads it."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.api.clients import PATIENCE_S, SERVICE_KEY, Api

EVENT_STREAM = "text/event-stream"


@dataclass
class Events:
    """One stream. `comments` are those that were passed over."""

    response: httpx.Response
    lines: AsyncIterator[str]
    comments: int = 0

    async def next(self) -> tuple[str, Any] | None:
        """The next event, by name, with its JSON; `None` when the stream has ended."""
        name, data = "", ""
        async with asyncio.timeout(PATIENCE_S):
            async for line in self.lines:
                field, _, value = line.partition(":")
                if not line and name:
                    return name, json.loads(data) if data else None
                if line.startswith(":"):
                    self.comments += 1
                elif field == "event":
                    name = value.strip()
                elif field == "data":
                    data += value
        return None

    async def rest(self) -> list[tuple[str, Any]]:
        """All events up to the end of the stream."""
        found = []
        while (event := await self.next()) is not None:
            found.append(event)
        return found


@asynccontextmanager
async def streamed(
    api: Api,
    query: str,
    variables: Mapping[str, object] | None = None,
    *,
    credential: str = SERVICE_KEY,
    method: str = "POST",
) -> AsyncIterator[Events]:
    """The stream of an operation."""
    headers = {"accept": EVENT_STREAM, "authorization": f"Bearer {credential}"}
    sent: dict[str, Any] = {"params": {"query": query}} if method == "GET" else {"json": {"query": query, "variables": variables}}
    async with (
        httpx.AsyncClient(base_url=api.url, timeout=PATIENCE_S) as http,
        http.stream(method, "/graphql", headers=headers, **sent) as response,
    ):
        yield Events(response, response.aiter_lines())
