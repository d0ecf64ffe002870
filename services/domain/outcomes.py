"""What a successful call comes to; the unsuccessful ones are `problems`."""

from dataclasses import dataclass
from datetime import datetime

from services.domain.daily_routine import DailyRoutine
from services.domain.ids import EventId, HeldJobId, UserId
from services.domain.job_runs import JobRun, SchedulerJob
from services.domain.problems import (
    HealthDataUnavailable,
    IdempotencyKeyReused,
    InvalidInput,
    NotCancellable,
    NotFound,
    QuotaExceeded,
)
from services.domain.routine import Routine, RoutineTask


@dataclass(frozen=True, slots=True)
class GenerateRoutineSuccess:
    """`joined`: an identical request was running, and this is its routine. `cursor`: as `after`, misses nothing from here on."""

    routine: Routine
    joined: bool
    cursor: EventId


@dataclass(frozen=True, slots=True)
class CancelRoutineSuccess:
    """The routine, CANCELLED: by this call or by an earlier one."""

    routine: Routine


@dataclass(frozen=True, slots=True)
class SetDailyRoutineSuccess:
    """The standing order as it is now; `None` after it was stopped."""

    daily_routine: DailyRoutine | None


@dataclass(frozen=True, slots=True)
class SetTaskStatusSuccess:
    """The task as it is now, and its routine."""

    task: RoutineTask
    routine: Routine


@dataclass(frozen=True, slots=True)
class RefreshSahhaSuccess:
    """Rows read, and how many of them were new or different. `duration_ms` includes storing them."""

    user_id: UserId
    biomarkers: int
    scores: int
    changed: int
    fetched_at: datetime
    duration_ms: int


@dataclass(frozen=True, slots=True)
class SchedulerJobSuccess:
    """`run` is the run just started, for `runSchedulerJob`."""

    job: SchedulerJob
    run: JobRun | None


@dataclass(frozen=True, slots=True)
class RequeueHeldJobSuccess:
    """The job is no longer held."""

    id: HeldJobId


GenerateRoutineResult = GenerateRoutineSuccess | InvalidInput | NotFound | QuotaExceeded | IdempotencyKeyReused
SetDailyRoutineResult = SetDailyRoutineSuccess | InvalidInput | NotFound
CancelRoutineResult = CancelRoutineSuccess | NotFound | NotCancellable
SetTaskStatusResult = SetTaskStatusSuccess | NotFound | InvalidInput
RefreshSahhaResult = RefreshSahhaSuccess | NotFound | HealthDataUnavailable
SchedulerJobResult = SchedulerJobSuccess | NotFound
RequeueHeldJobResult = RequeueHeldJobSuccess | NotFound
