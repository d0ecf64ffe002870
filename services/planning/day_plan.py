"""A day in the making: what drafts make, the verifier checks and repairs, and a routine shows in the end."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.domain.routine import Condition, Evidence, Priority, RoutineTask, TaskStatus, TimeBlock
from services.planning.digest import Digest
from services.planning.goals import Concern, Goal
from services.planning.hours import Hours
from services.planning.inputs import PlanInputs
from services.planning.library.template import TaskTemplate
from services.planning.recovery import Energy, Need
from services.planning.skeleton import BlockKind, Frame

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A library entry with its time, its words and the values it rests on. Unique in a day by `template.key`.

    `kept` is the task of the plan before, which a replan leaves as it is, to the last letter.
    """

    template: TaskTemplate
    start: datetime
    end: datetime
    title: str
    description: str
    priority: Priority
    evidence: tuple[Evidence, ...] = ()
    kept: RoutineTask | None = None

    @property
    def minutes(self) -> int:
        return int((self.end - self.start).total_seconds() // 60)

    @property
    def counts(self) -> bool:
        """Whether the person does it: what was skipped weighs nothing."""
        return self.kept is None or self.kept.status is not TaskStatus.SKIPPED


@dataclass(frozen=True, slots=True)
class Situation:
    """All that choices and checks may look at. `open_from`: nothing may start before it. Spans are UTC, in order.

    `fresh_at` is the moment at which a value must still be fresh. `careful`: last night is still arriving. `energy` and `needs`
    are those of the readings and of what the person says of themselves; `goals` and `concern` are read from their own words.
    `taken` are the roles that an appointment of theirs fills, such as a lunch.

    Of a replan: `kept` stays as it is, `before` is what was still to come in the plan before, `missed` what was not done in
    time, all by library key.
    """

    inputs: PlanInputs
    digest: Digest
    hours: Hours
    tz: ZoneInfo
    today: date
    open_from: datetime
    fresh_at: datetime
    frames: tuple[Frame, ...]
    events: tuple[Span, ...]
    work: tuple[Span, ...]
    careful: bool
    energy: Energy
    needs: frozenset[Need]
    goals: frozenset[Goal] = frozenset()
    concern: Concern | None = None
    taken: Mapping[str, Span] = field(default_factory=dict)
    kept: tuple[PlannedTask, ...] = ()
    before: Mapping[str, RoutineTask] = field(default_factory=dict)
    missed: frozenset[str] = frozenset()

    @property
    def condition(self) -> Condition:
        return self.inputs.condition

    @property
    def waking(self) -> timedelta:
        """From waking to lights out."""
        return self.hours.lights_out - self.hours.day.start

    @property
    def left(self) -> timedelta:
        """What is left of it when the plan is ready."""
        return max(timedelta(0), self.hours.lights_out - max(self.hours.day.start, self.open_from))

    @property
    def forbids_exertion(self) -> bool:
        """Whether a reading, an illness or the person's own words end all exertion for the day."""
        return bool(self.digest.flags) or self.condition is Condition.SICK or self.concern in {Concern.STOP, Concern.CRISIS}


@dataclass(frozen=True, slots=True)
class PlannedBlock:
    """`kept` is the block of the plan before, whose place and words stay."""

    kind: BlockKind
    start: datetime
    end: datetime
    purpose: str
    why_it_matters: str | None
    tasks: tuple[PlannedTask, ...] = field(default=())
    kept: TimeBlock | None = None


@dataclass(frozen=True, slots=True)
class DayPlan:
    """Blocks in order, each with its tasks in order."""

    blocks: tuple[PlannedBlock, ...]

    @property
    def tasks(self) -> tuple[PlannedTask, ...]:
        return tuple(task for block in self.blocks for task in block.tasks)

    @property
    def open_tasks(self) -> tuple[PlannedTask, ...]:
        """The tasks that this plan answers for: all but what a replan keeps."""
        return tuple(task for task in self.tasks if task.kept is None)

    @property
    def open_blocks(self) -> tuple[PlannedBlock, ...]:
        """The blocks whose words this plan answers for."""
        return tuple(block for block in self.blocks if block.kept is None)

    def to_come(self, moment: datetime) -> tuple[PlannedTask, ...]:
        """What starts at `moment` or later and is not done, kept tasks included."""
        return tuple(task for task in self.tasks if task.start >= moment and not _settled(task))

    def placed(self) -> Iterator[tuple[PlannedBlock, PlannedTask]]:
        return ((block, task) for block in self.blocks for task in block.tasks)

    def without(self, keys: Collection[str]) -> "DayPlan":
        """The same day without these library entries; what a replan keeps stays."""
        return self._with_tasks(lambda task: None if task.template.key in keys and task.kept is None else task)

    def rewritten(self, change: Callable[[PlannedTask], PlannedTask]) -> "DayPlan":
        """The same day with every task put through `change`; what a replan keeps stays."""
        return self._with_tasks(lambda task: task if task.kept is not None else change(task))

    def _with_tasks(self, change: Callable[[PlannedTask], PlannedTask | None]) -> "DayPlan":
        blocks = []
        for block in self.blocks:
            changed = (change(task) for task in block.tasks)
            blocks.append(replace(block, tasks=tuple(task for task in changed if task is not None)))
        return DayPlan(tuple(blocks))


def _settled(task: PlannedTask) -> bool:
    return task.kept is not None and task.kept.status is not TaskStatus.PENDING
