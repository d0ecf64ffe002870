"""Days that are planned again: what is done stays, what is missed is dropped or moved, and why is told."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, time

from services.domain.routine import Archetype, Condition, Plan, Preferences, RoutineTask, TaskStatus, TaskType
from services.domain.schedule import instant
from services.planning.evaluation.case import Case
from services.planning.evaluation.expectations import (
    NO_EXERTION,
    NOTICE,
    UNTOUCHED,
    changed,
    effort_at_most,
    keeps,
    says,
    starts_after,
)
from services.planning.evaluation.stage import Stage, ask, rested, worn_out
from services.planning.inputs import PlanInputs
from services.planning.library.template import Effort
from services.planning.planner import make_plan

DAWN = Stage(date(2026, 5, 12), time(5))
OFFICE = Preferences(work_start=time(9), work_end=time(17))
KEEP = "Rule keep"


def _at(clock_time: time) -> Stage:
    return replace(DAWN, clock_time=clock_time)


def _marked(plan: Plan, until: time, done: Callable[[RoutineTask], bool]) -> Plan:
    """The plan with the tasks that ended by then marked: done, or still pending."""
    moment = instant(DAWN.day, until, DAWN.tz)

    def mark(task: RoutineTask) -> RoutineTask:
        return replace(task, status=TaskStatus.DONE) if task.end_time <= moment and done(task) else task

    blocks = (replace(block, tasks=tuple(mark(task) for task in block.tasks)) for block in plan.time_blocks)
    return replace(plan, time_blocks=tuple(blocks))


def _again(stage: Stage, previous: Plan, condition: Condition = Condition.WELL, *, tired: bool = False) -> PlanInputs:
    person = worn_out(stage) if tired else rested(stage)
    return replace(ask(stage, person, Archetype.TRANSFORMATION_SEEKER, OFFICE, condition), previous=previous)


def _done(plan: Plan) -> tuple[str, ...]:
    return tuple(task.id for task in plan.tasks if task.status is not TaskStatus.PENDING)


def _skipped(plan: Plan) -> Plan:
    """All movement of the day is skipped ahead of time."""

    def mark(task: RoutineTask) -> RoutineTask:
        return replace(task, status=TaskStatus.SKIPPED) if task.type is TaskType.EXERCISE else task

    blocks = (replace(block, tasks=tuple(mark(task) for task in block.tasks)) for block in plan.time_blocks)
    return replace(plan, time_blocks=tuple(blocks))


def _running(plan: Plan, clock_time: time) -> tuple[str, ...]:
    moment = _at(clock_time).now
    return tuple(task.id for task in plan.tasks if task.start_time <= moment < task.end_time)


def _left_over(first: Plan) -> tuple[Case, ...]:
    noon = _marked(first, time(14, 40), lambda task: task.key is not None and "lunch" not in task.key)
    all_done = _marked(first, time(9), lambda _task: True)
    return (
        Case(
            "again-unchanged",
            "planned again before waking, nothing new",
            "Plans are not turned over for a trifle: ours",
            replace(
                ask(replace(DAWN, clock_time=time(5, 1)), rested(DAWN), Archetype.TRANSFORMATION_SEEKER, OFFICE), previous=first
            ),
            (UNTOUCHED,),
        ),
        Case(
            "again-missed-lunch",
            "lunch was missed, the rest was done",
            KEEP,
            _again(_at(time(14, 40)), noon),
            (keeps(noon, *_done(noon)), changed("MOVED", "meal"), starts_after(_at(time(14, 40)).now)),
        ),
        Case(
            "again-bad-night",
            "the night turns out short at nine",
            "New readings",
            _again(_at(time(9)), all_done, tired=True),
            (keeps(all_done, *_done(all_done)), effort_at_most(Effort.MODERATE), changed("MOVED", "Get ready for bed")),
        ),
        Case(
            "again-sick",
            "ill by the afternoon",
            "Rule cond.sick",
            _again(_at(time(14, 40)), noon, Condition.SICK),
            (keeps(noon, *_done(noon)), NO_EXERTION, NOTICE, says("you are ill")),
        ),
    )


def _running_days(first: Plan) -> tuple[Case, ...]:
    skipped = _skipped(first)
    return (
        Case(
            "again-skipped",
            "all movement of the day is skipped ahead of time",
            KEEP,
            _again(_at(time(10)), skipped),
            (keeps(skipped, *_done(skipped)), effort_at_most(Effort.MODERATE)),
        ),
        Case(
            "again-evening",
            "planned again in the last block",
            "Blocks that run stay as they are",
            _again(_at(time(21)), _marked(first, time(21), lambda _task: True)),
            (starts_after(_at(time(21)).now),),
        ),
        Case(
            "again-running",
            "planned again in the middle of a task",
            KEEP,
            _again(_at(time(10, 20)), _marked(first, time(10, 20), lambda _task: True)),
            (keeps(first, *_running(first, time(10, 20))),),
        ),
    )


def again() -> tuple[Case, ...]:
    """On one first plan, which the draft makes."""
    first = make_plan(ask(DAWN, rested(DAWN), Archetype.TRANSFORMATION_SEEKER, OFFICE)).plan
    return (*_left_over(first), *_running_days(first))
