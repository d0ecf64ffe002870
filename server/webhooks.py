"""`POST /webhooks/sahha`: what Sahha pushes. Its signature says who calls; no key of ours is asked for."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PATH = "/webhooks/sahha"
BODY_LIMIT = 1024 * 1024
"""Bytes, as of every other body of Sahha's: a data log event holds as many samples as a phone sends at once."""


async def receive(request: Request) -> Response:
    """204 once the event is durable; 503 with `Retry-After` when it cannot be, and it has to be sent again.

    401: the signature is not that of the body; 403: it is of another person than the header says; 400: it is no event.
    """
    await request.state.services.webhooks.receive(
        await request.body(),
        signature=request.headers.get("x-signature"),
        external_id=request.headers.get("x-external-id"),
        event_type=request.headers.get("x-event-type"),
    )
    return Response(status_code=204)


ROUTES = [Route(PATH, receive, methods=["POST"])]
