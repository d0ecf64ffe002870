"""The newest value of every type of a person, each with its own source and age."""

from dataclasses import replace
from datetime import datetime, tzinfo

import structlog

from services.clock import Clock
from services.domain.freshness import assess
from services.domain.health import DataSource, HealthRecords, HealthSnapshot, newest_biomarkers, newest_scores
from services.domain.ids import UserId
from services.errors import HealthDataUnavailableError, Unavailable, UpstreamError
from services.live_first import LiveFirst, log_failure, whole_source
from services.live_read import Answer
from services.metrics import Metrics
from services.store.database import Database
from services.store.record_rows import biomarker_key, score_key
from services.store.records import Newest, read_newest

log = structlog.get_logger()


class Snapshots:
    """Both ways read the same rows in the same way: a live one reads what its own read has just stored."""

    def __init__(self, database: Database, live: LiveFirst, clock: Clock, metrics: Metrics) -> None:
        self._database = database
        self._live = live
        self._clock = clock
        self._metrics = metrics

    async def live(self, user_id: UserId, offset: tzinfo | None, deadline_s: float) -> HealthSnapshot:
        """Sahha asked first. Raises `PersonNotFound`, `HealthDataUnavailableError`, `Unavailable`."""
        try:
            read = await self._live.read_week(user_id, deadline_s, offset)
        except UpstreamError as error:
            return await self._without_sahha(user_id, error)
        answer = read.answer
        newest = await self._after(user_id, answer) if read.stored else _of_answer(answer)
        if not newest.biomarkers and not newest.scores and not answer.whole and newest.last_live_at is None:
            raise HealthDataUnavailableError
        source = whole_source(newest.biomarkers, newest.scores, whole=answer.whole)
        return _snapshot(user_id, newest, source, answer.answered_at)

    async def stored(self, user_id: UserId) -> HealthSnapshot:
        """From the database, in one round trip. Raises `Unavailable`."""
        now = self._clock.now()
        return _snapshot(user_id, await self._newest(user_id, now), DataSource.DATABASE, now)

    async def _without_sahha(self, user_id: UserId, error: UpstreamError) -> HealthSnapshot:
        log_failure(error)
        now = self._clock.now()
        newest = await self._newest(user_id, now)
        if not newest.biomarkers and not newest.scores:
            log.warning("[SAHHA_LIVE] No data in database either!")
            if newest.last_live_at is None:
                raise HealthDataUnavailableError
        self._metrics.fallbacks.inc()
        return _snapshot(user_id, newest, DataSource.DATABASE, now)

    async def _after(self, user_id: UserId, answer: Answer) -> Newest:
        """What is stored, the rows that were just read live told apart; without the database, these alone."""
        try:
            return _marked(await self._newest(user_id, answer.answered_at), answer)
        except Unavailable:
            log.warning("[SAHHA_LIVE] The database cannot be read; the snapshot is the live answer alone")
            return _of_answer(answer)

    async def _newest(self, user_id: UserId, as_of: datetime) -> Newest:
        async with self._database.connection() as connection:
            return await read_newest(connection, user_id, as_of)


def _of_answer(answer: Answer) -> Newest:
    read_at = answer.answered_at if answer.whole else None
    return Newest(newest_biomarkers(answer.biomarkers), newest_scores(answer.scores), read_at, answer.device_seen_at)


def _marked(stored: Newest, answer: Answer) -> Newest:
    biomarkers = {biomarker_key(row): row for row in answer.biomarkers}
    scores = {score_key(row): row for row in answer.scores}
    return replace(
        stored,
        biomarkers=tuple(biomarkers.get(biomarker_key(row), row) for row in stored.biomarkers),
        scores=tuple(scores.get(score_key(row), row) for row in stored.scores),
    )


def _snapshot(user_id: UserId, newest: Newest, source: DataSource, as_of: datetime) -> HealthSnapshot:
    records = HealthRecords(user_id, source, as_of, newest.biomarkers, newest.scores, device_seen_at=newest.device_seen_at)
    state, missing = assess(records, as_of)
    return HealthSnapshot(
        user_id=user_id,
        state=state,
        source=source,
        as_of=as_of,
        biomarkers=newest.biomarkers,
        scores=newest.scores,
        missing_categories=missing,
    )
