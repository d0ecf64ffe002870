"""What surrounds every request, around applications that misbehave."""

import re
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route
from structlog.testing import capture_logs

from server.compression import SMALLEST, Compression, accepts_gzip
from server.middleware import BodyLimit, RequestBoundary


async def crash(_request: Request) -> PlainTextResponse:
    raise RuntimeError("the database password is hunter2")


async def ignore_body(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.state.request_id)


async def text(request: Request) -> PlainTextResponse:
    request.state.timing["execute"] = 0.25
    headers = {"x-frame-options": "SAMEORIGIN"}
    return PlainTextResponse("a" * int(request.query_params["characters"]), headers=headers)


async def stream(request: Request) -> StreamingResponse:
    async def pieces() -> AsyncIterator[str]:
        for number in range(3):
            yield f"data: {number}\n\n" * 200

    return StreamingResponse(pieces(), media_type=request.query_params["type"])


async def leave(_request: Request) -> PlainTextResponse:
    raise ClientDisconnect


APP = Starlette(
    routes=[
        Route("/graphql", crash, methods=["POST"]),
        Route("/api/crash", crash),
        Route("/ignores", ignore_body, methods=["POST"]),
        Route("/text", text),
        Route("/stream", stream),
        Route("/leave", leave),
    ],
    middleware=[Middleware(RequestBoundary), Middleware(Compression), Middleware(BodyLimit)],
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


async def test_a_client_that_leaves_is_no_error() -> None:
    with capture_logs() as logs, pytest.raises(AssertionError):  # httpx's transport wants an answer
        await call("GET", "/leave", headers={})
    assert [record["log_level"] for record in logs] == ["info"]


async def test_the_answer_says_how_long_it_took_and_nothing_else() -> None:
    response = await call("GET", "/text?characters=1", headers={})
    assert re.fullmatch(r"execute;dur=250\.0, total;dur=\d+\.\d", response.headers["server-timing"])


async def test_an_answer_may_have_security_headers_of_its_own() -> None:
    response = await call("GET", "/text?characters=1", headers={})
    assert response.headers.get_list("x-frame-options") == ["SAMEORIGIN"]
    assert response.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(("characters", "encoding"), [(SMALLEST - 1, None), (SMALLEST, "gzip"), (500_000, "gzip")])
async def test_answers_of_more_than_a_packet_are_compressed(characters: int, encoding: str | None) -> None:
    response = await call("GET", f"/text?characters={characters}", headers={"accept-encoding": "br, gzip;q=0.5"})
    assert response.headers.get("content-encoding") == encoding
    assert response.text == "a" * characters
    if encoding:
        assert response.headers["vary"] == "Accept-Encoding"
        assert int(response.headers["content-length"]) < characters / 10


async def test_an_event_stream_is_never_compressed() -> None:
    for media_type, encoding in (("text/event-stream", None), ("text/html", "gzip")):
        response = await call("GET", f"/stream?type={media_type}", headers={"accept-encoding": "gzip"})
        assert response.headers.get("content-encoding") == encoding
        assert response.text == "".join(f"data: {number}\n\n" * 200 for number in range(3))


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [
        ("gzip", True),
        ("deflate, GZIP", True),
        ("gzip;q=1.0", True),
        ("gzip ; q=0.001", True),
        ("gzip;q=0", False),
        ("gzip;q=0.0, identity", False),
        ("xgzip", False),
        ("", False),
    ],
)
def test_gzip_has_to_be_accepted(accept_encoding: str, accepted: bool) -> None:
    assert accepts_gzip(accept_encoding.encode()) is accepted


async def call(method: str, path: str, *, headers: dict[str, str], content: bytes | None = None) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(APP), base_url="http://test") as http:
        return await http.request(method, path, headers=headers, content=content)
