"""Nights out of sleep rows: when a person slept, and when they usually do.

A night belongs to the local day of waking. Sleep of more than 3 h that ends before 15:00 is one; where most of a person's sleep
ends later, their longest sleeps are (rule night.day). A repaired row says nothing about a time.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from services.domain.freshness import parse_instant
from services.domain.health import Biomarker, TimestampRepair
from services.domain.schedule import DAY_MINUTES, clock, local_date, local_time, minute_of_day

LONGER_THAN = timedelta(hours=3)
LATEST_WAKE = time(15)
LONGEST = timedelta(hours=20)
"""More than this between start and end is a recording error, not a sleep."""
HABIT_NIGHTS = 3
"""Fewer nights than this are not a habit."""
HABIT_DAYS = 28
STEADY = 0.5
"""Mean resultant length (0 to 1) below which bed or wake times scatter around the clock and have no middle."""

DURATION_TYPES = ("sleep_duration", "sleep_in_bed_duration")


@dataclass(frozen=True, slots=True)
class Night:
    """One main sleep and the rows it rests on. `day` is the local day of waking in the requested zone.

    `rows` are all rows of the same sleep day by type: stages, interruptions and the like.
    """

    day: date
    start: datetime
    end: datetime
    start_row: Biomarker
    end_row: Biomarker
    duration_row: Biomarker | None
    rows: Mapping[str, Biomarker] = field(default_factory=dict)

    @property
    def asleep(self) -> timedelta:
        """Time asleep as measured; where that is unknown, from the start to the end of the sleep."""
        row = self.duration_row
        return self.end - self.start if row is None or row.number is None else timedelta(minutes=row.number)


@dataclass(frozen=True, slots=True)
class Habit:
    """A usual wall-clock time: the circular mean over so many nights."""

    clock_time: time
    nights: int


def nights(rows: Iterable[Biomarker], tz: ZoneInfo, now: datetime) -> tuple[Night, ...]:
    """The nights in the rows that ended by `now`, newest first, one for each local day of waking."""
    sleeps = [sleep for sleep in _sleeps(rows, tz) if LONGER_THAN < sleep.end - sleep.start <= LONGEST and sleep.end <= now]
    by_day = [sleep for sleep in sleeps if local_time(sleep.end, tz) < LATEST_WAKE]
    chosen = by_day if 2 * len(by_day) >= len(sleeps) else sleeps
    longest: dict[date, Night] = {}
    for sleep in sorted(chosen, key=lambda night: (night.end - night.start, night.end)):
        longest[sleep.day] = sleep
    return tuple(sorted(longest.values(), key=lambda night: night.end, reverse=True))


def usual(moments: Iterable[datetime], tz: ZoneInfo) -> Habit | None:
    """The usual wall-clock time of these moments, to 5 minutes; `None` when they are few or scatter around the clock."""
    angles = [2 * math.pi * minute_of_day(local_time(moment, tz)) / DAY_MINUTES for moment in moments]
    if len(angles) < HABIT_NIGHTS:
        return None
    east, north = sum(map(math.cos, angles)) / len(angles), sum(map(math.sin, angles)) / len(angles)
    if math.hypot(east, north) < STEADY:
        return None
    minute = math.atan2(north, east) / (2 * math.pi) * DAY_MINUTES
    return Habit(clock(5 * round(minute / 5)), len(angles))


def recent(found: Sequence[Night], now: datetime) -> tuple[Night, ...]:
    """The nights that a habit is read from: those of the last 28 days."""
    return tuple(night for night in found if now - night.end <= timedelta(days=HABIT_DAYS))


def _sleeps(rows: Iterable[Biomarker], tz: ZoneInfo) -> Iterable[Night]:
    """Start, end and duration rows of the same sleep day put together; `daily` rows win over `intraday` ones."""
    windows: dict[datetime, dict[str, Biomarker]] = {}
    for row in rows:
        if row.category != "sleep" or row.repair is not TimestampRepair.NONE:
            continue
        held = windows.setdefault(row.start_date_time, {})
        if row.type not in held or held[row.type].periodicity == "intraday":
            held[row.type] = row
    for window in windows.values():
        if "sleep_start_time" not in window or "sleep_end_time" not in window:
            continue
        start_row, end_row = window["sleep_start_time"], window["sleep_end_time"]
        start, end = parse_instant(start_row.value), parse_instant(end_row.value)
        if start is None or end is None:
            continue
        duration = next((window[name] for name in DURATION_TYPES if name in window), None)
        yield Night(local_date(end, tz), start, end, start_row, end_row, duration, window)
