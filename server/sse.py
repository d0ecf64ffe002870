"""Server-sent events, as graphql-sse's "distinct connections mode" says: one operation a request, one stream of its results.

It runs at the URL of all operations, for clients that cannot hold a socket or sit behind a proxy that allows none: `accept:
text/event-stream`, by POST, or by GET for what changes nothing. The key is in the headers, which a browser's own `EventSource`
cannot set: use a client that calls `fetch`, as graphql-sse does.

`complete` says that the operation is over. A stream that the service ends for another reason (age, a stop, a client that takes
nothing) ends without it: clients come back then. The one exception is a token that is over, which no repetition can mend: a last
`next` with UNAUTHENTICATED, then `complete`. What was missed meanwhile comes by the `after` of the subscription.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.types.execution import ExecutionResult, SubscriptionExecutionResult
from strawberry.utils.aio import aclosing

from resolvers.context import Context
from schema.errors import told
from server import wire
from server.negotiation import EVENT_STREAM, JSON
from server.refusals import graphql_service_refusal
from server.sockets import STALLED_S, Ending, OpenStream, OpenStreams, StreamKind, TooManyStreams
from services.background import owned_task
from services.errors import TokenExpired

HEADERS = {"cache-control": "no-store, no-transform", "x-accel-buffering": "no"}
"""No proxy may keep, change or gather what has to arrive at once; the second is nginx's word for it."""
OPENING = b"retry: 2000\n\n"
"""Milliseconds after which clients come back; it also lets them see at once that the stream stands."""
KEEP_ALIVE = b": still here\n\n"
COMPLETE = b"event: complete\ndata:\n\n"

Present = Callable[[ExecutionResult], Awaitable[Mapping[str, Any]]]
Deliver = Callable[[bytes], Awaitable[None]]


class EventStream(Response):
    """The results of one operation. It is made before there is an operation: `carry` gives it one."""

    media_type = EVENT_STREAM

    def __init__(self, streams: OpenStreams, keep_alive_s: float) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(HEADERS)
        self._streams = streams
        self._keep_alive_s = keep_alive_s

    def carry(self, results: SubscriptionExecutionResult, present: Present, context: Context) -> None:
        """`present` gives the JSON of a result."""
        self._results = results
        self._present = present
        assert context.principal is not None  # noqa: S101 - over HTTP every caller is known before there is an operation
        self._principal = context.principal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with self._streams.opened(StreamKind.EVENTS) as stream:
                self._streams.admit(stream, self._principal)
                deliver = partial(_deliver, stream, send)
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                work = self._until_told_or_left(receive, deliver)
                if await stream.run(work, self._keep_alive_s, partial(deliver, KEEP_ALIVE)) is Ending.EXPIRED:
                    await deliver(_expired())
        except TooManyStreams as error:
            await graphql_service_refusal(error, JSON)(scope, receive, send)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(STALLED_S):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _until_told_or_left(self, receive: Receive, deliver: Deliver) -> None:
        async with owned_task(self._tell(deliver), "results") as telling, owned_task(_left(receive), "client") as leaving:
            await asyncio.wait({telling, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                telling.result()

    async def _tell(self, deliver: Deliver) -> None:
        await deliver(OPENING)
        async with aclosing(self._results) as results:
            async for result in results:
                await deliver(_next(await self._present(result)))
        await deliver(COMPLETE)


def _next(body: Mapping[str, Any]) -> bytes:
    """JSON has no line breaks of its own, so one line of data holds it."""
    return b"event: next\ndata: " + wire.encode(body) + b"\n\n"


def _expired() -> bytes:
    return _next({"errors": [told(TokenExpired())]}) + COMPLETE


async def _deliver(stream: OpenStream, send: Send, data: bytes) -> None:
    await stream.send(send({"type": "http.response.body", "body": data, "more_body": True}))


async def _left(receive: Receive) -> None:
    """Returns when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
