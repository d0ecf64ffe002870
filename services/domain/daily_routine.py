"""Standing orders: a routine every morning, made before the person wakes, one for each of their local days.

Which day is due is computed from the present alone, never counted up from the last run. So it does not matter how often, how late
or after which jump of the clock it is asked: every local day that exists has one moment of waking, and one plan.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from hashlib import sha256
from zoneinfo import ZoneInfo

from services.domain.ids import UserId
from services.domain.routine import Archetype, Preferences, Routine
from services.domain.schedule import instant, local_date, local_day

SHORTEST_LEAD, LONGEST_LEAD = 5, 240
"""Minutes before waking."""
DEFAULT_LEAD = 30
WORTH_PLANNING = timedelta(minutes=30)
"""With less of a day left it gets no plan any more: the next one does."""
NOON = time(12)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DailyRoutineOrder:
    """What a person orders. `lead_minutes` before they wake the plan is made."""

    user_id: UserId
    archetype: Archetype
    timezone: str
    preferences: Preferences = field(default_factory=Preferences)
    lead_minutes: int = DEFAULT_LEAD

    @property
    def lead(self) -> timedelta:
        return timedelta(minutes=self.lead_minutes)


@dataclass(frozen=True, slots=True)
class DailyRoutine:
    """A standing order. `next_at`: when the next plan is due; `last_routine`: the newest one that was asked for by it."""

    order: DailyRoutineOrder
    next_at: datetime | None
    last_routine: Routine | None

    @property
    def user_id(self) -> UserId:
        return self.order.user_id

    @property
    def archetype(self) -> Archetype:
        return self.order.archetype

    @property
    def timezone(self) -> str:
        return self.order.timezone

    @property
    def lead_minutes(self) -> int:
        return self.order.lead_minutes

    @property
    def wake_time(self) -> time | None:
        """As ordered; `None`: the usual wake time out of the person's nights decides."""
        return self.order.preferences.wake_time

    @property
    def sleep_time(self) -> time | None:
        """As ordered; `None`: the person's habits decide."""
        return self.order.preferences.sleep_time


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When a person's days begin and end on the clock, in which zone, and how long before waking a plan is due."""

    wake: time
    sleep: time
    tz: ZoneInfo
    lead: timedelta


@dataclass(frozen=True, slots=True)
class DuePlan:
    """The plan of a local day: due at `at`, before the person wakes at `wake`."""

    date: date
    at: datetime
    wake: datetime


def next_due(rhythm: Rhythm, now: datetime, after: date | None) -> DuePlan:
    """The first plan that can still be there when the person wakes, of a day later than `after`; `at` may lie before `now`.

    A day that the zone skips has none. A wake time in a gap is the first instant after it, one that comes twice its first.
    """
    return next(due for due in _days(rhythm, _first(rhythm, now, after)) if due.wake > now)


def owed(rhythm: Rhythm, now: datetime, until: datetime, after: date | None) -> DuePlan | None:
    """The newest plan due by `until`, of a day later than `after`; `None` when there is none that is still worth making.

    It is worth making before the person wakes, and after that as long as it is the same local day and half an hour of it is left.
    """
    newest = None
    for due in _days(rhythm, _first(rhythm, now, after)):
        if due.at > until:
            return newest
        if due.wake > now or _end(rhythm, due.date) - now >= WORTH_PLANNING:
            newest = due
    return newest


def spread(user_id: UserId, lead: timedelta) -> timedelta:
    """How much after the moment it is due this person's plan is asked for: always the same, within the first half of the lead.

    People who wake at the same minute are spread evenly over that time.
    """
    share = int.from_bytes(sha256(user_id.encode()).digest()[:4], "big") / 2**32
    return lead / 2 * share


def _first(rhythm: Rhythm, now: datetime, after: date | None) -> date:
    today = local_date(now, rhythm.tz)
    return today if after is None else max(today, after + DAY)


def _days(rhythm: Rhythm, first: date) -> Iterator[DuePlan]:
    """The plans of the days that exist, from `first` on."""
    day = first
    while True:
        wake = instant(day, rhythm.wake, rhythm.tz)
        if local_date(wake, rhythm.tz) == day or local_date(instant(day, NOON, rhythm.tz), rhythm.tz) == day:
            yield DuePlan(day, wake - rhythm.lead, wake)
        day += DAY


def _end(rhythm: Rhythm, day: date) -> datetime:
    return local_day(day, rhythm.tz, rhythm.wake, rhythm.sleep).end
