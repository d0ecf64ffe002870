"""Local days and wall-clock times: the only code that knows time zones.

Everything outside speaks in aware UTC instants. A wall-clock time that a spring gap skips means the first instant after
the gap; one that an autumn hour repeats means its first occurrence.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

GRID = timedelta(minutes=5)
"""Tasks start and end on this grid of the hour (planning-rules.md, section "Planner design evidence")."""

DAY_MINUTES = 24 * 60
NOT_PLACES = frozenset({"localtime", "Factory"})


class UnknownTimezone(ValueError):
    """The name is not an IANA zone."""


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """The zone of an IANA name such as `America/New_York`, compared exactly. Raises `UnknownTimezone`.

    A name that only a machine's own files give a meaning (`localtime`, `right/...`, another case) is unknown.
    """
    if name not in _zone_names():
        raise UnknownTimezone(name)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownTimezone(name) from error


@lru_cache(maxsize=1)
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones()) - NOT_PLACES


def instant(day: date, clock_time: time, tz: ZoneInfo) -> datetime:
    """The UTC instant of a wall-clock time on a day in a zone.

    In a gap: the first instant after it, to the minute. Where it comes twice: the first time.
    """
    local = datetime.combine(day, clock_time.replace(fold=0), tz)
    resolved = local.astimezone(UTC)
    if resolved.astimezone(tz).replace(tzinfo=None, fold=0) == local.replace(tzinfo=None):
        return resolved
    before = local.utcoffset() or timedelta(0)
    after = local.replace(fold=1).utcoffset() or timedelta(0)
    # In a gap fold=0 counts with the offset before it: the instant is as far behind the gap's end as the time is inside the gap.
    low, high = resolved - abs(after - before), resolved
    while high - low > timedelta(minutes=1):
        middle = low + (high - low) // timedelta(minutes=2) * timedelta(minutes=1)
        low, high = (middle, high) if middle.astimezone(tz).utcoffset() == before else (low, middle)
    return high


def local_date(moment: datetime, tz: tzinfo) -> date:
    """The calendar day that a person in this zone sees at that moment."""
    return moment.astimezone(tz).date()


def local_time(moment: datetime, tz: ZoneInfo) -> time:
    """The wall-clock time, to the minute, that a person in this zone sees at that moment."""
    return moment.astimezone(tz).time().replace(second=0, microsecond=0, fold=0)


def wall_clock(moment: datetime) -> time:
    """The wall-clock time that an instant shows in the offset it was written with, to the minute."""
    return moment.time().replace(second=0, microsecond=0, tzinfo=None)


def seen_from(moment: datetime, row_time: datetime) -> datetime:
    """`moment` in the offset in which `row_time` is written: a person's local time where no zone was asked for."""
    return moment.astimezone(row_time.tzinfo)


def minute_of_day(clock_time: time) -> int:
    """Minutes since midnight on a clock, 0 to 1439."""
    return clock_time.hour * 60 + clock_time.minute


def clock(minute: int) -> time:
    """The inverse of `minute_of_day`; any whole number counts around the clock."""
    hour, rest = divmod(minute % DAY_MINUTES, 60)
    return time(hour, rest)


def ceil_to_grid(moment: datetime) -> datetime:
    """The first instant of the 5-minute grid that is not before `moment`."""
    floor = floor_to_grid(moment)
    return moment if floor == moment else floor + GRID


def floor_to_grid(moment: datetime) -> datetime:
    """The last instant of the 5-minute grid that is not after `moment`."""
    return moment - timedelta(minutes=moment.minute % 5, seconds=moment.second, microseconds=moment.microsecond)


@dataclass(frozen=True, slots=True)
class LocalDay:
    """One waking day of a person: from waking on `date` to the next sleep, which may be after midnight.

    `start` and `end` are UTC. Real minutes count: a calendar day is 23, 23.5, 24 or 25 hours where the zone says so.
    """

    date: date
    tz: ZoneInfo
    start: datetime
    end: datetime

    def spans(self, clock_start: time, clock_end: time) -> tuple[tuple[datetime, datetime], ...]:
        """The part within this waking day of something that happens every day from `clock_start` to `clock_end`.

        In order; an end at or before the start is on the next calendar day. Mostly one span; none while the person sleeps.
        """
        across = timedelta(days=1) if clock_end <= clock_start else timedelta(0)
        found = []
        for shift in (-1, 0, 1):
            day = self.date + timedelta(days=shift)
            begin, finish = instant(day, clock_start, self.tz), instant(day + across, clock_end, self.tz)
            begin, finish = max(begin, self.start), min(finish, self.end)
            if begin < finish:
                found.append((begin, finish))
        return tuple(found)

    def local_time(self, moment: datetime) -> time:
        return local_time(moment, self.tz)


def local_day(day: date, tz: ZoneInfo, wake: time, sleep: time) -> LocalDay:
    """The waking day of `day`: a sleep time at or before the wake time is on the next calendar day."""
    sleep_date = day if sleep > wake else day + timedelta(days=1)
    return LocalDay(date=day, tz=tz, start=instant(day, wake, tz), end=instant(sleep_date, sleep, tz))


def trailing_dates(now: datetime, tz: tzinfo | None, days: int) -> tuple[date, date]:
    """The first and the last of the last `days` local days, today among them.

    Without a zone, those of every zone there is: a day more on each side of UTC's.
    """
    today = local_date(now, tz or UTC)
    first = today - timedelta(days=days - 1)
    return (first, today) if tz is not None else (first - timedelta(days=1), today + timedelta(days=1))


def at_offset(moment: datetime, offset: timedelta) -> datetime:
    """The same instant, written with this offset from UTC."""
    return moment.astimezone(timezone(offset))
