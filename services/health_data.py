"""Health data, live first: Sahha where it answers, else the database, always with source and age.

This is the door; behind it are the rooms: what one live read is (`live_read`), how all share it (`live_first`), how it is stored
(`archive`), the three ways of reading (`week_reads`, `snapshots`, `record_lists`) and what keeps the copy fresh (`keeping_warm`).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import structlog

from services.archive import HealthArchive
from services.clock import Clock
from services.config import Settings
from services.domain.health import BehaviourLabel, Biomarker, EarlierRecords, HealthRecords, HealthSnapshot, ReadPolicy, Score
from services.domain.ids import UserId
from services.domain.outcomes import RefreshSahhaResult
from services.domain.record_pages import RecordPage
from services.errors import Unavailable
from services.keeping_warm import KeepingWarm
from services.live_first import LiveFirst, fixed
from services.live_read import SahhaReader
from services.metrics import Metrics
from services.record_lists import BIOMARKERS, SCORES, ListRequest, RecordList, RecordLists, Row
from services.snapshots import Snapshots
from services.store import people
from services.store.database import Database
from services.store.labels import newest_labels
from services.store.people import Person
from services.store.pruning import in_batches
from services.store.retention import BATCHES, forget
from services.week_reads import WeekReads

NOT_NOTED = "[ARCHIVE] The database did not take note of an active person"

log = structlog.get_logger()


class HealthDataService:
    """Reads of one person's health data, and what keeps the stored copy of it warm."""

    def __init__(
        self,
        database: Database,
        reader: SahhaReader,
        archive: HealthArchive,
        settings: Settings,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._live = LiveFirst(reader, archive, clock)
        self._weeks = WeekReads(database, self._live, clock, metrics)
        self._snapshots = Snapshots(database, self._live, clock, metrics)
        self._lists = RecordLists(database, self._live, settings, clock, metrics)
        self._warm = KeepingWarm(database, reader, self._live, archive, settings, clock, metrics)

    async def aclose(self) -> None:
        """Ends the live reads that nobody waits for any more."""
        await self._live.aclose()

    async def read_week(self, user_id: UserId, tz: ZoneInfo | None, policy: ReadPolicy, deadline_s: float) -> HealthRecords:
        """The last 7 local days, today among them, newest first; without a zone those of every zone there is.

        LIVE_FIRST asks Sahha for at most `deadline_s` and falls back to the database: for everything, or for the categories that
        could not be read, which makes the whole MIXED. Raises `PersonNotFound` when Sahha does not know the person,
        `HealthDataUnavailableError` when Sahha fails and it has never answered for them, `Unavailable` when the database is
        needed and cannot be reached. No rows and no exception: there are none.
        """
        if policy is ReadPolicy.DATABASE:
            return await self._weeks.stored(user_id, tz)
        return await self._weeks.live(user_id, tz, deadline_s)

    async def earlier(self, user_id: UserId, tz: ZoneInfo, *, biomarkers: Sequence[str], scores: Sequence[str]) -> EarlierRecords:
        """The stored rows of the three weeks before `read_week`'s, of these types: what its values are compared with.

        Raises `Unavailable`.
        """
        return await self._weeks.earlier(user_id, tz, biomarkers, scores)

    async def snapshot(self, user_id: UserId, policy: ReadPolicy) -> HealthSnapshot:
        """The newest value of every type, however old, each with its own source and age. Raises as `read_week`."""
        person = await self._asked(user_id)
        if policy is ReadPolicy.DATABASE:
            return await self._snapshots.stored(user_id)
        return await self._snapshots.live(user_id, fixed(person.offset), self._settings.sahha_query_deadline_s)

    async def biomarkers(
        self,
        user_id: UserId,
        *,
        categories: tuple[str, ...] | None = None,
        types: tuple[str, ...] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        policy: ReadPolicy = ReadPolicy.LIVE_FIRST,
        first: int = 200,
        after: str | None = None,
        counted: bool = True,
    ) -> RecordPage[Biomarker]:
        """A page of the rows whose window touches the instants from `start` to `end`, newest first, at most 500.

        Without bounds the last 7 of the person's own days. `None` names: all; none: none. The first page of LIVE_FIRST asks Sahha
        once, about at most 40 of the days asked for; a page that has an `after` is read from what that read stored. Raises
        `BadUserInput` for a cursor of no such list, else as `read_week`.
        """
        request = ListRequest(categories, types, start, end, first, BIOMARKERS.place_of(after), counted)
        return await self._page(BIOMARKERS, user_id, request, policy)

    async def scores(
        self,
        user_id: UserId,
        *,
        types: tuple[str, ...] | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        policy: ReadPolicy = ReadPolicy.LIVE_FIRST,
        first: int = 100,
        after: str | None = None,
        counted: bool = True,
    ) -> RecordPage[Score]:
        """As `biomarkers`."""
        request = ListRequest(None, types, start, end, first, SCORES.place_of(after), counted)
        return await self._page(SCORES, user_id, request, policy)

    async def labels(self, user_id: UserId) -> tuple[BehaviourLabel, ...]:
        """How the person lived of late, in Sahha's words: the newest label of each name and period, as stored, by name."""
        async with self._database.connection() as connection:
            return await newest_labels(connection, user_id, self._clock.now())

    async def refresh(self, user_id: UserId, *, force: bool) -> RefreshSahhaResult:
        """Fetch this person's week now and store it; without `force` only when it was not fetched in the last 15 minutes."""
        return await self._warm.refresh(user_id, force=force)

    async def refresh_active(self, *, in_full: bool = False) -> str:
        """Keep everybody warm who was asked for in the last 24 h; `in_full`: whatever was read lately. Gives a line on it."""
        return await self._warm.refresh_active(in_full=in_full)

    async def sync(self, user_id: UserId) -> bool:
        """Fetch and store what no plan waits for. True: it was wanted again meanwhile. Raises `UpstreamError`, `Unavailable`."""
        return await self._warm.sync(user_id)

    async def give_up_sync(self, user_id: UserId) -> None:
        """After too many failures: a later live read wants it anew."""
        await self._warm.give_up_sync(user_id)

    async def requeue_lost_syncs(self) -> int:
        """Queue the syncs that are wanted and that no job stands for; how many there were."""
        return await self._warm.requeue_lost_syncs()

    async def prune(self) -> int:
        """Delete what ended more than `RETENTION_DAYS` ago, in batches of a transaction each; how many rows went."""
        before = self._clock.now() - timedelta(days=self._settings.retention_days)
        kinds = (partial(forget, statement=statement, before=before) for statement in BATCHES)
        return sum([await in_batches(self._database, prune) for prune in kinds])

    async def _page(self, kind: RecordList[Row], user_id: UserId, request: ListRequest, policy: ReadPolicy) -> RecordPage[Row]:
        if policy is ReadPolicy.LIVE_FIRST and request.after is None:
            return await self._lists.live(kind, await self._asked(user_id), request)
        async with self._database.connection() as connection:
            person = await people.read(connection, user_id)
            page = await self._lists.stored(connection, kind, person, request)
        await self._note_asked(person)
        return page

    async def _asked(self, user_id: UserId) -> Person:
        """How the data of a person stands, who is kept warm from now on. Without the database nothing is known of them."""
        try:
            async with self._database.connection() as connection:
                person = await people.read(connection, user_id)
        except Unavailable:
            log.warning(NOT_NOTED)
            return Person(user_id)
        await self._note_asked(person)
        return person

    async def _note_asked(self, person: Person) -> None:
        """Not worth failing a read for, and for a person who is known to be active no statement."""
        now = self._clock.now()
        if person.asked_at is not None and now - person.asked_at < people.ASKED_TO:
            return
        try:
            async with self._database.connection() as connection:
                await people.note_asked(connection, person.user_id, now)
        except Unavailable:
            log.warning(NOT_NOTED)
