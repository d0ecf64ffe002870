"""A Sahha stand-in on real HTTP, asked as an account of Sahha asks."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from server.standins.generated import Crowd
from server.standins.sahha import create_sahha_standin
from server.standins.serving import serve_standin
from server.standins.webhooks_out import Target
from services.clock import Clock, clock_starting_at

API = "/api/v1"
NOON = datetime.fromisoformat("2026-03-18T16:00:00+00:00")

Param = str | int | list[str]


@dataclass(frozen=True)
class Standing:
    """A running stand-in. `http` speaks to it without a credential."""

    url: str
    clock: Clock
    http: httpx.AsyncClient

    async def token(self) -> str:
        credential = {"clientId": "sandbox", "clientSecret": "sandbox"}
        answer = await self.http.post(f"{API}/oauth/account/token", json=credential)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["accountToken"])

    async def call(self, method: str, path: str, json: Any = None, **params: Param) -> httpx.Response:
        headers = {"Authorization": f"account {await self.token()}"}
        return await self.http.request(method, API + path, params=params, headers=headers, json=json)

    async def get(self, path: str, **params: Param) -> httpx.Response:
        return await self.call("GET", path, **params)

    async def rows(self, path: str, **params: Param) -> list[dict[str, Any]]:
        """The rows of an answer; none for 204."""
        answer = await self.get(path, **params)
        assert answer.status_code in {200, 204}, answer.text
        found: list[dict[str, Any]] = answer.json() if answer.content else []
        return found

    async def fail(self, *faults: Mapping[str, Any], seed: int = 0) -> None:
        answer = await self.http.put("/_standin/faults", json={"faults": faults, "seed": seed})
        assert answer.status_code == 200, answer.text

    async def control(self, method: str, path: str, **json: Any) -> Any:
        answer = await self.http.request(method, f"/_standin/{path}", json=json or None)
        assert answer.status_code == 200, answer.text
        return answer.json()


@asynccontextmanager
async def open_standin(
    now: datetime = NOON,
    *,
    crowd: Crowd | None = None,
    token_life: timedelta = timedelta(hours=24),
    webhooks: Target | None = None,
) -> AsyncIterator[Standing]:
    clock = clock_starting_at(now)
    app = create_sahha_standin(clock, crowd=crowd, token_life=token_life, webhooks=webhooks)
    async with serve_standin(app) as url, httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as http:
        yield Standing(url, clock, http)
