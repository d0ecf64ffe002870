"""Faults that a test or a person sets on a stand-in while it runs, and the log of what it was asked.

`PUT /_standin/faults` takes `{"seed": 1, "faults": [{"match": "biomarker|score", "person": "*", "kind": "status", "status": 503,
"retry_after_s": 20, "times": 3, "probability": 1.0}]}` and replaces what was set; GET shows it, DELETE clears it.
`GET /_standin/log` lists the newest requests, oldest first; DELETE empties the list.

The first fault that matches a request and is not used up decides. Chance is drawn from the seed and the number of requests
that the fault has seen, so a run can be repeated.
"""

import asyncio
import socket
import struct
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Annotated, Any, assert_never

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.clock import Clock

KEPT_REQUESTS = 10_000
BOMB_BYTES = 50 << 20
LINGER_NOT_AT_ALL = struct.pack("ii", 1, 0)


class FaultKind(StrEnum):
    """What happens instead of an answer, or to it."""

    DOWN = "down"
    STATUS = "status"
    DELAY = "delay"
    HANG = "hang"
    DRIP = "drip"
    DRIP_HEAD = "drip_head"
    TRUNCATE = "truncate"
    RESET = "reset"
    HTML = "html"
    REDIRECT = "redirect"
    BIG = "big"
    BOMB = "bomb"
    EMPTY = "empty"
    WRONG_PROFILE = "wrong_profile"


class Fault(BaseModel):
    """`match`: kinds of call, joined by `|`, or `*`. `times`: how often it strikes; without it, always.

    `delay_s` is the wait of `delay`, and of `drip` and `drip_head` the wait before each byte.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    match: str = "*"
    person: str = "*"
    kind: FaultKind
    status: int = Field(503, ge=400, le=599)
    retry_after_s: int | None = Field(None, ge=0)
    delay_s: float = Field(1.0, ge=0, le=3600)
    times: int | None = Field(None, ge=1)
    probability: float = Field(1.0, ge=0, le=1)


class FaultPlan(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    faults: Annotated[tuple[Fault, ...], Field(max_length=100)] = ()
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """What a request asks for: the kind of call, and the person it names, if any."""

    kind: str
    person: str | None


@dataclass(slots=True)
class Asked:
    """One request as it was answered; `status` is `None` while it is not, and when it never was."""

    method: str
    kind: str
    person: str | None
    at: str
    status: int | None = None


class FaultBoard:
    """The faults that are set, how often each was considered and has struck, and the requests so far."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.log: deque[Asked] = deque(maxlen=KEPT_REQUESTS)
        self.set(FaultPlan())

    def set(self, plan: FaultPlan) -> None:
        self.plan = plan
        self._considered = [0] * len(plan.faults)
        self._struck = [0] * len(plan.faults)

    def note(self, method: str, call: Call) -> Asked:
        asked = Asked(method, call.kind, call.person, self._clock.now().isoformat())
        self.log.append(asked)
        return asked

    def draw(self, call: Call) -> Fault | None:
        """The fault that strikes this request, counted as struck."""
        for index, fault in enumerate(self.plan.faults):
            if not _matches(fault, call) or (fault.times is not None and self._struck[index] >= fault.times):
                continue
            self._considered[index] += 1
            if self._chance(index) < fault.probability:
                self._struck[index] += 1
                return fault
        return None

    def _chance(self, index: int) -> float:
        drawn = blake2b(f"{self.plan.seed}|{index}|{self._considered[index]}".encode(), digest_size=8).digest()
        return int.from_bytes(drawn) / 2**64


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
        asked = self._board.note(scope["method"], call)

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                asked.status = message["status"]
            await send(message)

        fault = self._board.draw(call)
        if fault is None:
            await self._app(scope, receive, noting)
        else:
            await self._strike(fault, scope, receive, noting)

    async def _strike(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        match fault.kind:
            case FaultKind.DOWN:
                await _cut(scope, receive)
            case FaultKind.HANG:
                await _gone(receive)
            case FaultKind.DELAY:
                await asyncio.sleep(fault.delay_s)
                await self._app(scope, receive, send)
            case FaultKind.STATUS | FaultKind.HTML | FaultKind.REDIRECT | FaultKind.BIG | FaultKind.BOMB | FaultKind.EMPTY:
                await _instead(fault)(scope, receive, send)
            case FaultKind.DRIP | FaultKind.DRIP_HEAD | FaultKind.TRUNCATE | FaultKind.RESET | FaultKind.WRONG_PROFILE:
                answer = await _answer_of(self._app, scope, receive)
                await _spoil(fault, answer, scope, receive, send)
            case _:
                assert_never(fault.kind)


def fault_routes(board: FaultBoard) -> list[Route]:
    """The endpoints that set faults and show what was asked."""

    async def faults(request: Request) -> Response:
        if request.method == "PUT":
            try:
                board.set(FaultPlan.model_validate_json(await request.body()))
            except ValidationError as error:
                return Response(error.json(include_url=False), status_code=400, media_type="application/json")
        elif request.method == "DELETE":
            board.set(FaultPlan())
        return JSONResponse(board.plan.model_dump(mode="json"))

    async def log(request: Request) -> Response:
        if request.method == "DELETE":
            board.log.clear()
        return JSONResponse([asdict(asked) for asked in board.log])

    return [
        Route("/_standin/faults", faults, methods=["GET", "PUT", "DELETE"]),
        Route("/_standin/log", log, methods=["GET", "DELETE"]),
    ]


def _matches(fault: Fault, call: Call) -> bool:
    kinds = fault.match.split("|")
    return ("*" in kinds or call.kind in kinds) and fault.person in {"*", call.person}


def _instead(fault: Fault) -> Response:
    """An answer that has nothing to do with the question."""
    match fault.kind:
        case FaultKind.HTML:
            return Response("<!doctype html><title>Sign in</title><form></form>", media_type="text/html")
        case FaultKind.REDIRECT:
            return Response(status_code=302, headers={"Location": "http://127.0.0.1:1/"})
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


async def _spoil(fault: Fault, answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
    body = bytes(answer.body)
    match fault.kind:
        case FaultKind.TRUNCATE:
            await Response(body[: len(body) // 2], answer.status_code, media_type="application/json")(scope, receive, send)
        case FaultKind.WRONG_PROFILE:
            document: dict[str, Any] = {**orjson.loads(body), "externalId": "sandbox-somebody-else"}
            await JSONResponse(document, answer.status_code)(scope, receive, send)
        case FaultKind.DRIP_HEAD:
            await _drip_head(fault, scope, receive)
        case FaultKind.DRIP:
            await _start(answer, send)
            for byte in body:
                await asyncio.sleep(fault.delay_s)
                await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        case _:
            await _start(answer, send)
            await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
            await asyncio.sleep(0.05)
            await _cut(scope, receive)


async def _start(answer: Response, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers})


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
