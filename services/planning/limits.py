"""What a task may not be, and from when on: the numbers of the rules, for choosing beforehand and for checking afterwards."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.domain.routine import Condition, TaskType
from services.planning.chronotype import untrained
from services.planning.day_plan import Situation, Span
from services.planning.goals import Concern
from services.planning.library.template import Caffeine, Contra, Effort, Hours24, Place, TaskTemplate
from services.planning.recovery import Energy

COFFEE_BEFORE_BED = timedelta(hours=8.8)
PRE_WORKOUT_BEFORE_BED = timedelta(hours=13.2)
EFFORT_BEFORE_BED = timedelta(hours=4)
MEAL_BEFORE_BED = timedelta(hours=3)
LATE_MEAL_BEFORE_BED = timedelta(hours=2)
"""Our own: where three hours do not fit into the day, a late dinner is better than none."""
MEAL_BEFORE_EFFORT = timedelta(minutes=60)
"""Our own: from the end of a meal to the start of effort."""
BETWEEN_SIT_BREAKS = timedelta(minutes=60)
"""The lesser of the two intervals of rule sit.break; closer together they are no breaks of anything."""
NAP_BEFORE_BED = timedelta(hours=7)
LONGEST_NAP = timedelta(minutes=30)
BETWEEN_MEALS = timedelta(minutes=150)
"""Our own: from the start of one meal to the start of the next."""
LATE = timedelta(hours=2)
"""Our own: what wakes one up ends this long before lights out."""
BETWEEN_HARD_EFFORTS = timedelta(hours=48)


@dataclass(frozen=True, slots=True)
class EffortLimit:
    """The hardest effort that a day may hold; `because` goes on from "no hard effort, since"."""

    effort: Effort
    because: str


def effort_limit(situation: Situation) -> EffortLimit:
    """The strictest of what the readings, the person's words and their condition allow."""
    return next(_limits(situation), EffortLimit(Effort.HARD, ""))


def _limits(situation: Situation) -> Iterator[EffortLimit]:
    """In the order of their strictness."""
    yield from _of_safety(situation)
    yield from _of_words(situation)
    yield from _of_readings(situation)
    yield from _after_another(situation)
    if untrained(situation.digest.labels):
        yield EffortLimit(Effort.MODERATE, "hard training would be new to you")


def _of_safety(situation: Situation) -> Iterator[EffortLimit]:
    if situation.digest.flags:
        yield EffortLimit(Effort.NONE, "a reading was outside the usual range more than once")
    if situation.concern in {Concern.STOP, Concern.CRISIS}:
        yield EffortLimit(Effort.NONE, "your own words mention something that a professional should hear first")
    if situation.condition is Condition.SICK:
        yield EffortLimit(Effort.NONE, "you say that you are ill")
    if situation.condition is Condition.INJURED:
        yield EffortLimit(Effort.LIGHT, "you say that you are injured")


def _of_words(situation: Situation) -> Iterator[EffortLimit]:
    if situation.condition is Condition.TIRED:
        yield EffortLimit(Effort.MODERATE, "you say that you are tired")
    if situation.concern is Concern.GENTLE:
        yield EffortLimit(Effort.MODERATE, "your own words ask for care")


def _of_readings(situation: Situation) -> Iterator[EffortLimit]:
    digest = situation.digest
    if situation.careful:
        yield EffortLimit(Effort.MODERATE, "last night is still arriving")
    if digest.minor:
        yield EffortLimit(Effort.MODERATE, "you are still growing")
    if situation.energy is Energy.LOW:
        yield EffortLimit(Effort.MODERATE, "your readings ask for an easy day")
    if situation.energy is Energy.UNKNOWN:
        yield EffortLimit(Effort.MODERATE, "nothing is known of how recovered you are")
    if digest.strain:
        names = " and ".join(key.value for key in digest.strain)
        yield EffortLimit(Effort.MODERATE, f"your {names} {'is' if len(digest.strain) == 1 else 'are'} not where you usually are")


def _after_another(situation: Situation) -> Iterator[EffortLimit]:
    """A recorded hard effort of the same day, or of the last 48 h when readiness is not high (rule effort.one)."""
    effort = situation.digest.hard_effort
    if effort is None:
        return
    if effort.day == situation.inputs.date:
        yield EffortLimit(Effort.MODERATE, "a hard effort of today is recorded already")
    start = max(situation.open_from, situation.hours.day.start)
    if start - effort.by < BETWEEN_HARD_EFFORTS and situation.energy is not Energy.HIGH:
        yield EffortLimit(Effort.MODERATE, "the last hard effort was less than two days ago and your readiness is not high")


def safe(template: TaskTemplate, situation: Situation) -> bool:
    """Whether a task does no harm on this day, whenever it is."""
    if template.effort > effort_limit(situation).effort:
        return False
    if situation.forbids_exertion and template.type is TaskType.EXERCISE:
        return False
    return not template.against & _contra(situation)


def admissible(template: TaskTemplate, situation: Situation) -> bool:
    """Whether a task can be in this day at all, whenever it is."""
    if not safe(template, situation) or template.type in situation.inputs.preferences.avoid_task_types:
        return False
    if template.caffeine is not Caffeine.NONE and (situation.digest.minor or situation.forbids_exertion):
        return False
    if template.only_for is not None and template.only_for not in situation.needs:
        return False
    if template.conditions and situation.condition not in template.conditions:
        return False
    if template.role is not None and template.role in situation.taken:
        return False
    return template.place is not Place.WORK or bool(situation.work)


def _contra(situation: Situation) -> frozenset[Contra]:
    """What the day has against tasks."""
    found = set()
    if situation.condition is Condition.SICK:
        found.add(Contra.SICK)
    if situation.condition is Condition.INJURED:
        found.add(Contra.INJURED)
    if situation.energy is Energy.LOW:
        found.add(Contra.LOW_READINESS)
    return frozenset(found)


def distance_from_bed(template: TaskTemplate, *, late_meal: bool = False) -> timedelta:
    """How long before lights out a task has to be over: the strictest of the rules that speak of it.

    `late_meal`: the least for a meal on a day that has no room for it earlier.
    """
    limits = [timedelta(0)]
    if template.caffeine is Caffeine.COFFEE:
        limits.append(COFFEE_BEFORE_BED)
    if template.caffeine is Caffeine.PRE_WORKOUT:
        limits.append(PRE_WORKOUT_BEFORE_BED)
    if template.effort >= Effort.MODERATE:
        limits.append(EFFORT_BEFORE_BED)
    if template.meal:
        limits.append(LATE_MEAL_BEFORE_BED if late_meal else MEAL_BEFORE_BED)
    if "nap" in template.rules:
        limits.append(NAP_BEFORE_BED)
    if Contra.LATE in template.against:
        limits.append(LATE)
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
