"""The scheduler as admins see it, out of what its tables say: any replica gives the same answer."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from scheduler.jobs import MISFIRE_GRACE, JobDefinition
from services.clock import Clock
from services.domain.job_runs import JobRun, SchedulerHealth, SchedulerJob, success_rate
from services.store.scheduler import Instance, JobState

OVERDUE_AFTER = timedelta(minutes=1)
MOMENT = timedelta(microseconds=1)


def leader(instances: Sequence[Instance]) -> Instance | None:
    """Who led last, alive or not; `None` when nobody did within a day."""
    return min((each for each in instances if each.leads), key=lambda each: each.silent_s, default=None)


def health(instances: Sequence[Instance], me: str, *, enabled: bool, up_s: float, lease_s: float) -> SchedulerHealth:
    """How the scheduler is, seen from the process `me`, which was started `up_s` seconds ago and may lead if it is `enabled`."""
    last = leader(instances)
    if last is not None and last.silent_s < lease_s:
        return SchedulerHealth.RUNNING if last.id == me else SchedulerHealth.STANDBY
    if enabled and up_s < lease_s:
        return SchedulerHealth.STANDBY  # the lead may still be with a process that is about to be found dead
    if enabled or any(each.enabled for each in instances):
        return SchedulerHealth.STALLED
    return SchedulerHealth.OFF


def describe(job: JobDefinition, state: JobState | None, runs: tuple[JobRun, ...], clock: Clock, now: datetime) -> SchedulerJob:
    """A job and its runs, the newest first. Without `state` nobody has ever led, and nothing is due."""
    paused = state is not None and state.paused_at is not None
    next_run, overdue = None, False
    if state is not None and not paused:
        counts_from = last_occurrence(state, runs, now)
        next_run = next_occurrence(job, max(counts_from, now - MISFIRE_GRACE), clock)
        missed = next_occurrence(job, counts_from, clock)
        overdue = missed is not None and missed < now - OVERDUE_AFTER
    return SchedulerJob(
        id=job.id,
        name=job.name,
        trigger=str(job.trigger),
        timezone=str(job.trigger.timezone),
        next_run=next_run,
        paused=paused,
        overdue=overdue,
        success_rate=success_rate(runs),
        last_runs=runs,
    )


def last_occurrence(state: JobState, runs: Sequence[JobRun], now: datetime) -> datetime:
    """The newest occurrence that was begun, or the moment from which on they count."""
    begun = [run.scheduled_at for run in runs if not run.by_hand]
    return min(now, max(state.active_since, *begun)) if begun else min(now, state.active_since)


def next_occurrence(job: JobDefinition, after: datetime, clock: Clock) -> datetime | None:
    """The first occurrence later than `after`. Triggers count on the machine's clock."""
    found = job.trigger.get_next_fire_time(None, clock.to_system(after + MOMENT))
    return None if found is None else clock.from_system(found)
