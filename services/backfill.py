"""Fetching the past of many people: politely, and from where it was left."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, timedelta

import structlog

from services.archive import HealthArchive
from services.clock import Clock
from services.config import Settings
from services.domain.ids import UserId
from services.domain.schedule import local_date
from services.errors import CircuitOpen, CredentialRejected, PersonUnknown, Unavailable, UpstreamError
from services.live_first import fixed
from services.live_read import SahhaReader
from services.store import backfills as store
from services.store import people
from services.store.database import Database

CHUNK_DAYS = 28
"""Days of one read: a few hundred rows, well under the bound of a body."""
AT_ONCE = 2
"""People at the same time: whoever waits for a plan goes first."""
PAUSE_S = (0.2, 0.8)
"""Between two reads of one person or the next."""
PAGE = 200

Progress = Callable[[int], None]
"""Told how many more people are done, whatever came of them."""

log = structlog.get_logger()


@dataclass(slots=True)
class BackfillReport:
    """How many people are whole, were whole already, are unknown to Sahha, or failed. `stopped_by`: why the run ended early."""

    fetched: int = 0
    already: int = 0
    unknown: int = 0
    failed: int = 0
    rows: int = 0
    stopped_by: str | None = None


class BackfillService:
    """Reads the days before those that are kept warm anyway. What is done is remembered, so a run can be ended at any time."""

    def __init__(self, database: Database, reader: SahhaReader, archive: HealthArchive, settings: Settings, clock: Clock) -> None:
        self._database = database
        self._reader = reader
        self._archive = archive
        self._settings = settings
        self._clock = clock

    @property
    def longest_days(self) -> int:
        """Older days would be deleted the next night."""
        return self._settings.retention_days

    async def count_known(self) -> int:
        """Everybody who was ever asked for or heard of."""
        async with self._database.connection() as connection:
            return await people.count(connection)

    async def run(self, whom: Iterable[UserId] | None, days: int, progress: Progress) -> BackfillReport:
        """Fetch and store the last `days` days of these people, of everybody known for `None`.

        An outage of Sahha ends the run; the report says so, and another run goes on from there. One person's failure is
        recorded and passed by. Raises `Unavailable` when the database is away.
        """
        report = BackfillReport()
        slots = asyncio.Semaphore(AT_ONCE)
        try:
            async with aclosing(self._everybody() if whom is None else _each(whom)) as listed, asyncio.TaskGroup() as group:
                async for user_id in listed:
                    await slots.acquire()
                    if report.stopped_by is not None:
                        break
                    task = group.create_task(self._fetch_one(user_id, days, report, progress))
                    task.add_done_callback(lambda _: slots.release())
        except* Unavailable:
            raise Unavailable from None
        return report

    async def _everybody(self) -> AsyncGenerator[UserId, None]:
        after = ""
        while True:
            async with self._database.connection() as connection:
                page = await people.page(connection, after, PAGE)
            if not page:
                return
            for user_id in page:
                yield user_id
            after = page[-1]

    async def _fetch_one(self, user_id: UserId, days: int, report: BackfillReport, progress: Progress) -> None:
        """Nothing that goes wrong with one person is raised, but for the database's being away."""
        try:
            reads = await self._fetch(user_id, days, report)
        except (CircuitOpen, CredentialRejected) as error:
            report.stopped_by = report.stopped_by or error.reason
            return
        except PersonUnknown:
            report.unknown += 1
            await self._note_failure(user_id, "PersonUnknown")
        except UpstreamError as error:
            report.failed += 1
            log.warning("[BACKFILL] A person could not be fetched", user=user_id[:8], reason=error.reason)
            await self._note_failure(user_id, type(error).__name__)
        else:
            report.fetched += reads > 0
            report.already += reads == 0
        progress(1)

    async def _fetch(self, user_id: UserId, days: int, report: BackfillReport) -> int:
        """The days that are missing, the newest first; how many reads that took."""
        now = self._clock.now()
        today = local_date(now, UTC)
        async with self._database.connection() as connection:
            person = await people.read(connection, user_id)
            state = await store.begin(connection, user_id, today, now)
        oldest_wanted = today - timedelta(days=days - 1)
        last = state.newest_day + timedelta(days=1) if state.oldest_day is None else state.oldest_day - timedelta(days=1)
        offset = fixed(person.offset) or UTC
        reads = 0
        while last >= oldest_wanted:
            first = max(oldest_wanted, last - timedelta(days=CHUNK_DAYS - 1))
            answer = await self._reader.read(user_id, (first, last), self._settings.sahha_plan_deadline_s, offset)
            report.rows += await self._archive.keep_past(user_id, answer, up_to_now=last > today)
            if answer.error is not None:
                raise answer.error
            async with self._database.connection() as connection:
                await store.advance(connection, user_id, first, self._clock.now())
            reads, last = reads + 1, first - timedelta(days=1)
            await asyncio.sleep(random.uniform(*PAUSE_S))
        if reads:
            within_s = self._settings.sahha_plan_deadline_s
            labels, rejected = await self._reader.labels(user_id, (oldest_wanted, today), within_s, offset)
            report.rows += await self._archive.keep_labels(user_id, labels, rejected)
        return reads

    async def _note_failure(self, user_id: UserId, failure: str) -> None:
        async with self._database.connection() as connection:
            await store.fail(connection, user_id, failure, self._clock.now())


async def _each(whom: Iterable[UserId]) -> AsyncGenerator[UserId, None]:
    for user_id in whom:
        yield user_id
