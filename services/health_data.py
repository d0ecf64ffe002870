"""Health data, live first: Sahha where it answers, else the database, always with source and age."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

import structlog

from services.clock import Clock
from services.config import Settings
from services.domain.freshness import assess
from services.domain.health import (
    Biomarker,
    DataSource,
    HealthRecords,
    HealthSnapshot,
    ReadPolicy,
    Score,
    in_local_days,
    newest_biomarkers,
    newest_scores,
)
from services.domain.ids import UserId
from services.domain.outcomes import RefreshSahhaResult, RefreshSahhaSuccess
from services.domain.problems import HealthDataUnavailable, NotFound
from services.domain.schedule import trailing_dates
from services.errors import (
    HealthDataUnavailableError,
    PersonNotFound,
    PersonUnknown,
    Unavailable,
    UpstreamError,
    UpstreamTimeout,
)
from services.metrics import Metrics
from services.sahha.client import SahhaClient
from services.store import health_data as store
from services.store import people, queue
from services.store.database import Database

WEEK = 7
"""Days of a read, today among them."""
BASELINE_DAYS = 28
"""Days that `SYNC_SAHHA_DATA` reads: what a person's own baseline is made from (architecture.md, section 3)."""
SYNC_EVERY = timedelta(hours=6)
FRESH_FOR = timedelta(minutes=15)
"""Younger data is not fetched again by `refresh` without force (reliability.md, section 3)."""
ACTIVE_WITHIN = timedelta(hours=24)
ARCHIVE_TIMEOUT_S = 1.0
"""Storing may delay an answer by this much and no more (architecture.md, section 3)."""
REFRESH_PAGE = 200
PRUNE_BATCH = 5000
LONGEST_WINDOW = timedelta(days=10)
"""Weekly rows start 8 days before the day they count for; two more for offsets."""

Days = tuple[date, date]
"""The first and the last of some local days, both included."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LiveRead:
    """What Sahha answered, archived; `changed` rows were new or different. Without the archive: `None`."""

    biomarkers: tuple[Biomarker, ...]
    scores: tuple[Score, ...]
    changed: int | None
    read_at: datetime
    took_ms: int


class HealthDataService:
    """Reads of one person's health data."""

    def __init__(self, database: Database, sahha: SahhaClient, settings: Settings, clock: Clock, metrics: Metrics) -> None:
        self._database = database
        self._sahha = sahha
        self._settings = settings
        self._clock = clock
        self._metrics = metrics

    async def read_week(self, user_id: UserId, tz: ZoneInfo | None, policy: ReadPolicy, deadline_s: float) -> HealthRecords:
        """The last 7 local days, today among them, newest first; without a zone those of every zone there is.

        LIVE_FIRST asks Sahha for at most `deadline_s` and falls back to the database. Raises `PersonNotFound` when Sahha does not
        know the person, `HealthDataUnavailableError` when Sahha fails and it has never answered for them, `Unavailable` when the
        database is needed and cannot be reached. No rows and no exception: there are none.
        """
        days = trailing_dates(self._clock.now(), tz, WEEK)
        if policy is ReadPolicy.DATABASE:
            return await self._stored(user_id, days)
        try:
            live = await self._read_live(user_id, days, deadline_s, tz or UTC)
        except PersonUnknown:
            raise PersonNotFound("Sahha knows no such person.") from None
        except UpstreamError as error:
            return await self._fall_back(user_id, days, error)
        biomarkers = in_local_days(live.biomarkers, *days)
        scores = in_local_days(live.scores, *days)
        log.info(f"[SAHHA_LIVE] ✅ Fresh: {len(biomarkers)} biomarkers + {len(scores)} scores", took_ms=live.took_ms)
        return HealthRecords(user_id, DataSource.LIVE, live.read_at, biomarkers, scores, fetch_ms=live.took_ms)

    async def snapshot(self, user_id: UserId, policy: ReadPolicy) -> HealthSnapshot:
        """The newest value of every type within the last week. Raises as `read_week`."""
        await self._note_asked(user_id)
        records = await self.read_week(user_id, None, policy, self._settings.sahha_query_deadline_s)
        state, missing = assess(records, records.as_of)
        return HealthSnapshot(
            user_id=user_id,
            state=state,
            source=records.source,
            as_of=records.as_of,
            biomarkers=newest_biomarkers(records.biomarkers),
            scores=newest_scores(records.scores),
            missing_categories=missing,
        )

    async def refresh(self, user_id: UserId, *, force: bool) -> RefreshSahhaResult:
        """Fetch this person's week now and store it; without `force` only when it was not fetched in the last 15 minutes."""
        started = self._clock.monotonic()
        days = trailing_dates(self._clock.now(), None, WEEK)
        if not force and (unchanged := await self._fresh(user_id, days)) is not None:
            return unchanged
        try:
            live = await self._read_live(user_id, days, self._settings.sahha_plan_deadline_s)
        except PersonUnknown:
            return NotFound("Sahha knows no such person.")
        except UpstreamError as error:
            log.warning(f"[SAHHA_LIVE] Sahha failed: {error.reason}")
            return HealthDataUnavailable("Sahha cannot be read at the moment.", retryable=True, retry_after_ms=30_000)
        if live.changed is None:
            raise Unavailable("Sahha answered, but the database did not take it in time. Try again.")
        took_ms = round((self._clock.monotonic() - started) * 1000)
        return RefreshSahhaSuccess(user_id, len(live.biomarkers), len(live.scores), live.changed, live.read_at, took_ms)

    async def refresh_active(self) -> str:
        """Fetch and store the week of everybody who was asked for in the last 24 h; one person's failure is passed by."""
        since = self._clock.now() - ACTIVE_WITHIN
        async with self._database.connection() as connection:
            found = await people.count_active(connection, since)
        log.info(f"[SCHEDULER] Found {found} active users")
        refreshed = failed = 0
        async with aclosing(self._active_pages(since)) as pages:
            async for page in pages:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self._refresh_quietly(user_id)) for user_id in page]
                done = sum(task.result() for task in tasks)
                refreshed, failed = refreshed + done, failed + len(page) - done
        log.info(f"[SCHEDULER] ✅ Refreshed Sahha data for {refreshed} users", failed=failed)
        return f"{refreshed} of {found} active people refreshed, {failed} failed"

    async def sync(self, user_id: UserId) -> None:
        """Fetch and store the 28 days that a baseline is made from. Raises `UpstreamError`, `Unavailable`."""
        days = trailing_dates(self._clock.now(), None, BASELINE_DAYS)
        try:
            live = await self._read_live(user_id, days, self._settings.sahha_plan_deadline_s)
        except PersonUnknown:
            return
        if live.changed is None:
            raise Unavailable
        log.info("[QUEUE] Job SYNC_SAHHA_DATA done", changed=live.changed)

    async def prune(self) -> int:
        """Delete the records that ended more than `RETENTION_DAYS` ago, in batches; how many went."""
        before = self._clock.now() - timedelta(days=self._settings.retention_days)
        total = 0
        while True:
            async with self._database.transaction() as connection:
                gone = await store.prune(connection, before, PRUNE_BATCH)
            total += gone
            if gone == 0:
                return total

    async def _read_live(self, user_id: UserId, days: Days, deadline_s: float, offset: tzinfo = UTC) -> LiveRead:
        """Ask Sahha for these days, a day more on each side for the offsets, and archive the answer.

        `offset` is that of instants which carry none.
        """
        log.info(f"[SAHHA_LIVE] Fetching LIVE from Sahha API for {user_id[:8]}...")
        started = self._clock.monotonic()
        try:
            async with asyncio.timeout(deadline_s):
                biomarkers, scores = await self._ask(user_id, days, deadline_s, offset)
        except TimeoutError:
            self._metrics.sahha_reads.labels("deadline").inc()
            raise UpstreamTimeout(f"no whole answer within {deadline_s:g} s") from None
        except UpstreamError as error:
            self._metrics.sahha_reads.labels(type(error).__name__).inc()
            raise
        took_s = self._clock.monotonic() - started
        self._metrics.sahha_reads.labels("success").inc()
        self._metrics.sahha_read_seconds.observe(took_s)
        return await self._archived(user_id, biomarkers, scores, round(took_s * 1000))

    async def _ask(
        self, user_id: UserId, days: Days, deadline_s: float, offset: tzinfo
    ) -> tuple[tuple[Biomarker, ...], tuple[Score, ...]]:
        """The three calls of a live read, side by side. The first failure ends the others and is raised alone."""
        first, last = days[0] - timedelta(days=1), days[1] + timedelta(days=1)
        try:
            async with asyncio.TaskGroup() as group:
                biomarkers = group.create_task(
                    self._sahha.biomarkers(user_id, first, last, fallback_offset=offset, within_s=deadline_s)
                )
                scores = group.create_task(self._sahha.scores(user_id, first, last, fallback_offset=offset, within_s=deadline_s))
                group.create_task(self._sahha.profile(user_id, within_s=deadline_s))
        except* UpstreamError as failures:
            raise _worst(failures) from None
        for parsed in (biomarkers.result(), scores.result()):
            self._metrics.records.labels("rejected").inc(len(parsed.rejected))
        self._metrics.records.labels("repaired").inc(biomarkers.result().repaired)
        return tuple(biomarkers.result().rows), tuple(scores.result().rows)

    async def _archived(
        self, user_id: UserId, biomarkers: tuple[Biomarker, ...], scores: tuple[Score, ...], took_ms: int
    ) -> LiveRead:
        """Store a live answer; a refusal of the database is counted and logged, never an error of the read."""
        now = self._clock.now()
        try:
            async with asyncio.timeout(ARCHIVE_TIMEOUT_S), self._database.transaction() as connection:
                await people.note_live_read(connection, user_id, now)
                archived = await store.archive(connection, user_id, biomarkers, scores, now)
                sync_wanted = await people.claim_sync(connection, user_id, now, now - SYNC_EVERY)
                if sync_wanted:
                    await queue.enqueue_sync(connection, user_id)
        except Exception as error:
            self._metrics.archive_failures.inc()
            expected = isinstance(error, Unavailable | TimeoutError)
            log.warning("[ARCHIVE] The database did not take a live read", reason=type(error).__name__, exc_info=not expected)
            return LiveRead(biomarkers, scores, None, now, took_ms)
        if sync_wanted:
            log.info("[QUEUE] Job SYNC_SAHHA_DATA queued")
        self._metrics.records.labels("changed").inc(archived.changed)
        self._metrics.records.labels("unchanged").inc(len(biomarkers) + len(scores) - archived.changed)
        return LiveRead(archived.biomarkers, archived.scores, archived.changed, now, took_ms)

    async def _fall_back(self, user_id: UserId, days: Days, error: UpstreamError) -> HealthRecords:
        log.warning(f"[SAHHA_LIVE] Sahha failed: {error.reason}")
        log.warning("[SAHHA_LIVE] ⚠️  Falling back to database...")
        records = await self._stored(user_id, days, failure=error.reason)
        if records.empty:
            log.warning("[SAHHA_LIVE] No data in database either!")
            if not await self._ever_answered(user_id):
                raise HealthDataUnavailableError
        self._metrics.fallbacks.inc()
        log.info(f"[SAHHA_LIVE] ✅ Using database: {len(records.scores)} scores + {len(records.biomarkers)} biomarkers")
        return records

    async def _stored(self, user_id: UserId, days: Days, failure: str | None = None) -> HealthRecords:
        now = self._clock.now()
        start = datetime.combine(days[0], time(0), UTC) - LONGEST_WINDOW
        end = datetime.combine(days[1], time(0), UTC) + timedelta(days=2)
        async with self._database.connection() as connection:
            biomarkers = await store.read_biomarkers(connection, user_id, start, end, now)
            scores = await store.read_scores(connection, user_id, start, end, now)
        return HealthRecords(
            user_id,
            DataSource.DATABASE,
            now,
            in_local_days(biomarkers, *days),
            in_local_days(scores, *days),
            failure=failure,
        )

    async def _ever_answered(self, user_id: UserId) -> bool:
        async with self._database.connection() as connection:
            return await people.last_live_at(connection, user_id) is not None

    async def _fresh(self, user_id: UserId, days: Days) -> RefreshSahhaSuccess | None:
        """What is stored, when it was fetched in the last 15 minutes."""
        async with self._database.connection() as connection:
            read_at = await people.last_live_at(connection, user_id)
        if read_at is None or read_at < self._clock.now() - FRESH_FOR:
            return None
        records = await self._stored(user_id, days)
        return RefreshSahhaSuccess(user_id, len(records.biomarkers), len(records.scores), 0, read_at, 0)

    async def _refresh_quietly(self, user_id: UserId) -> bool:
        """True when this person's data was fetched and stored; a failure is logged, without ending the others'."""
        try:
            return isinstance(await self.refresh(user_id, force=True), RefreshSahhaSuccess)
        except Unavailable:
            return False

    async def _active_pages(self, since: datetime) -> AsyncGenerator[list[UserId], None]:
        after = ""
        while True:
            async with self._database.connection() as connection:
                page = await people.active(connection, since, after, REFRESH_PAGE)
            if not page:
                return
            yield page
            after = page[-1]

    async def _note_asked(self, user_id: UserId) -> None:
        """Keeps a person's data warm from now on; not worth failing a live read for."""
        try:
            async with self._database.connection() as connection:
                await people.note_asked(connection, user_id, self._clock.now())
        except Unavailable:
            log.warning("[ARCHIVE] The database did not take note of an active person")


def _worst(failures: BaseExceptionGroup[UpstreamError]) -> UpstreamError:
    """The failure that decides: an unknown person before everything else."""
    flat = [error for error in failures.exceptions if isinstance(error, UpstreamError)]
    return next((error for error in flat if isinstance(error, PersonUnknown)), flat[0])
