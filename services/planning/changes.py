"""What a replan changed, task by task, each with its reason in plain words."""

from collections.abc import Iterator
from datetime import timedelta
from enum import Enum
from typing import assert_never

from services.domain.routine import ChangeKind, Condition, Plan, RoutineChange, RoutineTask, TimeBlock
from services.planning.day_plan import Situation
from services.planning.kept import template_of
from services.planning.library.template import Anchor
from services.planning.limits import effort_limit, safe
from services.planning.wording import same_value


class Trigger(Enum):
    """What a replan was made for: the person asked, new readings arrived, or a task was skipped or missed."""

    ASKED = "ASKED"
    READINGS = "READINGS"
    MISSED = "MISSED"


EARLIER_NIGHT = timedelta(minutes=5)


def changes(previous: Plan, blocks: tuple[TimeBlock, ...], situation: Situation, trigger: Trigger) -> tuple[RoutineChange, ...]:
    """The differences between the plan before and the new blocks, in the order of the day; none for what stays as it was."""
    before = {task.id: task for task in previous.tasks}
    after = {task.id: task for block in blocks for task in block.tasks}
    found = [*_gone(before, after, situation, trigger), *_new_or_other(before, after, situation, trigger)]
    return tuple(
        sorted(found, key=lambda change: (change.moved_to or change.moved_from or situation.open_from, change.task_id or ""))
    )


def _gone(
    before: dict[str, RoutineTask], after: dict[str, RoutineTask], situation: Situation, trigger: Trigger
) -> Iterator[RoutineChange]:
    for task_id, task in before.items():
        if task_id not in after:
            because = _why_gone(task, situation, trigger)
            yield RoutineChange(ChangeKind.REMOVED, task_id, task.title, task.start_time, None, because)


def _new_or_other(
    before: dict[str, RoutineTask], after: dict[str, RoutineTask], situation: Situation, trigger: Trigger
) -> Iterator[RoutineChange]:
    for task_id, task in after.items():
        held = before.get(task_id)
        if held is None:
            because = _why_new(task, situation, trigger)
            yield RoutineChange(ChangeKind.ADDED, task_id, task.title, None, task.start_time, because)
        elif (held.start_time, held.end_time) != (task.start_time, task.end_time):
            because = _why_moved(held, task, situation, trigger)
            yield RoutineChange(ChangeKind.MOVED, task_id, task.title, held.start_time, task.start_time, because)
        elif (held.title, held.description) != (task.title, task.description):
            because = _why_rewritten(held, task)
            yield RoutineChange(ChangeKind.REWRITTEN, task_id, task.title, held.start_time, task.start_time, because)


def _why_gone(task: RoutineTask, situation: Situation, trigger: Trigger) -> str:
    template = template_of(task)
    if template.key in situation.missed:
        return "It was not done in its time, and no later time of the day suits it."
    if not safe(template, situation):
        return _why_unsafe(situation)
    if task.type in situation.inputs.preferences.avoid_task_types:
        return "You do not want tasks of this kind."
    return f"{_cause(situation, trigger)}, and other tasks suit the rest of your day better."


def _why_new(task: RoutineTask, situation: Situation, trigger: Trigger) -> str:
    template = template_of(task)
    if situation.condition in template.conditions:
        return _condition(situation.condition)
    if template.suits & situation.needs:
        needs = " and ".join(sorted(need.value.lower() for need in template.suits & situation.needs))
        return f"{_cause(situation, trigger)}, and this answers what your day calls for: {needs}."
    return f"{_cause(situation, trigger)}, and there is room for it."


def _why_moved(held: RoutineTask, task: RoutineTask, situation: Situation, trigger: Trigger) -> str:
    template = template_of(task)
    if template.key in situation.missed:
        return "It was not done in its time, and is worth doing later."
    if (
        template.window.anchor is Anchor.LIGHTS_OUT
        and situation.hours.moved >= EARLIER_NIGHT
        and task.start_time < held.start_time
    ):
        return "Lights go out earlier today."
    if task.start_time == held.start_time:
        return f"{_cause(situation, trigger)}, so that it takes {'less' if task.end_time < held.end_time else 'more'} time."
    return f"{_cause(situation, trigger)}, and it fits better at this time."


def _why_rewritten(held: RoutineTask, task: RoutineTask) -> str:
    if [same_value(item) for item in held.evidence] != [same_value(item) for item in task.evidence]:
        return "It rests on newer readings."
    return "Its words suit the rest of your day better."


def _why_unsafe(situation: Situation) -> str:
    because = effort_limit(situation).because
    return (
        f"It asks for more than this day should hold, since {because}." if because else "It is nothing for a day like this one."
    )


def _condition(condition: Condition) -> str:
    match condition:
        case Condition.SICK:
            return "You say that you are ill."
        case Condition.INJURED:
            return "You say that you are injured."
        case Condition.TIRED:
            return "You say that you are tired."
        case Condition.WELL:
            return "You say that you are well."
        case _:
            assert_never(condition)


def _cause(situation: Situation, trigger: Trigger) -> str:
    """The beginning of a sentence."""
    match trigger:
        case Trigger.READINGS:
            return "New readings have arrived"
        case Trigger.MISSED:
            return "Something was missed"
        case Trigger.ASKED:
            return "Something was missed" if situation.missed else "You asked for a new plan of what is left"
        case _:
            assert_never(trigger)
