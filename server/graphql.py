"""The GraphQL endpoint over HTTP, as "GraphQL over HTTP" says; over WebSocket see `server.websocket`.

Statuses: what never became an operation is 4xx. A refused value is 400 in every media type; other documents that cannot be run
are 400 in `application/graphql-response+json` and 200 in `application/json`, as the specification asks. An operation that ran is
200, unless nothing of it was answered and HTTP has a word for why.
"""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from cross_web import HTTPException as WebException
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types.execution import ExecutionResult, PreExecutionError, SubscriptionExecutionResult
from strawberry.types.graphql import OperationType

from resolvers.context import Context
from schema.errors import BAD_USER_INPUT
from schema.execution import FirstlightSchema
from schema.persisted import PersistedDocuments
from server import wire
from server.admission import admit
from server.negotiation import EVENT_STREAM, GRAPHQL_RESPONSE, JSON, is_json, negotiate
from server.refusals import BAD_REQUEST, VARY, graphql_refusal, graphql_service_refusal, http_code, retry_after
from server.sse import EventStream
from server.websocket import TextFrames, TransportHandler
from services.clock import Clock
from services.errors import RateLimited, ServiceError, Unauthenticated, Unavailable

STATUSES = {error.code: error.http_status for error in (Unauthenticated, RateLimited, Unavailable)}
"""Codes of the contract that HTTP has a status for."""


class GraphQLEndpoint(GraphQL[Context, None]):
    """`/graphql`. Every caller has to present a key, also for introspection.

    They are known by a header that a browser never sends by itself, and by no cookie: no page of another origin can act for
    anybody here (CSRF), so none of the tokens and headers that are asked for elsewhere is needed.
    """

    graphql_transport_ws_handler_class = TransportHandler
    websocket_adapter_class = TextFrames

    def __init__(self, schema: FirstlightSchema, *, allowed_origins: Sequence[str] = ()) -> None:
        """`allowed_origins`: whose pages may open a socket here, beside those of this host."""
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
            max_subscriptions_per_connection=None,  # `server.websocket` counts, and says so with a code
            allowed_origins=allowed_origins,
        )
        self._persisted = schema.rules.persisted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        request = Request(scope, receive)
        media_type = negotiate(request.headers.get("accept"))
        try:
            response = await self._answer(request, media_type)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, request: Request, media_type: str | None) -> Response:
        if media_type is None:
            return _refusal(406, f"Answers are {JSON}, {GRAPHQL_RESPONSE} or {EVENT_STREAM}.", JSON)
        streaming = media_type == EVENT_STREAM
        if streaming:
            media_type = JSON  # of refusals: what has become a stream is none
        if request.method not in {"GET", "POST"}:
            return _refusal(405, "GraphQL takes POST, and GET for queries.", media_type, allow="GET, POST")
        try:
            return await (self._stream(request) if streaming else self._run(request, media_type))
        except ServiceError as error:
            return graphql_service_refusal(error, media_type)
        except WebException as error:
            return _refusal(error.status_code, error.reason, media_type, allow="POST" if error.status_code == 405 else None)
        except HTTPException as error:
            code = http_code(error.status_code)
            return graphql_refusal(error.status_code, error.detail, {"code": code}, media_type=media_type, headers=error.headers)

    async def _run(self, request: Request, media_type: str) -> Response:
        """One operation, answered in one piece. Strawberry's own way from a request to it takes a tenth of the time of a read."""
        context = await self.get_context(request, None)
        asked = await self._asked(request)
        began = Clock.monotonic()
        with request.state.admission.enter(asked.query or "", context.principal) as context.place:
            result = await self._execute(asked, context, reading=request.method == "GET")
        request.state.timing["execute"] = Clock.monotonic() - began
        body = dict(await self.process_result(request, result))
        status, headers = _status(body, media_type)
        return wire.JsonResponse(body, status, {**VARY, **headers}, media_type=media_type)

    async def _stream(self, request: Request) -> Response:
        """One operation, each of its results an event."""
        context = await self.get_context(request, None)
        asked = await self._asked(request)
        allowed = {OperationType.QUERY, OperationType.SUBSCRIPTION} if request.method == "GET" else set(OperationType)
        results = await self.schema.stream(
            asked.query, asked.variables, context, None, asked.operation_name, asked.extensions, allowed
        )
        stream = EventStream(request.state.streams, request.state.services.settings.stream_ping_s)
        stream.carry(cast("SubscriptionExecutionResult", results), partial(self.process_result, request), context)
        return stream

    async def get_context(self, request: Request | WebSocket, response: object) -> Context:  # noqa: ARG002 - Strawberry's signature
        """Raises as `admit` over HTTP. On a WebSocket the caller is known at `connection_init`."""
        state = request.state
        principal = None
        if isinstance(request, Request):
            principal = await admit(request)
        return Context(state.services, state.scheduler, state.request_id, principal, enter=state.admission.enter)

    async def _asked(self, request: Request) -> GraphQLRequestData:
        if request.method == "GET":
            body: object = self.parse_query_params(request.query_params)
        elif is_json(request.headers.get("content-type")):
            body = self.parse_json(await request.body())
        else:
            raise WebException(415, "The body has to be application/json in UTF-8.")
        return _request_data(body, self._persisted)

    async def _execute(self, asked: GraphQLRequestData, context: Context, *, reading: bool) -> ExecutionResult:
        """Of a type that this method and this transport may carry."""
        allowed = {OperationType.QUERY} if reading else {OperationType.QUERY, OperationType.MUTATION}
        try:
            return await self.schema.execute(
                asked.query, asked.variables, context, None, asked.operation_name, allowed, asked.extensions
            )
        except CannotGetOperationTypeError as error:
            raise WebException(400, error.as_http_error_reason()) from None
        except InvalidOperationTypeError as error:
            if error.operation_type is OperationType.MUTATION:
                raise WebException(405, "Mutations take POST.") from None
            raise WebException(400, f"Subscriptions run over graphql-transport-ws, or with accept: {EVENT_STREAM}.") from None

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:  # noqa: ARG002
        body: GraphQLHTTPResponse = {"data": result.data}
        if result.errors:
            body["errors"] = [error.formatted for error in result.errors]
        if result.extensions:
            body["extensions"] = result.extensions
        if _never_ran(result):
            del body["data"]  # the specification: no `data` in a request error
        return body

    def decode_json(self, data: str | bytes) -> object:
        try:
            return wire.decode(data)
        except wire.NotJson as error:
            raise json.JSONDecodeError(str(error), "", 0) from None

    def encode_json(self, data: object) -> bytes:
        return wire.encode(data)


def _refusal(status: int, message: str, media_type: str, allow: str | None = None) -> Response:
    headers = {"allow": allow} if allow else None
    return graphql_refusal(status, message, {"code": BAD_REQUEST}, media_type=media_type, headers=headers)


def _request_data(body: object, persisted: PersistedDocuments) -> GraphQLRequestData:
    """The members of a GraphQL request, each of its type. Raises 400 otherwise, and as `PersistedDocuments.asked_for`."""
    if not isinstance(body, dict):
        raise WebException(400, "The request has to be a JSON object.")
    query = persisted.asked_for(body)
    if not isinstance(query, str) or not query:
        raise WebException(400, "`query` has to be a GraphQL document.")
    name, variables, extensions = (body.get(member) for member in ("operationName", "variables", "extensions"))
    if not isinstance(name, str | None):
        raise WebException(400, "`operationName` has to be a string or null.")
    for member, value in (("variables", variables), ("extensions", extensions)):
        if not isinstance(value, dict | None):
            raise WebException(400, f"`{member}` has to be an object or null.")
    return GraphQLRequestData(query, variables, name or None, extensions, "http")


def _never_ran(result: ExecutionResult) -> bool:
    if isinstance(result, PreExecutionError):
        return True
    return result.data is None and bool(result.errors) and all(error.path is None for error in result.errors or ())


def _status(body: dict[str, Any], media_type: str) -> tuple[int, dict[str, str]]:
    """The status of an answer, and when to come again."""
    extensions = [error.get("extensions", {}) for error in body.get("errors", ())]
    if not extensions or any(value is not None for value in (body.get("data") or {}).values()):
        return 200, {}
    for each in extensions:
        if (status := STATUSES.get(each["code"])) is not None:
            return status, retry_after(each.get("retryAfterMs"))
    refused_value = any(each["code"] == BAD_USER_INPUT for each in extensions)
    return (400 if "data" not in body and (refused_value or media_type == GRAPHQL_RESPONSE) else 200), {}
