"""Whether a person lives early or late, and what Sahha's behaviour labels add to that.

Labels are words about weeks; what was measured comes first.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import Enum

from services.domain.health import BehaviourLabel
from services.domain.schedule import DAY_MINUTES, minute_of_day
from services.planning.nights import Habit

EARLY_BEFORE, LATE_FROM = 2 * 60 + 30, 4 * 60 + 30
"""Minutes after midnight of the middle of the usual sleep: earlier is early, later late. Ours, around the usual middle of 3 to
4.
"""
BY_DAY = (8 * 60, 18 * 60)
LABEL_BOUND = timedelta(days=60)
"""An older label says nothing any more."""
UNTRAINED = frozenset({"sedentary", "rare_exerciser"})


class Chronotype(Enum):
    """`BY_DAY`: the usual sleep lies in the daytime, as that of night workers."""

    EARLY = "EARLY"
    MIDDLE = "MIDDLE"
    LATE = "LATE"
    BY_DAY = "BY_DAY"


LABELLED = {
    "very_early_sleeper": Chronotype.EARLY,
    "early_sleeper": Chronotype.EARLY,
    "late_sleeper": Chronotype.LATE,
    "very_late_sleeper": Chronotype.LATE,
}


def chronotype(bed: Habit | None, wake: Habit | None, labels: Mapping[str, str]) -> Chronotype | None:
    """From the middle of the usual sleep; without nights, from the label of the bed schedule."""
    if bed is None or wake is None:
        return LABELLED.get(labels.get("bed_schedule", ""))
    start = minute_of_day(bed.clock_time)
    length = (minute_of_day(wake.clock_time) - start) % DAY_MINUTES
    middle = (start + length // 2) % DAY_MINUTES
    if BY_DAY[0] <= middle < BY_DAY[1]:
        return Chronotype.BY_DAY
    after_midnight = middle if middle < BY_DAY[1] else middle - DAY_MINUTES
    if after_midnight < EARLY_BEFORE:
        return Chronotype.EARLY
    return Chronotype.LATE if after_midnight >= LATE_FROM else Chronotype.MIDDLE


def newest_labels(labels: Iterable[BehaviourLabel], now: datetime) -> dict[str, str]:
    """The newest value of each label, a week's before a month's of the same end."""
    recent = [label for label in labels if now - label.end_date_time <= LABEL_BOUND]
    ordered = sorted(recent, key=lambda label: (label.end_date_time, label.periodicity == "weekly", label.id))
    return {label.name: label.value for label in ordered}


def untrained(labels: Mapping[str, str]) -> bool:
    """Whether the labels say that hard effort would be new to this person."""
    return bool(UNTRAINED & {labels.get("activity_level", ""), labels.get("exercise_frequency", "")})
