"""What Sahha knows of a person's days at a moment: devices send now and then, and some days arrive late.

Everything here follows from person, date and moment, so a moment that is asked for again looks the same.
"""

from datetime import date, datetime, time, timedelta
from enum import Enum

from server.standins.days import Night, end_of, noise
from server.standins.people import NOON, Delivery, Person, today_of, zone_of_day
from services.domain.schedule import local_time, seen_from

SYNC_EVERY_MIN = 30
PROCESSING = timedelta(minutes=5)
"""From the sync to the answer that holds its rows."""
SHORTEST_NIGHT = timedelta(minutes=30)
LATE_ABOVE = 1 / 3
"""Of a noise from -1 to 1: a third of the days."""
SOONEST_H, LATEST_H = 4, 48
SETTLED_AT = time(6)
"""Local time at which the rows of the day before become final."""
BED_BY = 22


class Kind(Enum):
    """Rows that travel together."""

    ACTIVITY = "activity"
    SLEEP = "sleep"
    VITALS = "vitals"


def synced_until(now: datetime) -> datetime:
    """Up to when the data of a device that sends every half hour is known at `now`."""
    return _whole_half_hour(now - PROCESSING)


def arrives_at(person: Person, day: date, kind: Kind) -> datetime | None:
    """When the rows of a day come all at once because they are late; `None` for a day whose rows come as it goes."""
    if person.delivery is not Delivery.LATE or noise(person, day, f"late {kind.value}") < LATE_ABOVE:
        return None
    drawn = (noise(person, day, f"how late {kind.value}") + 1) / 2
    return end_of(person, day) + timedelta(hours=SOONEST_H + drawn * (LATEST_H - SOONEST_H))


def arrived(person: Person, day: date, kind: Kind, now: datetime) -> bool:
    """Whether any row of this kind and day can be there at `now`."""
    due = arrives_at(person, day, kind)
    return due is None or due <= now


def known_night(person: Person, night: Night, now: datetime) -> Night | None:
    """As much of a sleep as has been sent by `now`, growing while it lasts; `None` before there is anything to speak of."""
    if person.delivery is Delivery.SAMPLE:
        return night
    until = synced_until(now)
    if until >= night.wake:
        return night
    slept = until - seen_from(night.bed, until)
    if slept < SHORTEST_NIGHT:
        return None
    minutes = round(slept.total_seconds() / 60)
    part = minutes / night.in_bed_min
    return Night(night.bed, seen_from(until, night.wake), minutes, round(night.asleep_min * part), night.off_schedule_min)


def known_part(person: Person, day: date, now: datetime, clock_time: time) -> float:
    """How much of what the person does on `day` is over at the last full hour of `clock_time`, 0 to 1."""
    if day < today_of(person, now):
        return 1.0
    opens, closes = (person.wake.hour, BED_BY) if person.wake < NOON else (0, 24)
    return round(min(1.0, max(0.0, (clock_time.hour - opens) / (closes - opens))), 2)


def settled(person: Person, day: date, now: datetime, clock_time: time) -> bool:
    """Whether the rows of `day` are final: from 06:00 on the day after it."""
    today = today_of(person, now)
    return day < today - timedelta(days=1) or (day < today and clock_time >= SETTLED_AT)


def last_received(person: Person, now: datetime) -> datetime | None:
    """When anything of the person last came in; `None` when nothing ever did."""
    if person.silent:
        return None
    if person.delivery is Delivery.SAMPLE:
        return now.replace(minute=0, second=0, microsecond=0)
    today = today_of(person, now)
    moments = []
    for back in range(5):
        day = today - timedelta(days=back)
        for kind in Kind:
            due = arrives_at(person, day, kind)
            moments.append(min(synced_until(now), _whole_half_hour(end_of(person, day))) if due is None else due)
    return max((moment for moment in moments if moment <= now), default=None)


def clock_of(person: Person, now: datetime, day: date) -> time:
    """The wall-clock time at `now` where the rows of `day` are written."""
    return local_time(now, zone_of_day(person, day, now))


def _whole_half_hour(moment: datetime) -> datetime:
    return moment - timedelta(minutes=moment.minute % SYNC_EVERY_MIN, seconds=moment.second, microseconds=moment.microsecond)
