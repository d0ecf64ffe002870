"""One exchange with Sahha over HTTP: every bound on time, size and concurrency is kept here."""

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from services.clock import Clock
from services.config import Settings
from services.errors import UpstreamError, UpstreamMalformed, UpstreamStatus, UpstreamTimeout, UpstreamUnreachable

MAX_BODY_BYTES = 1 << 20
GZIP_WINDOW = 16 + zlib.MAX_WBITS
DELAY_SECONDS = re.compile(r"\d{1,9}", re.ASCII)
IDLE_CONNECTION_S = 30.0

Query = Sequence[tuple[str, str]]


def sahha_http(settings: Settings) -> httpx.AsyncClient:
    """The connections to Sahha, kept alive between calls; one client for the life of the process.

    No redirects, and nothing from the environment or a netrc file: the only credential sent is the account token.
    """
    limits = httpx.Limits(
        max_connections=settings.sahha_concurrency,
        max_keepalive_connections=settings.sahha_concurrency,
        keepalive_expiry=IDLE_CONNECTION_S,
    )
    timeout = httpx.Timeout(settings.sahha_attempt_timeout_s, connect=settings.sahha_connect_timeout_s)
    return httpx.AsyncClient(limits=limits, timeout=timeout, follow_redirects=False, trust_env=False)


class WireTime:
    """How long at least one exchange was under way: the upstream's own time, without our waiting for slots and in pauses."""

    def __init__(self) -> None:
        self._under_way = 0
        self._since = 0.0
        self._before = 0.0

    @property
    def seconds(self) -> float:
        return self._before + (Clock.monotonic() - self._since if self._under_way else 0.0)

    @contextmanager
    def running(self) -> Iterator[None]:
        if self._under_way == 0:
            self._since = Clock.monotonic()
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            if self._under_way == 0:
                self._before += Clock.monotonic() - self._since


WIRE_TIME: ContextVar[WireTime | None] = ContextVar("sahha_wire_time", default=None)
"""Where the exchanges of the running read are timed; set by whoever wants to know."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `body` is empty unless the status is 200; `retry_after_s` is what the upstream asked us to wait."""

    status: int
    body: bytes = field(default=b"", repr=False)
    retry_after_s: float | None = None


class SahhaTransport:
    """Exchanges that end in time: at most `SAHHA_CONCURRENCY` at once, each within `SAHHA_ATTEMPT_TIMEOUT_S` in total."""

    def __init__(self, http: httpx.AsyncClient, base_url: str, settings: Settings) -> None:
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._attempt_timeout_s = settings.sahha_attempt_timeout_s
        self._slots = asyncio.Semaphore(settings.sahha_concurrency)

    async def get(self, call: str, path: str, query: Query, authorization: str) -> Answer:
        """`path` is percent-encoded. `call` names the exchange in reasons. Raises as `_exchange`."""
        headers = {"Authorization": authorization}
        return await self._exchange(call, self._request("GET", path, headers, params=httpx.QueryParams(list(query))))

    async def post(self, call: str, path: str, document: dict[str, str]) -> Answer:
        """`document` is sent as JSON. Raises as `_exchange`."""
        return await self._exchange(call, self._request("POST", path, {}, json=document))

    def _request(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        *,
        params: httpx.QueryParams | None = None,
        json: dict[str, str] | None = None,
    ) -> httpx.Request:
        # Deflate, brotli and zstandard are not asked for: gzip is the one that `_bounded` can stop in the middle of a bomb.
        headers |= {"Accept": "application/json", "Accept-Encoding": "gzip"}
        url = self._base_url + path
        return self._http.build_request(method, url, headers=headers, params=params, json=json)

    async def _exchange(self, call: str, request: httpx.Request) -> Answer:
        """The answer, whatever its status.

        Raises `UpstreamUnreachable`, `UpstreamTimeout`, and `UpstreamMalformed` for a body that is too large or not JSON.
        """
        try:
            async with self._slots, asyncio.timeout(self._attempt_timeout_s):
                with (WIRE_TIME.get() or WireTime()).running():
                    return await self._answered(call, request)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise _unanswered(call, error) from error
        except httpx.TransportError as error:
            # The message of a transport error can name addresses; its class is enough to act on.
            raise UpstreamUnreachable(f"{call}: {type(error).__name__}") from error

    async def _answered(self, call: str, request: httpx.Request) -> Answer:
        response = await self._http.send(request, stream=True)
        try:
            return await _answer(call, response)
        finally:
            await response.aclose()


def status_error(call: str, answer: Answer) -> UpstreamStatus:
    """What a status that has no meaning of its own is raised as."""
    return UpstreamStatus(f"{call}: HTTP {answer.status}", status=answer.status, retry_after_s=answer.retry_after_s)


def _unanswered(call: str, error: Exception) -> UpstreamError:
    if isinstance(error, httpx.ConnectTimeout):
        return UpstreamUnreachable(f"{call}: no connection in time")
    return UpstreamTimeout(f"{call}: no whole answer in time")


async def _answer(call: str, response: httpx.Response) -> Answer:
    if response.is_redirect:
        raise UpstreamMalformed(f"{call}: redirected")
    if response.status_code != httpx.codes.OK:
        return Answer(response.status_code, retry_after_s=_retry_after_s(response.headers))
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise UpstreamMalformed(f"{call}: not JSON by its content type")
    body = b"".join([part async for part in _bounded(call, response)])
    if not body:
        raise UpstreamMalformed(f"{call}: an empty body with status 200")
    return Answer(response.status_code, body)


async def _bounded(call: str, response: httpx.Response) -> AsyncIterator[bytes]:
    """The body, decompressed, never holding more than the bound in memory however well it was compressed."""
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"identity", "gzip"}:
        raise UpstreamMalformed(f"{call}: a content encoding that was not asked for")
    inflate = zlib.decompressobj(GZIP_WINDOW) if encoding == "gzip" else None
    left = MAX_BODY_BYTES
    async for raw in response.aiter_raw():
        try:
            part = inflate.decompress(raw, left + 1) if inflate else raw
        except zlib.error:
            raise UpstreamMalformed(f"{call}: not gzip") from None
        left -= len(part)
        if left < 0:
            raise UpstreamMalformed(f"{call}: a body over {MAX_BODY_BYTES >> 20} MiB")
        yield part
    if inflate and not inflate.eof:
        raise UpstreamMalformed(f"{call}: gzip cut short")


def _retry_after_s(headers: httpx.Headers) -> float | None:
    """Seconds that `Retry-After` asks for, given in seconds or as a date, which is read against the answer's own `Date`."""
    asked = headers.get("Retry-After", "").strip()
    if DELAY_SECONDS.fullmatch(asked):
        return float(asked)
    until, sent = _http_date(asked), _http_date(headers.get("Date", ""))
    if until is None or sent is None:
        return None
    return max(0.0, (until - sent).total_seconds())


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
