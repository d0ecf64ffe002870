"""What a plan does not wait for: the baseline and the behaviour labels, wanted in a row that outlives every job."""

import asyncio
from datetime import timedelta

import pytest

from services.domain.ids import UserId
from services.errors import UpstreamError
from services.store import people, queue
from services.store.database import Database
from tests.jobs.warm import person, set_person
from tests.product import MORNING, Product, open_product

AVERY = UserId("sandbox-avery")


async def jobs(database: Database) -> int:
    async with database.connection() as connection:
        return int(
            await connection.fetchval("select count(*) from pgqueuer where entrypoint = $1", queue.Entrypoint.SYNC_SAHHA_DATA)
        )


async def read_once(product: Product) -> None:
    await product.services.health_data.refresh(AVERY, force=True)


async def test_a_first_live_read_wants_one_and_then_one_in_six_hours(database: Database, database_url: str) -> None:
    async with open_product(database_url) as product:
        for _ in range(3):
            await read_once(product)
        assert await jobs(database) == 1
        assert await person(database, AVERY, "sync_wanted_at") is not None
        await set_person(database, AVERY, sync_queued_at=MORNING - timedelta(hours=6, minutes=1))
        await read_once(product)
        assert await person(database, AVERY, "sync_queued_at") >= MORNING  # type: ignore[operator]
        assert await jobs(database) == 1


async def test_it_brings_the_baseline_and_the_labels(database: Database, database_url: str) -> None:
    async with open_product(database_url) as product:
        await read_once(product)
        assert await product.services.health_data.sync(AVERY) is False
        assert await person(database, AVERY, "sync_wanted_at") is None
        async with database.connection() as connection:
            days = await connection.fetchval("select count(distinct day) from biomarkers where user_id = $1", AVERY)
            newest = await connection.fetchval("select max(start_at) from latest_biomarkers where type = 'steps'")
        assert days >= 28
        assert newest == MORNING.replace(hour=0, minute=0)
        labels = await product.services.health_data.labels(AVERY)
        assert {label.name for label in labels} >= {"activity_level", "sleep_duration", "sleep_regularity"}
        assert await product.services.health_data.sync(AVERY) is False


async def test_a_wish_during_a_running_sync_is_not_lost(database: Database, database_url: str) -> None:
    async with open_product(database_url) as product:
        await read_once(product)
        await product.set_faults({"match": "archetypes", "kind": "delay", "delay_s": 0.5})
        running = asyncio.get_running_loop().create_task(product.services.health_data.sync(AVERY))
        async with asyncio.timeout(20):
            while await product.calls("archetypes") == 0:
                await asyncio.sleep(0.02)
        async with database.transaction() as connection:
            later = MORNING + timedelta(hours=7)
            assert await people.claim_sync(connection, AVERY, later, later - timedelta(hours=6))
            await queue.enqueue_sync(connection, AVERY)
        assert await running is True
        assert await person(database, AVERY, "sync_wanted_at") == later


async def test_a_sync_that_is_wanted_and_queued_nowhere_is_queued(database: Database, database_url: str) -> None:
    async with open_product(database_url) as product:
        await read_once(product)
        async with database.connection() as connection:
            await connection.execute("delete from pgqueuer")
        assert await product.services.health_data.requeue_lost_syncs() == 0
        await set_person(database, AVERY, sync_wanted_at=MORNING - timedelta(minutes=2))
        assert await product.services.health_data.requeue_lost_syncs() == 1
        assert await jobs(database) == 1
        assert await product.services.health_data.requeue_lost_syncs() == 0


async def test_a_part_that_is_missing_is_asked_for_again(database: Database, database_url: str) -> None:
    async with open_product(database_url) as product:
        await read_once(product)
        await product.set_faults({"match": "score", "kind": "garbage"})
        with pytest.raises(UpstreamError):
            await product.services.health_data.sync(AVERY)
        assert await person(database, AVERY, "sync_wanted_at") is not None
        await product.services.health_data.give_up_sync(AVERY)
        assert await person(database, AVERY, "sync_wanted_at") is None


async def test_a_person_who_is_gone_is_not_asked_for_again(database: Database, database_url: str) -> None:
    async with open_product(database_url) as product:
        await read_once(product)
        await product.set_faults({"kind": "status", "status": 410})
        assert await product.services.health_data.sync(AVERY) is False
        assert await person(database, AVERY, "sync_wanted_at") is None
