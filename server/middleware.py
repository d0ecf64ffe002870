"""What every request passes through, outermost first: its id, its time and the last resort for bugs, then the limit of its body.

Written on the bytes that ASGI hands over: a millisecond is all that a read takes, and header objects are a tenth of it.
"""

import re
from collections.abc import Mapping
from secrets import token_hex

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from schema.errors import INTERNAL, INTERNAL_MESSAGE
from server.refusals import refuse
from services.clock import Clock

BODY_LIMIT = 128 * 1024
"""Bytes of a request body (reliability.md, section 3)."""
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)
"""Answers hold personal data and are never pages: nothing may frame, cache or guess at them."""

log = structlog.get_logger()


class RequestBoundary:
    """Gives each request an id, tells how long it took, and lets no exception out.

    A caller's own `x-request-id` is kept when it is short and plain. The id is in the answer's headers, in every log line and in
    the scope's state as `request_id`. Seconds that the endpoint puts in the state's `timing`, by the name of a phase, are in
    `Server-Timing` as milliseconds, before the total up to the first byte.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        request_id = _request_id(header(scope, b"x-request-id"))
        timing: dict[str, float] = {}
        scope.setdefault("state", {}).update(request_id=request_id, timing=timing)
        answer = _Answer(send, request_id, timing)
        bind_contextvars(request_id=request_id)  # for good: a request has a task of its own, and a task its own variables
        try:
            await self._app(scope, receive, answer.send)
        except ClientDisconnect:
            log.info("[HTTP] The client left before its request was complete")
        except Exception:
            log.exception("[HTTP] Unexpected error", kind=scope["type"])
            if scope["type"] == "http" and not answer.started:
                refusal = refuse(scope["path"], 500, INTERNAL, f"{INTERNAL_MESSAGE} ({request_id})")
                await refusal(scope, receive, answer.send)


class _Answer:
    """Adds the headers of every answer, and knows whether it has begun."""

    def __init__(self, send: Send, request_id: str, timing: Mapping[str, float]) -> None:
        self._send = send
        self._request_id = request_id
        self._timing = timing
        self._began = Clock.monotonic()
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = [*message.get("headers", ())]
            own = {name for name, _ in headers}
            headers += [each for each in SECURITY_HEADERS if each[0] not in own]
            headers += ((b"x-request-id", self._request_id.encode()), (b"server-timing", self._server_timing()))
            message["headers"] = headers
        await self._send(message)

    def _server_timing(self) -> bytes:
        phases = {**self._timing, "total": Clock.monotonic() - self._began}
        return ", ".join(f"{name};dur={seconds * 1000:.1f}" for name, seconds in phases.items()).encode()


def header(scope: Scope, name: bytes) -> bytes:
    """The first value of a header, its name in lower case; empty where there is none."""
    return next((value for key, value in scope["headers"] if key == name), b"")


def _request_id(offered: bytes) -> str:
    return offered.decode() if REQUEST_ID.fullmatch(offered) else token_hex(16)


class BodyLimit:
    """Refuses a body of more bytes than its path may have with 413, declared or not, when somebody reads it."""

    def __init__(self, app: ASGIApp, others: Mapping[str, int] | None = None) -> None:
        """`others`: the limits of paths that have another one than `BODY_LIMIT`."""
        self._app = app
        self._others = others or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = header(scope, b"content-length")
        expected = int(declared) if declared.isdigit() else 0
        limit = self._others.get(scope["path"], BODY_LIMIT)
        received = 0

        async def limited() -> Message:
            nonlocal received
            if expected <= limit:
                message = await receive()
                received += len(message.get("body", b""))
                if received <= limit:
                    return message
            # Nobody reads the rest: without this the connection would go on taking it.
            raise HTTPException(413, f"A body may have {limit} bytes.", {"connection": "close"})

        await self._app(scope, limited, send)
