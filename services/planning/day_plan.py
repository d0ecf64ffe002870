"""A day in the making: what drafts make, the verifier checks and repairs, and a routine shows in the end."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from services.domain.routine import Evidence, Priority
from services.planning.digest import Digest
from services.planning.hours import Hours
from services.planning.inputs import PlanInputs
from services.planning.library.template import TaskTemplate
from services.planning.skeleton import BlockKind, Frame

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Situation:
    """All that choices and checks may look at. `open_from`: nothing may start before it. Spans are UTC, in order.

    `fresh_at` is the moment at which a value must still be fresh. `careful`: last night is still arriving.
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

    @property
    def waking(self) -> timedelta:
        """From waking to lights out."""
        return self.hours.lights_out - self.hours.day.start

    @property
    def left(self) -> timedelta:
        """What is left of it when the plan is ready."""
        return max(timedelta(0), self.hours.lights_out - max(self.hours.day.start, self.open_from))


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A library entry with its time, its words and the values it rests on. Unique in a day by `template.key`."""

    template: TaskTemplate
    start: datetime
    end: datetime
    title: str
    description: str
    priority: Priority
    evidence: tuple[Evidence, ...] = ()

    @property
    def minutes(self) -> int:
        return int((self.end - self.start).total_seconds() // 60)


@dataclass(frozen=True, slots=True)
class PlannedBlock:
    kind: BlockKind
    start: datetime
    end: datetime
    purpose: str
    why_it_matters: str | None
    tasks: tuple[PlannedTask, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class DayPlan:
    """Blocks in order, each with its tasks in order."""

    blocks: tuple[PlannedBlock, ...]

    @property
    def tasks(self) -> tuple[PlannedTask, ...]:
        return tuple(task for block in self.blocks for task in block.tasks)

    def placed(self) -> Iterator[tuple[PlannedBlock, PlannedTask]]:
        return ((block, task) for block in self.blocks for task in block.tasks)

    def without(self, keys: Collection[str]) -> "DayPlan":
        """The same day without these library entries."""
        return self._with_tasks(lambda task: None if task.template.key in keys else task)

    def rewritten(self, change: Callable[[PlannedTask], PlannedTask]) -> "DayPlan":
        """The same day with every task put through `change`."""
        return self._with_tasks(change)

    def _with_tasks(self, change: Callable[[PlannedTask], PlannedTask | None]) -> "DayPlan":
        blocks = []
        for block in self.blocks:
            changed = (change(task) for task in block.tasks)
            blocks.append(replace(block, tasks=tuple(task for task in changed if task is not None)))
        return DayPlan(tuple(blocks))
