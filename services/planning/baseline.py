"""A person's values against their own: the last week against the weeks before it, and the newest value against its usual range.

Pure arithmetic over one value a day. The numbers are shown nowhere: what a person is told is the direction, and the rows behind
it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from statistics import fmean, stdev

from services.domain.health import BASELINE_DAYS
from services.planning.facts import FactKey, Row

WEEK = timedelta(days=7)
VALID_IN_WEEK = 3
"""Values that a week must have to speak (rule ex.hrv; Plews 2014)."""
EARLIER_VALUES = 7
"""Values that the weeks before it must have, or the week is compared with itself."""
HALF_SPREAD = 0.5
"""A mean this many standard deviations off the baseline is a change (secondary source, planning-rules.md, rule ex.hrv)."""
WHOLE_SPREAD = 1.0
"""The same within one week, where there is less to compare with."""
LEAST_SPREAD = 0.03
"""Of the mean: devices are no more exact than this."""
RANGE_SPREAD = 2.0
RANGE_VALUES = 5


class Direction(Enum):
    LOWER = "lower than"
    USUAL = "as"
    HIGHER = "higher than"


@dataclass(frozen=True, slots=True)
class DayValue:
    """The value of one local day and the row it stands in."""

    day: date
    value: float
    row: Row


@dataclass(frozen=True, slots=True)
class Trend:
    """Where the newest days lie against the earlier ones. `recent` and `earlier` are means in the values' own unit."""

    key: FactKey
    direction: Direction
    recent: float
    earlier: float
    rows: tuple[Row, ...]
    confidence: float


@dataclass(frozen=True, slots=True)
class OwnRange:
    """Where the newest value lies against the range that is usual for this person."""

    key: FactKey
    direction: Direction
    value: float
    low: float
    high: float
    rows: tuple[Row, ...]
    confidence: float


def one_a_day(values: Iterable[DayValue], today: date) -> tuple[DayValue, ...]:
    """The values of the last 28 days, the last one given for each day, oldest first."""
    by_day: Mapping[date, DayValue] = {
        value.day: value for value in values if timedelta(0) <= today - value.day < timedelta(days=BASELINE_DAYS)
    }
    return tuple(by_day[day] for day in sorted(by_day))


def trend(key: FactKey, values: Sequence[DayValue], today: date) -> Trend | None:
    """The last 7 days against the up to 21 before them; within one week the last 3 days against the others.

    `None` where there are too few values to say anything.
    """
    week = [value for value in values if today - value.day < WEEK]
    before = [value for value in values if today - value.day >= WEEK]
    if len(week) >= VALID_IN_WEEK and len(before) >= EARLIER_VALUES:
        return _compared(key, week, before, HALF_SPREAD, min(1.0, len(week) / 7) * min(1.0, len(before) / 14))
    newest = [value for value in values if today - value.day < timedelta(days=3)]
    others = [value for value in week if today - value.day >= timedelta(days=3)]
    if len(newest) >= VALID_IN_WEEK - 1 and len(others) >= VALID_IN_WEEK:
        return _compared(key, newest, others, WHOLE_SPREAD, 0.5 * len(others) / 4)
    return None


def own_range(key: FactKey, values: Sequence[DayValue], least_width: float) -> OwnRange | None:
    """The newest value against two standard deviations around the mean of the others, at least `least_width` to each side."""
    if len(values) <= RANGE_VALUES:
        return None
    *earlier, newest = values
    numbers = [value.value for value in earlier]
    width = max(RANGE_SPREAD * stdev(numbers), least_width)
    low, high = fmean(numbers) - width, fmean(numbers) + width
    return OwnRange(
        key=key,
        direction=_direction(newest.value, low, high),
        value=newest.value,
        low=low,
        high=high,
        rows=(newest.row, *(value.row for value in reversed(earlier))),
        confidence=round(min(1.0, len(earlier) / 14), 2),
    )


def _compared(key: FactKey, newest: Sequence[DayValue], earlier: Sequence[DayValue], spreads: float, confidence: float) -> Trend:
    recent, before = fmean(value.value for value in newest), fmean(value.value for value in earlier)
    spread = max(stdev(value.value for value in earlier), LEAST_SPREAD * abs(before))
    return Trend(
        key=key,
        direction=_direction(recent, before - spreads * spread, before + spreads * spread),
        recent=recent,
        earlier=before,
        rows=tuple(value.row for value in (*reversed(newest), *reversed(earlier))),
        confidence=round(min(1.0, confidence), 2),
    )


def _direction(value: float, low: float, high: float) -> Direction:
    # Floats as received carry noise in their last digits; a value on the edge is inside.
    if value < low - 1e-9:
        return Direction.LOWER
    return Direction.HIGHER if value > high + 1e-9 else Direction.USUAL
