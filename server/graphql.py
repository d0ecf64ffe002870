"""The GraphQL endpoint over HTTP, as "GraphQL over HTTP" says; over WebSocket see `server.websocket`.

Statuses: what never became an operation is 4xx. A refused value is 400 in every media type; other documents that cannot be run
are 400 in `application/graphql-response+json` and 200 in `application/json`, as the specification asks. An operation that ran is
200, unless nothing of it was answered and HTTP has a word for why.
"""

import json
from datetime import timedelta
from typing import Any

from cross_web import AsyncHTTPRequestAdapter
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
from strawberry.types.execution import ExecutionResult, PreExecutionError
from strawberry.types.graphql import OperationType

from resolvers.context import Context
from schema.errors import BAD_USER_INPUT
from schema.execution import FirstlightSchema
from server import wire
from server.auth import authenticate, presented_key
from server.negotiation import GRAPHQL_RESPONSE, JSON, is_json, negotiate
from server.refusals import BAD_REQUEST, graphql_refusal, graphql_service_refusal, http_code
from server.websocket import TextFrames, TransportHandler
from services.errors import ServiceError, Unauthenticated, Unavailable

INIT_TIMEOUT = timedelta(seconds=5)
OPERATIONS_PER_SOCKET = 10
"""Both of reliability.md, section 3."""

STATUSES = {Unauthenticated.code: 401, "RATE_LIMITED": 429, Unavailable.code: 503}
"""Codes of the contract that HTTP has a status for."""


class GraphQLEndpoint(GraphQL[Context, None]):
    """`/graphql`. Every caller has to present a key, also for introspection."""

    graphql_transport_ws_handler_class = TransportHandler
    websocket_adapter_class = TextFrames

    def __init__(self, schema: FirstlightSchema) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
            connection_init_wait_timeout=INIT_TIMEOUT,
            max_subscriptions_per_connection=OPERATIONS_PER_SOCKET,
        )

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
            return _refusal(406, f"Answers are {JSON} or {GRAPHQL_RESPONSE}.", JSON)
        if request.method not in {"GET", "POST"}:
            return _refusal(405, "GraphQL takes POST, and GET for queries.", media_type, allow="GET, POST")
        try:
            return await self.run(request)
        except ServiceError as error:
            return graphql_service_refusal(error, media_type)
        except WebException as error:
            return _refusal(error.status_code, error.reason, media_type, allow="POST" if error.status_code == 405 else None)
        except HTTPException as error:
            code = http_code(error.status_code)
            return graphql_refusal(error.status_code, error.detail, {"code": code}, media_type=media_type, headers=error.headers)

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:  # noqa: ARG002 - Strawberry's signature
        """Raises `Unauthenticated` over HTTP. On a WebSocket the caller is known at `connection_init`."""
        state = request.state
        principal = None
        if isinstance(request, Request):
            principal = authenticate(state.services.keyring, presented_key(request.headers))
        return Context(state.services, state.scheduler, state.request_id, principal)

    async def get_sub_response(self, request: Request | WebSocket) -> Response:
        """Carries the negotiated media type to `create_response`."""
        sub_response = await super().get_sub_response(request)
        sub_response.media_type = negotiate(request.headers.get("accept"))
        return sub_response

    def should_render_graphql_ide(self, request: object) -> bool:  # noqa: ARG002 - Strawberry's signature
        return False

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData:
        if request.method == "GET":
            body: object = self.parse_query_params(request.query_params)
        elif is_json(request.content_type):
            body = self.parse_json(await request.get_body())
        else:
            raise WebException(415, "The body has to be application/json in UTF-8.")
        return _request_data(body)

    async def execute_operation(
        self,
        request: Request,  # noqa: ARG002 - Strawberry's signature
        request_adapter: AsyncHTTPRequestAdapter,
        request_data: GraphQLRequestData | list[GraphQLRequestData],
        context: Context,
        root_value: None,
        sub_response: Response,  # noqa: ARG002
    ) -> ExecutionResult:
        """One operation, of a type that this method and this transport may carry."""
        if isinstance(request_data, list):
            raise WebException(400, "One operation a request.")
        reading = request_adapter.method == "GET"
        allowed = {OperationType.QUERY} if reading else {OperationType.QUERY, OperationType.MUTATION}
        try:
            return await self.schema.execute(
                request_data.query,
                request_data.variables,
                context,
                root_value,
                request_data.operation_name,
                allowed,
                request_data.extensions,
            )
        except CannotGetOperationTypeError as error:
            raise WebException(400, error.as_http_error_reason()) from None
        except InvalidOperationTypeError as error:
            if error.operation_type is OperationType.MUTATION:
                raise WebException(405, "Mutations take POST.") from None
            raise WebException(400, "Subscriptions run over WebSocket at this URL, protocol graphql-transport-ws.") from None

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:  # noqa: ARG002
        body: GraphQLHTTPResponse = {"data": result.data}
        if result.errors:
            body["errors"] = [error.formatted for error in result.errors]
        if result.extensions:
            body["extensions"] = result.extensions
        if _never_ran(result):
            del body["data"]  # the specification: no `data` in a request error
        return body

    def create_response(self, response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse], sub_response: Response) -> Response:
        media_type = sub_response.media_type or JSON
        body: dict[str, Any] = dict(response_data) if isinstance(response_data, dict) else {}
        status, headers = _status(body, media_type)
        return wire.JsonResponse(body, status, headers, media_type=media_type)

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


def _request_data(body: object) -> GraphQLRequestData:
    """The members of a GraphQL request, each of its type. Raises 400 otherwise."""
    if not isinstance(body, dict):
        raise WebException(400, "The request has to be a JSON object.")
    query = body.get("query")
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
    if "data" not in body:
        refused_value = any(each.get("code") == BAD_USER_INPUT for each in extensions)
        return (400 if refused_value or media_type == GRAPHQL_RESPONSE else 200), {}
    if not extensions or any(value is not None for value in (body["data"] or {}).values()):
        return 200, {}
    for each in extensions:
        if (status := STATUSES.get(each["code"])) is not None:
            wait_ms = each.get("retryAfterMs")
            return status, {} if wait_ms is None else {"retry-after": str(-(-wait_ms // 1000))}
    return 200, {}
