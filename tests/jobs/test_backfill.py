"""`firstlight backfill`: the past of many people, from where it was left, and no pressure on a Sahha that is down."""

from datetime import timedelta
from pathlib import Path

import pytest

from server.backfilling import read_people
from server.starting import StartError
from services.backfill import BackfillReport
from services.domain.ids import UserId
from services.store.database import Database
from tests.jobs.warm import asked_for, person, reads
from tests.product import MORNING, Product, open_product

AVERY, BLAKE = UserId("sandbox-avery"), UserId("sandbox-blake")
NOBODY = UserId("nobody")


async def run(product: Product, whom: list[UserId] | None, days: int = 60) -> tuple[BackfillReport, int]:
    """The report, and how many people the bar was told of."""
    done: list[int] = []
    report = await product.services.backfill.run(whom, days, done.append)
    return report, sum(done)


async def days_stored(database: Database, user_id: UserId) -> int:
    async with database.connection() as connection:
        return int(await connection.fetchval("select count(distinct day) from biomarkers where user_id = $1", user_id))


async def test_it_fetches_the_past_once(database: Database, database_url: str) -> None:
    async with open_product(database_url) as product:
        report, told = await run(product, [AVERY, NOBODY])
        assert (report.fetched, report.already, report.unknown, report.failed, told) == (1, 0, 1, 0, 2)
        assert report.rows > 1000
        assert report.stopped_by is None
        assert await days_stored(database, AVERY) >= 60
        asked = await reads(product)
        again, _ = await run(product, [AVERY])
        assert (again.fetched, again.already, again.rows) == (0, 1, 0)
        assert await reads(product) == asked
        longer, _ = await run(product, [AVERY], 70)
        assert longer.fetched == 1
        assert (await reads(product))[AVERY] == asked[AVERY] + 1
        assert await person(database, AVERY, "last_asked_at") is None


async def test_everybody_known_is_everybody_seen(database: Database, database_url: str) -> None:
    async with open_product(database_url) as product:
        await asked_for(database, [AVERY], MORNING - timedelta(days=40))
        await asked_for(database, [BLAKE], MORNING)
        assert await product.services.backfill.count_known() == 2
        report, told = await run(product, None, 20)
        assert (report.fetched, told) == (2, 2)


async def test_an_outage_stops_it_and_the_next_run_goes_on(database_url: str) -> None:
    crowd = [UserId(f"generated-{number:05}") for number in range(1, 31)]
    async with open_product(database_url, crowd=50) as product:
        first, _ = await run(product, crowd[:2], 20)
        assert first.fetched == 2
        await product.set_faults({"kind": "status", "status": 401})
        stopped, told = await run(product, crowd, 20)
        assert stopped.stopped_by is not None
        assert told < 10
        assert len(await reads(product)) < 10
    async with open_product(database_url, crowd=50) as product:
        done, told = await run(product, crowd[:6], 20)
        assert (done.fetched, done.already, told) == (4, 2, 6)
        assert not {*crowd[:2]} & set(await reads(product))


async def test_a_failure_is_passed_by_and_what_was_done_stays_done(database: Database, database_url: str) -> None:
    async with open_product(database_url) as product:
        # The first read of two is whole, the second one is not.
        await product.set_faults({"match": "score", "kind": "garbage", "skip": 1})
        report, told = await run(product, [AVERY], 50)
        assert (report.fetched, report.failed, told) == (0, 1, 1)
        asked = (await reads(product))[AVERY]
        await product.set_faults()
        report, _ = await run(product, [AVERY], 50)
        assert report.fetched == 1
        assert (await reads(product))[AVERY] == asked + 1
    async with database.connection() as connection:
        assert await connection.fetchval("select failure from backfills") is None


def test_people_are_read_from_a_file_once_each(tmp_path: Path) -> None:
    listed = tmp_path / "people"
    listed.write_text("one\n\n two \none\nzoë\n")
    assert read_people(listed) == ["one", "two", "zoë"]


@pytest.mark.parametrize("content", [b"\xff", b"fine\n" + b"x" * 129, b"a\0b"])
def test_what_is_no_list_of_people_is_refused(tmp_path: Path, content: bytes) -> None:
    listed = tmp_path / "people"
    listed.write_bytes(content)
    with pytest.raises(StartError):
        read_people(listed)
    with pytest.raises(StartError):
        read_people(tmp_path / "missing")
