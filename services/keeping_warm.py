"""Keeping what is stored fresh: one person on demand, everybody active every half hour, the baseline behind a live read."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from services.archive import HealthArchive
from services.clock import Clock
from services.config import Settings
from services.domain.health import BASELINE_DAYS
from services.domain.ids import UserId
from services.domain.outcomes import RefreshSahhaResult, RefreshSahhaSuccess
from services.domain.problems import HealthDataUnavailable, NotFound
from services.domain.schedule import trailing_dates
from services.errors import CircuitOpen, CredentialRejected, PersonNotFound, PersonUnknown, Unavailable, UpstreamError
from services.live_first import LiveFirst, fixed
from services.live_read import SahhaReader
from services.metrics import Metrics
from services.sahha.payloads import SahhaProfile
from services.store import people, queue
from services.store.database import Database
from services.store.people import Person
from services.store.records import count_days

FRESH_FOR = timedelta(minutes=15)
"""Younger data is not fetched again by `refresh` without force (reliability.md, section 3)."""
ACTIVE_WITHIN = timedelta(hours=24)
REFRESH_EVERY = timedelta(minutes=30)
FULL_READ_EVERY = timedelta(hours=6)
"""However quiet a person's device is, and however well their webhooks flow, they are read whole this often."""
SILENT_AFTER = timedelta(hours=2)
"""Without an event for so long a person's webhooks do not flow any more, and polling takes over. Sahha sends some 20 an hour."""
USED_TO_FLOW = timedelta(days=3)
CLAIM = 100
"""People taken at once. A process that dies leaves at most so many to the next tick."""
LABEL_DAYS = 70
"""Days in which the newest whole month of a person begins."""
LOST_AFTER = timedelta(seconds=60)

log = structlog.get_logger()


@dataclass(slots=True)
class Tally:
    """What became of the people of a run. `stopped_by`: the outage that ended it early."""

    refreshed: int = 0
    current: int = 0
    passed_by: int = 0
    silent: int = 0
    failed: int = 0
    stopped_by: UpstreamError | None = None

    def line(self, found: int) -> str:
        """For admins: no person, no value."""
        parts = [f"{self.refreshed + self.current} of {found} active people refreshed", f"{self.failed} failed"]
        if self.current:
            parts.append(f"{self.current} of them had nothing new")
        if self.passed_by:
            parts.append(f"{self.passed_by} kept warm by webhooks")
        if self.silent:
            parts.append(f"{self.silent} polled because their webhooks fell silent")
        line = ", ".join(parts)
        return line if self.stopped_by is None else f"{line}; stopped early, Sahha is down: {self.stopped_by.reason}"


class KeepingWarm:
    """Reads that nobody's plan waits for."""

    def __init__(
        self,
        database: Database,
        reader: SahhaReader,
        live: LiveFirst,
        archive: HealthArchive,
        settings: Settings,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._database = database
        self._reader = reader
        self._live = live
        self._archive = archive
        self._settings = settings
        self._clock = clock
        self._metrics = metrics

    async def refresh(self, user_id: UserId, *, force: bool) -> RefreshSahhaResult:
        """Fetch this person's week now and store it; without `force` only when it was not fetched in the last 15 minutes."""
        started = self._clock.monotonic()
        async with self._database.connection() as connection:
            person = await people.read(connection, user_id)
        if not force and (unchanged := await self._fresh(person)) is not None:
            return unchanged
        try:
            live = await self._live.read_week_unhurried(user_id, self._settings.sahha_plan_deadline_s, fixed(person.offset))
        except PersonNotFound:
            return NotFound("Sahha knows no such person.")
        except UpstreamError as error:
            log.warning(f"[SAHHA_LIVE] Sahha failed: {error.reason}")
            return HealthDataUnavailable("Sahha cannot be read at the moment.", retryable=True, retry_after_ms=30_000)
        if live.changed is None:
            raise Unavailable("Sahha answered, but the database did not take it in time. Try again.")
        answer = live.answer
        if not answer.whole:
            message = "Sahha answered in part; what it answered is stored."
            return HealthDataUnavailable(message, retryable=True, retry_after_ms=30_000)
        took_ms = round((self._clock.monotonic() - started) * 1000)
        return RefreshSahhaSuccess(user_id, len(answer.biomarkers), len(answer.scores), live.changed, answer.answered_at, took_ms)

    async def refresh_active(self, *, in_full: bool = False) -> str:
        """Fetch and store the week of everybody who was asked for in the last 24 h; a line on what was done.

        A person whose device has sent nothing since their last whole read costs one call; one whose webhooks flow costs none;
        each is read whole at least every 6 h. `in_full`: everybody is read whole. One person's failure is recorded and passed
        by; an outage ends the run. Replicas share a tick: each person is taken by one of them.
        """
        now = self._clock.now()
        since = now - ACTIVE_WITHIN
        async with self._database.connection() as connection:
            found = await people.count_active(connection, since)
        log.info(f"[SCHEDULER] Found {found} active users")
        tally = Tally()
        tick = now if in_full else now - (now - datetime(2025, 1, 1, tzinfo=UTC)) % REFRESH_EVERY
        try:
            await self._refresh_taken(since, tick, tally, in_full=in_full)
        except* Unavailable:
            raise Unavailable from None
        self._report(tally)
        return tally.line(found)

    async def sync(self, user_id: UserId) -> bool:
        """Fetch and store the 28 days that a baseline is made from, and the person's behaviour labels.

        True: it was wanted again in the meantime. Raises `UpstreamError`, also when a part of it is missing, and `Unavailable`.
        """
        async with self._database.connection() as connection:
            person = await people.read(connection, user_id)
            wanted_at = await people.sync_wanted_at(connection, user_id)
        now, offset, within_s = self._clock.now(), fixed(person.offset) or UTC, self._settings.sahha_plan_deadline_s
        try:
            answer = await self._reader.read(user_id, trailing_dates(now, None, BASELINE_DAYS), within_s, offset)
            changed = await self._archive.keep_past(user_id, answer, up_to_now=True)
            labels, rejected = await self._reader.labels(user_id, trailing_dates(now, None, LABEL_DAYS), within_s, offset)
            changed_labels = await self._archive.keep_labels(user_id, labels, rejected)
        except PersonUnknown:
            await self.give_up_sync(user_id)
            return False
        if answer.error is not None:
            raise answer.error
        async with self._database.connection() as connection:
            done = await people.settle_sync(connection, user_id, wanted_at)
        log.info("[QUEUE] Job SYNC_SAHHA_DATA done", changed=changed, labels=changed_labels)
        return not done

    async def give_up_sync(self, user_id: UserId) -> None:
        """It is not wanted any more; a later live read wants it anew."""
        async with self._database.connection() as connection:
            await people.settle_sync(connection, user_id, await people.sync_wanted_at(connection, user_id))

    async def requeue_lost_syncs(self) -> int:
        """Queue the syncs that are wanted and that no job stands for; how many there were."""
        async with self._database.transaction() as connection:
            lost = await people.lost_syncs(connection, self._clock.now() - LOST_AFTER, CLAIM)
            for user_id in lost:
                await queue.enqueue_sync(connection, user_id)
        return len(lost)

    async def _fresh(self, person: Person) -> RefreshSahhaSuccess | None:
        """What is stored, when it was fetched in the last 15 minutes."""
        read_at = person.last_live_at
        if read_at is None or read_at < self._clock.now() - FRESH_FOR:
            return None
        async with self._database.connection() as connection:
            biomarkers, scores = await count_days(connection, person.user_id, *self._live.week())
        return RefreshSahhaSuccess(person.user_id, biomarkers, scores, 0, read_at, 0)

    async def _taken(self, since: datetime, tick: datetime) -> AsyncGenerator[Person, None]:
        """The people of this tick that fall to this process, a few at a time."""
        while True:
            async with self._database.connection() as connection:
                taken = await people.claim_refresh(connection, since, tick, CLAIM)
            if not taken:
                return
            for person in taken:
                yield person

    async def _refresh_taken(self, since: datetime, tick: datetime, tally: Tally, *, in_full: bool) -> None:
        """A window of people that moves on with each who is done; half of the calls that may run at once are left to others."""
        window = asyncio.Semaphore(max(1, self._settings.sahha_concurrency // 2))
        async with aclosing(self._taken(since, tick)) as taken, asyncio.TaskGroup() as group:
            async for person in taken:
                await window.acquire()
                if tally.stopped_by is not None:
                    break
                task = group.create_task(self._refresh_one(person, tally, in_full=in_full))
                task.add_done_callback(lambda _: window.release())
                await asyncio.sleep(random.uniform(0.5, 1.5) / self._settings.sahha_refresh_per_s)

    async def _refresh_one(self, person: Person, tally: Tally, *, in_full: bool) -> None:
        """Nothing that goes wrong with one person is raised."""
        now = self._clock.now()
        if person.webhook_at is not None and SILENT_AFTER <= now - person.webhook_at < USED_TO_FLOW:
            tally.silent += 1
        if not in_full and _kept_by_webhooks(person, now):
            tally.passed_by += 1
            return
        try:
            await self._read_one(person, tally, in_full=in_full)
        except (CircuitOpen, CredentialRejected) as error:
            tally.stopped_by = tally.stopped_by or error
        except (UpstreamError, PersonNotFound, Unavailable) as error:
            tally.failed += 1
            await self._record_failure(person.user_id, type(error).__name__)
        except Exception:
            tally.failed += 1
            log.exception("[SCHEDULER] The refresh of one person failed")

    async def _read_one(self, person: Person, tally: Tally, *, in_full: bool) -> None:
        within_s = self._settings.sahha_plan_deadline_s
        profile: SahhaProfile | None = None
        if not in_full and _read_lately(person, self._clock.now()) and person.covered_until is not None:
            profile = await self._reader.profile(person.user_id, within_s)
            seen_at = profile.data_last_received_at
            if seen_at is not None and seen_at <= person.covered_until:
                tally.current += 1
                return
        live = await self._live.read_week_unhurried(person.user_id, within_s, fixed(person.offset), profile)
        if not live.stored:
            raise Unavailable
        if live.answer.error is not None:
            raise live.answer.error
        tally.refreshed += 1

    async def _record_failure(self, user_id: UserId, failure: str) -> None:
        log.info("[SCHEDULER] A person could not be refreshed", user=user_id[:8], reason=failure)
        try:
            async with self._database.connection() as connection:
                await people.note_refresh_failure(connection, user_id, self._clock.now(), failure)
        except Unavailable:
            log.warning("[SCHEDULER] A failure could not be recorded: the store is unavailable")

    def _report(self, tally: Tally) -> None:
        for result in ("refreshed", "current", "passed_by", "failed"):
            self._metrics.refreshes.labels(result).inc(getattr(tally, result))
        if tally.silent:
            log.warning("[WEBHOOK] Events have stopped and polling has taken over", people=tally.silent)
        if tally.stopped_by is not None:
            log.warning("[SCHEDULER] The refresh was stopped early: Sahha is down", reason=tally.stopped_by.reason)
        done = tally.refreshed + tally.current
        log.info(f"[SCHEDULER] ✅ Refreshed Sahha data for {done} users", failed=tally.failed, passed_by=tally.passed_by)


def _read_lately(person: Person, now: datetime) -> bool:
    return person.last_live_at is not None and now - person.last_live_at < FULL_READ_EVERY


def _kept_by_webhooks(person: Person, now: datetime) -> bool:
    """Events come, so what is stored is as fresh as a read would make it."""
    return person.webhook_at is not None and now - person.webhook_at < SILENT_AFTER and _read_lately(person, now)
