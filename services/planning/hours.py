"""When a person's day begins and ends, and why.

Preferences first, then habits read from the nights, then 07:00 and 23:00 (sahha-api.md section 9). A bedtime that is ours to
choose is moved earlier until the night is long enough (rule sleep.len), and further on a day of low energy. A bedtime that the
person chose stays the end of the day; `lights_out` then says from when on nothing is planned, so that such a night is possible.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

from services.domain.routine import Preferences
from services.domain.schedule import DAY_MINUTES, LocalDay, clock, floor_to_grid, instant, local_day, minute_of_day
from services.planning.digest import Digest
from services.planning.nights import Habit
from services.planning.recovery import Energy

DEFAULT_WAKE = time(7)
DEFAULT_SLEEP = time(23)
ADULT_NEED = timedelta(hours=7)
TEEN_NEED = timedelta(hours=8)
TEEN_AGES = (14, 18)
USUAL_NIGHT_MIN = 8 * 60
"""The night assumed around the one time that is known, when nothing else fits it."""
WAKING_MINUTES = (4 * 60, 20 * 60)
"""A waking day that is put together from two sources has to lie between these."""
EARLIER_WHEN_LOW = timedelta(minutes=60)
EARLIER_WHEN_LOW_AND_FIXED = timedelta(minutes=30)
"""Our own cap on moving a bedtime is 30 to 60 minutes (rule sleep.reg)."""
LONGEST_NIGHT = timedelta(hours=10)
"""A night that is this long already is not made longer."""
LAST_MINUTES = timedelta(minutes=30)
"""What a person gets who asks when the day should already be over."""
LONG_ENOUGH_TO_SHORTEN = timedelta(hours=6)


class Origin(Enum):
    """Where a wake or sleep time came from."""

    PREFERENCE = "your preference"
    HABIT = "your usual nights"
    DEFAULT = "the default, since nothing else is known"


@dataclass(frozen=True, slots=True)
class Hours:
    """The waking day, `lights_out` (from when on nothing is planned; at most the day's end) and what it was decided from.

    `asked_end` is the bedtime before it was moved. `need` is the night that rule sleep.len asks for. `late` says that the request
    came when lights should already have been out.
    """

    day: LocalDay
    lights_out: datetime
    next_wake: datetime
    asked_end: datetime
    need: timedelta
    wake_from: Origin
    sleep_from: Origin
    late: bool

    @property
    def night(self) -> timedelta:
        """Real time from lights out to the next waking."""
        return self.next_wake - self.lights_out

    @property
    def moved(self) -> timedelta:
        """How much earlier lights go out than asked for."""
        return self.asked_end - self.lights_out


def hours(
    preferences: Preferences, found: Digest, day: date, tz: ZoneInfo, open_from: datetime, energy: Energy | None = None
) -> Hours:
    """The hours of `day`; `open_from` is the first moment that a plan may use.

    `energy` is that of the readings and of what the person says; left out, that of the readings.
    """
    wake, wake_from, sleep, sleep_from = _clock_times(preferences, found.usual_wake, found.usual_bed)
    asked = local_day(day, tz, wake, sleep)
    next_wake = instant(day + timedelta(days=1), wake, tz)
    need = _need(found.age)
    fixed = sleep_from is Origin.PREFERENCE
    wanted = min(asked.end, floor_to_grid(next_wake - need))
    if (energy or found.energy) is Energy.LOW and asked.end - asked.start >= LONG_ENOUGH_TO_SHORTEN:
        wanted = min(wanted, max(wanted - _earlier(fixed=fixed), next_wake - LONGEST_NIGHT))
    wanted = floor_to_grid(wanted)
    lights_out = max(wanted, min(floor_to_grid(asked.end), open_from + LAST_MINUTES))
    return Hours(
        day=asked if fixed else LocalDay(day, tz, asked.start, lights_out),
        lights_out=lights_out,
        next_wake=next_wake,
        asked_end=asked.end,
        need=need,
        wake_from=wake_from,
        sleep_from=sleep_from,
        late=lights_out > wanted,
    )


def asked_hours(preferences: Preferences, usual_wake: Habit | None = None, usual_bed: Habit | None = None) -> tuple[time, time]:
    """Wake and sleep times as far as preferences, and habits where they are known, tell them."""
    wake, _, sleep, _ = _clock_times(preferences, usual_wake, usual_bed)
    return wake, sleep


def _earlier(*, fixed: bool) -> timedelta:
    return EARLIER_WHEN_LOW_AND_FIXED if fixed else EARLIER_WHEN_LOW


def _need(age: float | None) -> timedelta:
    """The least time in bed for an age; an unknown age is an adult's."""
    teen = age is not None and TEEN_AGES[0] <= age < TEEN_AGES[1]
    return TEEN_NEED if teen else ADULT_NEED


def _clock_times(
    preferences: Preferences, usual_wake: Habit | None, usual_bed: Habit | None
) -> tuple[time, Origin, time, Origin]:
    """Wake and sleep times that leave a day to live in; what is not the person's own choice gives way."""
    wake, wake_from = _first(preferences.wake_time, usual_wake, DEFAULT_WAKE)
    sleep, sleep_from = _first(preferences.sleep_time, usual_bed, DEFAULT_SLEEP)
    if wake_from is sleep_from is Origin.PREFERENCE or _plausible(wake, sleep):
        return wake, wake_from, sleep, sleep_from
    if wake_from is Origin.PREFERENCE:
        return wake, wake_from, clock(minute_of_day(wake) - USUAL_NIGHT_MIN), Origin.DEFAULT
    if sleep_from is Origin.PREFERENCE:
        return clock(minute_of_day(sleep) + USUAL_NIGHT_MIN), Origin.DEFAULT, sleep, sleep_from
    return DEFAULT_WAKE, Origin.DEFAULT, DEFAULT_SLEEP, Origin.DEFAULT


def _first(preferred: time | None, habit: Habit | None, default: time) -> tuple[time, Origin]:
    if preferred is not None:
        return preferred, Origin.PREFERENCE
    return (habit.clock_time, Origin.HABIT) if habit is not None else (default, Origin.DEFAULT)


def _plausible(wake: time, sleep: time) -> bool:
    waking = (minute_of_day(sleep) - minute_of_day(wake)) % DAY_MINUTES
    return WAKING_MINUTES[0] <= waking <= WAKING_MINUTES[1]
