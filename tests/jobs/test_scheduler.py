"""One process: occurrences, deadlines, pauses, what is shown of them, and clocks that jump (reliability.md, P11, P13, T5-T7)."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import time_machine
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from scheduler.jobs import EPOCH, job_definitions
from scheduler.runner import Scheduler
from services.domain.ids import JobRunId
from services.domain.job_runs import JobRun, JobRunStatus, SchedulerHealth, SchedulerJob
from services.domain.outcomes import SchedulerJobSuccess
from services.domain.problems import NotFound
from services.errors import BadUserInput
from tests.jobs.replicas import (
    Counted,
    by_hand,
    end_sessions,
    job,
    never,
    replica,
    runs_of,
    until_health,
    until_leading,
    until_runs,
)
from tests.product import Product, open_product


@pytest.fixture
async def product(database_url: str) -> AsyncIterator[Product]:
    async with open_product(database_url) as opened:
        yield opened


def machine_time(product: Product) -> datetime:
    """Triggers count on the machine's clock; the tests' services show another time."""
    return product.services.clock.to_system(product.services.clock.now())


async def only_job(scheduler: Scheduler) -> SchedulerJob:
    (shown,) = (await scheduler.status()).jobs
    return shown


class TestRuns:
    async def test_an_occurrence_is_run_at_its_moment_and_once(self, product: Product) -> None:
        counted = Counted()
        async with replica(product, job(counted)) as scheduler:
            runs = await until_runs(scheduler, 3)
        assert len({run.scheduled_at for run in runs}) == len(runs) == counted.begun
        assert all(run.late_ms < 1000 and not run.by_hand for run in runs)
        assert runs[-1].detail == "number 1"

    async def test_one_that_raises_is_recorded_and_the_next_one_runs(self, product: Product) -> None:
        async def fails() -> None:
            raise ValueError("a secret of somebody")

        failing, fine = Counted(fails), Counted()
        async with replica(product, job(failing), job(fine, id="fine")) as scheduler:
            runs = await until_runs(scheduler, 2, JobRunStatus.FAILED)
        assert {run.detail for run in runs if run.finished_at} <= {"failed: ValueError", "stopped with its process"}
        assert fine.begun >= 2

    async def test_one_that_hangs_is_timed_out_and_the_next_one_runs(self, product: Product) -> None:
        counted = Counted(asyncio.Event().wait)  # type: ignore[arg-type]
        async with replica(product, job(counted, deadline=timedelta(milliseconds=200))) as scheduler:
            runs = await until_runs(scheduler, 2, JobRunStatus.TIMED_OUT)
            assert (await only_job(scheduler)).success_rate == 0
        assert runs[-1].detail == "not done within 0:00:00.200000"

    async def test_one_that_does_not_let_itself_be_ended_is_timed_out_all_the_same(self, product: Product) -> None:
        released = asyncio.Event()

        async def stubborn() -> None:
            while not released.is_set():
                try:
                    await released.wait()
                except asyncio.CancelledError:
                    continue

        async with replica(product, never(Counted(stubborn), deadline=timedelta(milliseconds=100))) as scheduler:
            run = await by_hand(scheduler)
            await until_runs(scheduler, 1, JobRunStatus.TIMED_OUT)
            assert (await runs_of(scheduler))[0].id == run.id
            released.set()

    async def test_one_that_the_stop_interrupts_says_so(self, product: Product) -> None:
        async with replica(product, never(Counted(asyncio.Event().wait))) as scheduler:  # type: ignore[arg-type]
            await by_hand(scheduler)
        async with replica(product, never(Counted())) as scheduler:
            (run,) = await runs_of(scheduler)
        assert (run.status, run.detail) == (JobRunStatus.FAILED, "stopped with its process")

    async def test_by_hand_is_now_and_in_full_and_shown_as_the_run_it_is(self, product: Product) -> None:
        async with replica(product, never(Counted())) as scheduler:
            run = await by_hand(scheduler)
            assert (run.status, run.finished_at, run.by_hand) == (JobRunStatus.RUNNING, None, True)
            (ended,) = await until_runs(scheduler, 1)
        assert ended.id == run.id
        assert ended.duration_ms is not None
        assert await scheduler.run_job("no such job") == NotFound("No job has this id.")

    async def test_a_run_whose_end_cannot_be_recorded_at_once_is_recorded_later(self, product: Product) -> None:
        async def cut_off() -> None:
            await product.services.database.disconnect()

        async with replica(product, never(Counted(cut_off))) as scheduler:
            await by_hand(scheduler)
            await asyncio.sleep(0.5)
            await product.services.database.connect()
            await until_runs(scheduler, 1)


class TestPauses:
    async def test_a_paused_job_is_not_fired_and_its_next_run_is_not_told(self, product: Product) -> None:
        counted = Counted()
        async with replica(product, job(counted)) as scheduler:
            await until_runs(scheduler, 1)
            outcome = await scheduler.pause_job("counted")
            assert isinstance(outcome, SchedulerJobSuccess)
            assert (outcome.job.paused, outcome.job.next_run, outcome.job.overdue, outcome.run) == (True, None, False, None)
            await asyncio.sleep(0.1)
            begun = counted.begun
            await asyncio.sleep(2.2)
            assert counted.begun == begun

    async def test_it_stays_paused_over_a_restart_until_it_is_resumed(self, product: Product) -> None:
        counted = Counted()
        async with replica(product, job(counted)) as scheduler:
            await scheduler.pause_job("counted")
            await scheduler.pause_job("counted")
        begun = counted.begun
        async with replica(product, job(counted)) as scheduler:
            assert (await only_job(scheduler)).paused
            await asyncio.sleep(1.5)
            assert counted.begun == begun
            outcome = await scheduler.resume_job("counted")
            assert isinstance(outcome, SchedulerJobSuccess)
            assert not outcome.job.paused
            assert outcome.job.next_run is not None
            await until_runs(scheduler, begun + 1)
        async with product.services.database.connection() as connection:
            assert await connection.fetchval("select count(*) from job_runs where status <> 'SUCCEEDED'") == 0

    async def test_it_can_be_run_by_hand(self, product: Product) -> None:
        async with replica(product, never(Counted())) as scheduler:
            await scheduler.pause_job("counted")
            await by_hand(scheduler)
            await until_runs(scheduler, 1)
            assert (await only_job(scheduler)).paused

    async def test_only_a_job_can_be_paused(self, product: Product) -> None:
        async with replica(product, never(Counted())) as scheduler:
            assert await scheduler.pause_job("no such job") == NotFound("No job has this id.")
            assert await scheduler.resume_job("no such job") == NotFound("No job has this id.")


class TestWhatIsShown:
    async def test_of_the_jobs_of_the_product(self, product: Product) -> None:
        async with Scheduler(product.services).running():
            scheduler = Scheduler(product.services)
            status = await scheduler.status()
        assert [(shown.id, shown.trigger, shown.timezone) for shown in status.jobs] == [
            ("sahha_refresh_active_users", "interval[0:30:00]", "UTC"),
            ("generate_daily_routines", "interval[0:05:00]", "UTC"),
            ("cleanup_old_data", "cron[hour='3', minute='20']", "UTC"),
            ("check_service_levels", "interval[0:05:00]", "UTC"),
        ]
        now = product.services.clock.now()
        assert all(shown.next_run and shown.next_run > now and not shown.overdue for shown in status.jobs)

    async def test_a_deadline_ends_before_the_next_occurrence(self, product: Product) -> None:
        for each in job_definitions(product.services):
            first = each.trigger.get_next_fire_time(None, EPOCH)
            second = each.trigger.get_next_fire_time(first, first + timedelta(microseconds=1))
            assert each.deadline < second - first

    async def test_history_survives_a_restart(self, product: Product) -> None:
        async with replica(product, job(Counted())) as scheduler:
            before = [run.id for run in await until_runs(scheduler, 2)]
        async with replica(product, job(Counted())) as scheduler:
            assert set(before) <= {run.id for run in await runs_of(scheduler)}

    async def test_a_leader_is_running_and_its_heartbeat_is_fresh(self, product: Product) -> None:
        async with replica(product, never(Counted())) as scheduler:
            await asyncio.sleep(1.2)
            status = await scheduler.status()
        assert (status.health, status.running, status.leader, status.total_jobs) == (SchedulerHealth.RUNNING, True, True, 1)
        assert status.started_at is not None
        assert status.last_heartbeat_at is not None
        assert timedelta(0) <= product.services.clock.now() - status.last_heartbeat_at < timedelta(seconds=1)

    async def test_switched_off_it_is_off_and_runs_by_hand(self, database_url: str) -> None:
        async with open_product(database_url, scheduler="off") as product, replica(product, job(Counted())) as scheduler:
            status = await scheduler.status()
            assert (status.health, status.running, status.leader, status.started_at) == (SchedulerHealth.OFF, False, False, None)
            assert (await only_job(scheduler)).next_run is None
            await by_hand(scheduler)
            await until_runs(scheduler, 1)
            await asyncio.sleep(2.5)  # long enough for its process to be taken for dead, if it gave no sign of life
            assert [run.by_hand for run in await runs_of(scheduler)] == [True]

    async def test_a_job_that_was_due_while_nobody_led_is_overdue(self, database_url: str) -> None:
        async with open_product(database_url) as product, replica(product, job(Counted())) as scheduler:
            await until_runs(scheduler, 1)
        later = product.services.clock.now() + timedelta(minutes=5)
        async with open_product(database_url, at=later, scheduler="off") as product:
            (shown,) = (await Scheduler(product.services, (job(Counted()),)).status()).jobs
        assert shown.overdue
        assert shown.next_run is not None
        assert shown.next_run < later


class TestLateIsBetterThanNever:
    async def test_what_was_due_while_nobody_ran_is_made_up_for_once(self, product: Product) -> None:
        """A deploy at the wrong minute does not cost a daily job its day."""
        counted = Counted()
        due = machine_time(product) + timedelta(minutes=20)
        daily = job(counted, trigger=CronTrigger(hour=due.hour, minute=due.minute, timezone=UTC))
        async with replica(product, daily) as scheduler:
            await until_leading(scheduler)
        with time_machine.travel(due + timedelta(minutes=30), tick=True):
            for _ in range(2):
                async with replica(product, daily) as scheduler:
                    (run,) = await until_runs(scheduler, 1)
        assert counted.begun == 1
        assert run.late_ms > timedelta(minutes=29).total_seconds() * 1000

    async def test_a_loop_that_was_busy_at_the_moment_fires_afterwards(self, product: Product) -> None:
        counted = Counted()
        async with replica(product, job(counted)) as scheduler:
            await until_runs(scheduler, 1)
            begun = counted.begun
            time.sleep(2.5)  # noqa: ASYNC251 - the loop is meant to be blocked
            await until_runs(scheduler, begun + 1)
            await until_health(scheduler, SchedulerHealth.RUNNING)

    async def test_a_clock_set_back_fires_nothing_twice(self, product: Product) -> None:
        counted = Counted()
        async with replica(product, job(counted)) as scheduler:
            await until_runs(scheduler, 2)
            begun = counted.begun
            with time_machine.travel(machine_time(product) - timedelta(hours=1), tick=True):
                await asyncio.sleep(2.5)
                assert counted.begun <= begun + 1
                assert (await scheduler.status()).health is SchedulerHealth.RUNNING

    async def test_a_clock_set_forward_by_a_day_fires_once_and_soon(self, product: Product) -> None:
        counted = Counted()
        every_minute = IntervalTrigger(minutes=1, start_date=EPOCH, timezone=UTC)
        async with replica(product, job(counted, trigger=every_minute)) as scheduler:
            with time_machine.travel(machine_time(product) + timedelta(days=1), tick=True):
                await until_runs(scheduler, 1)
                await asyncio.sleep(0.5)
                assert counted.begun <= 2


class TestEvents:
    async def test_each_run_is_told_as_it_starts_and_as_it_ends(self, product: Product) -> None:
        async with replica(product, never(Counted())) as scheduler:
            stream = await scheduler.events()
            first = await by_hand(scheduler)
            told = [await anext(stream), await anext(stream)]
            second = await by_hand(scheduler)
            told += [await anext(stream), await anext(stream)]
            await stream.aclose()
        assert [(run.id, run.status) for run in told] == [
            (first.id, JobRunStatus.RUNNING),
            (first.id, JobRunStatus.SUCCEEDED),
            (second.id, JobRunStatus.RUNNING),
            (second.id, JobRunStatus.SUCCEEDED),
        ]
        assert [run.finished_at is None for run in told] == [True, False, True, False]

    async def test_after_a_run_nothing_that_came_later_is_missed(self, product: Product) -> None:
        async with replica(product, never(Counted())) as scheduler:
            runs = [await by_hand(scheduler) for _ in range(3)]
            await until_runs(scheduler, 3)
            stream = await scheduler.events(runs[0].id)
            told = [await anext(stream) for _ in range(5)]
            await stream.aclose()
        assert [run.id for run in told if run.status is JobRunStatus.RUNNING] == [runs[1].id, runs[2].id]
        assert {run.id for run in told if run.status is JobRunStatus.SUCCEEDED} == {run.id for run in runs}

    async def test_an_unknown_run_is_no_place_to_start_from(self, product: Product) -> None:
        async with replica(product, never(Counted())) as scheduler:
            with pytest.raises(BadUserInput):
                await scheduler.events(JobRunId(UUID(int=0)))

    async def test_a_lost_listening_connection_costs_no_event(self, product: Product) -> None:
        async with replica(product, never(Counted())) as scheduler:
            stream = await scheduler.events()
            assert await end_sessions(product, "firstlight-events") == 1
            run = await by_hand(scheduler)
            async with asyncio.timeout(10):
                told: list[JobRun] = [await anext(stream), await anext(stream)]
            await stream.aclose()
        assert [each.id for each in told] == [run.id, run.id]
