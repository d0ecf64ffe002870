"""graphql-transport-ws beyond Strawberry's own: who is calling, frames that no client should send, and when a socket ends.

Close codes that official clients take as final say that trying again cannot help: 4400 (a malformed frame), 4401 (a wrong key,
or none), 4406, 4409, 4429, and 1011. Whatever a new connection can mend has one of those that are tried again: 4403 (the token
is over), 4408 (no first message in time), 1012 (the socket is as old as one may be, or the process stops) and 1013 (too many are
open; the client took nothing, or answered no ping). Of a person's sockets it is the newest that is one too many: if the oldest
had to go, six tabs of one person would push each other out for ever.
"""

import asyncio
from contextlib import suppress
from typing import Any, assert_never

import structlog
from graphql import GraphQLError
from starlette.websockets import WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from resolvers.context import Context
from schema.errors import told
from schema.execution import FirstlightSchema
from schema.persisted import PersistedDocuments, names_document
from server.admission import identify
from server.sockets import STALLED_S, Ending, OpenStream, StreamKind, TooManyStreams
from services.accounts import Principal
from services.clock import Clock
from services.errors import RateLimited, ServiceError, TokenExpired, Unauthenticated, Unavailable

INVALID_DATA = 1007
UNAUTHORIZED = 4401
FORBIDDEN = 4403
INIT_TIMEOUT = 4408
RESTART = 1012
TRY_AGAIN_LATER = 1013

OPERATIONS_RETRY_S = 1.0

log = structlog.get_logger()


class SocketConnection(WebSocketsSansIOProtocol):
    """uvicorn's connection. Text that is no UTF-8 closes it with 1007, as it would there, and puts no traceback in the log."""

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text":
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.conn.send_close(INVALID_DATA)
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()


class TextFrames(ASGIWebSocketAdapter):
    """Sends JSON as text, which the protocol asks for and Strawberry does not do when the encoder gives bytes."""

    async def send_json(self, message: Any) -> None:  # noqa: ANN401 - Strawberry's signature
        if self.ws.application_state is WebSocketState.DISCONNECTED:
            raise WebSocketDisconnected
        try:
            await self.ws.send_text(self.view.encode_json_string(message))
        except WebSocketDisconnect as error:
            raise WebSocketDisconnected from error

    async def close(self, code: int, reason: str) -> None:
        if self.ws.application_state is not WebSocketState.DISCONNECTED:
            await self.ws.close(code=code, reason=reason)


class Pace:
    """At most so many turns a second, after as many at once."""

    def __init__(self, per_s: int) -> None:
        self._gap_s = 1 / per_s
        self._next = Clock.monotonic()

    async def turn(self) -> None:
        now = Clock.monotonic()
        self._next = max(self._next, now - 1) + self._gap_s
        if self._next > now:
            await asyncio.sleep(self._next - now)


class TransportHandler(BaseGraphQLTransportWSHandler[Context, None]):
    """One socket."""

    websocket: TextFrames
    _stream: OpenStream
    _caller: Principal

    async def handle(self) -> None:
        """Until the client leaves, or there is a reason to close: its operations have ended when that is sent."""
        settings = self.context.services.settings
        self._pace = Pace(settings.socket_messages_per_s)
        self._silent = False
        try:
            with self.websocket.ws.state.streams.opened(StreamKind.SOCKET) as self._stream:
                self._init_timer = self._stream.end_after(settings.socket_init_timeout_s, Ending.NO_INIT)
                ending = await self._stream.run(super().handle(), settings.stream_ping_s, self._ping)
        except TooManyStreams:
            ending = Ending.TOO_MANY
        except WebSocketDisconnected:
            return
        if ending is not None:
            with suppress(TimeoutError, WebSocketDisconnect):
                async with asyncio.timeout(STALLED_S):
                    await self.websocket.close(*close_frame(ending))

    def on_request_accepted(self) -> None:
        """Nothing: the stream's own timer also covers a slow look at the key."""

    async def _ping(self) -> None:
        if not self.connection_acknowledged:
            return
        if self._silent:
            self._stream.end(Ending.SILENT)
            return
        self._silent = True
        await self.send_message({"type": "ping"})

    async def send_message(self, message: Any) -> None:  # noqa: ANN401 - Strawberry's signature
        await self._stream.send(self.websocket.send_json(message))

    async def handle_message(self, message: Any) -> None:  # noqa: ANN401 - whatever the client sent
        self._silent = False
        await self._pace.turn()
        fault = malformed(message)
        if fault is not None:
            await self.handle_invalid_message(fault)
            return
        if message.get("payload", {}) is None:
            del message["payload"]
        await super().handle_message(message)

    async def handle_connection_init(self, message: Any) -> None:  # noqa: ANN401 - checked by `malformed`
        """The key of the payload, else of the upgrade's headers. Without a good one the socket is closed, for good."""
        if not self.connection_init_received:
            upgrade = self.websocket.ws
            try:
                self._caller = await identify(upgrade, message.get("payload", {}), upgrade.headers)
            except TokenExpired:
                await self.websocket.close(FORBIDDEN, "Forbidden")
                return
            except (Unauthenticated, RateLimited):
                await self.websocket.close(UNAUTHORIZED, "Unauthorized")
                return
            except Unavailable:
                await self.websocket.close(TRY_AGAIN_LATER, "Try again later")
                return
            upgrade.state.streams.admit(self._stream, self._caller)
            self.context.principal = self._caller
            self._init_timer.cancel()
        await super().handle_connection_init(message)

    async def handle_subscribe(self, message: Any) -> None:  # noqa: ANN401 - checked by `malformed`
        """Begin an operation; where there are too many, or no such document, an `error` of this one leaves the others alone."""
        if self.connection_acknowledged and message["id"] not in self.operations:
            try:
                self._admit_operation()
                message["payload"]["query"] = self._persisted.asked_for(message["payload"])
            except ServiceError as error:
                await self.send_message({"id": message["id"], "type": "error", "payload": [told(error)]})
                return
        await super().handle_subscribe(message)

    def _admit_operation(self) -> None:
        """Held to the same limits as a request. Raises `RateLimited` and `Overloaded`."""
        most = self.context.services.settings.socket_operations
        if len(self.operations) >= most:
            raise RateLimited(f"A socket runs {most} operations at a time.", retry_after_s=OPERATIONS_RETRY_S)
        self.context.services.rate_limits.operation(self._caller)
        self.websocket.ws.state.admission.check(self._caller)

    @property
    def _persisted(self) -> PersistedDocuments:
        assert isinstance(self.schema, FirstlightSchema)  # noqa: S101 - the endpoint takes no other
        return self.schema.rules.persisted

    async def handle_task_exception(self, error: Exception) -> None:
        if not isinstance(error, WebSocketDisconnected):
            log.error("[WEBSOCKET] Unexpected error", exc_info=error)

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:  # noqa: ARG004 - Strawberry's signature
        """Nothing: a document that cannot be run is an `error` of its operation and leaves the others alone."""
        return None


def close_frame(ending: Ending) -> tuple[int, str]:
    """The code and the reason."""
    match ending:
        case Ending.NO_INIT:
            return INIT_TIMEOUT, "Connection initialisation timeout"
        case Ending.EXPIRED:
            return FORBIDDEN, "Forbidden"
        case Ending.OLD | Ending.STOPPING:
            return RESTART, "Service restart"
        case Ending.TOO_MANY | Ending.SLOW | Ending.SILENT:
            return TRY_AGAIN_LATER, "Try again later"
        case _:
            assert_never(ending)


def malformed(message: object) -> str | None:
    """Why a frame is not one of the protocol's, in words that fit a close frame; `None` when it is."""
    if not isinstance(message, dict):
        return "A message must be an object"
    payload = message.get("payload")
    match message.get("type"):
        case "connection_init" | "ping" | "pong":
            return None if isinstance(payload, dict | None) else "payload must be an object"
        case "subscribe":
            return _malformed_id(message) or _malformed_operation(payload)
        case "complete":
            return _malformed_id(message)
        case _:
            return "Unknown message type"


def _malformed_id(message: dict[str, Any]) -> str | None:
    identifier = message.get("id")
    return None if isinstance(identifier, str) and identifier else "id must be a string"


def _malformed_operation(payload: object) -> str | None:
    if not isinstance(payload, dict):
        return "payload must be an object"
    if not isinstance(payload.get("query"), str | None if names_document(payload) else str):
        return "query must be a string"
    if not isinstance(payload.get("operationName"), str | None):
        return "operationName must be a string"
    for member in ("variables", "extensions"):
        if not isinstance(payload.get(member), dict | None):
            return f"{member} must be an object"
    return None
