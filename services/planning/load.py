"""How much a person has moved: over the last week and month, and when they last worked hard."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import fmean

from services.domain.health import Biomarker, TimestampRepair

MODERATE_TYPES = ("activity_medium_intensity_duration", "activity_mid_intensity_duration")
VIGOROUS_TYPE = "activity_high_intensity_duration"
HARD_MINUTES = 20
"""Minutes of high intensity in a day from which on the day held a hard effort. Ours."""
WEEK_DAYS, MONTH_DAYS = 7, 28
KNOWN_DAYS = 4
"""Fewer recorded days of the week than this say nothing about it."""
SHARP_RISE, SHARP_FALL = 1.5, 0.6
"""The week's daily mean over that of the three weeks before: from here on it is a jump. Ours."""


@dataclass(frozen=True, slots=True)
class Load:
    """Means a day over the days that were recorded, in `unit` (`minute` of medium and high intensity, else `count` of steps).

    `aerobic` is the week's minutes as the WHO counts them, a vigorous one twice; `None` where only steps are known.
    """

    unit: str
    week: float
    month: float | None
    days: int
    aerobic: float | None
    rows: tuple[Biomarker, ...]
    confidence: float

    @property
    def rising(self) -> bool:
        return self.month is not None and self.month > 0 and self.week / self.month >= SHARP_RISE

    @property
    def falling(self) -> bool:
        return self.month is not None and self.month > 0 and self.week / self.month <= SHARP_FALL


@dataclass(frozen=True, slots=True)
class HardEffort:
    """A recorded day with much high intensity. `by` is the latest moment at which the effort can have ended."""

    row: Biomarker
    day: date
    by: datetime


def load(rows: Iterable[Biomarker], today: date) -> Load | None:
    """The load of the whole days before today; `None` when too few days of the last week are known."""
    totals = list(rows)
    minutes = _by_day(totals, (*MODERATE_TYPES, VIGOROUS_TYPE), today)
    unit, by_day = (
        ("minute", minutes) if _week_days(minutes, today) >= KNOWN_DAYS else ("count", _by_day(totals, ("steps",), today))
    )
    week = [day for day in by_day if today - day <= timedelta(days=WEEK_DAYS)]
    if len(week) < KNOWN_DAYS:
        return None
    earlier = [day for day in by_day if day not in week]
    used = tuple(row for day in sorted(by_day, reverse=True) for row in by_day[day])
    return Load(
        unit=unit,
        week=fmean(_sum(by_day[day]) for day in week),
        month=fmean(_sum(by_day[day]) for day in earlier) if len(earlier) >= WEEK_DAYS else None,
        days=len(week),
        aerobic=_aerobic([row for day in week for row in by_day[day]]) if unit == "minute" else None,
        rows=used,
        confidence=round(min(1.0, len(week) / WEEK_DAYS) * (0.6 + 0.4 * min(1.0, len(earlier) / 21)), 2),
    )


def hard_effort(rows: Iterable[Biomarker]) -> HardEffort | None:
    """The newest recorded day with a hard effort, today included."""
    hard = [row for row in rows if row.type == VIGOROUS_TYPE and _counts(row) and (row.number or 0) >= HARD_MINUTES]
    newest = max(hard, key=lambda row: (row.start_date_time, row.periodicity == "daily", row.id), default=None)
    return None if newest is None else HardEffort(newest, newest.start_date_time.date(), newest.measured_at)


def _by_day(rows: Sequence[Biomarker], types: Sequence[str], today: date) -> dict[date, list[Biomarker]]:
    """One row of each type for each of the 28 days before today."""
    newest: dict[tuple[date, str], Biomarker] = {}
    for row in sorted(rows, key=lambda row: (row.start_date_time, row.periodicity == "daily", row.id)):
        day = row.start_date_time.date()
        if row.type in types and _counts(row) and timedelta(0) < today - day <= timedelta(days=MONTH_DAYS):
            newest[day, row.type] = row
    found: dict[date, list[Biomarker]] = {}
    for (day, _), row in sorted(newest.items()):
        found.setdefault(day, []).append(row)
    return found


def _counts(row: Biomarker) -> bool:
    return row.number is not None and row.number >= 0 and row.repair in {TimestampRepair.NONE, TimestampRepair.END}


def _week_days(by_day: dict[date, list[Biomarker]], today: date) -> int:
    return sum(today - day <= timedelta(days=WEEK_DAYS) for day in by_day)


def _sum(rows: Iterable[Biomarker]) -> float:
    return sum(row.number or 0 for row in rows)


def _aerobic(rows: Iterable[Biomarker]) -> float:
    return sum((row.number or 0) * (2 if row.type == VIGOROUS_TYPE else 1) for row in rows)
