"""Invented rows to be archived, and what is done with them in most tests."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

from services.domain.health import BehaviourLabel, Biomarker, DataSource, Score, ScoreFactor
from services.domain.ids import UserId
from services.store.archive import Archived, Stated, archive
from services.store.database import Database
from services.store.records import read_biomarkers, read_scores

PERSON = UserId("invented-person")
OFFSET = timezone(timedelta(hours=-4))
FIRST = datetime(2026, 3, 11, 10, 40, tzinfo=UTC)
LATER = FIRST + timedelta(minutes=30)
DAYS = (date(2026, 3, 1), date(2026, 3, 20))
DAY = timedelta(days=1)


def biomarker(**changes: object) -> Biomarker:
    start = datetime(2026, 3, 10, tzinfo=OFFSET)
    row = Biomarker(
        id="00000000-0000-5000-8000-000000000001",
        category="activity",
        type="steps",
        periodicity="daily",
        aggregation="total",
        value="8412",
        number=8412.0,
        unit="count",
        value_type="integer",
        start_date_time=start,
        end_date_time=start + timedelta(hours=23, minutes=59, seconds=59),
        received_at=FIRST,
        as_of=FIRST,
        source=DataSource.LIVE,
        extra='{"device":"invented"}',
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def counted(steps: int, **changes: object) -> Biomarker:
    """A day's steps."""
    return biomarker(value=str(steps), number=float(steps), **changes)


def on_day(row: Biomarker, days_later: int) -> Biomarker:
    """The same row, some days later."""
    shift = days_later * DAY
    return replace(row, start_date_time=row.start_date_time + shift, end_date_time=row.end_date_time + shift)


def score(**changes: object) -> Score:
    row = Score(
        id="00000000-0000-5000-8000-000000000002",
        type="sleep",
        state="high",
        score=0.87,
        score_date_time=datetime(2026, 3, 11, tzinfo=OFFSET),
        created_at=datetime(2026, 3, 11, 10, 12, tzinfo=UTC),
        factors=(
            ScoreFactor("sleep_duration", 402.0, 480.0, 0.81, "medium", "minute"),
            ScoreFactor("sleep_continuity", None, 10.0, None, None, "minute"),
        ),
        data_sources=("sleep",),
        received_at=FIRST,
        as_of=FIRST,
        source=DataSource.LIVE,
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def label(**changes: object) -> BehaviourLabel:
    row = BehaviourLabel(
        id="00000000-0000-5000-8000-000000000003",
        name="sleep_duration",
        value="average_sleeper",
        data_type="ordinal",
        periodicity="weekly",
        ordinality=2,
        start_date_time=datetime(2026, 3, 2, tzinfo=OFFSET),
        end_date_time=datetime(2026, 3, 8, tzinfo=OFFSET),
        received_at=FIRST,
        as_of=FIRST,
        source=DataSource.LIVE,
    )
    return replace(row, **changes)  # type: ignore[arg-type]


async def archived(
    database: Database,
    biomarkers: Sequence[Biomarker],
    scores: Sequence[Score],
    at: datetime,
    *,
    person: UserId = PERSON,
    stated_at: Stated | None = None,
) -> Archived:
    """One read, stored. A zero after more than nothing is doubted."""
    async with database.transaction() as connection:
        return await archive(
            connection,
            person,
            biomarkers,
            scores,
            at,
            doubtful=lambda stored, row: bool(stored) and row.number == 0,
            stated_at=stated_at or {},
        )


async def stored(
    database: Database, as_of: datetime = FIRST, person: UserId = PERSON
) -> tuple[tuple[Biomarker, ...], tuple[Score, ...]]:
    """What the archive gives back of the days of these tests."""
    async with database.connection() as connection:
        biomarkers = await read_biomarkers(connection, person, *DAYS, as_of)
        return biomarkers, await read_scores(connection, person, *DAYS, as_of)
