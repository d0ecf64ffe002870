"""Readings that call for rest and a professional's advice. Never a diagnosis, and never on one sample.

Numbers: planning-rules.md, section "Red flags"; the fever figure is the usual definition. A person who has such readings gets a
day without exertion.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from services.domain.freshness import VITALS_BOUND
from services.domain.health import Biomarker, TimestampRepair

REPEATS = 2
"""Fresh readings that must agree: wrist sensors err."""
FEVER_FREE = timedelta(hours=48)
"""Without fever this long before exertion is back (ottawaheart.ca); a newer ordinary reading does not shorten it."""


@dataclass(frozen=True, slots=True)
class RedFlag:
    """`name` is what the person is told was out of range; `outside` judges one reading, `far` whether it cannot wait.

    `holds_for`: how long two readings that agreed go on counting after newer ones are ordinary again.
    """

    name: str
    types: frozenset[str]
    outside: Callable[[float], bool]
    far: Callable[[float], bool]
    holds_for: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class RaisedFlag:
    """`urgent`: both readings were so far out that advice should be sought today. `rows` are the two that agree, newest first."""

    name: str
    urgent: bool
    rows: tuple[Biomarker, ...]


def _never(_value: float) -> bool:
    return False


def _percent(value: float) -> float:
    return value * 100 if value <= 1 else value


RED_FLAGS = (
    RedFlag(
        "blood oxygen",
        frozenset({"oxygen_saturation", "oxygen_saturation_sleep"}),
        outside=lambda value: 0 < _percent(value) <= 94,
        far=lambda value: _percent(value) <= 92,
    ),
    RedFlag("resting heart rate", frozenset({"heart_rate_resting"}), outside=lambda value: value > 100, far=_never),
    RedFlag(
        "blood pressure", frozenset({"blood_pressure_systolic"}), outside=lambda value: value > 180, far=lambda value: value > 180
    ),
    RedFlag(
        "blood pressure",
        frozenset({"blood_pressure_diastolic"}),
        outside=lambda value: value > 120,
        far=lambda value: value > 120,
    ),
    RedFlag(
        "body temperature",
        frozenset({"body_temperature", "body_temperature_basal"}),
        outside=lambda value: 38 <= value < 45,
        far=_never,
        holds_for=FEVER_FREE,
    ),
)


def red_flags(rows: Iterable[Biomarker], now: datetime) -> tuple[RaisedFlag, ...]:
    """What two successive fresh readings of a kind agree to be out of range, each name once."""
    fresh = [row for row in rows if _counts(row, now)]
    # One sample told twice (the running day and the same day when it is over) is no repeat.
    samples = {(row.type, row.start_date_time): row for row in sorted(fresh, key=lambda row: (row.measured_at, row.id))}
    newest_first = sorted(samples.values(), key=lambda row: (row.measured_at, row.start_date_time, row.id), reverse=True)
    raised: dict[str, RaisedFlag] = {}
    for flag in RED_FLAGS:
        found = _raised(flag, [row for row in newest_first if row.type in flag.types], now)
        if found is not None and not (flag.name in raised and raised[flag.name].urgent):
            raised[flag.name] = found
    return tuple(raised.values())


def _raised(flag: RedFlag, newest_first: list[Biomarker], now: datetime) -> RaisedFlag | None:
    for position, pair in enumerate(pairwise(newest_first)):
        if position > 0 and now - pair[0].measured_at > flag.holds_for:
            return None
        numbers = [row.number for row in pair if row.number is not None]
        if all(flag.outside(number) for number in numbers):
            return RaisedFlag(flag.name, all(flag.far(number) for number in numbers), pair)
    return None


def _counts(row: Biomarker, now: datetime) -> bool:
    known_age = row.repair in {TimestampRepair.NONE, TimestampRepair.START}
    return row.number is not None and known_age and now - row.measured_at <= VITALS_BOUND


ADVICE: Mapping[str, str] = {
    "blood oxygen": "measure again with a warm, still hand",
    "resting heart rate": "measure again after sitting quietly for a while",
    "blood pressure": "measure again after sitting quietly for a while",
    "body temperature": "drink, rest and measure again later",
}
"""How a reading of that name is repeated."""
