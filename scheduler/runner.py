"""Scheduled jobs: APScheduler says when, an advisory lock says where, a row in `job_runs` says once, and admins see it all.

Every replica has the same jobs. The one that leads fires them; the others keep theirs paused. What is paused, what was run and
how it ended is in the database, so nothing depends on which process is asked or how often one was restarted.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import structlog
from apscheduler.events import EVENT_JOB_SUBMITTED, JobSubmissionEvent
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from scheduler.execution import Execution
from scheduler.jobs import MISFIRE_GRACE, JobDefinition, job_definitions
from scheduler.leadership import Leadership, Pace
from scheduler.run_events import RunEvents
from scheduler.status import MOMENT, describe, health, leader
from services.background import background
from services.config import Switch
from services.container import Services
from services.domain.ids import JobRunId
from services.domain.job_runs import JobRun, JobRunStatus, SchedulerJob, SchedulerStatus, success_rate
from services.domain.outcomes import SchedulerJobResult, SchedulerJobSuccess
from services.domain.problems import NotFound
from services.errors import Unavailable
from services.store import job_runs as store
from services.store import scheduler as replicas

PAST_DEADLINE = timedelta(minutes=1)
BEGIN_PAUSE_S = (0.1, 1.0)
RUNS_KEPT_READABLE = 100
UNKNOWN_JOB = "No job has this id."

log = structlog.get_logger()


class Scheduler:
    """The jobs of this process, and the view of all of them."""

    def __init__(self, services: Services, jobs: tuple[JobDefinition, ...] | None = None, pace: Pace | None = None) -> None:
        self._services = services
        self._clock = services.clock
        self._jobs = {job.id: job for job in jobs or job_definitions(services)}
        self._enabled = services.settings.scheduler is Switch.ON
        self._instance_id = uuid4().hex[:12]
        self._pace = pace or Pace()
        self._leadership = Leadership(services.database_url, self._instance_id, self, self._pace, candidate=self._enabled)
        self._execution = Execution(services)
        self._events = RunEvents(services.database, services.events)
        self._aps = AsyncIOScheduler(
            timezone=UTC,
            job_defaults={"misfire_grace_time": MISFIRE_GRACE.total_seconds(), "coalesce": True, "max_instances": 1},
        )
        self._due: dict[str, datetime] = {}
        self._started_at: datetime | None = None
        self._started = self._led_since = self._clock.monotonic()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take part until the block ends: fire the jobs whenever this process leads, which it never does with SCHEDULER off."""
        async with self._triggers():
            self._started = self._clock.monotonic()
            try:
                async with background(self._leadership.attend(), "scheduler heartbeat"):
                    await self._leadership.first_heartbeat()
                    yield
            finally:
                await self._execution.aclose()

    @asynccontextmanager
    async def _triggers(self) -> AsyncIterator[None]:
        """APScheduler, started and paused."""
        if not self._enabled:
            yield
            return
        self._aps.add_listener(self._note_due, EVENT_JOB_SUBMITTED)
        for job in self._jobs.values():
            self._aps.add_job(self._fire, job.trigger, args=[job], id=job.id, name=job.name)
        self._aps.start(paused=True)
        self._started_at = self._clock.now()
        log.info(f"[SCHEDULER] ✅ Background scheduler started with {len(self._jobs)} jobs")
        try:
            yield
        finally:
            self._started_at = None
            self._aps.shutdown()
            log.info("[SCHEDULER] Background scheduler stopped")

    async def status(self) -> SchedulerStatus:
        """The scheduler as it is everywhere; `running`, `leader`, `instance_id` and `started_at` speak of this process."""
        now = self._clock.now()
        async with self._services.database.connection() as connection:
            runs = await store.newest(connection, list(self._jobs), RUNS_KEPT_READABLE)
            states = await replicas.job_states(connection)
            instances = await replicas.instances(connection)
        up_s = self._clock.monotonic() - self._started
        seen = leader(instances) or next((each for each in instances if each.id == self._instance_id), None)
        return SchedulerStatus(
            health=health(instances, self._instance_id, enabled=self._enabled, up_s=up_s, lease_s=self._pace.lease_s),
            running=self._started_at is not None,
            leader=self._leadership.leading,
            instance_id=self._instance_id,
            started_at=self._started_at,
            last_heartbeat_at=None if seen is None else self._clock.from_system(seen.seen_at),
            jobs=tuple(describe(job, states.get(job.id), runs[job.id], self._clock, now) for job in self._jobs.values()),
            success_rate=success_rate(tuple(run for of_job in runs.values() for run in of_job)),
        )

    async def run_job(self, job_id: str) -> SchedulerJobResult:
        """Start the job now, in full and in this process, also one that is paused; gives the run that was started."""
        job = self._jobs.get(job_id)
        if job is None:
            return NotFound(UNKNOWN_JOB)
        now = self._clock.now()
        async with self._services.database.connection() as connection:
            run = await store.begin(connection, job.id, self._instance_id, now, now, by_hand=True)
            if run is None:
                raise Unavailable("This job was started at this very moment by somebody else. Try again.")
            self._execution.start(job, run)
            return SchedulerJobSuccess(await self._described(connection, job), run)

    async def pause_job(self, job_id: str) -> SchedulerJobResult:
        """Begin no occurrence of this job any more, on any replica and over restarts, until it is resumed."""
        return await self._switch(job_id, paused=True)

    async def resume_job(self, job_id: str) -> SchedulerJobResult:
        """Fire the job again from its next occurrence on; what was due in the meantime is not made up for."""
        return await self._switch(job_id, paused=False)

    async def events(self, after: JobRunId | None = None) -> AsyncGenerator[JobRun, None]:
        """Each run, on whichever replica, as it starts and as it ends. As `RunEvents.subscribe`."""
        return await self._events.subscribe(after)

    async def lead_held(self, connection: asyncpg.Connection, *, newly: bool) -> None:
        """See `leadership.Attendant`."""
        if newly:
            self._led_since = self._clock.monotonic()
            await replicas.forget_silent(connection)
            await replicas.add_jobs(connection, list(self._jobs), self._clock.now())
            self._catch_up(await replicas.job_states(connection))
            self._aps.resume()
        self._aps.wakeup()  # its timer does not notice a clock that is set forward
        if self._clock.monotonic() - self._led_since > self._pace.dead_s:  # until then nobody can be told dead from cut off
            await self._end_lost_runs(connection)

    def lead_lost(self) -> None:
        """See `leadership.Attendant`. Runs that have begun go on: their occurrences are this process's."""
        log.info("[SCHEDULER] This process leads no longer", instance=self._instance_id)
        if self._aps.running:
            self._aps.pause()

    def _catch_up(self, states: dict[str, replicas.JobState]) -> None:
        """Look back for occurrences that nobody was there to begin; those that somebody did begin are refused by their rows."""
        now = self._clock.now()
        for job in self._jobs.values():
            since = max(min(states[job.id].active_since, now) + MOMENT, now - MISFIRE_GRACE)
            due = job.trigger.get_next_fire_time(None, self._clock.to_system(since))
            self._aps.modify_job(job.id, next_run_time=due)

    async def _fire(self, job: JobDefinition) -> None:
        """One occurrence of a job; nothing when it is somebody else's or the job is paused."""
        due = self._due.pop(job.id, None)
        if due is None:
            return
        run = await self._begin(job, self._clock.from_system(due))
        if run is not None:
            await asyncio.wait({self._execution.start(job, run)})

    async def _begin(self, job: JobDefinition, scheduled_at: datetime) -> JobRun | None:
        """Tried for as long as this process leads: whoever leads next looks back."""
        run_id = JobRunId(uuid4())
        while self._leadership.leading:
            now = self._clock.now()
            try:
                async with self._services.database.connection() as connection:
                    return await store.begin(connection, job.id, self._instance_id, scheduled_at, now, run_id=run_id)
            except Unavailable:
                log.warning("[SCHEDULER] A run is late: the store is unavailable", job=job.id)
            await asyncio.sleep(random.uniform(*BEGIN_PAUSE_S))
        return None

    async def _end_lost_runs(self, connection: asyncpg.Connection) -> None:
        now = self._clock.now()
        hung_if_before = {job.id: now - job.deadline - PAST_DEADLINE for job in self._jobs.values()}
        for run_id in await store.lost(connection, hung_if_before, self._pace.dead_s):
            await store.end(connection, run_id, JobRunStatus.TIMED_OUT, "its process ended, or it hung", now)
            log.warning("[SCHEDULER] A run was lost with its process", run=str(run_id))

    async def _switch(self, job_id: str, *, paused: bool) -> SchedulerJobResult:
        job = self._jobs.get(job_id)
        if job is None:
            return NotFound(UNKNOWN_JOB)
        async with self._services.database.connection() as connection:
            await (replicas.pause if paused else replicas.resume)(connection, job.id, self._clock.now())
            return SchedulerJobSuccess(await self._described(connection, job), None)

    async def _described(self, connection: asyncpg.Connection, job: JobDefinition) -> SchedulerJob:
        runs = await store.newest(connection, [job.id], RUNS_KEPT_READABLE)
        states = await replicas.job_states(connection)
        return describe(job, states.get(job.id), runs[job.id], self._clock, self._clock.now())

    def _note_due(self, event: JobSubmissionEvent) -> None:
        """Remember for which moment a job fires: APScheduler tells its listeners and not the job."""
        self._due[event.job_id] = event.scheduled_run_times[-1]
