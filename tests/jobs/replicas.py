"""Schedulers as replicas of each other: on one database, each with a heartbeat connection of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, timedelta
from typing import Any

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.interval import IntervalTrigger

from scheduler.jobs import EPOCH, JobDefinition
from scheduler.leadership import Pace
from scheduler.runner import Scheduler
from services.domain.job_runs import JobRun, JobRunStatus, SchedulerHealth
from services.domain.outcomes import SchedulerJobSuccess
from tests.product import Product

QUICK = Pace(heartbeat_s=0.1, timeout_s=1.0, lease_s=1.0, session_s=1.5, dead_s=2.0)
PATIENCE_S = 20.0


class Counted:
    """A job that counts how often it was begun and by whom nothing is asked."""

    def __init__(self, work: Callable[[], Awaitable[None]] | None = None) -> None:
        self.begun = 0
        self._work = work

    async def __call__(self) -> str:
        self.begun += 1
        if self._work is not None:
            await self._work()
        return f"number {self.begun}"


def job(
    run: Callable[[], Awaitable[str]],
    *,
    id: str = "counted",  # noqa: A002 - a job's own word
    trigger: BaseTrigger | None = None,
    deadline: timedelta = timedelta(seconds=30),
) -> JobDefinition:
    """Every second unless told otherwise."""
    every_second = IntervalTrigger(seconds=1, start_date=EPOCH, timezone=UTC)
    return JobDefinition(id, f"The job {id}", trigger or every_second, deadline, run)


def never(run: Callable[[], Awaitable[str]], **more: Any) -> JobDefinition:
    """A job that is run by hand alone: its next occurrence is years away."""
    return job(run, trigger=IntervalTrigger(weeks=5000, start_date=EPOCH, timezone=UTC), **more)


@asynccontextmanager
async def replica(product: Product, *jobs: JobDefinition) -> AsyncIterator[Scheduler]:
    scheduler = Scheduler(product.services, jobs, QUICK)
    async with scheduler.running():
        yield scheduler


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = PATIENCE_S) -> None:
    """Returns when the condition holds; fails when it does not within the time."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


async def until_leading(scheduler: Scheduler) -> None:
    async def leads() -> bool:
        return (await scheduler.status()).health is SchedulerHealth.RUNNING

    await until(leads)


async def until_health(scheduler: Scheduler, health: SchedulerHealth) -> None:
    async def is_so() -> bool:
        return (await scheduler.status()).health is health

    await until(is_so)


async def runs_of(scheduler: Scheduler, job_id: str = "counted") -> tuple[JobRun, ...]:
    """Newest first."""
    return next(each.last_runs for each in (await scheduler.status()).jobs if each.id == job_id)


async def until_runs(scheduler: Scheduler, many: int, status: JobRunStatus = JobRunStatus.SUCCEEDED) -> tuple[JobRun, ...]:
    """The runs, once so many of them have this status."""

    async def enough() -> bool:
        return sum(run.status is status for run in await runs_of(scheduler)) >= many

    await until(enough)
    return await runs_of(scheduler)


async def by_hand(scheduler: Scheduler, job_id: str = "counted") -> JobRun:
    outcome = await scheduler.run_job(job_id)
    assert isinstance(outcome, SchedulerJobSuccess)
    assert outcome.run is not None
    return outcome.run


async def end_sessions(product: Product, application: str = "firstlight-scheduler") -> int:
    """What a failover does to connections: the server ends them. How many there were."""
    async with product.services.database.connection() as connection:
        rows = await connection.fetch(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1 and datname = current_database()",
            application,
        )
    return len(rows)
