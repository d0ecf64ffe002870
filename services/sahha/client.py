"""Sahha's read API: the calls a plan is made from, and every way in which they can fail told apart.

No rows (204 or an empty list) is a result. Everything else that is not rows is raised: `PersonUnknown` (403, 404),
`PersonRemoved` (410), `CredentialRejected` (401 with a new token), `ProfileMismatch`, `CircuitOpen`, `UpstreamStatus` (429, 5xx
and every other status), `UpstreamMalformed`, `UpstreamTimeout` or `UpstreamUnreachable`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, date, tzinfo
from functools import partial
from typing import Protocol, TypeVar
from urllib.parse import quote

import httpx
import structlog

from services.breaker import BreakerPolicy, BreakerState
from services.clock import Clock
from services.config import Settings
from services.domain.ids import UserId
from services.errors import (
    CredentialRejected,
    PersonRemoved,
    PersonUnknown,
    ProfileMismatch,
    UpstreamMalformed,
    UpstreamStatus,
    UpstreamTimeout,
)
from services.resilience import Attempt, RetryBudget, RetryPolicy, uncounted, with_retries
from services.sahha.catalogue import CATEGORIES, SCORE_TYPES
from services.sahha.gate import SahhaGate
from services.sahha.payloads import (
    ParsedArchetypes,
    ParsedBiomarkers,
    ParsedScores,
    Rejection,
    SahhaProfile,
    parse_archetypes,
    parse_biomarkers,
    parse_profile,
    parse_scores,
)
from services.sahha.tokens import AccountTokens, SahhaAccess
from services.sahha.transport import Answer, Query, SahhaTransport, sahha_http, status_error

__all__ = ["SahhaAccess", "SahhaClient", "SahhaFigures", "sahha_http"]

UNADDRESSABLE = frozenset({"", ".", ".."})
"""Ids that no path segment can hold: servers and proxies read even the encoded forms of these as steps within the path."""

T = TypeVar("T")

log = structlog.get_logger()


class SahhaFigures(Protocol):
    """Where the client's own figures go."""

    def sahha_attempt(self, attempt: Attempt) -> None:
        """One more attempt at a call, or one that the retry budget withheld."""

    def sahha_breaker(self, state: BreakerState) -> None:
        """The breaker's state from now on."""


class SahhaClient:
    """Reads of one person each, repeated at most twice while they fail for a moment, and never past their deadline.

    `within_s` bounds a whole call: waiting for a slot and the token, attempts and pauses; `SAHHA_PLAN_DEADLINE_S` unless given.
    Dates are days in the person's own offset; what carries no offset is read in `fallback_offset`. Repetitions of all calls
    share one budget. What Sahha asks us to wait is kept to: for one person after a 429, for all calls after a 5xx.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        access: SahhaAccess,
        settings: Settings,
        clock: Clock,
        figures: SahhaFigures | None = None,
    ) -> None:
        self._clock = clock
        self._default_within_s = settings.sahha_plan_deadline_s
        self._transport = SahhaTransport(http, access.base_url, settings)
        self._tokens = AccountTokens(self._transport, access, clock)
        self._budget = RetryBudget(settings.sahha_retry_share, figures.sahha_attempt if figures else uncounted)
        self._gate = SahhaGate(_breaker_policy(settings), figures.sahha_breaker if figures else None)

    @property
    def breaker_state(self) -> BreakerState:
        return self._gate.state

    def reading(self, user_id: UserId) -> AbstractAsyncContextManager[None]:
        """Around all calls of one read of a person. Raises `CircuitOpen` when Sahha is not to be asked now.

        The read counts by what leaves the block; 403, 404, 410 and 429 are about the person and count for nothing.
        """
        return self._gate.reading(user_id)

    def may_ask_more(self, calls: int) -> bool:
        """Whether so many calls that a failure makes necessary fit the retry budget, which they are then taken from."""
        return self._budget.may_add(calls)

    async def aclose(self) -> None:
        """Ends a token fetch that nobody waits for any more. The HTTP client is its owner's to close."""
        await self._tokens.aclose()

    async def authenticate(self) -> None:
        """Makes sure of an account token. Raises `CredentialRejected` when Sahha does not accept the credential."""
        await self._in_time("token", self._authorization, None)

    async def biomarkers(
        self,
        user_id: UserId,
        start: date,
        end: date,
        *,
        categories: Sequence[str] | None = None,
        types: Sequence[str] | None = None,
        fallback_offset: tzinfo = UTC,
        within_s: float | None = None,
    ) -> ParsedBiomarkers:
        """The biomarkers whose day lies from `start` to `end`, both included.

        Of every category and type, or of those named; of the categories at least one must be.
        """
        lists = {"categories": CATEGORIES if categories is None else categories, "types": types or ()}
        body = await self._request("biomarker", "/api/v1/profile/biomarker", user_id, _query(start, end, **lists), within_s)
        parsed = parse_biomarkers(body, received_at=self._clock.now(), fallback_offset=fallback_offset)
        _report("biomarker", parsed.rejected)
        return parsed

    async def scores(
        self,
        user_id: UserId,
        start: date,
        end: date,
        *,
        types: Sequence[str] | None = None,
        fallback_offset: tzinfo = UTC,
        within_s: float | None = None,
    ) -> ParsedScores:
        """The scores whose day lies from `start` to `end`, both included: of every type, or of those named."""
        query = _query(start, end, types=SCORE_TYPES if types is None else types)
        body = await self._request("score", "/api/v1/profile/score", user_id, query, within_s)
        parsed = parse_scores(body, received_at=self._clock.now(), fallback_offset=fallback_offset)
        _report("score", parsed.rejected)
        return parsed

    async def archetypes(
        self,
        user_id: UserId,
        start: date,
        end: date,
        *,
        periodicity: str | None = None,
        fallback_offset: tzinfo = UTC,
        within_s: float | None = None,
    ) -> ParsedArchetypes:
        """Sahha's archetypes of the weeks and months from `start` to `end`; `periodicity`: of `weekly` or `monthly` alone."""
        query = _query(start, end, periodicity=(periodicity,) if periodicity else ())
        body = await self._request("archetypes", "/api/v1/profile/archetypes", user_id, query, within_s)
        parsed = parse_archetypes(body, received_at=self._clock.now(), fallback_offset=fallback_offset)
        _report("archetypes", parsed.rejected)
        return parsed

    async def profile(self, user_id: UserId, *, within_s: float | None = None) -> SahhaProfile:
        """The person's profile.

        Raises `ProfileMismatch` for one that names somebody else: whose data the other calls give is then not known, for they
        carry no name. Any other error says nothing of that.
        """
        body = await self._request("profile", "/api/v1/account/profile", user_id, (), within_s)
        if not body:
            raise UpstreamMalformed("profile: an empty answer")
        profile = parse_profile(body)
        if profile.external_id != user_id:
            log.error("[SAHHA] The profile of another person was sent", asked_for=user_id[:8])
            raise ProfileMismatch("profile: another person's")
        return profile

    async def _request(self, call: str, prefix: str, user_id: UserId, query: Query, within_s: float | None) -> bytes:
        """The one way out: the body of a read, empty for 204. Raises the errors named in this module's head."""
        if user_id in UNADDRESSABLE:
            raise PersonUnknown(f"{call}: not an id that can be asked for")
        path = f"{prefix}/{quote(user_id, safe='', errors='surrogatepass')}"
        return await self._in_time(call, partial(self._attempt, call, path, user_id, query), within_s)

    async def _in_time(self, call: str, attempt: Callable[[float], Awaitable[T]], within_s: float | None) -> T:
        """The result of `attempt`, which is given the deadline and repeated within it."""
        within_s = within_s or self._default_within_s
        deadline = self._clock.monotonic() + within_s
        try:
            async with asyncio.timeout(within_s):
                return await with_retries(
                    partial(attempt, deadline), policy=RetryPolicy(), budget=self._budget, deadline=deadline, what=call
                )
        except TimeoutError:
            raise UpstreamTimeout(f"{call}: no whole answer within {within_s:g} s") from None
        except CredentialRejected as error:
            self._gate.credential_rejected(error.reason)
            raise

    async def _attempt(self, call: str, path: str, user_id: UserId, query: Query, deadline: float) -> bytes:
        await self._gate.turn(call, user_id, deadline)
        authorization = await self._authorization(deadline)
        answer = await self._transport.get(call, path, query, authorization)
        if answer.status == 401:
            # It may have expired on its way or been revoked: one new token tells.
            self._tokens.refuse(authorization)
            answer = await self._transport.get(call, path, query, await self._authorization(deadline))
        match answer.status:
            case 200 | 204:
                return answer.body
            case 401:
                raise CredentialRejected(f"{call}: HTTP 401 with a new token")
            case 403 | 404:
                raise PersonUnknown(f"{call}: HTTP {answer.status}")
            case 410:
                raise PersonRemoved(f"{call}: HTTP 410")
            case _:
                self._postpone(answer, user_id)
                raise status_error(call, answer)

    async def _authorization(self, deadline: float) -> str:
        """The current account token. A limit on asking for one is a limit on everything."""
        await self._gate.turn("token", None, deadline)
        try:
            return await self._tokens.authorization()
        except UpstreamStatus as error:
            if error.retry_after_s:
                self._gate.postpone(None, error.retry_after_s)
            raise

    def _postpone(self, answer: Answer, user_id: UserId) -> None:
        """A 429 is about the person asked for; with a failure of its own Sahha speaks for all calls."""
        if answer.retry_after_s and (answer.status == 429 or answer.status >= 500):
            self._gate.postpone(user_id if answer.status == 429 else None, answer.retry_after_s)


def _breaker_policy(settings: Settings) -> BreakerPolicy:
    return BreakerPolicy(
        window_s=settings.sahha_breaker_window_s,
        reads=settings.sahha_breaker_reads,
        people=settings.sahha_breaker_people,
        share=settings.sahha_breaker_share,
        slow_s=settings.sahha_slow_read_s,
        open_s=settings.sahha_breaker_open_s,
        longest_open_s=settings.sahha_breaker_longest_open_s,
    )


def _query(start: date, end: date, **lists: Sequence[str]) -> Query:
    """A list as repeated keys: the form that Sahha's own clients use."""
    named = [(name, value) for name, values in lists.items() for value in values]
    return [*named, ("startDateTime", start.isoformat()), ("endDateTime", end.isoformat())]


def _report(call: str, rejected: tuple[Rejection, ...]) -> None:
    if rejected:
        reasons = sorted({rejection.reason for rejection in rejected})[:5]
        log.warning("[SAHHA] Rows were refused", call=call, rows=len(rejected), reasons=reasons)
