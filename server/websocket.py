"""graphql-transport-ws beyond Strawberry's own: who is calling, and frames that no client should send.

Close codes that official clients take as final say that trying again cannot help: 4400 (a malformed frame), 4401 (a wrong key,
or none), 4406, 4409, 4429. 4403 and 1012 are tried again and are not used for a wrong key.
"""

from typing import Any

import structlog
from graphql import GraphQLError
from starlette.websockets import WebSocketDisconnect, WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler

from resolvers.context import Context
from server.auth import authenticate, presented_key
from services.errors import Unauthenticated

UNAUTHORIZED = 4401

log = structlog.get_logger()


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


class TransportHandler(BaseGraphQLTransportWSHandler[Context, None]):
    """One socket."""

    websocket: TextFrames

    async def handle_message(self, message: Any) -> None:  # noqa: ANN401 - whatever the client sent
        fault = malformed(message)
        if fault is not None:
            await self.handle_invalid_message(fault)
            return
        if message.get("payload", {}) is None:
            del message["payload"]
        await super().handle_message(message)

    async def handle_connection_init(self, message: Any) -> None:  # noqa: ANN401 - checked by `malformed`
        """The key of the payload, else of the upgrade's headers. Without a good one the socket is closed, for good."""
        if not self.connection_init_received and not self.connection_timed_out:
            key = presented_key(message.get("payload", {})) or presented_key(self.websocket.ws.headers)
            try:
                self.context.principal = authenticate(self.context.services.keyring, key)
            except Unauthenticated:
                await self.websocket.close(UNAUTHORIZED, "Unauthorized")
                return
        await super().handle_connection_init(message)

    async def handle_task_exception(self, error: Exception) -> None:
        if not isinstance(error, WebSocketDisconnected):
            log.error("[WEBSOCKET] Unexpected error", exc_info=error)

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:  # noqa: ARG004 - Strawberry's signature
        """Nothing: a document that cannot be run is an `error` of its operation and leaves the others alone."""
        return None


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
    if not isinstance(payload.get("query"), str):
        return "query must be a string"
    if not isinstance(payload.get("operationName"), str | None):
        return "operationName must be a string"
    for member in ("variables", "extensions"):
        if not isinstance(payload.get(member), dict | None):
            return f"{member} must be an object"
    return None
