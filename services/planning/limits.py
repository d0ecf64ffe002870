"""What a task may not be, and from when on: the numbers of the rules, for choosing beforehand and for checking afterwards."""

from datetime import datetime, timedelta

from services.domain.routine import TaskType
from services.planning.day_plan import Situation, Span
from services.planning.digest import Energy
from services.planning.library.template import Caffeine, Effort, Hours24, Place, TaskTemplate

COFFEE_BEFORE_BED = timedelta(hours=8.8)
PRE_WORKOUT_BEFORE_BED = timedelta(hours=13.2)
EFFORT_BEFORE_BED = timedelta(hours=4)
MEAL_BEFORE_BED = timedelta(hours=3)
NAP_BEFORE_BED = timedelta(hours=7)
LONGEST_NAP = timedelta(minutes=30)
BETWEEN_MEALS = timedelta(minutes=150)
"""Our own: from the start of one meal to the start of the next."""


def most_effort(situation: Situation) -> Effort:
    """The hardest effort that the day may hold."""
    digest = situation.digest
    if digest.red_flags:
        return Effort.NONE
    gentle = situation.careful or digest.minor or digest.energy in {Energy.LOW, Energy.UNKNOWN}
    return Effort.MODERATE if gentle else Effort.HARD


def admissible(template: TaskTemplate, situation: Situation) -> bool:
    """Whether a task can be in this day at all, whenever it is."""
    if template.effort > most_effort(situation):
        return False
    if situation.digest.red_flags and template.type is TaskType.EXERCISE:
        return False
    if template.caffeine is not Caffeine.NONE and situation.digest.minor:
        return False
    if template.only_for is not None and template.only_for not in situation.digest.needs:
        return False
    return template.place is not Place.WORK or bool(situation.work)


def distance_from_bed(template: TaskTemplate) -> timedelta:
    """How long before lights out a task has to be over: the strictest of the rules that speak of it."""
    limits = [timedelta(0)]
    if template.caffeine is Caffeine.COFFEE:
        limits.append(COFFEE_BEFORE_BED)
    if template.caffeine is Caffeine.PRE_WORKOUT:
        limits.append(PRE_WORKOUT_BEFORE_BED)
    if template.effort >= Effort.MODERATE:
        limits.append(EFFORT_BEFORE_BED)
    if template.meal:
        limits.append(MEAL_BEFORE_BED)
    if "nap" in template.rules:
        limits.append(NAP_BEFORE_BED)
    return max(limits)


def within_hours(start: datetime, end: datetime, hours: Hours24, situation: Situation) -> bool:
    """Whether a task lies between two wall-clock times of one calendar day."""
    begin, finish = situation.hours.day.local_time(start), situation.hours.day.local_time(end)
    return hours.start <= begin <= finish <= hours.end


def overlaps(start: datetime, end: datetime, spans: tuple[Span, ...]) -> bool:
    return any(start < finish and begin < end for begin, finish in spans)


def inside(start: datetime, end: datetime, spans: tuple[Span, ...]) -> bool:
    return any(begin <= start and end <= finish for begin, finish in spans)


def place_fits(template: TaskTemplate, start: datetime, end: datetime, situation: Situation) -> bool:
    """Whether a task keeps to where it belongs: in working hours, out of them, or anywhere."""
    match template.place:
        case Place.ANY:
            return True
        case Place.WORK:
            return inside(start, end, situation.work)
        case Place.FREE:
            return not overlaps(start, end, situation.work)
