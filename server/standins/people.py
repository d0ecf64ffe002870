"""Invented people: who they are, where they are, and how their data gets to Sahha. Ids that begin with `sandbox-` are nobody's.

What they did on a day is told by `days`, what Sahha knows of it at a moment by `arrival`, and what it answers by `rows`.
"""

from dataclasses import dataclass
from datetime import date, datetime, time
from enum import Enum
from zoneinfo import ZoneInfo

from services.domain.schedule import instant, local_date, local_time

NOON = time(12)
MORNING = time(8)
LATE_EVENING = time(23)


class Delivery(Enum):
    """How a person's rows get to Sahha."""

    SAMPLE = "sample"
    """As for Sahha's own sample profiles: the night and the scores of a day are there from its first minute."""
    SYNCED = "synced"
    """A device sends every half hour: the night grows while it lasts, scores follow when it is over and move with the day."""
    LATE = "late"
    """As `SYNCED`, and on a third of the days a kind of row comes hours to two days after the day is over."""


@dataclass(frozen=True, slots=True)
class Trip:
    """Every `every_days` days the person flies to `zone` at noon, and back, again at noon, after `days` days."""

    zone: ZoneInfo
    every_days: int = 14
    days: int = 7


@dataclass(frozen=True, slots=True)
class Person:
    """Habits that the days are made around. A bedtime before noon lies after midnight; a wake time after it is a night worker's.

    `silent`: known, and has sent nothing. `wearable`: a watch, not a phone alone: sleep stages, vitals, readiness.
    `clinical`: every vital sign and body measure that Sahha lists. `nap`: a second, short sleep at this time.
    """

    id: str
    zone: ZoneInfo
    bed: time = time(23)
    wake: time = time(7)
    spread_min: int = 15
    efficiency: float = 0.93
    steps: int = 8000
    resting_heart_rate: int = 60
    heart_rate_variability: int = 50
    best_heart_rate_variability: int = 55
    oxygen_percent: float = 97.0
    weight_kg: float = 70.0
    age: int = 40
    silent: bool = False
    wearable: bool = True
    clinical: bool = False
    delivery: Delivery = Delivery.SAMPLE
    nap: time | None = None
    trip: Trip | None = None


def whereabouts(person: Person, moment: datetime) -> ZoneInfo:
    """The zone in which the person is at that moment."""
    trip = person.trip
    if trip is None:
        return person.zone
    into = local_date(moment, person.zone).toordinal() % trip.every_days
    landed = local_time(moment, person.zone) >= NOON
    away = (0 < into < trip.days) or (into == 0 and landed) or (into == trip.days and not landed)
    return trip.zone if away else person.zone


def today_of(person: Person, now: datetime) -> date:
    """The calendar day where the person is."""
    return local_date(now, whereabouts(person, now))


def zone_of_day(person: Person, day: date, now: datetime) -> ZoneInfo:
    """The zone in which the rows of `day` are written at `now`: that of the device, which changes once on the day of a flight."""
    return whereabouts(person, min(now, instant(day, LATE_EVENING, person.zone))) if person.trip else person.zone


def zone_of_night(person: Person, day: date) -> ZoneInfo:
    """The zone in which the person woke on `day`."""
    return whereabouts(person, instant(day, MORNING, person.zone)) if person.trip else person.zone


def invented_people() -> dict[str, Person]:
    """Seven people by id: three as Sahha's sample profiles are, and four whose data comes as that of real devices does."""
    return {person.id: person for person in (*_sample_profiles(), *_people_with_devices())}


def _sample_profiles() -> tuple[Person, ...]:
    """A good sleeper, a short sleeper with low readiness, and somebody who is new and has no data."""
    return (
        Person(
            id="sandbox-avery",
            zone=ZoneInfo("America/New_York"),
            bed=time(22, 45),
            wake=time(6, 50),
            efficiency=0.955,
            steps=9600,
            resting_heart_rate=54,
            heart_rate_variability=66,
            best_heart_rate_variability=64,
            weight_kg=68.4,
            age=34,
        ),
        Person(
            id="sandbox-blake",
            zone=ZoneInfo("America/Chicago"),
            bed=time(0, 50),
            wake=time(6, 20),
            spread_min=25,
            efficiency=0.91,
            steps=5200,
            resting_heart_rate=67,
            heart_rate_variability=36,
            best_heart_rate_variability=58,
            weight_kg=83.2,
            age=47,
        ),
        Person(id="sandbox-casey", zone=ZoneInfo("Europe/Berlin"), silent=True),
    )


def _people_with_devices() -> tuple[Person, ...]:
    """Late syncs; a flight west in any two weeks; nights worked and naps taken, with a phone alone; and low oxygen on a watch."""
    return (
        Person(
            id="sandbox-drew",
            zone=ZoneInfo("Asia/Kolkata"),
            bed=time(23, 20),
            wake=time(7, 10),
            delivery=Delivery.LATE,
        ),
        Person(
            id="sandbox-emery",
            zone=ZoneInfo("America/New_York"),
            bed=time(22, 30),
            wake=time(6, 40),
            delivery=Delivery.SYNCED,
            trip=Trip(ZoneInfo("America/Los_Angeles")),
        ),
        Person(
            id="sandbox-frankie",
            zone=ZoneInfo("Pacific/Auckland"),
            bed=time(8, 30),
            wake=time(15, 45),
            steps=11_000,
            wearable=False,
            delivery=Delivery.SYNCED,
            nap=time(3, 10),
        ),
        Person(
            id="sandbox-gray",
            zone=ZoneInfo("Europe/London"),
            bed=time(22, 10),
            wake=time(6, 5),
            steps=6400,
            resting_heart_rate=72,
            oxygen_percent=91.5,
            weight_kg=91.0,
            age=58,
            clinical=True,
            delivery=Delivery.SYNCED,
        ),
    )
