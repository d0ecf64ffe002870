"""How long and how large the beginning of a request may be, which uvicorn leaves open (reliability.md, C4 and C5).

A request that arrives in one piece costs nothing here: a timer is set only when there is something to wait for.
"""

import asyncio
from enum import Enum, auto

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from server.refusals import http_code, refuse

HEAD_LIMIT = 32 * 1024
"""Bytes of the request line and all headers: four times the longest user token."""
MESSAGES = {
    400: "This is not an HTTP request.",
    408: "The request did not arrive in time.",
    431: f"The request line and headers may have {HEAD_LIMIT} bytes.",
}


class _Awaited(Enum):
    HEAD = auto()
    BODY = auto()
    NOTHING = auto()


class _HeadTooLarge(Exception):
    """Stops the parser."""


class HttpConnection(HttpToolsProtocol):
    """uvicorn's connection, closed with 408 or 431 when a client is too slow or its headers are too large.

    Both times count from the first moment of the wait, not from byte to byte: a drip does not prolong it.
    """

    head_timeout_s = 5.0
    body_timeout_s = 5.0
    url = b""
    _awaited = _Awaited.NOTHING
    _timed = _Awaited.NOTHING
    _timer: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await(_Awaited.HEAD)
        self._keep_time()

    def connection_lost(self, exc: Exception | None) -> None:
        self._await(_Awaited.NOTHING)
        self._keep_time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._awaited is _Awaited.NOTHING:
            self._await(_Awaited.HEAD)
        if self._awaited is _Awaited.HEAD:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._awaited is _Awaited.HEAD and self._head_bytes > HEAD_LIMIT:
            self._refuse(431)
        self._keep_time()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._awaited = _Awaited.HEAD

    def on_header(self, name: bytes, value: bytes) -> None:
        """Trailers are left out: what comes after a body may say nothing of who sent it, and could go on without end."""
        if self._awaited is not _Awaited.BODY:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._head_bytes > HEAD_LIMIT and self._size_of_head() > HEAD_LIMIT:
            raise _HeadTooLarge
        super().on_headers_complete()
        self._awaited = _Awaited.BODY

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._await(_Awaited.NOTHING)
        self._keep_time()

    def handle_websocket_upgrade(self) -> None:
        self._await(_Awaited.NOTHING)
        self._keep_time()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        self._refuse(431 if self._head_bytes > HEAD_LIMIT else 400)

    def _await(self, awaited: _Awaited) -> None:
        self._awaited, self._head_bytes = awaited, 0

    def _keep_time(self) -> None:
        """One timer for what is awaited now, set when that began."""
        if self._awaited is self._timed:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timed = self._awaited
        if self._awaited is not _Awaited.NOTHING:
            seconds = self.head_timeout_s if self._awaited is _Awaited.HEAD else self.body_timeout_s
            self._timer = self.loop.call_later(seconds, self._too_slow)

    def _too_slow(self) -> None:
        self._timed = _Awaited.NOTHING
        if self.flow.read_paused:  # by us: what is here already has to be answered first
            self._keep_time()
        else:
            self._refuse(408)

    def _refuse(self, status: int) -> None:
        """Close the connection, and say why where an answer can still be given."""
        if self.transport.is_closing():
            return
        if self._can_answer():
            path = self.url.partition(b"?")[0].decode("latin-1")
            answer = refuse(path, status, http_code(status), MESSAGES[status], {"connection": "close"})
            head = b"".join(b"%s: %s\r\n" % pair for pair in answer.raw_headers)
            self.transport.write(b"".join([STATUS_LINE[status], head, b"\r\n", answer.body]))
        self.transport.close()

    def _can_answer(self) -> bool:
        if self._awaited is _Awaited.BODY:
            return not self.cycle.response_started
        return self._head_bytes > 0 and (self.cycle is None or self.cycle.response_complete)  # type: ignore[redundant-expr]

    def _size_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
