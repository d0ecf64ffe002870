"""What surrounds every request, around applications that misbehave."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from structlog.testing import capture_logs

from server.middleware import BodyLimit, RequestBoundary


async def crash(_request: Request) -> PlainTextResponse:
    raise RuntimeError("the database password is hunter2")


async def ignore_body(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.state.request_id)


APP = Starlette(
    routes=[
        Route("/graphql", crash, methods=["POST"]),
        Route("/api/crash", crash),
        Route("/ignores", ignore_body, methods=["POST"]),
    ],
    middleware=[Middleware(RequestBoundary), Middleware(BodyLimit)],
)


@pytest.mark.parametrize(("method", "path"), [("POST", "/graphql"), ("GET", "/api/crash")])
async def test_a_crash_is_500_in_the_shape_of_its_url(method: str, path: str) -> None:
    with capture_logs() as logs:
        response = await call(method, path, headers={"x-request-id": "seven"})
    body = response.json()
    shown = body["errors"][0]["extensions"] if path == "/graphql" else body["error"]
    assert (response.status_code, shown["code"]) == (500, "INTERNAL")
    assert response.headers["x-request-id"] == "seven"
    assert "seven" in response.text
    assert "hunter2" not in response.text
    assert [record["event"] for record in logs] == ["[HTTP] Unexpected error"]


async def test_the_id_is_in_the_state_of_the_request() -> None:
    response = await call("POST", "/ignores", headers={"x-request-id": "seven"}, content=b"x" * 200_000)
    assert response.text == "seven"


async def call(method: str, path: str, *, headers: dict[str, str], content: bytes | None = None) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(APP), base_url="http://test") as http:
        return await http.request(method, path, headers=headers, content=content)
