"""Reading the archive: the days of a person, the newest of every type, and pages of the history."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import cast

import asyncpg

from services.domain.health import Biomarker, Score
from services.domain.ids import UserId
from services.store.record_rows import BiomarkerKey, ScoreKey, load_biomarker, load_score
from services.store.stored_biomarkers import STORED_BIOMARKER, StoredBiomarker

DAY = timedelta(days=1)
LONGEST_WINDOW = timedelta(days=32)
"""A month is the longest window of a row: what touches a span starts at most this long before it."""

# Somebody who flies has a day begun in one offset and told again in another: of the same window by the wall clock the last word.
DAYS_OF_BIOMARKERS = """
select * from (
    select distinct on (start_at + make_interval(secs => start_offset_s), category, type, grain) * from biomarkers
    where user_id = $1 and start_at >= $2 and start_at < $3 and day between $4 and $5
      and ($6::text[] is null or type = any($6))
    order by start_at + make_interval(secs => start_offset_s), category, type, grain, stated_at desc, start_at desc
) as once
order by start_at desc, category, type, grain
"""
DAYS_OF_SCORES = """
select * from (
    select distinct on (day, type) * from scores
    where user_id = $1 and score_at >= $2 and score_at < $3 and day between $4 and $5
      and ($6::text[] is null or type = any($6))
    order by day, type, stated_at desc, score_at desc
) as once
order by score_at desc, type
"""


async def read_biomarkers(
    connection: asyncpg.Connection,
    user_id: UserId,
    first: date,
    last: date,
    as_of: datetime,
    types: Sequence[str] | None = None,
) -> tuple[Biomarker, ...]:
    """The stored rows of the local days from `first` to `last`, both included, newest first; of these types, or of all."""
    start, end = _span(first, last)
    rows = await connection.fetch(DAYS_OF_BIOMARKERS, user_id, start - LONGEST_WINDOW, end, first, last, types)
    return tuple(load_biomarker(row, as_of) for row in rows)


async def read_scores(
    connection: asyncpg.Connection,
    user_id: UserId,
    first: date,
    last: date,
    as_of: datetime,
    types: Sequence[str] | None = None,
) -> tuple[Score, ...]:
    """As `read_biomarkers`."""
    start, end = _span(first, last)
    rows = await connection.fetch(DAYS_OF_SCORES, user_id, start, end, first, last, types)
    return tuple(load_score(row, as_of) for row in rows)


COUNT_DAYS = """
select (select count(*) from biomarkers where user_id = $1 and start_at >= $2 and start_at < $4 and day between $5 and $6),
       (select count(*) from scores where user_id = $1 and score_at >= $3 and score_at < $4 and day between $5 and $6)
"""


async def count_days(connection: asyncpg.Connection, user_id: UserId, first: date, last: date) -> tuple[int, int]:
    """How many biomarkers and scores are stored of these local days."""
    start, end = _span(first, last)
    biomarkers, scores = await connection.fetchrow(COUNT_DAYS, user_id, start - LONGEST_WINDOW, start, end, first, last)
    return int(biomarkers), int(scores)


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest row of every type, and what is known of the person's reads."""

    biomarkers: tuple[Biomarker, ...]
    scores: tuple[Score, ...]
    last_live_at: datetime | None
    device_seen_at: datetime | None


NEWEST = """
select people.last_live_at, people.device_seen_at,
       (select array_agg(newest order by category, type, grain) from latest_biomarkers newest where user_id = $1) as biomarkers,
       (select array_agg(newest order by type) from latest_scores newest where user_id = $1) as scores
from (select 1) as one left join people on people.user_id = $1
"""


async def read_newest(connection: asyncpg.Connection, user_id: UserId, as_of: datetime) -> Newest:
    """One round trip; ordered by category and type."""
    found = await connection.fetchrow(NEWEST, user_id)
    return Newest(
        tuple(load_biomarker(row, as_of) for row in found["biomarkers"] or ()),
        tuple(load_score(row, as_of) for row in found["scores"] or ()),
        found["last_live_at"],
        found["device_seen_at"],
    )


NEWEST_VALUE_AT = """
select greatest((select max(least(end_at, received_at)) from latest_biomarkers where user_id = $1),
                (select max(stated_at) from latest_scores where user_id = $1))
"""


async def newest_value_at(connection: asyncpg.Connection, user_id: UserId) -> datetime | None:
    """When the newest stored value was measured, as the rows' `measured_at` tells it; `None`: nothing ever came."""
    return await connection.fetchval(NEWEST_VALUE_AT, user_id)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Which rows a list holds: those whose window touches the instants from `start` to `end`, of the named categories and types.

    `None`: of whatever name. An empty tuple: of none. With `days`, those of the local days of that range instead, both included.
    """

    start: datetime
    end: datetime
    categories: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    days: tuple[date, date] | None = None


BIOMARKERS_OF_FILTER = """
from biomarkers where user_id = $1 and start_at >= $2 and start_at < $3 and end_at > $4
  and ($5::text[] is null or category = any($5)) and ($6::text[] is null or type = any($6))
  and ($7::date is null or day between $7 and $8)
"""
BIOMARKER_PAGE = f"""
select {STORED_BIOMARKER}, date_part('epoch', $14::timestamptz) as as_of_s {BIOMARKERS_OF_FILTER}
  and ($9::timestamptz is null
       or (start_at <= $9 and (start_at < $9 or (category, type, grain) > ($10::text, $11::text, $12::text))))
order by start_at desc, category, type, grain limit $13
"""
BIOMARKER_COUNT = f"select count(*) {BIOMARKERS_OF_FILTER}"

SCORES_OF_FILTER = """
from scores where user_id = $1 and score_at > $2 and score_at < $3
  and ($4::text[] is null or type = any($4)) and ($5::date is null or day between $5 and $6)
"""
SCORE_PAGE = f"""
select * {SCORES_OF_FILTER}
  and ($7::timestamptz is null or (score_at <= $7 and (score_at < $7 or type > $8::text)))
order by score_at desc, type limit $9
"""
SCORE_COUNT = f"select count(*) {SCORES_OF_FILTER}"


async def page_of_biomarkers(
    connection: asyncpg.Connection,
    user_id: UserId,
    wanted: RecordFilter,
    limit: int,
    after: BiomarkerKey | None,
    as_of: datetime,
) -> tuple[Biomarker, ...]:
    """At most `limit` rows that follow `after`, newest first."""
    arguments = _biomarker_arguments(user_id, wanted)
    rows = await connection.fetch(
        BIOMARKER_PAGE, *arguments, *(after or (None, None, None, None)), limit, as_of, record_class=StoredBiomarker
    )
    return cast("tuple[Biomarker, ...]", tuple(rows))


async def count_biomarkers(connection: asyncpg.Connection, user_id: UserId, wanted: RecordFilter) -> int:
    """How many rows the whole list has."""
    return int(await connection.fetchval(BIOMARKER_COUNT, *_biomarker_arguments(user_id, wanted)))


def _biomarker_arguments(user_id: UserId, wanted: RecordFilter) -> Sequence[object]:
    days = wanted.days or (None, None)
    return user_id, wanted.start - LONGEST_WINDOW, wanted.end, wanted.start, wanted.categories, wanted.types, *days


async def page_of_scores(
    connection: asyncpg.Connection, user_id: UserId, wanted: RecordFilter, limit: int, after: ScoreKey | None, as_of: datetime
) -> tuple[Score, ...]:
    """As `page_of_biomarkers`. A score's window is its local day."""
    rows = await connection.fetch(SCORE_PAGE, *_score_arguments(user_id, wanted), *(after or (None, None)), limit)
    return tuple(load_score(row, as_of) for row in rows)


async def count_scores(connection: asyncpg.Connection, user_id: UserId, wanted: RecordFilter) -> int:
    """As `count_biomarkers`."""
    return int(await connection.fetchval(SCORE_COUNT, *_score_arguments(user_id, wanted)))


def _score_arguments(user_id: UserId, wanted: RecordFilter) -> Sequence[object]:
    return user_id, wanted.start - DAY, wanted.end, wanted.types, *(wanted.days or (None, None))


def _span(first: date, last: date) -> tuple[datetime, datetime]:
    """Instants that hold these days wherever they are lived."""
    midnight = time(0)
    return datetime.combine(first, midnight, UTC) - DAY, datetime.combine(last, midnight, UTC) + 2 * DAY
