"""What the tests of the refresh job have in common: people who were asked for, and how often each of them was read."""

from collections import Counter
from contextlib import AbstractAsyncContextManager
from datetime import datetime

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.domain.ids import UserId
from services.store import people
from services.store.database import Database
from tests.product import Product, open_product


def hurried(database_url: str, *, crowd: int = 0, sahha_url: str | None = None) -> AbstractAsyncContextManager[Product]:
    """The product, with a refresh job that does not wait between people."""
    return open_product(database_url, crowd=crowd, sahha_url=sahha_url, sahha_refresh_per_s=10_000)


def cheap_sahha(seen: set[str]) -> Starlette:
    """A Sahha that knows everybody and has nothing of anybody; `seen` collects whom it was asked about."""

    async def token(_request: Request) -> Response:
        return JSONResponse({"accountToken": "token", "expiresIn": 86_400, "tokenType": "Account"})

    async def profile(request: Request) -> Response:
        external_id = request.path_params["external_id"]
        seen.add(external_id)
        return JSONResponse({"externalId": external_id, "dataLastReceivedAtUtc": None})

    async def nothing(_request: Request) -> Response:
        return Response(status_code=204)

    return Starlette(
        routes=[
            Route("/api/v1/oauth/account/token", token, methods=["POST"]),
            Route("/api/v1/account/profile/{external_id}", profile),
            Route("/api/v1/profile/{kind}/{external_id}", nothing),
        ]
    )


async def asked_for(database: Database, whom: list[UserId], at: datetime) -> None:
    async with database.connection() as connection:
        for user_id in whom:
            await people.note_asked(connection, user_id, at)


async def reads(product: Product, kind: str = "biomarker") -> Counter[str]:
    """Requests of a kind by person."""
    async with httpx.AsyncClient(base_url=product.standin_url) as http:
        return Counter(entry["person"] for entry in (await http.get("/_standin/log")).json() if entry["kind"] == kind)


async def set_person(database: Database, user_id: UserId, **columns: object) -> None:
    """Put a person into a state."""
    assignments = ", ".join(f"{name} = ${number}" for number, name in enumerate(columns, start=2))
    async with database.connection() as connection:
        await connection.execute(f"update people set {assignments} where user_id = $1", user_id, *columns.values())  # noqa: S608


async def person(database: Database, user_id: UserId, column: str) -> object:
    async with database.connection() as connection:
        return await connection.fetchval(f"select {column} from people where user_id = $1", user_id)  # noqa: S608
