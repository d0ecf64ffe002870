"""Sahha's read API: the calls a plan is made from, and every way in which they can fail told apart.

No rows (204 or an empty list) is a result. Everything else that is not rows is raised: `PersonUnknown`, `CredentialRejected`,
`UpstreamStatus`, `UpstreamMalformed`, `UpstreamTimeout` or `UpstreamUnreachable`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, tzinfo
from functools import partial
from typing import TypeVar
from urllib.parse import quote

import httpx
import structlog

from services.clock import Clock
from services.config import Settings
from services.domain.ids import UserId
from services.errors import CredentialRejected, PersonUnknown, UpstreamMalformed, UpstreamTimeout
from services.resilience import RetryPolicy, with_retries
from services.sahha.catalogue import CATEGORIES, SCORE_TYPES
from services.sahha.payloads import (
    ParsedBiomarkers,
    ParsedScores,
    Rejection,
    SahhaProfile,
    parse_biomarkers,
    parse_profile,
    parse_scores,
)
from services.sahha.tokens import AccountTokens, SahhaAccess
from services.sahha.transport import Query, SahhaTransport, sahha_http, status_error

__all__ = ["SahhaAccess", "SahhaClient", "sahha_http"]

UNADDRESSABLE = frozenset({"", ".", ".."})
"""Ids that no path segment can hold: servers and proxies read even the encoded forms of these as steps within the path."""

T = TypeVar("T")

log = structlog.get_logger()


class SahhaClient:
    """Reads of one person each, repeated at most twice while they fail for a moment, and never past their deadline.

    `within_s` bounds a whole read: waiting for a slot and the token, attempts and pauses; `SAHHA_PLAN_DEADLINE_S` unless given.
    Dates are days in the person's own offset; what carries no offset is read in `fallback_offset`.
    """

    def __init__(self, http: httpx.AsyncClient, access: SahhaAccess, settings: Settings, clock: Clock) -> None:
        self._clock = clock
        self._default_within_s = settings.sahha_plan_deadline_s
        self._transport = SahhaTransport(http, access.base_url, settings)
        self._tokens = AccountTokens(self._transport, access, clock)

    async def aclose(self) -> None:
        """Ends a token fetch that nobody waits for any more. The HTTP client is its owner's to close."""
        await self._tokens.aclose()

    async def authenticate(self) -> None:
        """Makes sure of an account token. Raises `CredentialRejected` when Sahha does not accept the credential."""
        await self._in_time("token", self._tokens.authorization, None)

    async def biomarkers(
        self, user_id: UserId, start: date, end: date, *, fallback_offset: tzinfo = UTC, within_s: float | None = None
    ) -> ParsedBiomarkers:
        """The biomarkers of every category whose day lies from `start` to `end`, both included."""
        query = _query("categories", CATEGORIES, start, end)
        body = await self._request("biomarker", "/api/v1/profile/biomarker", user_id, query, within_s)
        parsed = parse_biomarkers(body, received_at=self._clock.now(), fallback_offset=fallback_offset)
        _report("biomarker", parsed.rejected)
        return parsed

    async def scores(
        self, user_id: UserId, start: date, end: date, *, fallback_offset: tzinfo = UTC, within_s: float | None = None
    ) -> ParsedScores:
        """The scores whose day lies from `start` to `end`, both included."""
        query = _query("types", SCORE_TYPES, start, end)
        body = await self._request("score", "/api/v1/profile/score", user_id, query, within_s)
        parsed = parse_scores(body, received_at=self._clock.now(), fallback_offset=fallback_offset)
        _report("score", parsed.rejected)
        return parsed

    async def profile(self, user_id: UserId, *, within_s: float | None = None) -> SahhaProfile:
        """The person's profile. One that names somebody else is refused as `UpstreamMalformed`."""
        body = await self._request("profile", "/api/v1/account/profile", user_id, (), within_s)
        if not body:
            raise UpstreamMalformed("profile: an empty answer")
        profile = parse_profile(body)
        if profile.external_id != user_id:
            log.error("[SAHHA] The profile of another person was sent", asked_for=user_id[:8])
            raise UpstreamMalformed("profile: another person's")
        return profile

    async def _request(self, call: str, prefix: str, user_id: UserId, query: Query, within_s: float | None) -> bytes:
        """The one way out: the body of a read, empty for 204. Raises the errors named in this module's head."""
        if user_id in UNADDRESSABLE:
            raise PersonUnknown(f"{call}: not an id that can be asked for")
        path = f"{prefix}/{quote(user_id, safe='', errors='surrogatepass')}"
        return await self._in_time(call, partial(self._attempt, call, path, query), within_s)

    async def _in_time(self, call: str, attempt: Callable[[], Awaitable[T]], within_s: float | None) -> T:
        within_s = within_s or self._default_within_s
        deadline = self._clock.monotonic() + within_s
        try:
            async with asyncio.timeout(within_s):
                return await with_retries(attempt, policy=RetryPolicy(), deadline=deadline, what=call)
        except TimeoutError:
            raise UpstreamTimeout(f"{call}: no whole answer within {within_s:g} s") from None

    async def _attempt(self, call: str, path: str, query: Query) -> bytes:
        authorization = await self._tokens.authorization()
        answer = await self._transport.get(call, path, query, authorization)
        if answer.status == 401:
            # It may have expired on its way or been revoked: one new token tells.
            self._tokens.refuse(authorization)
            answer = await self._transport.get(call, path, query, await self._tokens.authorization())
        match answer.status:
            case 200 | 204:
                return answer.body
            case 401:
                log.error("[SAHHA] A new account token was refused", call=call)
                raise CredentialRejected(f"{call}: HTTP 401 with a new token")
            case 403 | 404 | 410:
                raise PersonUnknown(f"{call}: HTTP {answer.status}")
            case _:
                raise status_error(call, answer)


def _query(name: str, values: tuple[str, ...], start: date, end: date) -> Query:
    """A list as repeated keys: the form that Sahha's own clients use."""
    return [*((name, value) for value in values), ("startDateTime", start.isoformat()), ("endDateTime", end.isoformat())]


def _report(call: str, rejected: tuple[Rejection, ...]) -> None:
    if rejected:
        reasons = sorted({rejection.reason for rejection in rejected})[:5]
        log.warning("[SAHHA] Rows were refused", call=call, rows=len(rejected), reasons=reasons)
