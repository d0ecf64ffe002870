"""Weeks and months of invented people as Sahha's archetypes, and as the trends and comparisons of its insights."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from statistics import fmean

from server.standins.days import Day, day_of
from server.standins.forms import Row, identity, midnight
from server.standins.people import NOON, Person, today_of
from services.domain.schedule import minute_of_day

LEVELS = {
    "activity_level": ("sedentary", "lightly_active", "moderately_active", "highly_active"),
    "exercise_frequency": ("rare_exerciser", "occasional_exerciser", "regular_exerciser", "frequent_exerciser"),
    "overall_wellness": ("poor_wellness", "fair_wellness", "good_wellness", "optimal_wellness"),
    "mental_wellness": ("poor_mental_wellness", "fair_mental_wellness", "good_mental_wellness", "optimal_mental_wellness"),
    "sleep_duration": ("very_short_sleeper", "short_sleeper", "average_sleeper", "long_sleeper"),
    "sleep_quality": ("poor_sleep_quality", "fair_sleep_quality", "good_sleep_quality", "optimal_sleep_quality"),
    "sleep_regularity": (
        "highly_irregular_sleeper",
        "irregular_sleeper",
        "regular_sleeper",
        "highly_regular_sleeper",
    ),
    "bed_schedule": ("very_early_sleeper", "early_sleeper", "late_sleeper", "very_late_sleeper"),
    "wake_schedule": ("very_early_riser", "early_riser", "late_riser", "very_late_riser"),
}
TRENDS = {
    "score": {"activity": "index", "sleep": "index", "readiness": "index"},
    "factor": {"steps": "count", "sleep_duration": "minute", "sleep_debt": "hour", "sleep_regularity": "index"},
}
"""What trends are told of, by category, and in which unit."""
COMPARISONS = {
    "score": {"activity": "index", "sleep": "index"},
    "biomarker": {"steps": "count", "sleep_duration": "minute", "heart_rate_resting": "bpm"},
}
USUAL = {"steps": 7400.0, "sleep_duration": 425.0, "heart_rate_resting": 63.0, "activity": 0.68, "sleep": 0.7}
"""Of the people whom a person is compared with."""
LOWER_IS_BETTER = frozenset({"sleep_debt", "heart_rate_resting"})
WEEKS = 4


def archetype_rows(person: Person, day: date, now: datetime) -> list[Row]:
    """The archetypes of the week, and of the month, that begins on `day`, once it is over."""
    rows: list[Row] = []
    if day.weekday() == 0:
        rows += _archetypes(person, "weekly", day, day + timedelta(days=6), now)
    if day.day == 1:
        next_month = (day + timedelta(days=31)).replace(day=1)
        rows += _archetypes(person, "monthly", day, next_month - timedelta(days=1), now)
    return rows


def trend_rows(person: Person, category: str, name: str | None, now: datetime) -> list[Row]:
    """The last four whole weeks of each subject of a category, all when none is named."""
    if person.silent:
        return []
    today = today_of(person, now)
    monday = today - timedelta(days=today.weekday() + 7 * WEEKS)
    weeks = [monday + timedelta(days=7 * number) for number in range(WEEKS)]
    return [_trend(person, category, each, unit, weeks) for each, unit in TRENDS[category].items() if name in {None, each}]


def comparison_rows(person: Person, category: str, name: str | None, now: datetime) -> list[Row]:
    """Yesterday beside what is usual, for each subject of a category, all when none is named."""
    if person.silent:
        return []
    yesterday = today_of(person, now) - timedelta(days=1)
    return [
        _comparison(person, category, each, unit, yesterday)
        for each, unit in COMPARISONS[category].items()
        if name in {None, each}
    ]


def _archetypes(person: Person, periodicity: str, first: date, last: date, now: datetime) -> Iterator[Row]:
    if person.silent or last >= today_of(person, now):
        return
    start, end = midnight(person.zone, first), midnight(person.zone, last)
    shared = {"periodicity": periodicity, "startDateTime": start, "endDateTime": end}
    for name, level in _levels(person, last):
        ordinal = max(0, min(3, level))
        kept = {"name": name, "value": LEVELS[name][ordinal], "dataType": "ordinal", "ordinality": ordinal}
        yield {"id": identity(person, f"{periodicity} archetype", name, start), **kept, **shared, "version": 1}
    pattern = "consistent_early_riser" if person.wake < time(7, 30) else "inconsistent_late_sleeper"
    kept = {"name": "sleep_pattern", "value": pattern, "dataType": "categorical", "ordinality": 0}
    yield {"id": identity(person, f"{periodicity} archetype", "sleep_pattern", start), **kept, **shared, "version": 1}


def _levels(person: Person, day: date) -> Iterable[tuple[str, int]]:
    facts = day_of(person, day)
    past_evening = (minute_of_day(person.bed) - minute_of_day(NOON)) % (24 * 60)
    return (
        ("activity_level", facts.steps // 4000),
        ("exercise_frequency", facts.intense_min // 12),
        ("overall_wellness", int((facts.sleep + facts.activity) * 2)),
        ("mental_wellness", int((facts.regularity + facts.activity) * 2)),
        ("sleep_duration", facts.night.asleep_min // 60 - 5),
        ("sleep_quality", int(facts.sleep * 4)),
        ("sleep_regularity", round(facts.regularity * 3)),
        ("bed_schedule", (past_evening - 9 * 60) // 60),
        ("wake_schedule", person.wake.hour - 5),
    )


def _trend(person: Person, category: str, name: str, unit: str, weeks: list[date]) -> Row:
    values = [fmean(_figure(day_of(person, week + timedelta(days=each)), name) for each in range(7)) for week in weeks]
    changes = [None, *((after - before) / before if before else None for before, after in pairwise(values))]
    bounds = [(midnight(person.zone, week), midnight(person.zone, week + timedelta(days=6))) for week in weeks]
    rising = values[-1] > values[0]
    return {
        "name": name,
        "category": category,
        "state": "increasing" if rising else "decreasing",
        "unit": unit,
        "periodicity": "weekly",
        "isHigherBetter": name not in LOWER_IS_BETTER,
        "trendStartDateTime": bounds[0][0],
        "trendEndDateTime": bounds[-1][1],
        "data": [
            {"startDateTime": start, "endDateTime": end, "value": round(value, 3), "percentChangeFromPrevious": change}
            for (start, end), value, change in zip(bounds, values, changes, strict=True)
        ],
    }


def _comparison(person: Person, category: str, name: str, unit: str, day: date) -> Row:
    value, usual = _figure(day_of(person, day), name), USUAL[name]
    difference = round(value - usual, 3)
    better = (difference > 0) is (name not in LOWER_IS_BETTER)
    return {
        "name": name,
        "category": category,
        "value": value,
        "unit": unit,
        "periodicity": "daily",
        "isHigherBetter": name not in LOWER_IS_BETTER,
        "startDateTime": midnight(person.zone, day),
        "endDateTime": midnight(person.zone, day + timedelta(days=1)),
        "data": [
            {
                "type": "demographic",
                "value": usual,
                "percentile": 70 if better else 30,
                "difference": difference,
                "percentageDifference": round(difference / usual, 3),
                "state": "above" if difference > 0 else "below",
                "properties": {"ageRange": f"{person.age // 10 * 10}-{person.age // 10 * 10 + 9}"},
            }
        ],
    }


def _figure(facts: Day, name: str) -> float:
    figures = {
        "activity": facts.activity,
        "sleep": facts.sleep,
        "readiness": facts.readiness,
        "steps": facts.steps,
        "sleep_duration": facts.night.asleep_min,
        "sleep_debt": facts.sleep_debt_h,
        "sleep_regularity": facts.regularity,
        "heart_rate_resting": facts.resting_heart_rate,
    }
    return figures[name]
