"""Lists of records: the last days live, the rest from the archive, in pages that stay where they are while rows arrive."""

from collections import Counter
from dataclasses import fields, replace
from datetime import datetime, timedelta

import pytest

from services.domain.health import Biomarker, DataSource, ReadPolicy, Score
from services.domain.ids import UserId
from services.domain.record_pages import RecordPage
from services.errors import BadUserInput, HealthDataUnavailableError
from services.record_lists import cursor_of
from services.store.database import Database
from services.store.records import read_biomarkers
from tests.product import MORNING, Product, open_product
from tests.store.records import PERSON, archived, biomarker, counted, on_day, score

AVERY = UserId("sandbox-avery")
STORED = ReadPolicy.DATABASE


async def all_biomarkers(product: Product, size: int, policy: ReadPolicy, **wanted: object) -> list[RecordPage[Biomarker]]:
    """Every page of a list."""
    pages: list[RecordPage[Biomarker]] = []
    after: str | None = None
    while after is not None or not pages:
        page = await product.services.health_data.biomarkers(AVERY, policy=policy, first=size, after=after, **wanted)  # type: ignore[arg-type]
        pages.append(page)
        after = page.cursors[-1] if page.has_next else None
    return pages


async def test_the_last_seven_of_the_persons_own_days_live(database_url: str) -> None:
    async with open_product(database_url) as product:
        biomarkers = await product.services.health_data.biomarkers(AVERY)
        scores = await product.services.health_data.scores(AVERY)
        assert (biomarkers.total_count, len(biomarkers.items), biomarkers.has_next) == (156, 156, False)
        assert (scores.total_count, len(scores.items), scores.has_next) == (89, 89, False)
        for page in (biomarkers, scores):
            assert (page.source, {row.source for row in page.items}) == (DataSource.LIVE, {DataSource.LIVE})
            assert page.as_of is not None
            assert timedelta(0) <= page.as_of - MORNING < timedelta(minutes=1)
        starts = [row.start_date_time for row in biomarkers.items]
        assert starts == sorted(starts, reverse=True)


async def test_the_first_page_asks_once_and_the_others_read_what_it_stored(database_url: str) -> None:
    async with open_product(database_url) as product:
        pages = await all_biomarkers(product, 50, ReadPolicy.LIVE_FIRST)
        assert await product.calls("biomarker") == 1
        assert [len(page.items) for page in pages] == [50, 50, 50, 6]
        assert [page.source for page in pages] == [DataSource.LIVE] + [DataSource.DATABASE] * 3
        assert [(page.has_previous, page.total_count) for page in pages] == [(False, 156)] + [(True, 156)] * 3
        found = [row.id for page in pages for row in page.items]
        whole = await product.services.health_data.biomarkers(AVERY, policy=STORED, first=500)
        assert found == [row.id for row in whole.items]
        assert len(set(found)) == 156
        assert await product.calls("biomarker") == 1


async def test_pages_stay_where_they_are_while_rows_arrive(database: Database, database_url: str) -> None:
    old = [on_day(biomarker(type=f"kind-{kind}"), -day) for day in range(4) for kind in range(3)]
    await archived(database, old, [], MORNING)
    async with open_product(database_url) as product:
        health_data = product.services.health_data
        first = await health_data.biomarkers(PERSON, policy=STORED, first=5)
        newer = [on_day(biomarker(type=f"kind-{kind}"), 1) for kind in range(3)]
        await archived(database, [*newer, on_day(counted(9, type="kind-9"), -3)], [], MORNING)
        second = await health_data.biomarkers(PERSON, policy=STORED, first=50, after=first.cursors[-1])
        seen = Counter((row.start_date_time, row.type) for page in (first, second) for row in page.items)
        assert set(seen.values()) == {1}
        assert {(row.start_date_time, row.type) for row in old} <= set(seen)
        assert (first.total_count, second.total_count) == (12, 16)


async def test_a_list_holds_what_was_asked_for(database_url: str) -> None:
    async with open_product(database_url) as product:
        health_data = product.services.health_data
        whole = (await health_data.biomarkers(AVERY, first=500)).items
        sleep = await health_data.biomarkers(AVERY, policy=STORED, categories=("sleep",), first=500)
        steps = await health_data.biomarkers(AVERY, policy=STORED, types=("steps", "nothing"), first=500)
        both = await health_data.biomarkers(AVERY, policy=STORED, categories=("sleep",), types=("steps",))
        none = await health_data.biomarkers(AVERY, policy=STORED, categories=())
        assert {row.id for row in sleep.items} == {row.id for row in whole if row.category == "sleep"}
        assert [row.type for row in steps.items] == ["steps"] * 7
        assert [page.total_count for page in (sleep, steps, both, none)] == [len(sleep.items), 7, 0, 0]
        readiness = await health_data.scores(AVERY, policy=STORED, types=("readiness",), first=3)
        assert (len(readiness.items), readiness.has_next, readiness.total_count) == (3, True, 7)


async def test_bounds_are_those_of_windows(database_url: str) -> None:
    noon = datetime.fromisoformat("2026-03-09T12:00:00-04:00")
    async with open_product(database_url) as product:
        health_data = product.services.health_data
        await health_data.biomarkers(AVERY)
        page = await health_data.biomarkers(AVERY, policy=STORED, start=noon, end=noon + timedelta(hours=1), first=500)
        assert {row.start_date_time <= noon < row.end_date_time for row in page.items} == {True}
        assert {row.category for row in page.items} >= {"activity", "sleep", "vitals"}
        day = await health_data.scores(AVERY, policy=STORED, start=noon, end=noon + timedelta(hours=1))
        assert {row.score_date_time.date() for row in day.items} == {noon.date()}
        week = await health_data.scores(AVERY, policy=STORED, end=noon, first=500)
        assert {(noon - row.score_date_time).days for row in week.items} <= set(range(8))


async def test_a_longer_list_asks_about_its_own_days(database_url: str) -> None:
    async with open_product(database_url) as product:
        start = MORNING - timedelta(days=30)
        page = await product.services.health_data.biomarkers(AVERY, start=start, first=500)
        assert page.source is DataSource.LIVE
        assert page.total_count is not None
        assert page.total_count > 600
        stored = await all_biomarkers(product, 500, STORED, start=start)
        assert sum(len(each.items) for each in stored) == page.total_count
        oldest = await product.services.health_data.scores(AVERY, start=MORNING - timedelta(days=200), first=500)
        assert {row.source for row in oldest.items} == {DataSource.LIVE}
        assert await product.calls("score") == 2


async def test_a_failing_sahha_leaves_what_is_stored(database_url: str) -> None:
    async with open_product(database_url) as product:
        health_data = product.services.health_data
        live = await health_data.scores(AVERY)
        await product.set_faults({"kind": "down"})
        stored = await health_data.scores(AVERY)
        assert (stored.source, stored.as_of) == (DataSource.DATABASE, live.as_of)
        assert [replace(row, source=DataSource.LIVE, as_of=MORNING) for row in stored.items] == [
            replace(row, as_of=MORNING) for row in live.items
        ]
        with pytest.raises(HealthDataUnavailableError):
            await health_data.scores(UserId("sandbox-blake"))
        never = await health_data.scores(UserId("sandbox-blake"), policy=STORED)
        assert (never.items, never.as_of, never.source) == ((), None, DataSource.DATABASE)


async def test_a_row_that_sahha_no_longer_tells_is_told_apart(database: Database, database_url: str) -> None:
    async with open_product(database_url) as product:
        gone = replace(score(type="retired"), score_date_time=MORNING - timedelta(days=1))
        await archived(database, [], [gone], MORNING, person=AVERY)
        page = await product.services.health_data.scores(AVERY)
        assert page.source is DataSource.MIXED
        assert [row.type for row in page.items if row.source is DataSource.DATABASE] == ["retired"]


@pytest.mark.parametrize(
    "after",
    [
        "",
        "x",
        "bm9wZQ",
        "é",
        "\0",
        cursor_of((MORNING, "a", "b")),
        cursor_of((MORNING, "a\0", "b", "c")),
        "WzFlNDAwLCJhIiwiYiIsImMiXQ",
    ],
)
async def test_a_cursor_of_elsewhere_is_refused(database_url: str, after: str) -> None:
    async with open_product(database_url) as product:
        with pytest.raises(BadUserInput) as refused:
            await product.services.health_data.biomarkers(AVERY, after=after)
        assert refused.value.field == ("after",)
        assert await product.calls("biomarker") == 0


def test_a_cursor_is_of_the_natural_key_alone() -> None:
    row: Score = score()
    assert cursor_of((row.score_date_time, row.type)) == cursor_of((row.score_date_time.astimezone(), row.type))


async def test_a_row_of_a_stored_page_reads_like_the_biomarker_that_it_is(database_url: str) -> None:
    names = [each.name for each in fields(Biomarker)] + ["value_unit", "meaning", "measured_at", "age_seconds"]
    async with open_product(database_url) as product:
        await product.services.health_data.biomarkers(AVERY)
        page = await product.services.health_data.biomarkers(AVERY, policy=STORED, first=500)
        as_of = page.items[0].as_of
        async with product.services.database.connection() as connection:
            rows = await read_biomarkers(connection, AVERY, MORNING.date() - timedelta(days=6), MORNING.date(), as_of)
    assert len(rows) == 156
    for shown, row in zip(page.items, rows, strict=True):
        assert [getattr(shown, name) for name in names] == [getattr(row, name) for name in names]
        assert shown.start_date_time.utcoffset() == row.start_date_time.utcoffset()


async def test_a_count_that_nobody_asks_for_is_not_made(database_url: str) -> None:
    async with open_product(database_url) as product:
        page = await product.services.health_data.biomarkers(AVERY, first=5, counted=False)
        assert (page.total_count, page.has_next) == (None, True)
