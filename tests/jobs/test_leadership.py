"""Replicas: one leads, each occurrence is run once, a lead that is lost is taken over (reliability.md, P8, D1, D2, P4)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from scheduler.runner import Scheduler
from services.domain.job_runs import JobRunStatus, SchedulerHealth
from services.errors import Unavailable
from services.store import job_runs, migrations
from services.store import scheduler as store
from services.store.embedded import embedded_postgres
from tests.jobs.replicas import (
    PATIENCE_S,
    QUICK,
    Counted,
    by_hand,
    end_sessions,
    job,
    never,
    replica,
    runs_of,
    until,
    until_health,
    until_leading,
    until_runs,
)
from tests.product import Product, open_product


@pytest.fixture
async def product(database_url: str) -> AsyncIterator[Product]:
    async with open_product(database_url) as opened:
        yield opened


async def both(one: Scheduler, other: Scheduler) -> tuple[Scheduler, Scheduler]:
    """The one that leads, and the one that stands by."""

    async def settled() -> bool:
        return {(await each.status()).health for each in (one, other)} == {SchedulerHealth.RUNNING, SchedulerHealth.STANDBY}

    await until(settled)
    return (one, other) if (await one.status()).leader else (other, one)


class TestTwoReplicas:
    async def test_one_leads_and_the_other_stands_by(self, product: Product) -> None:
        async with replica(product, never(Counted())) as one, replica(product, never(Counted())) as other:
            leader, standby = await both(one, other)
            leading, waiting = await leader.status(), await standby.status()
        assert (leading.leader, leading.running, waiting.leader, waiting.running) == (True, True, False, True)
        assert leading.instance_id != waiting.instance_id
        assert leading.jobs == waiting.jobs

    async def test_each_occurrence_is_run_once(self, product: Product) -> None:
        counted = Counted()
        async with replica(product, job(counted)) as one, replica(product, job(counted)):
            runs = await until_runs(one, 3)
        assert counted.begun == len({run.scheduled_at for run in runs}) == len(runs)
        assert len({run.instance_id for run in runs}) == 1

    async def test_two_that_both_believe_to_lead_run_an_occurrence_once(self, product: Product) -> None:
        now = product.services.clock.now()
        async with product.services.database.connection() as one, product.services.database.connection() as other:
            begun = await asyncio.gather(
                job_runs.begin(one, "counted", "one", now, now), job_runs.begin(other, "counted", "other", now, now)
            )
        assert sum(run is not None for run in begun) == 1

    async def test_a_run_that_was_begun_and_not_acknowledged_is_still_the_same(self, product: Product) -> None:
        now = product.services.clock.now()
        async with product.services.database.connection() as connection:
            run = await job_runs.begin(connection, "counted", "one", now, now)
            assert run is not None
            again = await job_runs.begin(connection, "counted", "one", now, now, run_id=run.id)
        assert again == run

    async def test_a_leader_that_stops_hands_over_at_once(self, product: Product) -> None:
        counted = Counted()
        async with replica(product, job(counted)) as standby:
            await until_leading(standby)
            async with replica(product, job(counted)) as late:
                await until_health(late, SchedulerHealth.STANDBY)
            async with product.services.database.connection() as connection:
                assert await connection.fetchval("select count(*) from scheduler_instances where enabled") == 1

    async def test_whoever_stands_by_takes_over_a_lead_that_is_given_up(self, product: Product) -> None:
        counted = Counted()
        first = replica(product, job(counted))
        leader = await first.__aenter__()
        await until_leading(leader)
        async with replica(product, job(counted)) as standby:
            await first.__aexit__(None, None, None)
            await until_health(standby, SchedulerHealth.RUNNING)
            await until_runs(standby, counted.begun + 2)
        async with product.services.database.connection() as connection:
            rows = await connection.fetch("select scheduled_at from job_runs")
        assert len({row["scheduled_at"] for row in rows}) == len(rows) == counted.begun

    async def test_a_pause_and_a_run_by_hand_on_the_standby_count(self, product: Product) -> None:
        counted = Counted()
        async with replica(product, job(counted)) as one, replica(product, job(counted)) as other:
            leader, standby = await both(one, other)
            await standby.pause_job("counted")
            await asyncio.sleep(0.1)
            begun = counted.begun
            stream = await leader.events()
            run = await by_hand(standby)
            assert run.instance_id == (await standby.status()).instance_id
            told = [await anext(stream), await anext(stream)]
            await stream.aclose()
            await asyncio.sleep(1.2)
            assert counted.begun == begun + 1
            for each in (one, other):
                (shown,) = (await each.status()).jobs
                assert (shown.paused, shown.next_run) == (True, None)
        assert [(seen.id, seen.status) for seen in told] == [(run.id, JobRunStatus.RUNNING), (run.id, JobRunStatus.SUCCEEDED)]


class Unlocked(Scheduler):
    """Loses its lock, not its session, right after it was first held."""

    changes: tuple[str, ...] = ()

    async def lead_held(self, connection: asyncpg.Connection, *, newly: bool) -> None:
        await super().lead_held(connection, newly=newly)
        if newly:
            self.changes += ("held",)
        if self.changes == ("held",):
            await connection.execute("select pg_advisory_unlock_all()")

    def lead_lost(self) -> None:
        super().lead_lost()
        self.changes += ("lost",)


@asynccontextmanager
async def silent_leader(product: Product) -> AsyncIterator[asyncpg.Connection]:
    """What a process that was stopped a moment ago leaves in the database: a session with the lead, and a last heartbeat."""
    idle_ms = str(round(QUICK.session_s * 1000))
    session = await asyncpg.connect(product.services.database_url, server_settings={"idle_session_timeout": idle_ms})
    try:
        assert await store.take_lead(session)
        await store.beat(session, "silent", enabled=True, leads=True)
        yield session
    finally:
        session.terminate()


class TestLostLeads:
    async def test_the_lead_goes_with_the_session_and_comes_back(self, product: Product) -> None:
        counted = Counted()
        async with replica(product, job(counted)) as scheduler:
            await until_runs(scheduler, 1)
            assert await end_sessions(product) == 1
            await until_runs(scheduler, counted.begun + 2)
        assert len({run.scheduled_at for run in await runs_of(scheduler)}) == counted.begun

    async def test_a_leader_whose_lock_is_gone_stops_firing(self, product: Product) -> None:
        """As when a pooler's `discard all` takes it away: the leader sees it at its next heartbeat, and may lead anew."""
        scheduler = Unlocked(product.services, (never(Counted()),), QUICK)
        async with scheduler.running():
            async with asyncio.timeout(PATIENCE_S):
                while scheduler.changes[:3] != ("held", "lost", "held"):
                    await asyncio.sleep(0.02)

    async def test_a_leader_that_stands_still_is_seen_and_replaced(self, product: Product) -> None:
        """Its session is the server's to end; what it fires after that, before it knows, is refused."""
        async with silent_leader(product) as session:
            async with replica(product, never(Counted())) as standby:
                seen = []

                async def took_over() -> bool:
                    seen.append((await standby.status()).health)
                    return seen[-1] is SchedulerHealth.RUNNING

                await until(took_over)
            assert SchedulerHealth.STALLED in seen
            with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
                await session.fetchval("select 1")

    async def test_a_run_whose_process_died_is_shown_timed_out_and_the_next_one_happens(self, product: Product) -> None:
        now = product.services.clock.now()
        async with product.services.database.connection() as connection:
            dead = await job_runs.begin(connection, "counted", "dead", now, now)
        assert dead is not None
        async with replica(product, job(Counted())) as scheduler:
            runs = await until_runs(scheduler, 1, JobRunStatus.TIMED_OUT)
            await until_runs(scheduler, 2)
        (lost,) = [run for run in runs if run.status is JobRunStatus.TIMED_OUT]
        assert (lost.id, lost.detail) == (dead.id, "its process ended, or it hung")
        assert lost.finished_at is not None

    async def test_a_run_of_a_living_process_is_left_alone_on_any_replica(self, product: Product) -> None:
        done = asyncio.Event()

        async def long() -> None:
            await done.wait()

        async with replica(product, never(Counted(long))) as one, replica(product, never(Counted(long))) as other:
            _, standby = await both(one, other)
            run = await by_hand(standby)
            await asyncio.sleep(3)  # longer than a silence that means death
            assert (await runs_of(one))[0].status is JobRunStatus.RUNNING
            done.set()
            (ended,) = await until_runs(one, 1)
        assert ended.id == run.id


class TestDatabase:
    async def test_one_that_comes_late_and_restarts_is_survived(self, open_folder: Path) -> None:
        counted = Counted()
        folder = open_folder / "data"
        async with embedded_postgres(folder) as server:
            await migrations.migrate(server.url)
            url = server.url
        async with open_product(url) as product, replica(product, job(counted)) as scheduler:
            assert not scheduler._leadership.leading
            with pytest.raises(Unavailable):
                await scheduler.status()
            for _ in range(2):
                async with embedded_postgres(folder) as server:
                    assert server.url == url
                    before = counted.begun
                    await until_leads_again(scheduler)
                    await until_runs(scheduler, before + 1)
                async with asyncio.timeout(5):
                    while scheduler._leadership.leading:
                        await asyncio.sleep(0.02)

    async def test_tables_that_are_made_late_are_waited_for(self, empty_database_url: str) -> None:
        async with open_product(empty_database_url) as product, replica(product, job(Counted())) as scheduler:
            await asyncio.sleep(0.5)
            await migrations.migrate(empty_database_url)
            await until_runs(scheduler, 1)


async def until_leads_again(scheduler: Scheduler) -> None:
    async with asyncio.timeout(10):
        while not scheduler._leadership.leading:
            await asyncio.sleep(0.02)
