"""Everything that Sahha tells of a person, into the database: in one transaction, and with word to whoever waits for news."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

import asyncpg
import structlog

from services.clock import Clock
from services.domain.health import BehaviourLabel, Biomarker, RejectedRecord, Score
from services.domain.ids import UserId
from services.errors import Unavailable
from services.live_read import Answer
from services.metrics import Metrics
from services.sahha.measures import suspicious_zero
from services.store import people, queue
from services.store.archive import NOTHING_STATED, Stated, archive
from services.store.database import Database
from services.store.labels import archive_labels
from services.store.people import Heard
from services.store.rejections import reject

ARCHIVE_TIMEOUT_S = 1.0
"""Storing may delay an answer by this much and no more (architecture.md, section 3)."""
UNHURRIED_S = 5.0
"""What storing may take where nobody waits."""
SYNC_EVERY = timedelta(hours=6)
SETTLED_AFTER = timedelta(minutes=10)
"""What a device sent is in Sahha's answers so long after Sahha received it, at the latest. The delay is not documented; scores
follow within a minute (sahha-api.md, section 6)."""

log = structlog.get_logger()


class NewsListener(Protocol):
    async def __call__(self, connection: asyncpg.Connection, user_id: UserId, at: datetime) -> None:
        """Something new or different was stored of this person. Called within the transaction that stores it."""


@dataclass(frozen=True, slots=True)
class LiveRead:
    """An answer as the archive knows it. `changed` rows were new or different; `None`: the database did not take it."""

    answer: Answer
    changed: int | None

    @property
    def stored(self) -> bool:
        return self.changed is not None


@dataclass(frozen=True, slots=True)
class Told:
    """What Sahha told at once, by whatever way. `stated_at`: the moments as of which it said biomarkers, where that is known."""

    heard: Heard
    biomarkers: Sequence[Biomarker]
    scores: Sequence[Score]
    rejected: Sequence[RejectedRecord]
    received_at: datetime
    stated_at: Stated | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """The rows as the archive knows them, and how many were new or different."""

    biomarkers: tuple[Biomarker, ...]
    scores: tuple[Score, ...]
    changed: int


class HealthArchive:
    """Writes of health data."""

    def __init__(self, database: Database, clock: Clock, metrics: Metrics) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._listeners: list[NewsListener] = []

    def announce_to(self, listener: NewsListener) -> None:
        """From now on `listener` hears of every person with something new or different."""
        self._listeners.append(listener)

    async def keep(self, user_id: UserId, answer: Answer, within_s: float = ARCHIVE_TIMEOUT_S) -> LiveRead:
        """Store a live answer. A refusal of the database is counted and logged, never an error of the read.

        The first read of a person, and then one in 6 h, queues their sync.
        """
        now = self._clock.now()
        try:
            async with asyncio.timeout(within_s), self._database.transaction() as connection:
                kept = await self.write(connection, user_id, _told(answer, now))
                sync_wanted = await people.claim_sync(connection, user_id, now, now - SYNC_EVERY)
                if sync_wanted:
                    await queue.enqueue_sync(connection, user_id)
        except Exception as error:
            self._metrics.archive_failures.inc()
            expected = isinstance(error, Unavailable | TimeoutError)
            log.warning("[ARCHIVE] The database did not take a live read", reason=type(error).__name__, exc_info=not expected)
            return LiveRead(answer, None)
        if sync_wanted:
            log.info("[QUEUE] Job SYNC_SAHHA_DATA queued")
        return LiveRead(replace(answer, biomarkers=kept.biomarkers, scores=kept.scores), kept.changed)

    async def keep_past(self, user_id: UserId, answer: Answer, *, up_to_now: bool) -> int:
        """Store an answer that nobody waits for; how many rows were new or different. Raises `Unavailable`.

        One that does not reach `up_to_now` says nothing of how the person stands today.
        """
        told = _told(answer, self._clock.now())
        async with self._database.transaction() as connection:
            return (await self.write(connection, user_id, told if up_to_now else replace(told, heard=Heard()))).changed

    async def keep_labels(self, user_id: UserId, labels: Sequence[BehaviourLabel], rejected: Sequence[RejectedRecord]) -> int:
        """Store behaviour labels; how many were new or different. Raises `Unavailable`."""
        now = self._clock.now()
        async with self._database.transaction() as connection:
            await people.note_heard(connection, user_id, Heard())
            changed = await archive_labels(connection, user_id, labels, now)
            await reject(connection, user_id, rejected, now)
        return changed

    async def write(self, connection: asyncpg.Connection, user_id: UserId, told: Told) -> Kept:
        """Store what was told, within the caller's transaction; the person's row is locked until it ends."""
        await people.note_heard(connection, user_id, told.heard)
        archived = await archive(
            connection,
            user_id,
            told.biomarkers,
            told.scores,
            told.received_at,
            doubtful=_doubtful,
            stated_at=told.stated_at or NOTHING_STATED,
        )
        await reject(connection, user_id, told.rejected, told.received_at)
        if archived.changed:
            await self.announce(connection, user_id, told.received_at)
        if archived.doubted:
            log.warning("[ARCHIVE] Zeros after good values were not believed", rows=archived.doubted)
        self._metrics.records.labels("changed").inc(archived.changed)
        self._metrics.records.labels("doubted").inc(archived.doubted)
        unchanged = len(told.biomarkers) + len(told.scores) - archived.changed - archived.doubted
        self._metrics.records.labels("unchanged").inc(unchanged)
        return Kept(archived.biomarkers, archived.scores, archived.changed)

    async def announce(self, connection: asyncpg.Connection, user_id: UserId, at: datetime) -> None:
        """Mark the person as one with news, and tell the listeners."""
        await people.note_news(connection, user_id, at)
        for listener in self._listeners:
            await listener(connection, user_id, at)


def _told(answer: Answer, now: datetime) -> Told:
    seen_at = answer.device_seen_at
    settled = answer.whole and seen_at is not None and seen_at + SETTLED_AFTER <= answer.asked_at
    heard = Heard(
        whole_at=answer.answered_at if answer.whole else None,
        covered_until=seen_at if settled else None,
        device_seen_at=seen_at,
        offset=answer.offset,
    )
    return Told(heard, answer.biomarkers, answer.scores, answer.rejected, now)


def _doubtful(stored: float | None, row: Biomarker) -> bool:
    return stored is not None and suspicious_zero(stored, row)
