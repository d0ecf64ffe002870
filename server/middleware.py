"""What every request passes through, outermost first: its id and the last resort for bugs, then the limit of its body."""

import re
from collections.abc import Mapping
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from server.refusals import INTERNAL, INTERNAL_MESSAGE, refuse

BODY_LIMIT = 128 * 1024
"""Bytes of a request body (reliability.md, section 3)."""
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
"""Answers hold personal data and are never pages: nothing may frame, cache or guess at them."""

log = structlog.get_logger()


class RequestBoundary:
    """Gives each request an id, and lets no exception out.

    A caller's own `x-request-id` is kept when it is short and plain. The id is in the answer's headers, in every log line and in
    the scope's state as `request_id`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope).get("x-request-id", ""))
        scope.setdefault("state", {})["request_id"] = request_id
        answer = _Answer(send, request_id)
        with bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, answer.send)
            except Exception:
                log.exception("[HTTP] Unexpected error", kind=scope["type"])
                if scope["type"] == "http" and not answer.started:
                    refusal = refuse(scope["path"], 500, INTERNAL, f"{INTERNAL_MESSAGE} ({request_id})")
                    await refusal(scope, receive, answer.send)


class _Answer:
    """Adds the headers of every answer, and knows whether it has begun."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self._request_id
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)


def _request_id(offered: str) -> str:
    return offered if REQUEST_ID.fullmatch(offered) else uuid4().hex


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
        declared = Headers(scope=scope).get("content-length", "")
        expected = int(declared) if declared.isdecimal() else 0
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
