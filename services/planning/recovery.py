"""From facts to what a day may ask of a person, and what their readings call for."""

from collections.abc import Mapping
from enum import Enum

from services.domain.health import Biomarker
from services.planning.baseline import Direction, OwnRange, Trend
from services.planning.facts import Fact, FactKey
from services.planning.load import Load
from services.planning.nights import Night

LOW_STATES = frozenset({"low", "minimal"})
LOW_SCORE = 0.5
HIGH_SCORE = 0.7
SHORT_NIGHT_H = 6.0
LARGE_DEBT_H = 2.0
FEW_STEPS = 5000
MANY_STEPS = 9000
IRREGULAR = 0.8
SURE = 0.4
"""A comparison with less confidence than this decides nothing."""


class Energy(Enum):
    """How much a day may ask. LOW: low readiness, a short night or a large sleep debt. UNKNOWN: no fresh value says."""

    LOW = "LOW"
    UNKNOWN = "UNKNOWN"
    STEADY = "STEADY"
    HIGH = "HIGH"


class Need(Enum):
    """What the readings call for; a task that answers one is favoured."""

    REST = "REST"
    MOVEMENT = "MOVEMENT"
    RHYTHM = "RHYTHM"
    CHALLENGE = "CHALLENGE"
    CALM = "CALM"


STRAIN: Mapping[FactKey, Direction] = {
    FactKey.READINESS: Direction.LOWER,
    FactKey.HEART_RATE_VARIABILITY: Direction.LOWER,
    FactKey.RESTING_HEART_RATE: Direction.HIGHER,
    FactKey.RESPIRATORY_RATE: Direction.HIGHER,
    FactKey.SKIN_TEMPERATURE: Direction.HIGHER,
}
"""The direction, against a person's own values, that speaks of strain (rule ex.hrv)."""


def strained(trends: Mapping[FactKey, Trend], ranges: Mapping[FactKey, OwnRange]) -> tuple[FactKey, ...]:
    """What lies on the strained side of the person's own, in the order of `STRAIN`."""
    found = []
    for key, direction in STRAIN.items():
        compared = (trends.get(key), ranges.get(key))
        if any(each is not None and each.direction is direction and each.confidence >= SURE for each in compared):
            found.append(key)
    return tuple(found)


def energy(facts: Mapping[FactKey, Fact], night: Night | None, strain: tuple[FactKey, ...] = ()) -> Energy:
    """Sahha's own word about today first, then the scores; strain keeps a day from being a high one."""
    main = facts.get(FactKey.READINESS) or facts.get(FactKey.SLEEP_SCORE)
    variability = facts.get(FactKey.HEART_RATE_VARIABILITY)
    if _is_low(main) or _below(main, LOW_SCORE) or _short(night) or _indebted(facts) or _state_low(variability):
        return Energy.LOW
    if main is None and night is None:
        return Energy.UNKNOWN
    high = main is not None and (main.state == "high" or (main.number or 0) >= HIGH_SCORE)
    return Energy.HIGH if high and not strain else Energy.STEADY


def needs(facts: Mapping[FactKey, Fact], found: Energy, load: Load | None, strain: tuple[FactKey, ...]) -> frozenset[Need]:
    called = set()
    if found is Energy.LOW or strain:
        called.add(Need.REST)
    if found is Energy.HIGH and not (load is not None and load.rising):
        called.add(Need.CHALLENGE)
    if _moves_little(facts, load) and not _moved_today(facts):
        called.add(Need.MOVEMENT)
    if _below(facts.get(FactKey.SLEEP_REGULARITY), IRREGULAR):
        called.add(Need.RHYTHM)
    if _is_low(facts.get(FactKey.MENTAL_SCORE)):
        called.add(Need.CALM)
    return frozenset(called)


def _moves_little(facts: Mapping[FactKey, Fact], load: Load | None) -> bool:
    """Sahha says so, yesterday was still, or the week is far under what is usual for this person."""
    return (
        _is_low(facts.get(FactKey.ACTIVITY_SCORE))
        or _below(facts.get(FactKey.STEPS), FEW_STEPS)
        or (load is not None and load.falling)
    )


def _moved_today(facts: Mapping[FactKey, Fact]) -> bool:
    today = facts.get(FactKey.STEPS_TODAY)
    return today is not None and today.number is not None and today.number >= MANY_STEPS


def _is_low(fact: Fact | None) -> bool:
    """Sahha's own word decides; without one, the score."""
    if fact is None:
        return False
    return _state_low(fact) if fact.state is not None else _below(fact, LOW_SCORE)


def _state_low(fact: Fact | None) -> bool:
    return fact is not None and fact.state in LOW_STATES


def _below(fact: Fact | None, limit: float) -> bool:
    return fact is not None and fact.number is not None and fact.number < limit


def _short(night: Night | None) -> bool:
    return night is not None and night.asleep.total_seconds() < SHORT_NIGHT_H * 3600


def _indebted(facts: Mapping[FactKey, Fact]) -> bool:
    debt = facts.get(FactKey.SLEEP_DEBT)
    return debt is not None and debt.number is not None and debt.number >= LARGE_DEBT_H


def of_a_whole_day(row: Biomarker) -> bool:
    """Whether a day's total is final: its window was over, and Sahha calls it daily or sent it afterwards."""
    return row.end_date_time <= row.as_of and (row.periodicity == "daily" or row.received_at >= row.end_date_time)
