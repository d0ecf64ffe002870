"""Pages of a person's biomarkers and scores: the first asks Sahha once, all are read from the archive by stable cursors."""

import base64
import binascii
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any, Generic, TypeVar

import asyncpg
import orjson
import structlog

from services.clock import Clock
from services.config import Settings
from services.domain.health import Biomarker, DataSource, Score, local_date_of
from services.domain.ids import UserId
from services.domain.record_pages import RecordPage
from services.domain.schedule import trailing_dates
from services.errors import BadUserInput, HealthDataUnavailableError, Unavailable, UpstreamError
from services.live_first import WEEK, LiveFirst, fixed, log_failure, whole_source
from services.live_read import Answer, Days
from services.metrics import Metrics
from services.store.database import Database
from services.store.people import Person
from services.store.record_rows import biomarker_key, score_key
from services.store.records import RecordFilter, count_biomarkers, count_scores, page_of_biomarkers, page_of_scores

PAGE_LIMIT = 500
LIVE_DAYS_LIMIT = 40
"""The most days that one read asks of Sahha; the longest answer seen whole (sahha-api.md, section 1.3)."""
DAY = timedelta(days=1)
MIDNIGHT = time(0)

Row = TypeVar("Row", Biomarker, Score)
Key = tuple[Any, ...]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ListRequest:
    """Which rows of a person: `None` of a bound or a name means whichever, `after` is a place in the same list.

    Without bounds, the last 7 of the person's own days; without `start`, the 7 days before `end`; without `end`, up to now.
    `counted`: whether the page has to say how many rows the whole list has.
    """

    categories: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    start: datetime | None = None
    end: datetime | None = None
    first: int = 200
    after: Key | None = None
    counted: bool = True

    @property
    def limit(self) -> int:
        return max(1, min(PAGE_LIMIT, self.first))


@dataclass(frozen=True, slots=True)
class RecordList(Generic[Row]):
    """One kind of record: how its pages are read, and what a row's place in the list is."""

    page: Callable[[asyncpg.Connection, UserId, RecordFilter, int, Any, datetime], Awaitable[tuple[Row, ...]]]
    count: Callable[[asyncpg.Connection, UserId, RecordFilter], Awaitable[int]]
    key: Callable[[Row], Key]
    key_length: int
    rows: Callable[[Answer], tuple[Row, ...]]
    whole: Callable[[Answer], bool]

    def cursor_of(self, row: Row) -> str:
        """The place of a row in its list."""
        return cursor_of(self.key(row))

    def place_of(self, cursor: str | None) -> Key | None:
        """The place that a cursor of this list names. Raises `BadUserInput` for any other."""
        return None if cursor is None else _position(cursor, self.key_length)


BIOMARKERS: RecordList[Biomarker] = RecordList(
    page_of_biomarkers,
    count_biomarkers,
    biomarker_key,
    4,
    lambda answer: answer.biomarkers,
    lambda answer: not answer.unanswered,
)
SCORES: RecordList[Score] = RecordList(
    page_of_scores, count_scores, score_key, 2, lambda answer: answer.scores, lambda answer: answer.scores_answered
)


class RecordLists:
    """Reads of lists, page by page."""

    def __init__(self, database: Database, live: LiveFirst, settings: Settings, clock: Clock, metrics: Metrics) -> None:
        self._database = database
        self._live = live
        self._settings = settings
        self._clock = clock
        self._metrics = metrics

    async def live(self, kind: RecordList[Row], person: Person, request: ListRequest) -> RecordPage[Row]:
        """A first page, after Sahha was asked once about the days wanted, at most 40 of them; from the database when it fails.

        Raises `PersonNotFound`, `HealthDataUnavailableError`, `BadUserInput`, `Unavailable`.
        """
        within_s, offset = self._settings.sahha_query_deadline_s, fixed(person.offset)
        days = self._live_days(self._wanted(request, person.offset))
        try:
            if days is None:
                read = await self._live.read_week(person.user_id, within_s, offset)
            else:
                read = await self._live.read_days(person.user_id, days, within_s, offset)
        except UpstreamError as error:
            return await self._without_sahha(kind, person, request, error)
        if read.stored:
            try:
                return await self._after(kind, person, request, read.answer)
            except Unavailable:
                log.warning("[SAHHA_LIVE] The database cannot be read; the page is the live answer alone")
        return self._of_answer(kind, request, read.answer)

    async def stored(
        self, connection: asyncpg.Connection, kind: RecordList[Row], person: Person, request: ListRequest
    ) -> RecordPage[Row]:
        """A page of what is stored."""
        wanted = self._wanted(request, person.offset)
        rows, total = await _read(connection, kind, person.user_id, wanted, request, self._clock.now())
        return _page(kind, rows, request, total, DataSource.DATABASE, person.last_live_at)

    async def _without_sahha(
        self, kind: RecordList[Row], person: Person, request: ListRequest, error: UpstreamError
    ) -> RecordPage[Row]:
        log_failure(error)
        async with self._database.connection() as connection:
            page = await self.stored(connection, kind, person, request)
        if not page.items and person.last_live_at is None:
            log.warning("[SAHHA_LIVE] No data in database either!")
            raise HealthDataUnavailableError
        self._metrics.fallbacks.inc()
        return page

    async def _after(self, kind: RecordList[Row], person: Person, request: ListRequest, answer: Answer) -> RecordPage[Row]:
        """What is stored, the rows that were just read live told apart."""
        wanted = self._wanted(request, person.offset if answer.offset is None else answer.offset)
        async with self._database.connection() as connection:
            rows, total = await _read(connection, kind, person.user_id, wanted, request, answer.answered_at)
        read = {kind.key(row): row for row in kind.rows(answer)}
        marked = tuple(read.get(kind.key(row), row) for row in rows)
        source = whole_source(marked[: request.limit], whole=kind.whole(answer))
        return _page(kind, marked, request, total, source, answer.answered_at)

    def _of_answer(self, kind: RecordList[Row], request: ListRequest, answer: Answer) -> RecordPage[Row]:
        """The first page of an answer that the database did not take."""
        wanted = self._wanted(request, answer.offset)
        held = [row for row in kind.rows(answer) if _holds(wanted, row)]
        rows = tuple(sorted(held, key=lambda row: _place(kind.key(row))))
        return _page(kind, rows, request, len(rows), whole_source(rows, whole=kind.whole(answer)), answer.answered_at)

    def _wanted(self, request: ListRequest, offset: timedelta | None) -> RecordFilter:
        """What the list holds; `offset` is that of the person's newest row, in which their local days are told."""
        now = self._clock.now()
        if request.start is None and request.end is None:
            days = trailing_dates(now, fixed(offset), WEEK)
            start, end = (datetime.combine(day, MIDNIGHT, UTC) for day in days)
            return RecordFilter(start - DAY, end + 2 * DAY, request.categories, request.types, days)
        end = request.end or now + DAY
        return RecordFilter(request.start or end - WEEK * DAY, end, request.categories, request.types)

    def _live_days(self, wanted: RecordFilter) -> Days | None:
        """The days to ask Sahha about, the newest of those wanted; `None`: those of the week, which all readers share."""
        week = self._live.week()
        first, last = (wanted.start - DAY).date(), min(week[1], (wanted.end + DAY).date())
        if wanted.days is not None or week[0] <= first or last < first:
            return None
        return max(first, last - (LIVE_DAYS_LIMIT - 1) * DAY), last


def cursor_of(key: Key) -> str:
    """The place of a row in its list, opaque: it is the row's natural key, so it stays valid while rows arrive."""
    start, *names = key
    return base64.urlsafe_b64encode(orjson.dumps([start.timestamp(), *names])).rstrip(b"=").decode()


def _position(cursor: str, length: int) -> Key:
    """The inverse of `cursor_of`. Raises `BadUserInput` for anything that it did not make."""
    try:
        text = cursor.encode("ascii")
        start, *names = orjson.loads(base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4)))
        key: Key = (datetime.fromtimestamp(start, UTC), *names)
    except (ValueError, TypeError, OverflowError, OSError, binascii.Error):
        key = ()
    if len(key) != length or not all(isinstance(name, str) and "\0" not in name for name in key[1:]):
        raise BadUserInput("Not a cursor of this list.", field=("after",))
    return key


async def _read(
    connection: asyncpg.Connection,
    kind: RecordList[Row],
    user_id: UserId,
    wanted: RecordFilter,
    request: ListRequest,
    as_of: datetime,
) -> tuple[tuple[Row, ...], int | None]:
    """One row more than a page has, if there is one; and how many rows the whole list has, where that is wanted."""
    rows = await kind.page(connection, user_id, wanted, request.limit + 1, request.after, as_of)
    if not request.counted:
        return rows, None
    if request.after is None and len(rows) <= request.limit:
        return rows, len(rows)
    return rows, await kind.count(connection, user_id, wanted)


def _page(
    kind: RecordList[Row],
    rows: tuple[Row, ...],
    request: ListRequest,
    total: int | None,
    source: DataSource,
    as_of: datetime | None,
) -> RecordPage[Row]:
    return RecordPage(
        items=rows[: request.limit],
        cursor_of=kind.cursor_of,
        has_next=len(rows) > request.limit,
        has_previous=request.after is not None,
        total_count=total,
        source=source,
        as_of=as_of,
    )


def _holds(wanted: RecordFilter, row: Biomarker | Score) -> bool:
    """As the statements of `store.records` decide it."""
    if wanted.types is not None and row.type not in wanted.types:
        return False
    if isinstance(row, Biomarker) and wanted.categories is not None and row.category not in wanted.categories:
        return False
    if wanted.days is not None:
        return wanted.days[0] <= local_date_of(row) <= wanted.days[1]
    if isinstance(row, Biomarker):
        return row.start_date_time < wanted.end and row.end_date_time > wanted.start
    return wanted.start - DAY < row.score_date_time < wanted.end


def _place(key: Key) -> Key:
    """Sorts the newest first, and names in order."""
    start, *names = key
    return (-start.timestamp(), *names)
