"""The days of invented people as Sahha's JSON: biomarkers, scores and archetypes in the shapes and windows of its API.

A whole day has 22 biomarkers, and a week two more (weight on Sunday, age on Monday), which makes 156 in any 7 days. It has 13
scores, of which one is not made on Saturdays and one not on Sundays: 89 in any 7 days.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from server.standins.people import Day, Person, day_of, noise, share
from services.domain.schedule import instant, local_date, local_time
from services.sahha.lexical import fixed_offset

MONDAY, SATURDAY, SUNDAY = 0, 5, 6
SETTLED_AT = time(6)
"""Local time at which the rows of the day before become final."""
BED_BY = 22
EVENING = time(18)
LAST_SECOND = timedelta(seconds=-1)
STATES = ((0.80, "high"), (0.60, "medium"), (0.30, "low"))
SKIPPED = {"digital": SATURDAY, "nutrition": SUNDAY}

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Window:
    """What rows of one kind have in common."""

    category: str
    periodicity: str
    start: datetime
    end: datetime


def biomarker_rows(person: Person, day: date, now: datetime) -> list[Row]:
    """The biomarkers that belong to `day`, as they stand at `now`; none for a day that has not begun."""
    today = local_date(now, person.zone)
    if person.silent or day > today:
        return []
    facts = day_of(person, day)
    clock_time = local_time(now, person.zone)
    settled = day < today - timedelta(days=1) or (day < today and clock_time >= SETTLED_AT)
    periodicity = "daily" if settled else "intraday"
    done = 1.0 if day < today else _part_of_day(person, clock_time)
    rows = [
        *_activity(person, Window("activity", periodicity, *_days(person, day)), facts, done),
        *_sleep(person, Window("sleep", periodicity, *_days(person, day - timedelta(days=1), EVENING)), facts),
        *_rolling(person, Window("sleep", "weekly", *_days(person, day - timedelta(days=8), EVENING, days=8)), facts),
        *_vitals(person, Window("vitals", "daily", *_days(person, day)), facts, day),
    ]
    if day.weekday() == SUNDAY:
        weight = person.weight_kg + 0.4 * noise(person, day, "weight")
        rows.append(_row(person, Window("body", "daily", *_days(person, day)), "weight", "none", weight, "kg"))
    if day.weekday() == MONDAY:
        week = Window("characteristic", "weekly", *_days(person, day, days=7))
        rows.append(_row(person, week, "age", "none", person.age, "year"))
    return rows


def score_rows(person: Person, day: date, now: datetime) -> list[Row]:
    """The scores of `day`; none for a day that has not begun. The five types that Sahha serves carry factors."""
    if person.silent or day > local_date(now, person.zone):
        return []
    facts = day_of(person, day)
    moved, rested = facts.activity, facts.sleep
    scores = {
        "activity": moved,
        "sleep": rested,
        "readiness": facts.readiness,
        "wellbeing": share((moved + rested) / 2),
        "mental_wellbeing": share((moved + facts.regularity) / 2),
    }
    for name in ("digital", "energy", "focus", "nutrition", "recovery", "resilience", "stress", "wellness"):
        scores[name] = share((rested + facts.readiness) / 2 + 0.06 * noise(person, day, name))
    start = _local(person, day, time(0)).isoformat()
    return [
        {
            "id": _identity(person, "score", name, start),
            "type": name,
            "state": _state(score),
            "score": score,
            "factors": _factors(person, day, facts, name),
            "dataSources": ["activity"] if name == "activity" else ["sleep", "activity"],
            "scoreDateTime": start,
            "createdAtUtc": instant(day, time(0), person.zone).isoformat(),
            "version": 1,
        }
        for name, score in scores.items()
        if SKIPPED.get(name) != day.weekday()
    ]


def archetype_rows(person: Person, monday: date, now: datetime) -> list[Row]:
    """The weekly archetypes of the week that begins on `monday`, once it is over."""
    sunday = monday + timedelta(days=6)
    if person.silent or sunday >= local_date(now, person.zone):
        return []
    facts = day_of(person, sunday)
    steps, hours, regular = facts.steps // 4000, facts.night.asleep_min // 60 - 5, round(facts.regularity * 3)
    levels = (
        ("activity_level", ("sedentary", "lightly_active", "moderately_active", "highly_active"), steps),
        ("sleep_duration", ("very_short_sleeper", "short_sleeper", "average_sleeper", "long_sleeper"), hours),
        (
            "sleep_regularity",
            tuple(f"{word}_sleeper" for word in ("highly_irregular", "irregular", "regular", "highly_regular")),
            regular,
        ),
    )
    start, end = (_local(person, day, time(0)).isoformat() for day in (monday, sunday))
    return [
        {
            "id": _identity(person, "archetype", name, start),
            "name": name,
            "value": values[max(0, min(3, level))],
            "dataType": "ordinal",
            "periodicity": "weekly",
            "startDateTime": start,
            "endDateTime": end,
            "ordinality": max(0, min(3, level)),
            "version": 1,
        }
        for name, values, level in levels
    ]


def _activity(person: Person, window: Window, facts: Day, done: float) -> Iterator[Row]:
    kcal = facts.steps * 0.045
    totals = (
        ("steps", facts.steps * done, "count"),
        ("floors_climbed", facts.steps * done // 900, "count"),
        ("active_hours", round(facts.active_min / 25) * done, "hour"),
        ("active_duration", facts.active_min * done, "minute"),
        ("activity_high_intensity_duration", facts.intense_min * done, "minute"),
        ("activity_sedentary_duration", facts.sitting_min * done, "minute"),
        ("active_energy_burned", kcal * done, "kcal"),
        ("total_energy_burned", (22 * person.weight_kg + kcal) * done, "kcal"),
    )
    return (_row(person, window, name, "total", int(value), unit) for name, value, unit in totals)


def _sleep(person: Person, window: Window, facts: Day) -> Iterator[Row]:
    night = facts.night
    for name, moment in (("sleep_start_time", night.bed), ("sleep_mid_time", night.middle), ("sleep_end_time", night.wake)):
        yield _row(person, window, name, "none", moment, "datetime")
    minutes = (
        ("sleep_duration", night.asleep_min),
        ("sleep_in_bed_duration", night.in_bed_min),
        ("sleep_deep_duration", round(night.asleep_min * 0.17)),
        ("sleep_rem_duration", round(night.asleep_min * 0.23)),
    )
    for name, value in minutes:
        yield _row(person, window, name, "total", value, "minute")
    yield _row(person, window, "sleep_efficiency", "none", night.asleep_min / night.in_bed_min, "percentage")


def _rolling(person: Person, window: Window, facts: Day) -> Iterator[Row]:
    yield _row(person, window, "sleep_debt", "total", facts.sleep_debt_h, "hour")
    yield _row(person, window, "sleep_regularity", "average", facts.regularity, "percentage")


def _vitals(person: Person, window: Window, facts: Day, day: date) -> Iterator[Row]:
    breaths, skin = noise(person, day, "breaths"), noise(person, day, "skin")
    yield _row(person, window, "heart_rate_resting", "average", facts.resting_heart_rate, "bpm")
    yield _row(person, window, "heart_rate_variability_rmssd", "average", facts.heart_rate_variability, "millisecond")
    yield _row(person, window, "respiratory_rate_sleep", "average", 14.4 + 0.6 * breaths, "count/minute")
    yield _row(person, window, "skin_temperature_sleep", "average", 34.1 + 0.3 * skin, "celsius")


def _factors(person: Person, day: date, facts: Day, score_type: str) -> list[Row]:
    """The factors of a served type. As in real answers, figures are single-precision and what a device cannot tell is null."""
    night = facts.night
    best_ms = person.best_heart_rate_variability
    known: dict[str, tuple[float, float, float, str]] = {
        "steps": (facts.steps, 10_000, facts.steps / 10_000, "count"),
        "active_hours": (round(facts.active_min / 25), 10, facts.active_min / 250, "hour"),
        "active_calories": (round(facts.steps * 0.045), 500, facts.steps * 0.045 / 500, "kcal"),
        "intense_activity_duration": (facts.intense_min, 30, facts.intense_min / 30, "minute"),
        "extended_inactivity": (round(facts.sitting_min * 0.6), 480, 1.3 - facts.sitting_min / 1200, "minute"),
        "sleep_duration": (night.asleep_min, 480, night.asleep_min / 480, "minute"),
        "sleep_regularity": (facts.regularity, 1, facts.regularity, "index"),
        "sleep_debt": (facts.sleep_debt_h, 0, 1 - facts.sleep_debt_h / 20, "hour"),
        "circadian_alignment": (night.off_schedule_min, 30, 1 - night.off_schedule_min / 120, "minute"),
        "physical_recovery": (round(night.asleep_min * 0.17), 90, night.asleep_min * 0.17 / 90, "minute"),
        "mental_recovery": (round(night.asleep_min * 0.23), 120, night.asleep_min * 0.23 / 120, "minute"),
        "resting_heart_rate": (facts.resting_heart_rate, person.resting_heart_rate, 0.8 + 0.1 * noise(person, day, "rhr"), "bpm"),
        "heart_rate_variability": (facts.heart_rate_variability, best_ms, facts.heart_rate_variability / best_ms, "ms"),
    }
    factors: list[Row] = []
    for name in FACTORS.get(score_type, ()):
        identity: Row = {"id": _identity(person, score_type, name, day.isoformat()), "name": name}
        if name not in known:
            factors.append({**identity, "value": None, "goal": 10, "score": None, "state": None, "unit": UNKNOWN_UNITS[name]})
            continue
        value, goal, score, unit = known[name]
        figures = {"value": _single(value), "goal": goal, "score": _single(share(score)), "state": _state(share(score))}
        factors.append({**identity, **figures, "unit": unit})
    return factors


MOVEMENT = ("steps", "active_hours", "active_calories", "intense_activity_duration", "extended_inactivity", "floors_climbed")
REST = (
    "sleep_duration",
    "sleep_regularity",
    "sleep_continuity",
    "sleep_debt",
    "circadian_alignment",
    "physical_recovery",
    "mental_recovery",
)
FACTORS = {
    "activity": MOVEMENT,
    "sleep": REST,
    "wellbeing": MOVEMENT + REST,
    "mental_wellbeing": ("steps", "active_hours", "extended_inactivity", "sleep_regularity", "circadian_alignment"),
    "readiness": (
        "sleep_duration",
        "sleep_debt",
        "physical_recovery",
        "mental_recovery",
        "resting_heart_rate",
        "heart_rate_variability",
    ),
}
UNKNOWN_UNITS = {"floors_climbed": "count", "sleep_continuity": "minute"}


def _row(person: Person, window: Window, name: str, aggregation: str, value: float | datetime, unit: str) -> Row:
    start = window.start.isoformat()
    value_type, text = _written(value)
    return {
        "id": _identity(person, window.category, name, start),
        "category": window.category,
        "type": name,
        "periodicity": window.periodicity,
        "aggregation": aggregation,
        "value": text,
        "unit": unit,
        "valueType": value_type,
        "startDateTime": start,
        "endDateTime": window.end.isoformat(),
    }


def _written(value: float | datetime) -> tuple[str, str]:
    if isinstance(value, datetime):
        return "datetime", value.isoformat(timespec="minutes")
    if isinstance(value, int):
        return "integer", str(value)
    return "double", str(round(value, 3))


def _identity(person: Person, kind: str, name: str, start: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"{person.id}|{kind}|{name}|{start}"))


def _state(score: float) -> str:
    return next((state for least, state in STATES if score >= least), "minimal")


def _single(value: float) -> float:
    """The value as single precision leaves it: 0.99 comes out as 0.9900000095367432."""
    (narrowed,) = struct.unpack("f", struct.pack("f", value))
    return int(value) if isinstance(value, int) else float(narrowed)


def _local(person: Person, day: date, clock_time: time) -> datetime:
    return datetime.combine(day, clock_time, person.zone)


def _days(person: Person, first: date, start: time = time(0), *, days: int = 1) -> tuple[datetime, datetime]:
    """A window of whole days from a wall-clock time to the second before it. Both ends are in the offset of the start."""
    opened = fixed_offset(_local(person, first, start), person.zone)
    return opened, opened + timedelta(days=days) + LAST_SECOND


def _part_of_day(person: Person, clock_time: time) -> float:
    """How much of a waking day is over at the last full hour, 0 to 1."""
    return share((clock_time.hour - person.wake.hour) / (BED_BY - person.wake.hour))
