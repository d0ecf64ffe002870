"""A person's last days, for a plan: live, else stored, else a mix of both that says so."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta, tzinfo

import structlog

from services.clock import Clock
from services.domain.health import BASELINE_DAYS, Biomarker, DataSource, EarlierRecords, HealthRecords, in_local_days
from services.domain.ids import UserId
from services.domain.schedule import trailing_dates
from services.errors import HealthDataUnavailableError, Unavailable, UpstreamError
from services.live_first import WEEK, LiveFirst, log_failure, whole_source
from services.live_read import Answer, Days
from services.metrics import Metrics
from services.store import people
from services.store.database import Database
from services.store.records import newest_value_at, read_biomarkers, read_scores

log = structlog.get_logger()


class WeekReads:
    """Reads of the last 7 local days, today among them, newest first."""

    def __init__(self, database: Database, live: LiveFirst, clock: Clock, metrics: Metrics) -> None:
        self._database = database
        self._live = live
        self._clock = clock
        self._metrics = metrics

    async def live(self, user_id: UserId, tz: tzinfo | None, deadline_s: float) -> HealthRecords:
        """From Sahha; what it does not answer from the database. Without a zone, the days of every zone there is.

        Raises `PersonNotFound`, `HealthDataUnavailableError`, `Unavailable`.
        """
        days = trailing_dates(self._clock.now(), tz, WEEK)
        try:
            answer = (await self._live.read_week(user_id, deadline_s, tz)).answer
        except UpstreamError as error:
            return await self._fall_back(user_id, days, error)
        biomarkers = newest_first(in_local_days(answer.biomarkers, *days))
        scores = in_local_days(answer.scores, *days)
        log.info(f"[SAHHA_LIVE] ✅ Fresh: {len(biomarkers)} biomarkers + {len(scores)} scores", took_ms=answer.took_ms)
        records = HealthRecords(
            user_id,
            whole_source(biomarkers, scores, whole=answer.whole),
            answer.answered_at,
            biomarkers,
            scores,
            fetch_ms=answer.took_ms,
            device_seen_at=answer.device_seen_at,
        )
        if answer.error is not None:
            records = await self._filled(records, answer, days, answer.error)
        return await self._with_older(records)

    async def stored(self, user_id: UserId, tz: tzinfo | None) -> HealthRecords:
        """From the database. Raises `Unavailable`."""
        return await self._stored(user_id, trailing_dates(self._clock.now(), tz, WEEK))

    async def earlier(self, user_id: UserId, tz: tzinfo, biomarkers: Sequence[str], scores: Sequence[str]) -> EarlierRecords:
        """The stored rows of the three weeks before the last 7 local days, of these types. Raises `Unavailable`."""
        now = self._clock.now()
        first, _ = trailing_dates(now, tz, BASELINE_DAYS + 1)
        week, _ = trailing_dates(now, tz, WEEK)
        days = first, week - timedelta(days=1)
        async with self._database.connection() as connection:
            return EarlierRecords(
                await read_biomarkers(connection, user_id, *days, now, biomarkers),
                await read_scores(connection, user_id, *days, now, scores),
            )

    async def _stored(self, user_id: UserId, days: Days) -> HealthRecords:
        now = self._clock.now()
        async with self._database.connection() as connection:
            biomarkers = await read_biomarkers(connection, user_id, *days, now)
            scores = await read_scores(connection, user_id, *days, now)
            seen_at = (await people.read(connection, user_id)).device_seen_at
        records = HealthRecords(user_id, DataSource.DATABASE, now, newest_first(biomarkers), scores, device_seen_at=seen_at)
        return await self._with_older(records)

    async def _fall_back(self, user_id: UserId, days: Days, error: UpstreamError) -> HealthRecords:
        log_failure(error)
        records = replace(await self._stored(user_id, days), failure=error.reason)
        if records.empty:
            log.warning("[SAHHA_LIVE] No data in database either!")
            await self._refuse_nothing(user_id)
        self._metrics.fallbacks.inc()
        log.info(f"[SAHHA_LIVE] ✅ Using database: {len(records.scores)} scores + {len(records.biomarkers)} biomarkers")
        return records

    async def _filled(self, records: HealthRecords, answer: Answer, days: Days, error: UpstreamError) -> HealthRecords:
        """What Sahha did not answer, from the database."""
        log.warning(f"[SAHHA_LIVE] Sahha failed in part: {error.reason}")
        try:
            stored = await self._stored(records.user_id, days)
        except Unavailable:
            log.warning("[SAHHA_LIVE] The database cannot fill in what is missing")
            return replace(records, failure=error.reason)
        missing = tuple(row for row in stored.biomarkers if row.category in answer.unanswered)
        filled = replace(
            records,
            biomarkers=newest_first((*records.biomarkers, *missing)),
            scores=records.scores if answer.scores_answered else stored.scores,
            failure=error.reason,
        )
        if filled.empty:
            await self._refuse_nothing(records.user_id)
        return filled

    async def _refuse_nothing(self, user_id: UserId) -> None:
        """Nothing is an answer only when Sahha once gave it."""
        async with self._database.connection() as connection:
            if (await people.read(connection, user_id)).last_live_at is None:
                raise HealthDataUnavailableError

    async def _with_older(self, records: HealthRecords) -> HealthRecords:
        """A week without rows is no proof that nothing ever came."""
        if not records.empty:
            return records
        try:
            async with self._database.connection() as connection:
                return replace(records, older_value_at=await newest_value_at(connection, records.user_id))
        except Unavailable:
            return records


def newest_first(rows: tuple[Biomarker, ...]) -> tuple[Biomarker, ...]:
    """By end of window, and within it by name: the order of a live answer, wherever a row came from."""
    named = sorted(rows, key=lambda row: (row.category, row.type, row.periodicity))
    return tuple(sorted(named, key=lambda row: (row.end_date_time, row.start_date_time), reverse=True))
