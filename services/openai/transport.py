"""The connections to the model's provider, kept alive between plans, and a bound on what comes through them."""

from collections.abc import AsyncIterator

import httpx2

from services.config import Settings

MAX_BODY_BYTES = 4 << 20
"""A whole day is some 60 KiB as a stream; an error page is smaller still."""
IDLE_CONNECTION_S = 300.0
"""The library's own 5 s would cost a new handshake for almost every plan."""


class BoundedStream(httpx2.AsyncByteStream):
    """A body that breaks off when it is longer than it can honestly be."""

    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = MAX_BODY_BYTES
        async for part in self._inner:
            left -= len(part)
            if left < 0:
                raise httpx2.ReadError(f"a body over {MAX_BODY_BYTES >> 20} MiB")
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()


class BoundedTransport(httpx2.AsyncBaseTransport):
    """Bodies of answers, those of errors too, are bounded and not compressed: nothing can unfold in memory."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.headers["Accept-Encoding"] = "identity"
        answer = await self._inner.handle_async_request(request)
        if answer.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
            await answer.aclose()
            raise httpx2.RemoteProtocolError("a content encoding that was not asked for")
        if not isinstance(answer.stream, httpx2.AsyncByteStream):
            raise httpx2.RemoteProtocolError("an answer without a stream")
        return httpx2.Response(
            answer.status_code, headers=answer.headers, stream=BoundedStream(answer.stream), extensions=answer.extensions
        )

    async def aclose(self) -> None:
        await self._inner.aclose()


def openai_http(settings: Settings) -> httpx2.AsyncClient:
    """One client for the life of the process; no redirects, and nothing from the environment or a netrc file."""
    limits = httpx2.Limits(
        max_connections=settings.openai_concurrency,
        max_keepalive_connections=settings.openai_concurrency,
        keepalive_expiry=IDLE_CONNECTION_S,
    )
    timeout = httpx2.Timeout(settings.openai_attempt_timeout_s, connect=settings.openai_connect_timeout_s)
    transport = BoundedTransport(httpx2.AsyncHTTPTransport(limits=limits, retries=0, trust_env=False))
    return httpx2.AsyncClient(transport=transport, timeout=timeout, follow_redirects=False, trust_env=False)
