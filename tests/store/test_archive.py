"""The archive of health records: written where they changed, read as they were received."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from services.domain.health import Biomarker, DataSource, Score, ScoreFactor
from services.domain.ids import UserId
from services.store import health_data as store
from services.store.database import Database

PERSON = UserId("invented-person")
OFFSET = timezone(timedelta(hours=-4))
FIRST = datetime(2026, 3, 11, 10, 40, tzinfo=UTC)
LATER = FIRST + timedelta(minutes=30)
SPAN = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 20, tzinfo=UTC))


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
    )
    return replace(row, **changes)  # type: ignore[arg-type]


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


async def archived(database: Database, biomarkers: list[Biomarker], scores: list[Score], at: datetime) -> store.Archived:
    async with database.transaction() as connection:
        return await store.archive(connection, PERSON, biomarkers, scores, at)


async def test_what_is_read_is_what_was_received(database: Database) -> None:
    rows = [biomarker(), biomarker(type="sleep_start_time", value="2026-03-10T23:14-04:00", number=None, value_type="datetime")]
    await archived(database, rows, [score()], FIRST)
    async with database.connection() as connection:
        biomarkers = await store.read_biomarkers(connection, PERSON, *SPAN, FIRST)
        scores = await store.read_scores(connection, PERSON, *SPAN, FIRST)
    assert set(biomarkers) == {replace(row, source=DataSource.DATABASE) for row in rows}
    assert [row.start_date_time.utcoffset() for row in biomarkers] == [timedelta(hours=-4)] * 2
    assert scores == (score(source=DataSource.DATABASE),)


async def test_an_unchanged_re_read_writes_nothing_and_keeps_the_time_of_receipt(database: Database) -> None:
    await archived(database, [biomarker()], [score()], FIRST)
    again = await archived(database, [biomarker(received_at=LATER)], [score(received_at=LATER)], LATER)
    assert again.changed == 0
    assert again.biomarkers[0].received_at == FIRST
    assert again.scores[0].received_at == FIRST


@pytest.mark.parametrize(
    "same",
    [
        {"id": "00000000-0000-5000-8000-00000000000f"},
        {"value": "8412.", "number": 8412.0},
        {"start_date_time": datetime(2026, 3, 10, 4, tzinfo=UTC)},
    ],
)
async def test_a_row_that_means_the_same_is_not_rewritten(database: Database, same: dict[str, object]) -> None:
    await archived(database, [biomarker()], [], FIRST)
    assert (await archived(database, [biomarker(**same)], [], LATER)).changed == 0


async def test_a_revised_value_replaces_the_old_one(database: Database) -> None:
    await archived(database, [biomarker()], [score()], FIRST)
    revised = [biomarker(value="8500", number=8500.0, received_at=LATER)]
    assert (await archived(database, revised, [score(score=0.88, received_at=LATER)], LATER)).changed == 2
    async with database.connection() as connection:
        (row,) = await store.read_biomarkers(connection, PERSON, *SPAN, LATER)
        (newest,) = await store.read_scores(connection, PERSON, *SPAN, LATER)
        first_seen = await connection.fetchval("select first_seen_at from biomarkers where user_id = $1", PERSON)
    assert (row.value, row.received_at, newest.score, first_seen) == ("8500", LATER, 0.88, FIRST)


async def test_daily_supersedes_intraday_and_never_the_reverse(database: Database) -> None:
    await archived(database, [biomarker(periodicity="intraday", value="5000", number=5000.0)], [], FIRST)
    await archived(database, [biomarker()], [], LATER)
    await archived(database, [biomarker(periodicity="intraday", value="5000", number=5000.0)], [], LATER)
    async with database.connection() as connection:
        (row,) = await store.read_biomarkers(connection, PERSON, *SPAN, LATER)
    assert (row.periodicity, row.value) == ("daily", "8412")


async def test_one_person_does_not_see_anothers_rows(database: Database) -> None:
    await archived(database, [biomarker()], [score()], FIRST)
    async with database.connection() as connection:
        assert await store.read_biomarkers(connection, UserId("somebody-else"), *SPAN, FIRST) == ()
        assert await store.read_scores(connection, UserId("somebody-else"), *SPAN, FIRST) == ()


async def test_old_rows_are_deleted_in_batches(database: Database) -> None:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    old = [
        biomarker(start_date_time=start + timedelta(days=day), end_date_time=start + timedelta(days=day + 1)) for day in range(5)
    ]
    await archived(database, [*old, biomarker()], [score()], FIRST)
    async with database.connection() as connection:
        assert await store.prune(connection, datetime(2026, 1, 1, tzinfo=UTC), 3) == 3
        assert await store.prune(connection, datetime(2026, 1, 1, tzinfo=UTC), 3) == 2
        assert len(await store.read_biomarkers(connection, PERSON, *SPAN, FIRST)) == 1
