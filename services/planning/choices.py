"""What may stand in a place of the day instead of what the draft put there: for a planner that chooses."""

from dataclasses import replace

from services.planning.counts import demanding_allowed
from services.planning.day_plan import DayPlan, PlannedTask, Situation
from services.planning.library import LIBRARY
from services.planning.library.template import Anchor, TaskTemplate
from services.planning.limits import admissible
from services.planning.timeline import Slot, Timeline
from services.planning.value import value
from services.planning.wording import Choice, lies_in, write_task


def admissible_tasks(place: PlannedTask, situation: Situation, day: DayPlan | None = None) -> tuple[TaskTemplate, ...]:
    """The library entries that may take this place, what stands there first and the others by what they are worth.

    Each fits into its time as it is: its length, its window, its hours and its distance from bedtime. With the `day` around it,
    what the day holds already, a second one of a role, a second hard effort and too many demanding tasks are left out as well.
    What a replan keeps has no choice but itself.
    """
    if place.kept is not None:
        return (place.template,)
    others = tuple(task for task in (day.tasks if day is not None else ()) if task.template.key != place.template.key)
    timeline = Timeline(replace(situation, kept=others or situation.kept))
    frames = {index: frame for index, frame in enumerate(situation.frames) if frame.kept is None}
    held = {task.template.key for task in others} | {place.template.key}
    roles = {task.template.role for task in others if task.template.role is not None}
    demanding = sum(task.template.demanding and task.counts for task in others)
    room = place.template.demanding or demanding < demanding_allowed(situation)
    fitting = (
        template
        for template in LIBRARY
        if template.key not in held
        and template.role not in roles
        and (room or not template.demanding)
        and template.minutes[0] <= place.minutes <= template.minutes[1]
        and _gives_way(place.template, template)
        and admissible(template, situation)
        and timeline.at(template, (place.start, place.end), frames) is not None
    )
    return (place.template, *sorted(fitting, key=lambda template: (-value(template, situation), template.key)))


def substitute(place: PlannedTask, template: TaskTemplate, situation: Situation) -> PlannedTask:
    """Another entry in this place: its own title, words and evidence, at the same time."""
    frame = next(index for index, frame in enumerate(situation.frames) if lies_in(place, frame))
    slot = Slot(template, frame, place.start, place.end, 0)
    return write_task(Choice(slot, value(template, situation)), situation)


def _gives_way(held: TaskTemplate, other: TaskTemplate) -> bool:
    """The fixed parts of a day give way to their own kind alone, and what follows a meal to what follows it too."""
    if held.anchor or held.meal:
        return held.role is not None and other.role == held.role
    if other.anchor or other.meal:
        return False
    return (held.window.anchor is Anchor.AFTER_MEAL) == (other.window.anchor is Anchor.AFTER_MEAL)
