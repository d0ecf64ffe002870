"""How a fault strikes: what is sent instead of an answer, what is done to one, and what is done beneath HTTP."""

import asyncio
import socket
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any, assert_never

import orjson
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.standins.edits import edited
from server.standins.faults import Call, Fault, FaultBoard, FaultKind, Strike

BOMB_BYTES = 50 << 20
LINGER_NOT_AT_ALL = struct.pack("ii", 1, 0)
SOMEBODY_ELSE = "sandbox-somebody-else"


class FaultLayer:
    """Stands before a stand-in's routes: notes each request of a call and lets the fault that is drawn for it strike."""

    def __init__(self, app: ASGIApp, board: FaultBoard, classify: Callable[[str], Call | None]) -> None:
        self._app = app
        self._board = board
        self._classify = classify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = self._classify(scope["path"]) if scope["type"] == "http" else None
        if call is None:
            await self._app(scope, receive, send)
            return
        asked = self._board.began(scope["method"], call, scope["query_string"].decode("latin-1"))

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                asked.status = message["status"]
            await send(message)

        try:
            await self._respond(call, scope, receive, noting)
        finally:
            self._board.ended(asked)

    async def _respond(self, call: Call, scope: Scope, receive: Receive, send: Send) -> None:
        strikes = self._board.draw(call)
        if not strikes:
            await self._app(scope, receive, send)
            return
        fault = strikes[0].fault
        match fault.kind:
            case FaultKind.DOWN:
                await _cut(scope, receive)
            case FaultKind.HANG:
                await _gone(receive)
            case FaultKind.DRIP_HEAD:
                await _drip_head(fault, scope, receive)
            case FaultKind.DELAY:
                await asyncio.sleep(fault.wait_s(strikes[0].chance))
                await self._app(scope, receive, send)
            case (
                FaultKind.STATUS
                | FaultKind.HTML
                | FaultKind.GARBAGE
                | FaultKind.REDIRECT
                | FaultKind.BIG
                | FaultKind.BOMB
                | FaultKind.EMPTY
            ):
                await _instead(fault)(scope, receive, send)
            case (
                FaultKind.WRONG_PROFILE
                | FaultKind.EDIT
                | FaultKind.SHIFT
                | FaultKind.ZONE
                | FaultKind.SHUFFLE
                | FaultKind.OVERLAP
                | FaultKind.TRUNCATE
            ):
                answer = await _answer_of(self._app, scope, receive)
                await _changed(strikes, answer)(scope, receive, send)
            case FaultKind.DRIP:
                await _drip(fault, await _answer_of(self._app, scope, receive), send)
            case FaultKind.RESET:
                await _start_and_cut(await _answer_of(self._app, scope, receive), scope, receive, send)
            case _:
                assert_never(fault.kind)


def _instead(fault: Fault) -> Response:
    """An answer that has nothing to do with the question."""
    match fault.kind:
        case FaultKind.HTML:
            return Response("<!doctype html><title>Sign in</title><form></form>", media_type="text/html")
        case FaultKind.GARBAGE:
            return Response(b'[{"id": "\xff\xfe', media_type="application/json")
        case FaultKind.REDIRECT:
            return Response(status_code=302, headers={"Location": fault.location})
        case FaultKind.EMPTY:
            return Response(status_code=204)
        case FaultKind.BIG:
            return Response(b"[" + b" " * BOMB_BYTES + b"]", media_type="application/json")
        case FaultKind.BOMB:
            return Response(_bomb(), media_type="application/json", headers={"Content-Encoding": "gzip"})
        case _:
            retry_after = {} if fault.retry_after_s is None else {"Retry-After": str(fault.retry_after_s)}
            document = {"title": "A fault that was asked for.", "statusCode": fault.status, "location": "standin", "errors": []}
            return JSONResponse(document, status_code=fault.status, headers=retry_after)


def _changed(strikes: Sequence[Strike], answer: Response) -> Response:
    """The answer with its document changed, or cut in half; one without a document as it is."""
    body = bytes(answer.body)
    if answer.status_code != 200 or not body:
        return answer
    if strikes[0].fault.kind is FaultKind.TRUNCATE:
        return Response(body[: len(body) // 2], media_type="application/json")
    document: Any = orjson.loads(body)
    if strikes[0].fault.kind is FaultKind.WRONG_PROFILE:
        document = {**document, "externalId": SOMEBODY_ELSE} if isinstance(document, dict) else document
    else:
        for strike in strikes:
            document = edited(strike, document)
    return Response(orjson.dumps(document), media_type="application/json")


def _bomb() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return packer.compress(b"[" + b" " * BOMB_BYTES + b"]") + packer.flush()


async def _answer_of(app: ASGIApp, scope: Scope, receive: Receive) -> Response:
    """The whole answer that the stand-in would have given."""
    messages: list[Message] = []

    async def keep(message: Message) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    start, *parts = messages
    answer = Response(b"".join(part.get("body", b"") for part in parts), status_code=start["status"])
    answer.raw_headers = list(start["headers"])
    return answer


async def _start(answer: Response, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers})


async def _drip(fault: Fault, answer: Response, send: Send) -> None:
    await _start(answer, send)
    for byte in bytes(answer.body):
        await asyncio.sleep(fault.delay_s)
        await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _start_and_cut(answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
    await _start(answer, send)
    await send({"type": "http.response.body", "body": bytes(answer.body)[: len(answer.body) // 2], "more_body": True})
    await asyncio.sleep(0.05)
    await _cut(scope, receive)


async def _drip_head(fault: Fault, scope: Scope, receive: Receive) -> None:
    """A header that never ends, a byte at a time, written beneath HTTP, until the client hangs up."""
    transport: asyncio.Transport = scope["state"]["transport"]
    transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Slow: ")
    await asyncio.sleep(fault.delay_s)
    while not transport.is_closing():
        transport.write(b"x")
        await asyncio.sleep(fault.delay_s)
    await _gone(receive)


async def _cut(scope: Scope, receive: Receive) -> None:
    """End the connection at once, by a reset, without another byte."""
    transport: asyncio.Transport = scope["state"]["transport"]
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT_AT_ALL)
    transport.abort()
    await _gone(receive)


async def _gone(receive: Receive) -> None:
    """Until the client has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass
