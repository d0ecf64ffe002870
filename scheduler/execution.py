"""Runs of jobs in this process: each within its deadline, recorded however it ends, and ended with the process."""

import asyncio
import random
from datetime import datetime, timedelta
from typing import Any

import structlog

from scheduler.jobs import JobDefinition
from services.container import Services
from services.domain.job_runs import JobRun, JobRunStatus
from services.errors import Unavailable
from services.store import job_runs as store

END_TIMEOUT_S = 2.0
"""What a job that is told to end may still take; after that its run is over all the same, and the next one can begin."""
RECORD_FOR_S = 60.0
RECORD_PAUSE_S = (0.2, 2.0)

log = structlog.get_logger()


class Execution:
    """The runs that this process works on."""

    def __init__(self, services: Services) -> None:
        self._database = services.database
        self._clock = services.clock
        self._metrics = services.metrics
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, job: JobDefinition, run: JobRun) -> asyncio.Task[None]:
        """Work on a run that is begun in the store. The task is done when the run is over and recorded; it never fails."""
        task = asyncio.create_task(self._execute(job, run), name=f"run of {job.id}")
        self._own(task)
        return task

    async def aclose(self) -> None:
        """End what still runs, and record that it was ended: at once for a job that can be, in a few seconds for any."""
        for _ in ("ends its work", "gives up recording it"):
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(set(self._tasks), timeout=END_TIMEOUT_S)

    async def _execute(self, job: JobDefinition, run: JobRun) -> None:
        started = self._clock.monotonic()
        work = asyncio.create_task(_run_job(job, run), name=job.id)
        self._own(work)
        try:
            status, detail = await self._outcome(job, work)
        except asyncio.CancelledError:
            work.cancel()
            status, detail = JobRunStatus.FAILED, "stopped with its process"
        # The machine's clock may be set while a job runs: what it took is measured on one that is not.
        took = timedelta(seconds=self._clock.monotonic() - started)
        self._metrics.job_runs.labels(job.id, status.value).inc()
        await self._record(run, status, detail, run.started_at + took)

    async def _outcome(self, job: JobDefinition, work: asyncio.Task[str]) -> tuple[JobRunStatus, str]:
        """How a job ended and a line on it. One that raises ends itself and nothing else."""
        await asyncio.wait({work}, timeout=job.deadline.total_seconds())
        if not work.done():
            work.cancel()
            await asyncio.wait({work}, timeout=END_TIMEOUT_S)
            log.error("[SCHEDULER] A job hung and was ended", job=job.id, obeyed=work.done())
            return JobRunStatus.TIMED_OUT, f"not done within {job.deadline}"
        if work.cancelled():
            return JobRunStatus.FAILED, "was cancelled"
        error = work.exception()
        if error is not None:
            log.error("[SCHEDULER] A job failed", job=job.id, exc_info=error)
            return JobRunStatus.FAILED, f"failed: {type(error).__name__}"
        return JobRunStatus.SUCCEEDED, work.result()

    async def _record(self, run: JobRun, status: JobRunStatus, detail: str, finished_at: datetime) -> None:
        """Tried until the store takes it; past that the leader sees that nobody works on the run any more."""
        deadline = self._clock.monotonic() + RECORD_FOR_S
        while True:
            try:
                async with self._database.connection() as connection:
                    return await store.end(connection, run.id, status, detail, finished_at)
            except Unavailable:
                if self._clock.monotonic() > deadline:
                    log.warning("[SCHEDULER] The end of a run could not be recorded", job=run.job_id, status=status.value)
                    return None
            await asyncio.sleep(random.uniform(*RECORD_PAUSE_S))

    def _own(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._disown)

    def _disown(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not complain of one that came after its run was over


async def _run_job(job: JobDefinition, run: JobRun) -> str:
    return await (job.run_by_hand if run.by_hand and job.run_by_hand else job.run)()
