"""When a task may start, in instants: its library window laid over one person's day."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from services.domain.routine import TaskType
from services.planning.chronotype import Chronotype
from services.planning.day_plan import Situation
from services.planning.library.template import Anchor, TaskTemplate
from services.planning.limits import distance_from_bed

LATER = timedelta(minutes=140)
"""How much later than usual something may still begin that was missed, or a meal that finds no room in its time."""
SHIFT = {Chronotype.EARLY: -3, Chronotype.LATE: 5}
"""Hundredths of the day by which demanding work is best earlier or later than for others. Ours."""


@dataclass(frozen=True, slots=True)
class Starts:
    """Earliest, best and latest start."""

    earliest: datetime
    ideal: datetime
    latest: datetime

    @property
    def reach_s(self) -> float:
        """Seconds from the best start to the farther edge, at least one."""
        return max((self.ideal - self.earliest).total_seconds(), (self.latest - self.ideal).total_seconds(), 1.0)


def starts(
    template: TaskTemplate,
    length: timedelta,
    meal_ends: Mapping[str, datetime],
    situation: Situation,
    *,
    late_meal: bool = False,
) -> Starts | None:
    """The starts of a task of this length; `None` for what follows a meal that the day does not have.

    `late_meal` lets a meal begin later, and lie nearer to bedtime than it should.
    """
    hours, window = situation.hours, template.window
    offsets = (window.earliest, window.ideal, window.latest)
    match window.anchor:
        case Anchor.WAKE:
            first, best, last = (hours.day.start + timedelta(minutes=minute) for minute in offsets)
        case Anchor.LIGHTS_OUT:
            first, best, last = (hours.lights_out - timedelta(minutes=minute) - length for minute in offsets)
        case Anchor.DAY:
            shares = (window.earliest, window.ideal + _shift(template, situation), window.latest)
            first, best, last = (hours.day.start + situation.waking * share / 100 for share in shares)
        case Anchor.AFTER_MEAL:
            ends = meal_ends.get(window.meal or "")
            if ends is None:
                return None
            first, best, last = (ends + timedelta(minutes=minute) for minute in offsets)
        case _:
            assert_never(window.anchor)
    if late_meal or (template.anchor and template.key in situation.missed):
        last += LATER
    return Starts(first, best, min(last, hours.lights_out - distance_from_bed(template, late_meal=late_meal) - length))


def _shift(template: TaskTemplate, situation: Situation) -> int:
    """Early people do their best work earlier in their day, late ones later."""
    kind = situation.digest.chronotype
    works = template.demanding and template.type in {TaskType.FOCUS, TaskType.WORK}
    return SHIFT.get(kind, 0) if works and kind is not None else 0
