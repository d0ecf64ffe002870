"""The archive of health records: written where they changed, read as they were received."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from services.domain.health import DataSource
from services.domain.ids import UserId
from services.store.archive import DOUBTED
from services.store.database import Database
from services.store.labels import archive_labels, newest_labels
from services.store.record_rows import biomarker_key
from services.store.records import Newest, read_newest
from tests.store.records import FIRST, LATER, PERSON, archived, biomarker, counted, label, on_day, score, stored

TABLES = ("biomarkers", "latest_biomarkers", "scores", "latest_scores", "behaviour_labels", "rejected_records")
WRITERS = "select ctid, xmin, xmax from {table} order by ctid"


async def newest(database: Database, person: UserId = PERSON) -> Newest:
    async with database.connection() as connection:
        return await read_newest(connection, person, LATER)


async def row_versions(database: Database) -> dict[str, list[asyncpg.Record]]:
    """Where each row lies and which transaction wrote it: the same twice means that nothing was written in between."""
    async with database.connection() as connection:
        return {table: await connection.fetch(WRITERS.format(table=table)) for table in TABLES}


async def test_what_is_read_is_what_was_received(database: Database) -> None:
    rows = [
        biomarker(),
        biomarker(type="sleep_start_time", value="2026-03-10T23:14-04:00", number=None, value_type="datetime"),
        biomarker(type="sleep_duration", value="7.5", number=450.0, unit="minute", received_unit="hour", extra=None),
    ]
    await archived(database, rows, [score(extra='{"version":2}')], FIRST)
    biomarkers, scores = await stored(database)
    assert set(biomarkers) == {replace(row, source=DataSource.DATABASE) for row in rows}
    assert [row.start_date_time.utcoffset() for row in biomarkers] == [timedelta(hours=-4)] * 3
    assert scores == (score(source=DataSource.DATABASE, extra='{"version":2}'),)


async def test_the_newest_rows_are_the_same_rows(database: Database) -> None:
    rows = [biomarker(), on_day(biomarker(), -1), biomarker(type="floors_climbed", unit=None, extra=None)]
    await archived(database, rows, [score(), score(type="activity", factors=(), data_sources=())], FIRST)
    biomarkers, scores = await stored(database, LATER)
    found = await newest(database)
    assert set(found.biomarkers) == set(biomarkers) - {replace(on_day(biomarker(), -1), as_of=LATER, source=DataSource.DATABASE)}
    assert [row.type for row in found.biomarkers] == ["floors_climbed", "steps"]
    assert set(found.scores) == set(scores)


async def test_nothing_is_known_of_a_person_never_seen(database: Database) -> None:
    assert await newest(database) == Newest((), (), None, None)


async def test_an_unchanged_re_read_writes_nothing_and_keeps_the_time_of_receipt(database: Database) -> None:
    week = [on_day(counted(8000 + day), -day) for day in range(7)]
    scores = [score(), score(type="activity")]
    doubtful = [replace(week[0], value="0", number=0.0), *week[1:]]
    await archived(database, week, scores, FIRST)
    await archived(database, doubtful, scores, FIRST)
    async with database.transaction() as connection:
        await archive_labels(connection, PERSON, [label()], FIRST)
    before = await row_versions(database)
    assert all(before.values())
    again = await archived(database, doubtful, [replace(row, received_at=LATER) for row in scores], LATER)
    async with database.transaction() as connection:
        assert await archive_labels(connection, PERSON, [label(received_at=LATER)], LATER) == 0
    assert await row_versions(database) == before
    assert (again.changed, again.doubted) == (0, 1)
    assert {row.received_at for row in again.biomarkers} | {row.received_at for row in again.scores} == {FIRST}


@pytest.mark.parametrize(
    "same",
    [
        {"id": "00000000-0000-5000-8000-00000000000f"},
        {"value": "8412.", "number": 8412.0},
        {"value": "8412.0000001", "number": 8412.0000001},
        {"received_unit": "steps"},
        {"extra": None},
        {"start_date_time": datetime(2026, 3, 10, 4, tzinfo=UTC)},
    ],
)
async def test_a_row_that_means_the_same_is_not_rewritten(database: Database, same: dict[str, object]) -> None:
    await archived(database, [biomarker()], [], FIRST)
    assert (await archived(database, [biomarker(**same)], [], LATER)).changed == 0


async def test_a_revised_value_replaces_the_old_one(database: Database) -> None:
    await archived(database, [biomarker()], [score()], FIRST)
    read = await archived(database, [counted(8500, received_at=LATER)], [score(score=0.88, received_at=LATER)], LATER)
    assert (read.changed, read.biomarkers[0].received_at) == (2, LATER)
    (row,), (newest_score,) = await stored(database, LATER)
    async with database.connection() as connection:
        first_seen = await connection.fetchval("select first_seen_at from biomarkers where user_id = $1", PERSON)
        first_seen_newest = await connection.fetchval("select first_seen_at from latest_biomarkers where user_id = $1", PERSON)
    assert (row.value, row.received_at, newest_score.score) == ("8500", LATER, 0.88)
    assert first_seen == first_seen_newest == FIRST
    assert (await newest(database)).biomarkers == (row,)


async def test_a_revised_older_day_leaves_the_newest_one(database: Database) -> None:
    await archived(database, [biomarker(), on_day(biomarker(), -3)], [score()], FIRST)
    await archived(database, [on_day(counted(1), -3)], [score(score_date_time=FIRST - timedelta(days=9))], LATER)
    found = await newest(database)
    assert [row.value for row in found.biomarkers] == ["8412"]
    assert [row.score for row in found.scores] == [0.87]
    assert len((await stored(database))[1]) == 2


async def test_daily_supersedes_intraday_and_never_the_reverse(database: Database) -> None:
    running = counted(5000, periodicity="intraday")
    await archived(database, [running], [], FIRST)
    await archived(database, [biomarker()], [], LATER)
    late = await archived(database, [running], [], LATER)
    (row,), _ = await stored(database, LATER)
    assert (row.periodicity, row.value) == ("daily", "8412")
    assert late.biomarkers == (row,)
    assert (await newest(database)).biomarkers == (row,)


async def test_a_zero_after_a_good_value_is_flagged_and_not_believed(database: Database) -> None:
    await archived(database, [biomarker()], [], FIRST)
    read = await archived(database, [counted(0), on_day(counted(0), 1)], [], LATER)
    assert (read.changed, read.doubted) == (1, 1)
    assert [(row.value, row.source) for row in read.biomarkers] == [("8412", DataSource.DATABASE), ("0", DataSource.LIVE)]
    assert [row.value for row in (await stored(database))[0]] == ["0", "8412"]
    async with database.connection() as connection:
        (flag,) = await connection.fetch("select * from rejected_records")
    assert (flag["user_id"], flag["type"], flag["value"], flag["reason"]) == (PERSON, "steps", "0", DOUBTED)


async def test_what_was_said_earlier_and_arrives_later_is_old(database: Database) -> None:
    key = biomarker_key(biomarker())
    await archived(database, [counted(2)], [], LATER, stated_at={key: FIRST + timedelta(minutes=2)})
    late = await archived(database, [counted(1)], [], LATER, stated_at={key: FIRST + timedelta(minutes=1)})
    assert (late.changed, [row.value for row in late.biomarkers]) == (0, ["2"])
    assert (await archived(database, [counted(3)], [], LATER, stated_at={key: FIRST + timedelta(minutes=3)})).changed == 1
    assert [row.value for row in (await newest(database)).biomarkers] == ["3"]


async def test_the_same_value_said_again_is_as_of_then(database: Database) -> None:
    key = biomarker_key(biomarker())
    for minute, steps, changed in ((1, 10, 1), (3, 10, 0), (2, 20, 0)):
        read = await archived(database, [counted(steps)], [], LATER, stated_at={key: FIRST + timedelta(minutes=minute)})
        assert read.changed == changed
    (row,), _ = await stored(database)
    assert row.value == "10"


async def test_a_score_made_earlier_does_not_replace_a_later_one(database: Database) -> None:
    earlier = FIRST - timedelta(hours=3)
    await archived(database, [], [score()], FIRST)
    read = await archived(database, [], [score(score=0.5, created_at=earlier)], LATER)
    assert (read.changed, read.scores[0].score, read.scores[0].source) == (0, 0.87, DataSource.DATABASE)


async def test_one_person_does_not_see_anothers_rows(database: Database) -> None:
    other = UserId("somebody-else")
    await archived(database, [biomarker()], [score()], FIRST)
    assert await stored(database, person=other) == ((), ())
    assert await newest(database, other) == Newest((), (), None, None)
    async with database.transaction() as connection:
        await archive_labels(connection, PERSON, [label()], FIRST)
        assert await newest_labels(connection, other, FIRST) == ()


async def test_the_newest_label_of_each_name_and_period(database: Database) -> None:
    later_week = {"start_date_time": label().start_date_time + timedelta(days=7), "value": "long_sleeper"}
    rows = [label(), label(**later_week), label(periodicity="monthly", ordinality=None), label(name="activity_level")]
    async with database.transaction() as connection:
        assert await archive_labels(connection, PERSON, rows, FIRST) == 4
        assert await archive_labels(connection, PERSON, [label(value="short_sleeper")], LATER) == 1
        found = await newest_labels(connection, PERSON, LATER)
    assert [(row.name, row.periodicity, row.value) for row in found] == [
        ("activity_level", "weekly", "average_sleeper"),
        ("sleep_duration", "monthly", "average_sleeper"),
        ("sleep_duration", "weekly", "long_sleeper"),
    ]
    assert found[2] == label(**later_week, as_of=LATER, source=DataSource.DATABASE)


async def test_a_label_said_earlier_does_not_replace_a_later_one(database: Database) -> None:
    key = ("sleep_duration", "weekly", label().start_date_time)
    async with database.transaction() as connection:
        for minute, value, changed in ((1, "a", 1), (3, "a", 0), (2, "b", 0), (4, "c", 1)):
            stated = {key: FIRST + timedelta(minutes=minute)}
            assert await archive_labels(connection, PERSON, [label(value=value)], LATER, stated_at=stated) == changed
        assert [row.value for row in await newest_labels(connection, PERSON, LATER)] == ["c"]
