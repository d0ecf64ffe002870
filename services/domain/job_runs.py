"""Scheduled jobs as admins see them."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from services.domain.ids import JobRunId


class JobRunStatus(Enum):
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"


class SchedulerHealth(Enum):
    """RUNNING: this process leads. STANDBY: another replica does. STALLED: one should, and none has given a sign of life in time.

    OFF: switched off by setting, and nobody else leads.
    """

    RUNNING = "RUNNING"
    STANDBY = "STANDBY"
    STALLED = "STALLED"
    OFF = "OFF"


@dataclass(frozen=True, slots=True)
class JobRun:
    """One occurrence of a job. `scheduled_at` is when it was due, or asked for by hand."""

    id: JobRunId
    job_id: str
    instance_id: str
    scheduled_at: datetime
    started_at: datetime
    finished_at: datetime | None
    status: JobRunStatus
    detail: str | None
    by_hand: bool = False

    @property
    def duration_ms(self) -> int | None:
        return None if self.finished_at is None else _ms(self.started_at, self.finished_at)

    @property
    def late_ms(self) -> int:
        return _ms(self.scheduled_at, self.started_at)


@dataclass(frozen=True, slots=True)
class SchedulerJob:
    """`trigger` as APScheduler prints it; `next_run` is `None` while paused. Runs newest first, at most 100."""

    id: str
    name: str
    trigger: str
    timezone: str
    next_run: datetime | None
    paused: bool
    overdue: bool
    success_rate: float | None
    last_runs: tuple[JobRun, ...]

    @property
    def last_run(self) -> JobRun | None:
        return self.last_runs[0] if self.last_runs else None


@dataclass(frozen=True, slots=True)
class SchedulerStatus:
    """`running` and `leader` speak of this process. Rates are 0 to 1, over the runs shown; `None` without runs."""

    health: SchedulerHealth
    running: bool
    leader: bool
    instance_id: str
    started_at: datetime | None
    last_heartbeat_at: datetime | None
    jobs: tuple[SchedulerJob, ...]
    success_rate: float | None

    @property
    def total_jobs(self) -> int:
        return len(self.jobs)


def success_rate(runs: tuple[JobRun, ...]) -> float | None:
    """The share of finished runs that succeeded; `None` when none has finished."""
    finished = [run for run in runs if run.status is not JobRunStatus.RUNNING]
    if not finished:
        return None
    return sum(run.status is JobRunStatus.SUCCEEDED for run in finished) / len(finished)


def _ms(start: datetime, end: datetime) -> int:
    return max(0, round((end - start).total_seconds() * 1000))
