"""Live first, honestly: one fetch for all who ask, the missing part from the database, and never one called the other."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from server.standins.sahha import create_sahha_standin
from server.standins.serving import serve_standin
from services.clock import clock_starting_at
from services.domain.freshness import assess
from services.domain.health import Biomarker, DataSource, DataState, HealthRecords, ReadPolicy, Score
from services.domain.ids import UserId
from services.errors import HealthDataUnavailableError, PersonNotFound, Unavailable
from services.sahha.catalogue import CATEGORIES
from tests.product import MORNING, Product, open_product

AVERY = UserId("sandbox-avery")
CASEY = UserId("sandbox-casey")
NEW_YORK = ZoneInfo("America/New_York")
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
LIVE, STORED = ReadPolicy.LIVE_FIRST, ReadPolicy.DATABASE
HURT = {"kind": "status", "status": 500}

Refuses = Callable[[Scope], bool]


async def week(product: Product, policy: ReadPolicy = LIVE, person: UserId = AVERY) -> HealthRecords:
    return await product.services.health_data.read_week(person, NEW_YORK, policy, 12)


def unsourced(rows: tuple[Biomarker, ...] | tuple[Score, ...]) -> list[Biomarker | Score]:
    """The rows without what must differ between a live and a stored one."""
    return [replace(row, source=DataSource.LIVE, as_of=MORNING) for row in rows]


def sources(rows: tuple[Biomarker, ...] | tuple[Score, ...]) -> set[DataSource]:
    return {row.source for row in rows}


@asynccontextmanager
async def partly_failing(database_url: str, refuses: Refuses, at: datetime = MORNING) -> AsyncIterator[Product]:
    """The product with a Sahha that answers 500 to the requests that `refuses` names."""
    standin = create_sahha_standin(clock_starting_at(at))

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        app: ASGIApp = JSONResponse({}, 500) if scope["type"] == "http" and refuses(scope) else standin
        await app(scope, receive, send)

    async with serve_standin(answer) as url, open_product(database_url, at=at, sahha_url=url) as product:
        yield product


def names(category: str) -> Refuses:
    """Requests of biomarkers that ask for this category, alone or among others."""
    return lambda scope: "/profile/biomarker/" in scope["path"] and f"categories={category}".encode() in scope["query_string"]


async def test_all_who_ask_at_once_share_one_fetch(database_url: str) -> None:
    async with open_product(database_url) as product:
        health_data = product.services.health_data
        weeks, snapshots = await asyncio.gather(
            asyncio.gather(*(week(product) for _ in range(4))),
            asyncio.gather(*(health_data.snapshot(AVERY, LIVE) for _ in range(4))),
        )
        assert {read.source for read in weeks} | {read.source for read in snapshots} == {DataSource.LIVE}
        assert [await product.calls(kind) for kind in ("biomarker", "score", "profile")] == [1, 1, 1]


async def test_a_read_goes_on_when_the_one_who_asked_is_gone(database_url: str) -> None:
    async with open_product(database_url) as product:
        await product.set_faults({"match": "biomarker", "kind": "delay", "delay_s": 0.3})
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await week(product)
        async with asyncio.timeout(10):
            while (await week(product, STORED)).empty:
                await asyncio.sleep(0.05)
        assert await product.calls("biomarker") == 1


async def test_stored_data_is_what_live_data_was_value_by_value(database_url: str) -> None:
    async with open_product(database_url) as product:
        live, stored = await week(product), await week(product, STORED)
        assert (len(live.biomarkers), len(live.scores)) == (156, 89)
        assert unsourced(stored.biomarkers) == unsourced(live.biomarkers)
        assert unsourced(stored.scores) == unsourced(live.scores)
        assert sources(stored.biomarkers) == sources(stored.scores) == {DataSource.DATABASE}
        fresh, kept = [await product.services.health_data.snapshot(AVERY, policy) for policy in (LIVE, STORED)]
        assert (fresh.source, kept.source) == (DataSource.LIVE, DataSource.DATABASE)
        assert unsourced(kept.biomarkers) == unsourced(fresh.biomarkers)
        assert unsourced(kept.scores) == unsourced(fresh.scores)
        assert (kept.state, kept.missing_categories) == (fresh.state, fresh.missing_categories)


async def test_an_outage_falls_back_to_the_same_values(database_url: str) -> None:
    async with open_product(database_url) as product:
        live = await week(product)
        await product.set_faults({"kind": "down"})
        fallen = await week(product)
        assert (fallen.source, sources(fallen.biomarkers)) == (DataSource.DATABASE, {DataSource.DATABASE})
        assert unsourced(fallen.biomarkers) == unsourced(live.biomarkers)
        assert fallen.failure is not None
        assert (await product.services.health_data.snapshot(AVERY, LIVE)).source is DataSource.DATABASE


async def test_one_category_that_fails_is_filled_in_and_says_so(database_url: str) -> None:
    async with open_product(database_url) as product:
        whole = await week(product)
    async with partly_failing(database_url, names("sleep")) as product:
        mixed = await week(product)
        snapshot = await product.services.health_data.snapshot(AVERY, LIVE)
    assert (mixed.source, snapshot.source) == (DataSource.MIXED, DataSource.MIXED)
    assert mixed.failure is not None
    for rows in (mixed.biomarkers, snapshot.biomarkers):
        assert sources(tuple(row for row in rows if row.category == "sleep")) == {DataSource.DATABASE}
        assert sources(tuple(row for row in rows if row.category != "sleep")) == {DataSource.LIVE}
    assert sources(mixed.scores) == {DataSource.LIVE}
    assert unsourced(mixed.biomarkers) == unsourced(whole.biomarkers)


async def test_what_was_never_stored_is_missing_and_said_to_be(database_url: str) -> None:
    async with partly_failing(database_url, names("sleep")) as product:
        mixed = await week(product)
        assert (mixed.source, {row.category for row in mixed.biomarkers} & {"sleep", "vitals"}) == (DataSource.MIXED, {"vitals"})
        assert assess(mixed, mixed.as_of)[1] == ("sleep",)
        async with product.services.database.connection() as connection:
            assert await connection.fetchval("select last_live_at from people") is None


async def test_the_one_call_is_split_only_when_it_alone_fails(database_url: str) -> None:
    async with open_product(database_url) as product:
        await week(product)
        for fault, source, calls in (
            ({"match": "biomarker", "times": 1}, DataSource.LIVE, 2),
            ({"match": "biomarker", "times": 3}, DataSource.LIVE, 3 + len(CATEGORIES)),
            ({"match": "*"}, DataSource.DATABASE, 3),
        ):
            before = await product.calls("biomarker")
            await product.set_faults({**fault, **HURT})
            assert (await week(product)).source is source
            assert await product.calls("biomarker") - before <= calls


async def test_scores_that_fail_alone_come_from_the_database(database_url: str) -> None:
    async with open_product(database_url) as product:
        whole = await week(product)
        await product.set_faults({"match": "score", "kind": "truncate"})
        mixed = await week(product)
        assert (mixed.source, sources(mixed.biomarkers), sources(mixed.scores)) == (
            DataSource.MIXED,
            {DataSource.LIVE},
            {DataSource.DATABASE},
        )
        assert unsourced(mixed.scores) == unsourced(whole.scores)


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 500}, {"kind": "hang"}, {"kind": "garbage"}])
async def test_a_read_is_whole_without_the_profile(database_url: str, fault: dict[str, object]) -> None:
    async with open_product(database_url) as product:
        await product.set_faults({"match": "profile", **fault})
        async with asyncio.timeout(6):
            assert (await week(product)).source is DataSource.LIVE


async def test_another_persons_profile_refuses_everything(database_url: str) -> None:
    async with open_product(database_url) as product:
        await product.set_faults({"match": "profile", "kind": "wrong_profile"})
        with pytest.raises(HealthDataUnavailableError):
            await week(product)
        async with product.services.database.connection() as connection:
            assert await connection.fetchval("select count(*) from biomarkers") == 0
            assert await connection.fetchval("select count(*) from scores") == 0


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_an_unknown_person_is_not_an_outage(database_url: str, status: int) -> None:
    async with open_product(database_url) as product:
        await product.set_faults({"match": "score", "kind": "status", "status": status})
        for read in (week(product), product.services.health_data.snapshot(AVERY, LIVE)):
            with pytest.raises(PersonNotFound):
                await read


async def test_nothing_ever_arrived_and_nothing_of_late_are_two_things(database_url: str) -> None:
    async with open_product(database_url) as product:
        nobody = await week(product, person=CASEY)
        assert (nobody.source, assess(nobody, nobody.as_of)[0]) == (DataSource.LIVE, DataState.NONE)
        await week(product)
    later = MORNING + timedelta(days=12)
    async with open_product(database_url, at=later) as product:
        await product.set_faults({"match": "biomarker|score", "kind": "empty"})
        for policy in (LIVE, STORED):
            quiet = await week(product, policy)
            assert (quiet.empty, assess(quiet, quiet.as_of)[0]) == (True, DataState.STALE)
            snapshot = await product.services.health_data.snapshot(AVERY, policy)
            assert (snapshot.state, sources(snapshot.biomarkers)) == (DataState.STALE, {DataSource.DATABASE})
            assert min(row.age_seconds for row in snapshot.biomarkers) > 11 * 86_400
        assert (await product.services.health_data.snapshot(AVERY, LIVE)).source is DataSource.MIXED


async def test_live_data_needs_no_database() -> None:
    async with open_product(NOWHERE) as product:
        records = await week(product)
        assert (records.source, len(records.biomarkers)) == (DataSource.LIVE, 156)
        snapshot = await product.services.health_data.snapshot(AVERY, LIVE)
        page = await product.services.health_data.biomarkers(AVERY, first=500)
        assert (snapshot.source, page.source, page.total_count) == (DataSource.LIVE, DataSource.LIVE, 156)
        with pytest.raises(Unavailable):
            await week(product, STORED)


async def test_a_zero_after_a_good_value_is_not_believed_and_told_as_stored(database_url: str) -> None:
    async with open_product(database_url) as product:
        whole = await week(product)
        await product.set_faults({"match": "biomarker", "kind": "edit", "types": ["steps"], "field": "value", "set": "0"})
        doubted = await week(product)
        # This morning there are no steps yet, and that is believed.
        steps = tuple(row for row in doubted.biomarkers if row.type == "steps" and row.number)
        assert (doubted.source, sources(steps)) == (DataSource.MIXED, {DataSource.DATABASE})
        assert unsourced(steps) == unsourced(tuple(row for row in whole.biomarkers if row.type == "steps" and row.number))
        assert len(steps) == 6
