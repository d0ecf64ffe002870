"""Scheduled jobs: APScheduler says when, a row in `job_runs` says who, and admins see both."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import structlog
from apscheduler.events import EVENT_JOB_SUBMITTED, JobSubmissionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from scheduler.jobs import JobDefinition, job_definitions
from services.background import background
from services.config import Switch
from services.container import Services
from services.domain.ids import JobRunId
from services.domain.job_runs import JobRun, JobRunStatus, SchedulerHealth, SchedulerJob, SchedulerStatus, success_rate
from services.domain.outcomes import SchedulerJobResult, SchedulerJobSuccess
from services.domain.problems import NotFound
from services.errors import Unavailable
from services.store import job_runs as store

MISFIRE_GRACE_S = 3600
"""A run that is late is run all the same, for an hour; the library's default skips it after a second (durable-work.md)."""
HEARTBEAT_S = 5.0
STALLED_AFTER = timedelta(seconds=30)
RUNS_KEPT_READABLE = 100
OVERDUE_AFTER = timedelta(minutes=1)

log = structlog.get_logger()


class Scheduler:
    """The jobs of this process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._clock = services.clock
        self._jobs = {job.id: job for job in job_definitions(services)}
        self._aps = AsyncIOScheduler(
            timezone=UTC,
            job_defaults={"misfire_grace_time": MISFIRE_GRACE_S, "coalesce": True, "max_instances": 1},
        )
        self._due: dict[str, datetime] = {}
        self._instance_id = uuid4().hex[:12]
        self._started_at: datetime | None = None
        self._heartbeat_at: datetime | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Fire the jobs until the block ends, unless the setting SCHEDULER is off."""
        if self._services.settings.scheduler is Switch.OFF:
            yield
            return
        self._aps.add_listener(self._note_due, EVENT_JOB_SUBMITTED)
        for job in self._jobs.values():
            self._aps.add_job(self._fire, job.trigger, args=[job.id], id=job.id, name=job.name)
        self._aps.start()
        self._started_at = self._clock.now()
        log.info(f"[SCHEDULER] ✅ Background scheduler started with {len(self._jobs)} jobs")
        try:
            async with background(self._beat(), "scheduler heartbeat"):
                yield
        finally:
            self._started_at = None
            self._aps.shutdown()
            log.info("[SCHEDULER] Background scheduler stopped")

    async def status(self) -> SchedulerStatus:
        """The scheduler of this process and the newest runs of every job, whichever process made them."""
        now = self._clock.now()
        async with self._services.database.connection() as connection:
            runs = await store.newest(connection, list(self._jobs), RUNS_KEPT_READABLE)
        return SchedulerStatus(
            health=self._health(now),
            running=self._started_at is not None,
            leader=self._started_at is not None,
            instance_id=self._instance_id,
            started_at=self._started_at,
            last_heartbeat_at=self._heartbeat_at,
            jobs=tuple(self._describe(job, runs[job.id], now) for job in self._jobs.values()),
            success_rate=success_rate(tuple(run for of_job in runs.values() for run in of_job)),
        )

    async def run_job(self, job_id: str) -> SchedulerJobResult:
        """Start the job now and in full; gives the run that was started."""
        job = self._jobs.get(job_id)
        if job is None:
            return NotFound("No job has this id.")
        now = self._clock.now()
        async with self._services.database.connection() as connection:
            run = await store.begin(connection, job.id, self._instance_id, now, now)
            runs = await store.newest(connection, [job.id], RUNS_KEPT_READABLE)
        if run is None:
            raise Unavailable("This job was started at this very moment by somebody else. Try again.")
        self._aps.add_job(self._execute, args=[job, run], misfire_grace_time=None, max_instances=100)
        return SchedulerJobSuccess(self._describe(job, runs[job.id], now), run)

    async def _fire(self, job_id: str) -> None:
        """One occurrence of a job; nothing when another replica has it."""
        job = self._jobs[job_id]
        now = self._clock.now()
        scheduled_at = self._clock.from_system(self._due.pop(job_id, self._clock.to_system(now)))
        try:
            async with self._services.database.connection() as connection:
                await store.expire(connection, now - max(each.deadline for each in self._jobs.values()), now)
                run = await store.begin(connection, job.id, self._instance_id, scheduled_at, now)
        except Unavailable:
            log.warning("[SCHEDULER] A run was not started: the store is unavailable", job=job.id)
            return
        if run is not None:
            await self._execute(job, run)

    async def _execute(self, job: JobDefinition, run: JobRun) -> None:
        """Run a job within its deadline and record how it ended. A job that raises ends itself and nothing else."""
        status, detail = JobRunStatus.FAILED, "stopped with its process"
        try:
            async with asyncio.timeout(job.deadline.total_seconds()):
                detail = await job.run()
            status = JobRunStatus.SUCCEEDED
        except TimeoutError:
            status, detail = JobRunStatus.TIMED_OUT, f"not done within {job.deadline}"
            log.exception("[SCHEDULER] A job hung and was ended", job=job.id)
        except Exception as error:
            detail = f"failed: {type(error).__name__}"
            log.exception("[SCHEDULER] A job failed", job=job.id)
        finally:
            await asyncio.shield(self._record(job.id, run.id, status, detail))

    async def _record(self, job_id: str, run_id: JobRunId, status: JobRunStatus, detail: str) -> None:
        self._services.metrics.job_runs.labels(job_id, status.value).inc()
        try:
            async with self._services.database.connection() as connection:
                await store.end(connection, run_id, status, detail, self._clock.now())
        except Unavailable:
            log.warning("[SCHEDULER] The end of a run could not be recorded", job=job_id, status=status.value)

    def _note_due(self, event: JobSubmissionEvent) -> None:
        """Remember for which moment a job fires: APScheduler tells its listeners and not the job."""
        if event.job_id in self._jobs:
            self._due[event.job_id] = event.scheduled_run_times[-1]

    async def _beat(self) -> None:
        while True:
            self._heartbeat_at = self._clock.now()
            await asyncio.sleep(HEARTBEAT_S)

    def _health(self, now: datetime) -> SchedulerHealth:
        if self._started_at is None:
            return SchedulerHealth.OFF
        beating = self._heartbeat_at is not None and now - self._heartbeat_at < STALLED_AFTER
        return SchedulerHealth.RUNNING if beating and self._aps.running else SchedulerHealth.STALLED

    def _describe(self, job: JobDefinition, runs: tuple[JobRun, ...], now: datetime) -> SchedulerJob:
        scheduled = self._aps.get_job(job.id) if self._started_at else None
        next_run = self._clock.from_system(scheduled.next_run_time) if scheduled and scheduled.next_run_time else None
        return SchedulerJob(
            id=job.id,
            name=job.name,
            trigger=str(job.trigger),
            timezone="UTC",
            next_run=next_run,
            paused=scheduled is not None and next_run is None,
            overdue=next_run is not None and next_run < now - OVERDUE_AFTER,
            success_rate=success_rate(runs),
            last_runs=runs,
        )
