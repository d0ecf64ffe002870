"""One live read of one person: its calls side by side under one deadline, and what is missing when a part of them fails."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import TypeVar

import structlog

from services.clock import Clock
from services.domain.health import BehaviourLabel, Biomarker, RejectedRecord, Score
from services.domain.ids import UserId
from services.errors import (
    CircuitOpen,
    CredentialRejected,
    PersonUnknown,
    ProfileMismatch,
    UpstreamError,
    UpstreamMalformed,
    UpstreamStatus,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from services.metrics import Metrics
from services.sahha.catalogue import CATEGORIES
from services.sahha.client import SahhaClient
from services.sahha.payloads import ParsedBiomarkers, ParsedScores, Rejection, SahhaProfile

SPLIT_SHARE = 0.2
"""Of the deadline, kept for asking by category when the one call for all of them fails."""
LANDING_SHARE = 0.05
"""Of the deadline, kept for what has come: a call that is cut at the end must not take the others' answers with it."""
PROFILE_GRACE_S = 1.0
"""How long a read waits for the profile alone, once it has its data."""

Days = tuple[date, date]
"""The first and the last of some local days, both included."""
T = TypeVar("T")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Answer:
    """What Sahha answered about some days, each natural key once.

    `unanswered`: the biomarker categories of which nothing is known, because their calls failed; `scores_answered` tells it of
    scores. `error` is why. `device_seen_at`: when the person's device last sent anything; `None`: never, or not told.
    """

    biomarkers: tuple[Biomarker, ...]
    scores: tuple[Score, ...]
    rejected: tuple[RejectedRecord, ...]
    unanswered: frozenset[str]
    scores_answered: bool
    error: UpstreamError | None
    device_seen_at: datetime | None
    asked_at: datetime
    answered_at: datetime
    took_ms: int

    @property
    def whole(self) -> bool:
        return self.error is None

    @property
    def offset(self) -> timedelta | None:
        """The offset from UTC of the newest row; `None` without rows."""
        moments = [row.start_date_time for row in self.biomarkers] + [row.score_date_time for row in self.scores]
        return max(moments).utcoffset() if moments else None


@dataclass(slots=True)
class _Parts:
    """What has come of a read so far: an error where a call failed."""

    biomarkers: list[ParsedBiomarkers]
    scores: ParsedScores | None
    unanswered: frozenset[str]
    error: UpstreamError | None
    profile: SahhaProfile | None


class SahhaReader:
    """Whole reads of Sahha. Each raises `UpstreamError` when nothing of it can be used."""

    def __init__(self, sahha: SahhaClient, clock: Clock, metrics: Metrics) -> None:
        self._sahha = sahha
        self._clock = clock
        self._metrics = metrics

    async def read(
        self, user_id: UserId, days: Days, deadline_s: float, offset: tzinfo, profile: SahhaProfile | None = None
    ) -> Answer:
        """The biomarkers and scores of these local days, within `deadline_s`; `offset` is that of instants which carry none.

        A day more on each side is asked for, because Sahha reads dates in an offset that is not known here. `profile`: known
        already, and not asked for again. An unknown person, another person's profile, a rejected credential and an open circuit
        end the read; any other failure of one call leaves the rest.
        """
        log.info(f"[SAHHA_LIVE] Fetching LIVE from Sahha API for {user_id[:8]}...")
        asked_at, started = self._clock.now(), self._clock.monotonic()
        try:
            async with asyncio.timeout(deadline_s), self._sahha.reading(user_id):
                parts = await self._ask(user_id, days, deadline_s, offset, profile)
                if parts.error is not None and not parts.biomarkers and parts.scores is None:
                    raise parts.error
        except TimeoutError:
            self._metrics.sahha_reads.labels("deadline").inc()
            raise UpstreamTimeout(f"no whole answer within {deadline_s:g} s") from None
        except UpstreamError as error:
            self._metrics.sahha_reads.labels(type(error).__name__).inc()
            raise
        took_s = self._clock.monotonic() - started
        self._metrics.sahha_reads.labels("success" if parts.error is None else "partial").inc()
        self._metrics.sahha_read_seconds.observe(took_s)
        return self._answer(parts, asked_at, round(took_s * 1000))

    async def profile(self, user_id: UserId, deadline_s: float) -> SahhaProfile:
        """The profile alone: one cheap call that says whether the device has sent anything since."""
        async with self._sahha.reading(user_id):
            return await self._sahha.profile(user_id, within_s=deadline_s)

    async def labels(
        self, user_id: UserId, days: Days, deadline_s: float, offset: tzinfo
    ) -> tuple[tuple[BehaviourLabel, ...], tuple[RejectedRecord, ...]]:
        """The behaviour labels of the weeks and months that begin in these days, and those that cannot be true."""
        first, last = _padded(days)
        async with self._sahha.reading(user_id):
            parsed = await self._sahha.archetypes(user_id, first, last, fallback_offset=offset, within_s=deadline_s)
        self._metrics.records.labels("rejected").inc(len(parsed.rejected))
        return parsed.rows, _records(parsed.rejected)

    async def _ask(self, user_id: UserId, days: Days, deadline_s: float, offset: tzinfo, profile: SahhaProfile | None) -> _Parts:
        first, last = _padded(days)
        within_s = deadline_s * (1 - LANDING_SHARE)
        until = self._clock.monotonic() + within_s
        try:
            async with asyncio.TaskGroup() as group:
                whole = group.create_task(
                    _tolerated(
                        self._sahha.biomarkers(
                            user_id, first, last, fallback_offset=offset, within_s=deadline_s * (1 - SPLIT_SHARE)
                        )
                    )
                )
                scores = group.create_task(
                    _tolerated(self._sahha.scores(user_id, first, last, fallback_offset=offset, within_s=within_s))
                )
                asked = None if profile else group.create_task(_tolerated(self._sahha.profile(user_id, within_s=within_s)))
                parts = _parts(await whole, await scores)
                alone = parts.scores is not None and parts.error is not None and _splittable(parts.error)
                if alone and self._sahha.may_ask_more(len(CATEGORIES)):
                    parts = await self._split(user_id, (first, last), until, offset, parts)
                parts.profile = profile or await _soon(asked)
        except* UpstreamError as failures:
            raise _decisive(failures) from None
        return parts

    async def _split(self, user_id: UserId, days: Days, until: float, offset: tzinfo, parts: _Parts) -> _Parts:
        """Each category by itself: one that cannot be read does not take the others with it."""
        log.info("[SAHHA_LIVE] Asking by category", reason=parts.error and parts.error.reason)
        within_s = max(0.1, until - self._clock.monotonic())
        async with asyncio.TaskGroup() as group:
            calls = {
                category: group.create_task(
                    _tolerated(
                        self._sahha.biomarkers(user_id, *days, categories=(category,), fallback_offset=offset, within_s=within_s)
                    )
                )
                for category in CATEGORIES
            }
        outcomes = {category: call.result() for category, call in calls.items()}
        failed = {category: outcome for category, outcome in outcomes.items() if isinstance(outcome, UpstreamError)}
        return _Parts(
            biomarkers=[outcome for outcome in outcomes.values() if not isinstance(outcome, UpstreamError)],
            scores=parts.scores,
            unanswered=frozenset(failed),
            error=next(iter(failed.values()), None),
            profile=None,
        )

    def _answer(self, parts: _Parts, asked_at: datetime, took_ms: int) -> Answer:
        rejected = [rejection for each in parts.biomarkers for rejection in each.rejected]
        rejected += parts.scores.rejected if parts.scores is not None else ()
        self._metrics.records.labels("rejected").inc(len(rejected))
        self._metrics.records.labels("repaired").inc(sum(each.repaired for each in parts.biomarkers))
        return Answer(
            biomarkers=tuple(row for each in parts.biomarkers for row in each.rows),
            scores=() if parts.scores is None else tuple(parts.scores.rows),
            rejected=_records(rejected),
            unanswered=parts.unanswered,
            scores_answered=parts.scores is not None,
            error=parts.error,
            device_seen_at=None if parts.profile is None else parts.profile.data_last_received_at,
            asked_at=asked_at,
            answered_at=self._clock.now(),
            took_ms=took_ms,
        )


def _padded(days: Days) -> Days:
    return days[0] - timedelta(days=1), days[1] + timedelta(days=1)


def _parts(biomarkers: ParsedBiomarkers | UpstreamError, scores: ParsedScores | UpstreamError) -> _Parts:
    failures = [each for each in (biomarkers, scores) if isinstance(each, UpstreamError)]
    return _Parts(
        biomarkers=[] if isinstance(biomarkers, UpstreamError) else [biomarkers],
        scores=None if isinstance(scores, UpstreamError) else scores,
        unanswered=frozenset(CATEGORIES) if isinstance(biomarkers, UpstreamError) else frozenset(),
        error=failures[0] if failures else None,
        profile=None,
    )


async def _tolerated(call: Awaitable[T]) -> T | UpstreamError:
    """The result of a call, or why it failed where the rest of the read can stand without it."""
    try:
        return await call
    except (PersonUnknown, ProfileMismatch, CredentialRejected, CircuitOpen):
        raise
    except UpstreamError as error:
        return error


async def _soon(asked: asyncio.Task[SahhaProfile | UpstreamError] | None) -> SahhaProfile | None:
    """The profile, if it comes soon: a read is whole without it."""
    if asked is None:
        return None
    await asyncio.wait({asked}, timeout=PROFILE_GRACE_S)
    if not asked.done():
        asked.cancel()
        return None
    outcome = asked.result()
    if isinstance(outcome, UpstreamError):
        log.warning("[SAHHA_LIVE] The profile could not be read", reason=outcome.reason)
        return None
    return outcome


def _splittable(error: UpstreamError) -> bool:
    """Whether the same question in parts may fare better. Being asked to wait (429) is no such failure."""
    if isinstance(error, UpstreamStatus):
        return error.status >= 500 or error.status == 408
    return isinstance(error, UpstreamMalformed | UpstreamTimeout | UpstreamUnreachable)


def _decisive(failures: BaseExceptionGroup[UpstreamError]) -> UpstreamError:
    """The failure that decides: another person's data before everything, then an unknown person."""
    flat = _flat(failures)
    for kind in (ProfileMismatch, PersonUnknown, CredentialRejected):
        found = next((error for error in flat if isinstance(error, kind)), None)
        if found is not None:
            return found
    return flat[0]


def _flat(failure: UpstreamError | BaseExceptionGroup[UpstreamError]) -> list[UpstreamError]:
    if isinstance(failure, UpstreamError):
        return [failure]
    return [error for each in failure.exceptions for error in _flat(each)]


def _records(rejected: list[Rejection] | tuple[Rejection, ...]) -> tuple[RejectedRecord, ...]:
    return tuple(rejection.record for rejection in rejected if rejection.record is not None)
