"""Refusals that never reach a resolver, in the shape that callers of each URL know."""

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from schema.errors import describe
from server.wire import JsonResponse
from services.domain.problems import InvalidInput, Problem
from services.errors import BadUserInput, ServiceError, Unauthenticated

GRAPHQL_PATH = "/graphql"
BAD_REQUEST = "BAD_REQUEST"
VARY = {"vary": "Accept"}
"""Of every answer of `GRAPHQL_PATH`: its media type is negotiated."""

PROBLEM_STATUS = {
    "INVALID_INPUT": 422,
    "IDEMPOTENCY_KEY_REUSED": 422,
    "NOT_FOUND": 404,
    "QUOTA_EXCEEDED": 429,
    "PLANNING_FAILED": 503,
    "HEALTH_DATA_UNAVAILABLE": 503,
}


def refuse(path: str, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal of the URL at `path`."""
    if path == GRAPHQL_PATH:
        return graphql_refusal(status, message, {"code": code}, headers=headers)
    return JsonResponse({"error": {"code": code, "message": message, "field": None}}, status, headers)


def graphql_refusal(
    status: int,
    message: str,
    extensions: Mapping[str, object],
    *,
    media_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A GraphQL response without data."""
    body = {"errors": [{"message": message, "extensions": dict(extensions)}]}
    return JsonResponse(body, status, {**VARY, **(headers or {})}, media_type=media_type)


def graphql_service_refusal(error: ServiceError, media_type: str) -> Response:
    return graphql_refusal(
        error.http_status, error.message, describe(error), media_type=media_type, headers=service_headers(error)
    )


def rest_service_refusal(error: ServiceError) -> Response:
    field = list(error.field) if isinstance(error, BadUserInput) else None
    body = {"error": {"code": error.code, "message": error.message, "field": field}}
    return JsonResponse(body, error.http_status, service_headers(error))


def rest_problem(problem: Problem) -> Response:
    field = list(problem.field) if isinstance(problem, InvalidInput) else None
    body = {"error": {"code": problem.code, "message": problem.message, "field": field}}
    return JsonResponse(body, PROBLEM_STATUS[problem.code], retry_after(problem.retry_after_ms))


def service_headers(error: ServiceError) -> dict[str, str]:
    """What HTTP itself says of the refusal: how to authenticate, when to come again."""
    headers = retry_after(error.retry_after_ms)
    if isinstance(error, Unauthenticated):
        headers["www-authenticate"] = 'Bearer realm="firstlight"'
    return headers


def retry_after(retry_after_ms: int | None) -> dict[str, str]:
    """When to come again, as a header; nothing where that is not known."""
    return {} if retry_after_ms is None else {"retry-after": str(-(-retry_after_ms // 1000))}


def http_code(status: int) -> str:
    """The code of a refusal that HTTP alone has a word for."""
    return {404: "NOT_FOUND", 408: "REQUEST_TIMEOUT", 413: "BODY_TOO_LARGE", 431: "HEADERS_TOO_LARGE"}.get(status, BAD_REQUEST)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """For Starlette: an unknown URL, a wrong method, a body that is too large."""
    if not isinstance(error, HTTPException):
        raise error
    return refuse(request.url.path, error.status_code, http_code(error.status_code), error.detail, error.headers)


async def on_service_error(_request: Request, error: Exception) -> Response:
    """For Starlette: what the services refuse, on every URL but GraphQL's."""
    if not isinstance(error, ServiceError):
        raise error
    return rest_service_refusal(error)
