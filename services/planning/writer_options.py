"""What else could stand in each place of a finished day, so that every rule is kept whichever of it is chosen."""

from collections.abc import Iterator
from dataclasses import dataclass

from services.planning.choices import admissible_tasks, substitute
from services.planning.day_plan import DayPlan, PlannedTask, Situation
from services.planning.library import LIBRARY
from services.planning.library.template import TaskTemplate

MOST_OPTIONS = 3


@dataclass(frozen=True, slots=True)
class OpenSlot:
    """A settled place of the day. `options` are tasks in our own words, the draft's first, then by their worth to this person."""

    id: str
    options: tuple[PlannedTask, ...]

    @property
    def task(self) -> PlannedTask:
        """The draft's own."""
        return self.options[0]

    def option(self, key: str) -> PlannedTask | None:
        return next((task for task in self.options if task.template.key == key), None)


def open_slots(day: DayPlan, situation: Situation) -> dict[str, tuple[OpenSlot, ...]]:
    """The slots of each block that has any, by its title: what still needs words.

    An entry is offered in one slot only and a role in its own, so that no choice excludes another. What a replan leaves as it
    was, whoever wrote it, is not written again.
    """
    offered = {task.template.key for task in day.tasks}
    slots: dict[str, tuple[OpenSlot, ...]] = {}
    number = 0
    for block in day.open_blocks:
        found = []
        for task in block.tasks:
            if task.kept is None and not _stands(task, situation):
                number += 1
                others = tuple(_others(task, offered, day, situation))
                offered.update(other.template.key for other in others)
                found.append(OpenSlot(f"s{number}", (task, *others)))
        if found:
            slots[block.kind.title] = tuple(found)
    return slots


def _stands(task: PlannedTask, situation: Situation) -> bool:
    """Whether a task has the words that it had in the plan before."""
    before = situation.before.get(task.template.key)
    return before is not None and (before.title, before.description) == (task.title, task.description)


def _others(task: PlannedTask, offered: set[str], day: DayPlan, situation: Situation) -> Iterator[PlannedTask]:
    """The entries worth most that could take the task's place and leave the day as sound as it is."""
    alike = {template.key for template in LIBRARY if template.key not in offered and _stands_in(template, task, situation)}
    if not alike:
        return
    fitting = (template for template in admissible_tasks(task, situation, day) if template.key in alike)
    for template, _ in zip(fitting, range(MOST_OPTIONS - 1), strict=False):
        yield substitute(task, template, situation)


def _stands_in(template: TaskTemplate, task: PlannedTask, situation: Situation) -> bool:
    """Whether an entry is of the same kind and no worse.

    Same type and role, no more effort, at least the same rules, and an answer to at least the same needs and goals of the person.
    """
    held = task.template
    return (
        template.type is held.type
        and template.minutes[0] <= task.minutes <= template.minutes[1]
        and (template.role, template.meal, template.anchor) == (held.role, held.meal, held.anchor)
        and template.caffeine is held.caffeine
        and template.effort <= held.effort
        and template.demanding <= held.demanding
        and set(held.rules) <= set(template.rules)
        and held.suits & situation.needs <= template.suits
        and held.goals & situation.goals <= template.goals
    )
