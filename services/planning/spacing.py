"""How far tasks keep from each other: meals, effort, breaks and snacks. Ours, unless a rule is named."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.planning.day_plan import Situation, Span
from services.planning.library.template import Effort, TaskTemplate
from services.planning.limits import BETWEEN_MEALS, BETWEEN_SIT_BREAKS, MEAL_BEFORE_EFFORT

MEALS = ("breakfast", "lunch", "dinner")
SNACK = "snack"
AROUND_A_SNACK = timedelta(minutes=75)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What of a day a task has to keep its distance from: planned, kept and among the person's own appointments.

    `meal_ends` are by role; `hard` says that the day has its hard effort.
    """

    meals: tuple[Span, ...]
    meal_ends: Mapping[str, datetime]
    efforts: tuple[datetime, ...]
    sit_breaks: tuple[datetime, ...]
    snacks: tuple[Span, ...]
    hard: bool


def neighbours(tasks: Iterable[tuple[TaskTemplate, Span]], situation: Situation) -> Neighbours:
    """Of tasks that take place, and of the appointments that fill a role."""
    present, taken = tuple(tasks), situation.taken
    own_meals = {role: span for role, span in taken.items() if role in MEALS}
    meals = {template.role or template.key: span for template, span in present if template.meal} | own_meals
    efforts = [span[0] for template, span in present if template.effort >= Effort.MODERATE]
    efforts += [span[0] for role, span in taken.items() if role == "training"]
    return Neighbours(
        meals=tuple(meals.values()),
        meal_ends={role: end for role, (_, end) in meals.items()},
        efforts=tuple(efforts),
        sit_breaks=tuple(span[0] for template, span in present if "sit.break" in template.rules),
        snacks=tuple(span for template, span in present if template.role == SNACK),
        hard="training" in taken or any(template.effort is Effort.HARD for template, _ in present),
    )


def spaced(template: TaskTemplate, start: datetime, end: datetime, near: Neighbours) -> bool:
    """Whether a task keeps its distance there."""
    if template.meal and not _meal_spaced(start, end, near):
        return False
    if template.effort is Effort.HARD and near.hard:
        return False
    if template.effort >= Effort.MODERATE and any(_follows(start, done, MEAL_BEFORE_EFFORT) for _, done in near.meals):
        return False
    if template.role == SNACK and any(_near((start, end), meal, AROUND_A_SNACK) for meal in near.meals):
        return False
    return "sit.break" not in template.rules or all(abs(start - other) >= BETWEEN_SIT_BREAKS for other in near.sit_breaks)


def _meal_spaced(start: datetime, end: datetime, near: Neighbours) -> bool:
    if any(abs(start - other) < BETWEEN_MEALS for other, _ in near.meals):
        return False
    if any(_near((start, end), snack, AROUND_A_SNACK) for snack in near.snacks):
        return False
    return not any(_follows(effort, end, MEAL_BEFORE_EFFORT) for effort in near.efforts)


def _follows(start: datetime, end: datetime, within: timedelta) -> bool:
    """Whether something starts so soon after the end of another."""
    return timedelta(0) <= start - end < within


def _near(one: Span, other: Span, distance: timedelta) -> bool:
    return one[0] - other[1] < distance and other[0] - one[1] < distance
