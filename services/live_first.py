"""Live reads as everybody shares them: one fetch per person at a time, archived before anybody sees it."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone, tzinfo
from functools import partial

import structlog

from services.archive import ARCHIVE_TIMEOUT_S, UNHURRIED_S, HealthArchive, LiveRead
from services.clock import Clock
from services.domain.health import Biomarker, DataSource, Score
from services.domain.ids import UserId
from services.domain.schedule import trailing_dates
from services.errors import PersonNotFound, PersonUnknown, UpstreamError, UpstreamTimeout
from services.live_read import Days, SahhaReader
from services.resilience import SingleFlight
from services.sahha.payloads import SahhaProfile

WEEK = 7
"""Days of a read, today among them."""

log = structlog.get_logger()


class LiveFirst:
    """Whoever asks while a read of the person runs gets that one; it goes on when the one who asked first is gone."""

    def __init__(self, reader: SahhaReader, archive: HealthArchive, clock: Clock) -> None:
        self._reader = reader
        self._archive = archive
        self._clock = clock
        self._flights: SingleFlight[LiveRead] = SingleFlight()

    async def aclose(self) -> None:
        """Ends the reads that nobody waits for any more."""
        await self._flights.aclose()

    def week(self) -> Days:
        """The days that a read of the last week asks for: those of every zone there is, so that all can share it."""
        return trailing_dates(self._clock.now(), None, WEEK)

    async def read_week(self, user_id: UserId, deadline_s: float, offset: tzinfo | None) -> LiveRead:
        """The last 7 local days wherever they are lived. Raises `PersonNotFound`, `UpstreamError`.

        `deadline_s` bounds the wait for Sahha; storing takes ARCHIVE_TIMEOUT_S at most. `offset`, UTC for `None`, is that of
        instants which carry none.
        """
        return await self._shared(user_id, user_id, _Question(self.week(), deadline_s, offset or UTC))

    async def read_week_unhurried(
        self, user_id: UserId, deadline_s: float, offset: tzinfo | None, profile: SahhaProfile | None = None
    ) -> LiveRead:
        """As `read_week`, where storing may take its time. `profile`: known already."""
        question = _Question(self.week(), deadline_s, offset or UTC, UNHURRIED_S, profile)
        return await self._shared(user_id, user_id, question)

    async def read_days(self, user_id: UserId, days: Days, deadline_s: float, offset: tzinfo | None) -> LiveRead:
        """As `read_week`, of other days."""
        # No id holds a NUL, so no id can be taken for the days of another.
        key = f"{user_id}\0{days[0]}\0{days[1]}"
        return await self._shared(key, user_id, _Question(days, deadline_s, offset or UTC))

    async def _shared(self, key: str, user_id: UserId, question: "_Question") -> LiveRead:
        try:
            async with asyncio.timeout(question.deadline_s + question.archive_within_s):
                return await self._flights.run(key, partial(self._read, user_id, question))
        except PersonUnknown:
            raise PersonNotFound("Sahha knows no such person.") from None
        except TimeoutError:
            raise UpstreamTimeout(f"no whole answer within {question.deadline_s:g} s") from None

    async def _read(self, user_id: UserId, question: "_Question") -> LiveRead:
        answer = await self._reader.read(user_id, question.days, question.deadline_s, question.offset, question.profile)
        return await self._archive.keep(user_id, answer, question.archive_within_s)


@dataclass(frozen=True, slots=True)
class _Question:
    days: Days
    deadline_s: float
    offset: tzinfo
    archive_within_s: float = ARCHIVE_TIMEOUT_S
    profile: SahhaProfile | None = None


def fixed(offset: timedelta | None) -> tzinfo | None:
    """The zone of an offset from UTC that is known."""
    return None if offset is None else timezone(offset)


def whole_source(*groups: Iterable[Biomarker] | Iterable[Score], whole: bool) -> DataSource:
    """Of a read that Sahha answered: LIVE when everything in it came live and nothing is missing, else MIXED."""
    live = all(row.source is DataSource.LIVE for rows in groups for row in rows)
    return DataSource.LIVE if whole and live else DataSource.MIXED


def log_failure(error: UpstreamError) -> None:
    """The lines that operators grep for (predecessor-checklist.md, step 5)."""
    log.warning(f"[SAHHA_LIVE] Sahha failed: {error.reason}")
    log.warning("[SAHHA_LIVE] ⚠️  Falling back to database...")
