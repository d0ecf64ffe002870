"""A routine: what a person asks for, and the day that is planned for them."""

from dataclasses import dataclass, replace
from datetime import date, datetime, time
from enum import Enum

from services.domain.health import DataSource, DataState, age_seconds
from services.domain.ids import EventId, RoutineId, UserId
from services.domain.problems import Problem


class Archetype(Enum):
    """How a person wants to be led. Sahha's own archetypes are other things: labels of behaviour."""

    FOUNDATION_BUILDER = "FOUNDATION_BUILDER"
    TRANSFORMATION_SEEKER = "TRANSFORMATION_SEEKER"
    SYSTEMATIC_IMPROVER = "SYSTEMATIC_IMPROVER"
    PEAK_PERFORMER = "PEAK_PERFORMER"
    RESILIENCE_REBUILDER = "RESILIENCE_REBUILDER"
    CONNECTED_EXPLORER = "CONNECTED_EXPLORER"


class RoutineStatus(Enum):
    QUEUED = "QUEUED"
    FETCHING = "FETCHING"
    PLANNING = "PLANNING"
    READY = "READY"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def final(self) -> bool:
        return self in FINAL_STATUSES


FINAL_STATUSES = frozenset({RoutineStatus.READY, RoutineStatus.FAILED, RoutineStatus.CANCELLED})


class Planner(Enum):
    RULES = "RULES"
    OPENAI = "OPENAI"


class EnergyZone(Enum):
    PEAK = "PEAK"
    MAINTENANCE = "MAINTENANCE"
    RECOVERY = "RECOVERY"


class TaskType(Enum):
    EXERCISE = "EXERCISE"
    NUTRITION = "NUTRITION"
    WORK = "WORK"
    FOCUS = "FOCUS"
    RECOVERY = "RECOVERY"
    WELLNESS = "WELLNESS"
    SOCIAL = "SOCIAL"


class Priority(Enum):
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"


class TaskStatus(Enum):
    PENDING = "PENDING"
    DONE = "DONE"
    SKIPPED = "SKIPPED"


class CheckVerdict(Enum):
    PASSED = "PASSED"
    REPAIRED = "REPAIRED"
    NOT_APPLICABLE = "NOT_APPLICABLE"


class Condition(Enum):
    """How a person says they are today. SICK and INJURED days hold no hard effort, whatever the readings say."""

    WELL = "WELL"
    TIRED = "TIRED"
    SICK = "SICK"
    INJURED = "INJURED"


class ChangeKind(Enum):
    ADDED = "ADDED"
    MOVED = "MOVED"
    REMOVED = "REMOVED"
    REWRITTEN = "REWRITTEN"


class EvidenceKind(Enum):
    BIOMARKER = "BIOMARKER"
    SCORE = "SCORE"
    FACTOR = "FACTOR"


@dataclass(frozen=True, slots=True)
class FixedEvent:
    """Something the person has to be at. Local wall-clock times; an end before the start is on the next day."""

    title: str
    start_time: time
    end_time: time


@dataclass(frozen=True, slots=True)
class Preferences:
    """Local wall-clock times; what is left out is read from the person's habits, else a default.

    `goal` is a person's own words: data, never instructions.
    """

    wake_time: time | None = None
    sleep_time: time | None = None
    work_start: time | None = None
    work_end: time | None = None
    fixed_events: tuple[FixedEvent, ...] = ()
    avoid_task_types: tuple[TaskType, ...] = ()
    goal: str | None = None


@dataclass(frozen=True, slots=True)
class RoutineRequest:
    """What a person asks for. `date` is `None` for "today, or tomorrow when today is nearly over".

    `preferences` is `None` for those of the person's standing order, and their habits where there is none.
    """

    user_id: UserId
    archetype: Archetype
    timezone: str
    date: date | None
    preferences: Preferences | None = None
    idempotency_key: str | None = None
    condition: Condition = Condition.WELL
    auto_replan: bool = False


@dataclass(frozen=True, slots=True)
class ReplanOf:
    """That a routine plans the rest of an earlier one's day again, and what for (a `planning.changes.Trigger`)."""

    routine_id: RoutineId
    trigger: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """A stored value that a task rests on, read from the store, never written by a planner."""

    kind: EvidenceKind
    type: str
    value: str
    unit: str | None
    measured_at: datetime
    source: DataSource
    as_of: datetime

    @property
    def age_seconds(self) -> int:
        return age_seconds(self.measured_at, self.as_of)


@dataclass(frozen=True, slots=True)
class RoutineTask:
    """Instants are UTC, on the 5-minute grid of the day. `key` names the library entry it was made from."""

    id: str
    title: str
    description: str
    type: TaskType
    priority: Priority
    start_time: datetime
    end_time: datetime
    evidence: tuple[Evidence, ...] = ()
    status: TaskStatus = TaskStatus.PENDING
    key: str | None = None


@dataclass(frozen=True, slots=True)
class TimeBlock:
    """One of the five blocks that frontends know; blocks follow each other without overlap."""

    id: str
    title: str
    energy_zone: EnergyZone
    start_time: datetime
    end_time: datetime
    purpose: str
    why_it_matters: str | None
    tasks: tuple[RoutineTask, ...]
    locked: bool = False


@dataclass(frozen=True, slots=True)
class PlanCheck:
    """The verdict of one rule on this plan. `citation` names the source of the rule's number."""

    rule: str
    verdict: CheckVerdict
    detail: str
    citation: str | None


@dataclass(frozen=True, slots=True)
class RoutineChange:
    """What a replan did to one task, and why. `moved_from` and `moved_to` are its starts, before and now."""

    kind: ChangeKind
    task_id: str | None
    task_title: str
    moved_from: datetime | None
    moved_to: datetime | None
    because: str


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """Tokens of every call that a plan took; cached ones are part of the input."""

    input_tokens: int
    cached_input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A verified day: what a planner gives, and all that a READY routine shows of it."""

    planner: Planner
    summary: str
    time_blocks: tuple[TimeBlock, ...]
    checks: tuple[PlanCheck, ...]
    inputs_hash: str
    safety_notice: str | None = None
    changes: tuple[RoutineChange, ...] = ()
    model: str | None = None
    usage: ModelUsage | None = None

    @property
    def tasks(self) -> tuple[RoutineTask, ...]:
        """All tasks, in the order of the day."""
        return tuple(task for block in self.time_blocks for task in block.tasks)

    def with_task_status(self, task_id: str, status: TaskStatus) -> "Plan":
        """The same plan with one task marked."""
        blocks = tuple(
            replace(block, tasks=tuple(replace(task, status=status) if task.id == task_id else task for task in block.tasks))
            for block in self.time_blocks
        )
        return replace(self, time_blocks=blocks)


@dataclass(frozen=True, slots=True)
class HealthDataUse:
    """What a plan was made from. `confidence` is 0 to 1; `oldest_value_at` is that of the values used as evidence."""

    source: DataSource
    state: DataState
    biomarkers: int
    scores: int
    newest_value_at: datetime | None
    oldest_value_at: datetime | None
    missing_categories: tuple[str, ...]
    confidence: float
    as_of: datetime

    @property
    def oldest_value_age_seconds(self) -> int | None:
        return None if self.oldest_value_at is None else age_seconds(self.oldest_value_at, self.as_of)


@dataclass(frozen=True, slots=True)
class RoutineTiming:
    """Milliseconds: of the health-data read, of planning, to the first usable block and to READY from the acknowledgement.

    `speculative`: the plan was begun on warm data while the live read ran, and was kept.
    """

    fetch_ms: int | None
    plan_ms: int | None
    total_ms: int | None
    first_block_ms: int | None = None
    speculative: bool = False


@dataclass(frozen=True, slots=True)
class Routine:
    """A requested day, from its acknowledgement on. `plan`'s parts are empty until it is READY."""

    id: RoutineId
    user_id: UserId
    date: date
    timezone: str
    archetype: Archetype
    preferences: Preferences
    status: RoutineStatus
    created_at: datetime
    cursor: EventId
    attempt: int = 0
    ready_at: datetime | None = None
    failure: Problem | None = None
    health_data: HealthDataUse | None = None
    plan: Plan | None = None
    timing: RoutineTiming | None = None
    supersedes: RoutineId | None = None
    superseded_by: RoutineId | None = None
    condition: Condition = Condition.WELL
    auto_replan: bool = False
    replan_of: RoutineId | None = None
    replan_trigger: str | None = None
    reused_from: RoutineId | None = None

    @property
    def planner(self) -> Planner | None:
        return self.plan.planner if self.plan else None

    @property
    def summary(self) -> str | None:
        return self.plan.summary if self.plan else None

    @property
    def time_blocks(self) -> tuple[TimeBlock, ...]:
        return self.plan.time_blocks if self.plan else ()

    @property
    def checks(self) -> tuple[PlanCheck, ...]:
        return self.plan.checks if self.plan else ()

    @property
    def inputs_hash(self) -> str | None:
        return self.plan.inputs_hash if self.plan else None

    @property
    def safety_notice(self) -> str | None:
        return self.plan.safety_notice if self.plan else None

    @property
    def changes(self) -> tuple[RoutineChange, ...]:
        return self.plan.changes if self.plan else ()

    @property
    def model(self) -> str | None:
        return self.plan.model if self.plan else None

    @property
    def usage(self) -> ModelUsage | None:
        return self.plan.usage if self.plan else None
