"""The refresh job: everybody once a tick, no more calls than it takes, and an outage is left alone."""

import asyncio
import gc
import tracemalloc
from datetime import timedelta

from structlog.testing import capture_logs

from server.standins.serving import serve_standin
from services.domain.ids import UserId
from services.domain.outcomes import RefreshSahhaSuccess
from services.domain.problems import HealthDataUnavailable, NotFound
from services.store.database import Database
from tests.jobs.warm import asked_for, cheap_sahha, hurried, person, reads, set_person
from tests.product import MORNING, Product, open_product

AVERY = UserId("sandbox-avery")
MADE = "insert into people (user_id, last_asked_at, sync_queued_at) select 'p-' || n, $1, $1 from generate_series(1, $2) n"
CROWD = [UserId(f"generated-{number:05}") for number in range(1, 13)]


async def test_everybody_active_is_read_and_nobody_else(database: Database, database_url: str) -> None:
    async with hurried(database_url, crowd=20) as product:
        await asked_for(database, CROWD, MORNING)
        await asked_for(database, [AVERY], MORNING - timedelta(hours=25))
        with capture_logs() as logs:
            line = await product.services.health_data.refresh_active()
        assert line == "12 of 12 active people refreshed, 0 failed"
        assert await reads(product) == dict.fromkeys(CROWD, 1)
        events = [entry["event"] for entry in logs]
        assert "[SCHEDULER] Found 12 active users" in events
        assert "[SCHEDULER] ✅ Refreshed Sahha data for 12 users" in events


async def test_a_person_is_taken_once_a_tick_by_hand_again(database: Database, database_url: str) -> None:
    async with hurried(database_url) as product:
        health_data = product.services.health_data
        await asked_for(database, [AVERY], MORNING)
        await health_data.refresh_active()
        await health_data.refresh_active()
        assert await product.calls("biomarker") == 1
        assert await health_data.refresh_active(in_full=True) == "1 of 1 active people refreshed, 0 failed"
        assert await product.calls("biomarker") == 2


async def test_replicas_share_a_tick(database: Database, database_url: str) -> None:
    async with hurried(database_url, crowd=20) as one, hurried(database_url, crowd=20) as other:
        await asked_for(database, CROWD, MORNING)
        await asyncio.gather(*(each.services.health_data.refresh_active() for each in (one, other)))
        assert await reads(one) + await reads(other) == dict.fromkeys(CROWD, 1)


async def test_a_device_that_sent_nothing_costs_one_call(database: Database, database_url: str) -> None:
    async with hurried(database_url) as product:
        health_data = product.services.health_data
        await asked_for(database, [AVERY], MORNING)
        await health_data.refresh_active()
        seen_at = await person(database, AVERY, "device_seen_at")
        await set_person(database, AVERY, refresh_tick=None, covered_until=seen_at)
        assert await health_data.refresh_active() == "1 of 1 active people refreshed, 0 failed, 1 of them had nothing new"
        assert (await product.calls("biomarker"), await product.calls("profile")) == (1, 2)
        await set_person(database, AVERY, refresh_tick=None, covered_until=MORNING - timedelta(hours=20))
        await health_data.refresh_active()
        assert (await product.calls("biomarker"), await product.calls("profile")) == (2, 3)
        await set_person(
            database, AVERY, refresh_tick=None, covered_until=seen_at, last_live_at=MORNING - timedelta(hours=6, minutes=1)
        )
        await health_data.refresh_active()
        assert await product.calls("biomarker") == 3


async def test_what_arrived_just_before_a_read_may_not_be_in_it(database: Database, database_url: str) -> None:
    """Sahha takes a while to work through what a device sent, so only what was settled by then counts as read."""
    async with hurried(database_url) as product:
        await product.services.health_data.refresh(AVERY, force=True)
        seen_at, covered_until = [await person(database, AVERY, column) for column in ("device_seen_at", "covered_until")]
        read_at = await person(database, AVERY, "last_live_at")
        settled = seen_at <= read_at - timedelta(minutes=10)  # type: ignore[operator]
        assert covered_until == (seen_at if settled else None)


async def test_people_whose_webhooks_flow_are_passed_by(database: Database, database_url: str) -> None:
    async with hurried(database_url) as product:
        health_data = product.services.health_data
        await asked_for(database, [AVERY], MORNING)
        await health_data.refresh_active()
        await set_person(database, AVERY, refresh_tick=None, webhook_at=MORNING - timedelta(minutes=50))
        assert await health_data.refresh_active() == "0 of 1 active people refreshed, 0 failed, 1 kept warm by webhooks"
        assert await product.calls("biomarker") == await product.calls("profile") == 1
        await set_person(database, AVERY, refresh_tick=None, last_live_at=MORNING - timedelta(hours=7))
        assert (await health_data.refresh_active()).startswith("1 of 1")


async def test_polling_takes_over_where_webhooks_fall_silent(database: Database, database_url: str) -> None:
    async with hurried(database_url) as product:
        health_data = product.services.health_data
        await asked_for(database, [AVERY], MORNING)
        await set_person(database, AVERY, webhook_at=MORNING - timedelta(hours=3), last_live_at=MORNING)
        with capture_logs() as logs:
            line = await health_data.refresh_active()
        assert line == "1 of 1 active people refreshed, 0 failed, 1 polled because their webhooks fell silent"
        assert any(entry["event"].startswith("[WEBHOOK] Events have stopped") for entry in logs)
        await set_person(database, AVERY, refresh_tick=None, webhook_at=MORNING - timedelta(days=4))
        assert "silent" not in await health_data.refresh_active()


async def test_one_persons_failure_is_recorded_and_passed_by(database: Database, database_url: str) -> None:
    async with hurried(database_url, crowd=20) as product:
        health_data = product.services.health_data
        gone, ill = CROWD[3], CROWD[5]
        await asked_for(database, CROWD, MORNING)
        await product.set_faults(
            {"person": gone, "match": "*", "kind": "status", "status": 404},
            {"person": ill, "match": "score", "kind": "status", "status": 400},
        )
        assert await health_data.refresh_active() == "10 of 12 active people refreshed, 2 failed"
        assert await person(database, gone, "refresh_failure") == "PersonNotFound"
        assert await person(database, ill, "refresh_failure") == "UpstreamStatus"
        await product.set_faults()
        await health_data.refresh_active(in_full=True)
        assert [await person(database, each, "refresh_failure") for each in (gone, ill)] == [None, None]


async def test_an_outage_ends_the_run_early(database: Database, database_url: str) -> None:
    crowd = [UserId(f"generated-{number:05}") for number in range(1, 201)]
    async with hurried(database_url, crowd=300) as product:
        await asked_for(database, crowd, MORNING)
        await product.set_faults({"kind": "status", "status": 500})
        line = await product.services.health_data.refresh_active()
        assert line.startswith("0 of 200 active people refreshed")
        assert "stopped early, Sahha is down" in line
        assert len(await reads(product)) < 60


async def test_a_rejected_credential_ends_the_run_at_once(database: Database, database_url: str) -> None:
    async with hurried(database_url, crowd=50) as product:
        await asked_for(database, CROWD, MORNING)
        await product.set_faults({"match": "*", "kind": "status", "status": 401})
        assert "stopped early" in await product.services.health_data.refresh_active()
        assert await product.calls("token") <= 30


async def test_refresh_honours_force(database_url: str) -> None:
    async with open_product(database_url) as product:
        health_data = product.services.health_data
        first = await health_data.refresh(AVERY, force=False)
        again = await health_data.refresh(AVERY, force=False)
        forced = await health_data.refresh(AVERY, force=True)
        assert isinstance(first, RefreshSahhaSuccess)
        assert isinstance(again, RefreshSahhaSuccess)
        assert isinstance(forced, RefreshSahhaSuccess)
        assert first.changed == first.biomarkers + first.scores > 245
        assert (again.changed, again.fetched_at, again.biomarkers > 0) == (0, first.fetched_at, True)
        assert (forced.changed, forced.biomarkers, forced.fetched_at > first.fetched_at) == (0, first.biomarkers, True)
        assert await product.calls("biomarker") == 2


async def test_refresh_says_what_is_wrong(database_url: str) -> None:
    async with open_product(database_url) as product:
        health_data = product.services.health_data
        assert isinstance(await health_data.refresh(UserId("nobody"), force=True), NotFound)
        await product.set_faults({"match": "score", "kind": "garbage"})
        in_part = await health_data.refresh(AVERY, force=True)
        assert isinstance(in_part, HealthDataUnavailable)
        assert "in part" in in_part.message
        await product.set_faults({"kind": "down"})
        assert isinstance(await health_data.refresh(AVERY, force=False), HealthDataUnavailable)


async def memory_of_run(database: Database, product: Product, count: int) -> tuple[int, int]:
    """Bytes that a run for so many people leaves behind, and the most that it held at once."""
    async with database.connection() as connection:
        await connection.execute("delete from people")
        await connection.execute(MADE, MORNING, count)
    line = await product.services.health_data.refresh_active(in_full=True)
    assert line == f"{count} of {count} active people refreshed, 0 failed"
    gc.collect()
    left, most = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    return left, most


async def test_many_people_take_no_more_memory_than_few(database: Database, database_url: str) -> None:
    """The breaker and the test remember ids for a while; of whom else a run has seen it keeps nothing."""
    seen: set[str] = set()
    async with serve_standin(cheap_sahha(seen)) as url, hurried(database_url, sahha_url=url) as product:
        tracemalloc.start()
        try:
            await memory_of_run(database, product, 110)
            (left, most), (left_of_many, most_of_many) = [await memory_of_run(database, product, count) for count in (110, 500)]
        finally:
            tracemalloc.stop()
    assert len(seen) == 500
    assert (left_of_many - left) / 390 < 500
    assert most_of_many < 2 * most
