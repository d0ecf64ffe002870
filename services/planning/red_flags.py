"""Readings that call for rest and a professional's advice. Never a diagnosis, and never on one sample.

Numbers: planning-rules.md, section "Red flags"; the fever figure is the usual definition. A person who has such readings gets a
day without exertion.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from services.domain.freshness import VITALS_BOUND
from services.domain.health import Biomarker, TimestampRepair

REPEATS = 2
"""Fresh readings that must agree: wrist sensors err."""


@dataclass(frozen=True, slots=True)
class RedFlag:
    """`name` is what the person is told was out of range; `outside` judges one reading."""

    name: str
    types: frozenset[str]
    outside: Callable[[float], bool]


RED_FLAGS = (
    RedFlag(
        "blood oxygen",
        frozenset({"oxygen_saturation", "oxygen_saturation_sleep"}),
        lambda value: 0 < (value * 100 if value <= 1 else value) <= 94,
    ),
    RedFlag("resting heart rate", frozenset({"heart_rate_resting"}), lambda value: value > 100),
    RedFlag("blood pressure", frozenset({"blood_pressure_systolic"}), lambda value: value > 180),
    RedFlag("blood pressure", frozenset({"blood_pressure_diastolic"}), lambda value: value > 120),
    RedFlag("body temperature", frozenset({"body_temperature", "body_temperature_basal"}), lambda value: 38 <= value < 45),
)


def red_flags(rows: Iterable[Biomarker], now: datetime) -> tuple[str, ...]:
    """What the newest two fresh readings of a kind agree to be out of range, by name, each once."""
    fresh = [row for row in rows if _counts(row, now)]
    # One sample told twice (the running day and the same day when it is over) is no repeat.
    samples = {(row.type, row.start_date_time): row for row in sorted(fresh, key=lambda row: (row.measured_at, row.id))}
    newest_first = sorted(samples.values(), key=lambda row: (row.measured_at, row.start_date_time, row.id), reverse=True)
    found = []
    for flag in RED_FLAGS:
        latest = [row.number for row in newest_first if row.type in flag.types and row.number is not None][:REPEATS]
        if len(latest) == REPEATS and all(flag.outside(value) for value in latest):
            found.append(flag.name)
    return tuple(dict.fromkeys(found))


def _counts(row: Biomarker, now: datetime) -> bool:
    known_age = row.repair in {TimestampRepair.NONE, TimestampRepair.START}
    return row.number is not None and known_age and now - row.measured_at <= VITALS_BOUND
