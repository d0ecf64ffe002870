"""Clients that are slow, endless or no HTTP clients at all, on raw sockets (reliability.md, C4 and C5)."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect

from server.connections import HEAD_LIMIT, HttpConnection
from server.middleware import BodyLimit, RequestBoundary
from server.refusals import on_http_exception
from tests.api.clients import PATIENCE_S
from tests.api.serving import serving

ENDLESS = 20_000
"""Pieces; kernels hold a few hundred of them before anybody has to read one."""
POST = b"POST /graphql HTTP/1.1\r\nhost: test\r\n"
GET = b"GET /graphql HTTP/1.1\r\nhost: test\r\n\r\n"


class Impatient(HttpConnection):
    head_timeout_s = 0.3
    body_timeout_s = 0.3


async def echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(await request.body())


async def ignore(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("ignored")


async def slow(_request: Request) -> PlainTextResponse:
    await asyncio.sleep(Impatient.body_timeout_s * 3)
    return PlainTextResponse("slow")


async def talk(connection: WebSocket) -> None:
    await connection.accept()
    await connection.send_text(await connection.receive_text())
    await connection.close()


@dataclass
class Raw:
    """One connection on which bytes are sent as they are."""

    socket: socket.socket
    received: bytes = b""

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def drip(self, data: Iterable[bytes], pause_s: float = 0.02) -> int:
        """Piece by piece until the server closes; how many pieces were sent."""
        taken = 0
        for piece in data:
            try:
                await self.send(piece)
            except ConnectionError:
                break
            taken += 1
            await asyncio.sleep(pause_s)
        return taken

    async def until_closed(self) -> bytes:
        """All that the server says until it closes the connection, which it has to."""
        with suppress(ConnectionResetError):  # it closed with bytes of ours unread
            while await self._more():
                pass
        return self.received

    async def answer(self) -> bytes:
        """One whole answer with a content-length."""
        while b"\r\n\r\n" not in self.received:
            assert await self._more()
        head, end, _ = self.received.partition(b"\r\n\r\n")
        length = len(head + end) + int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        while len(self.received) < length:
            assert await self._more()
        answer, self.received = self.received[:length], self.received[length:]
        return answer

    async def _more(self) -> bool:
        async with asyncio.timeout(PATIENCE_S):
            data = await asyncio.get_running_loop().sock_recv(self.socket, 65_536)
        self.received += data
        return bool(data)


@pytest_asyncio.fixture(scope="module")
async def address() -> AsyncIterator[tuple[str, int]]:
    app = Starlette(
        routes=[
            Route("/graphql", echo, methods=["GET", "POST"]),
            Route("/ignores", ignore, methods=["POST"]),
            Route("/slow", slow),
            WebSocketRoute("/socket", talk),
        ],
        middleware=[Middleware(RequestBoundary), Middleware(BodyLimit)],
        exception_handlers={HTTPException: on_http_exception},
    )
    async with serving(app, Impatient) as (url, _):
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.port
        yield parts.hostname, parts.port


@pytest_asyncio.fixture
async def raw(address: tuple[str, int]) -> AsyncIterator[Raw]:
    with socket.create_connection(address) as connection:
        connection.setblocking(False)
        yield Raw(connection)


async def test_silence_is_closed_without_a_word(raw: Raw) -> None:
    assert await raw.until_closed() == b""


async def test_half_a_head_is_408(raw: Raw) -> None:
    await raw.send(POST)
    assert_refused(await raw.until_closed(), 408, "REQUEST_TIMEOUT")


async def test_a_dripped_head_is_cut_off(raw: Raw) -> None:
    await raw.send(POST)  # whole, so that however slow we are the refusal is that of this URL
    taken = await raw.drip(bytes([byte]) for byte in b"x-filler: " + b"x" * 500)
    assert taken < 250
    assert_refused(await raw.until_closed(), 408, "REQUEST_TIMEOUT")


async def test_line_ends_are_no_request(raw: Raw) -> None:
    assert await raw.drip(b"\r\n" for _ in range(500)) < 250
    await raw.until_closed()


async def test_half_a_body_is_408(raw: Raw) -> None:
    await raw.send(POST + b"content-length: 10\r\n\r\nhalf")
    assert_refused(await raw.until_closed(), 408, "REQUEST_TIMEOUT")


async def test_a_dripped_body_is_cut_off(raw: Raw) -> None:
    await raw.send(POST + b"transfer-encoding: chunked\r\n\r\n")
    assert await raw.drip(b"1\r\nx\r\n" for _ in range(500)) < 250
    assert_refused(await raw.until_closed(), 408, "REQUEST_TIMEOUT")


async def test_a_body_that_nobody_reads_keeps_no_connection(raw: Raw) -> None:
    await raw.send(b"POST /ignores HTTP/1.1\r\nhost: test\r\ncontent-length: 100000\r\n\r\n")
    assert (await raw.answer()).endswith(b"ignored")
    assert await raw.until_closed() == b""


async def test_an_endless_body_is_413(raw: Raw) -> None:
    await raw.send(POST + b"transfer-encoding: chunked\r\n\r\n")
    chunk = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
    assert await raw.drip((chunk for _ in range(ENDLESS)), pause_s=0) < ENDLESS
    assert_refused(await raw.until_closed(), 413, "BODY_TOO_LARGE")


async def test_an_idle_connection_may_wait_for_its_next_request(raw: Raw) -> None:
    for _ in range(2):
        await raw.send(POST + b"content-length: 2\r\n\r\nhi")
        assert (await raw.answer()).endswith(b"\r\n\r\nhi")
        await asyncio.sleep(Impatient.head_timeout_s * 2)


async def test_a_request_may_come_in_pieces(raw: Raw) -> None:
    for piece in (POST[:7], POST[7:], b"content-length: 2\r\n", b"\r\nh", b"i"):
        await raw.send(piece)
        await asyncio.sleep(0.01)
    assert (await raw.answer()).endswith(b"\r\n\r\nhi")


async def test_an_answer_may_take_longer_than_a_request(raw: Raw) -> None:
    await raw.send(b"GET /slow HTTP/1.1\r\nhost: test\r\n\r\n")
    assert (await raw.answer()).endswith(b"slow")


async def test_a_pipelined_request_may_wait_for_its_turn(raw: Raw) -> None:
    await raw.send(b"GET /slow HTTP/1.1\r\nhost: test\r\n\r\n" + POST + b"content-length: 2\r\n\r\nh")
    await asyncio.sleep(Impatient.body_timeout_s * 2)
    await raw.send(b"i")
    assert (await raw.answer()).endswith(b"slow")
    assert (await raw.answer()).endswith(b"\r\n\r\nhi")


async def test_what_comes_after_a_body_is_no_header(raw: Raw) -> None:
    await raw.send(POST + b"transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nx-request-id: late\r\n\r\n")
    answer = await raw.answer()
    assert answer.endswith(b"\r\n\r\nhi")
    assert b"late" not in answer


@pytest.mark.parametrize("in_pieces", [False, True])
async def test_a_head_that_is_too_large_is_431(raw: Raw, in_pieces: bool) -> None:
    lines = [POST, *(b"x-%d: %s\r\n" % (number, b"x" * 1000) for number in range(60))]
    if in_pieces:
        await raw.drip(lines, pause_s=0)
    else:
        await raw.send(b"".join(lines) + b"\r\n")
    assert_refused(await raw.until_closed(), 431, "HEADERS_TOO_LARGE")


async def test_a_header_without_end_is_431(raw: Raw) -> None:
    await raw.send(POST + b"x-endless: ")
    assert await raw.drip((b"x" * 1000 for _ in range(ENDLESS)), pause_s=0) < ENDLESS
    assert_refused(await raw.until_closed(), 431, "HEADERS_TOO_LARGE")


async def test_a_head_at_the_limit_is_read(raw: Raw) -> None:
    line = b"x-filler: "
    await raw.send(POST + line + b"x" * (HEAD_LIMIT - len(POST) - len(line) - 40) + b"\r\ncontent-length: 2\r\n\r\nhi")
    assert (await raw.answer()).endswith(b"\r\n\r\nhi")


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"HELLO\r\n\r\n",
        b"GET /graphql HTTP/9.9\r\n\r\n",
        POST + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        POST + b"content-length: minus one\r\n\r\n",
        POST + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET /graphql HTTP/1.1\r\nho st: test\r\n\r\n",
    ],
    ids=["TLS", "greeting", "version", "smuggling", "length", "chunk", "header"],
)
async def test_bytes_that_are_no_http_are_400_and_closed(raw: Raw, sent: bytes) -> None:
    await raw.send(sent)
    status, _ = parsed(await raw.until_closed())
    assert status == 400


async def test_a_socket_is_not_a_slow_request(address: tuple[str, int]) -> None:
    async with connect(f"ws://{address[0]}:{address[1]}/socket") as connection:
        await asyncio.sleep(Impatient.head_timeout_s * 2)
        await connection.send("still here")
        assert await connection.recv() == "still here"


def parsed(answer: bytes) -> tuple[int, dict[str, object]]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower(), answer
    return int(head.split()[1]), json.loads(body)


def assert_refused(answer: bytes, status: int, code: str) -> None:
    """A refusal in the shape of GraphQL, after which the connection is closed."""
    found, body = parsed(answer)
    assert found == status
    assert body["errors"][0]["extensions"] == {"code": code}  # type: ignore[index]
    assert "data" not in body
