"""What invented people did on any day: a pure function of person and date. The same whatever else was asked."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from hashlib import blake2b

from server.standins.people import NOON, Person, zone_of_night
from services.domain.schedule import instant
from services.sahha.lexical import fixed_offset

SLEEP_NEED_MIN = 450
"""Minutes of sleep below which a night adds to the debt."""
USUAL_SLEEP_MIN = 460
NIGHTS = 7
KEPT = 8192
"""Days, and nights, that are remembered: a few weeks of everybody who is asked for at the moment."""


@dataclass(frozen=True, slots=True)
class Night:
    """Sleep that ended on `day`. `bed` and `wake` are local, in the offset of their own moment; durations are real minutes."""

    bed: datetime
    wake: datetime
    in_bed_min: int
    asleep_min: int
    off_schedule_min: float

    @property
    def middle(self) -> datetime:
        """Half-way through in real minutes, in the offset of going to bed."""
        return fixed_offset(self.bed, UTC) + timedelta(minutes=self.in_bed_min // 2)


@dataclass(frozen=True, slots=True)
class Day:
    """What a person did in a whole day, and the night before it. Debt in hours; regularity and scores 0 to 1."""

    night: Night
    sleep_debt_h: float
    regularity: float
    steps: int
    active_min: int
    intense_min: int
    sitting_min: int
    resting_heart_rate: int
    heart_rate_variability: int
    sleep: float
    activity: float
    readiness: float


def noise(person: Person, day: date, what: str) -> float:
    """A number from -1 to 1 that is always the same for this person, day and subject."""
    digest = blake2b(f"{person.id}|{day.isoformat()}|{what}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**63 - 1


def share(value: float) -> float:
    """`value` kept within 0 to 1, to two decimals, as scores are."""
    return round(min(1.0, max(0.0, value)), 2)


@lru_cache(maxsize=KEPT)
def night_of(person: Person, day: date) -> Night:
    """The sleep from which the person woke on `day`: the main one."""
    evening = day if person.bed < NOON else day - timedelta(days=1)
    late_min = round(person.spread_min * noise(person, day, "bed"))
    bed = datetime.combine(evening, person.bed) + timedelta(minutes=late_min)
    wake = datetime.combine(day, person.wake) + timedelta(minutes=round(10 * noise(person, day, "wake")))
    return _sleep(person, day, bed, wake, abs(late_min))


def nap_of(person: Person, day: date) -> Night | None:
    """A short second sleep on `day`; nobody naps every day."""
    if person.nap is None or noise(person, day, "nap") < -0.2:
        return None
    bed = datetime.combine(day, person.nap) + timedelta(minutes=round(20 * noise(person, day, "nap")))
    return _sleep(person, day, bed, bed + timedelta(minutes=round(30 + 10 * noise(person, day, "nap length"))), 0)


@lru_cache(maxsize=KEPT)
def day_of(person: Person, day: date) -> Day:
    """The whole of `day`: rest carries over into steps, heart rate and scores."""
    week = [night_of(person, day - timedelta(days=back)) for back in range(NIGHTS)]
    night = week[0]
    rested = min(1.1, max(0.4, night.asleep_min / USUAL_SLEEP_MIN))
    debt_h = round(sum(max(0, SLEEP_NEED_MIN - each.asleep_min) for each in week) / 60, 3)
    regularity = round(1 - sum(each.off_schedule_min for each in week) / NIGHTS / 120, 3)
    steps = round(person.steps * (0.75 + 0.25 * rested) * (1 + 0.2 * noise(person, day, "steps")))
    active_min = round(steps / 38)
    variability = round(person.heart_rate_variability * (0.8 + 0.2 * rested) + 3 * noise(person, day, "variability"))
    sleep = share(0.75 * min(1.0, night.asleep_min / 480) + 0.25 * regularity - min(0.25, debt_h / 50))
    return Day(
        night=night,
        sleep_debt_h=debt_h,
        regularity=regularity,
        steps=steps,
        active_min=active_min,
        intense_min=round(max(0, steps - 6000) / 140),
        sitting_min=max(0, 1440 - night.in_bed_min - active_min - 120),
        resting_heart_rate=round(person.resting_heart_rate + 5 * (1 - rested) + 1.5 * noise(person, day, "heart")),
        heart_rate_variability=variability,
        sleep=sleep,
        activity=activity_score(steps),
        readiness=share(sleep * min(1.0, variability / person.best_heart_rate_variability)),
    )


def activity_score(steps: float) -> float:
    """The activity score that so many steps come to."""
    return share(0.25 + 0.6 * steps / 10_000)


def _sleep(person: Person, day: date, bed: datetime, wake: datetime, off_schedule_min: float) -> Night:
    """A sleep between two wall-clock times in the zone in which the person woke on `day`."""
    zone = zone_of_night(person, day)
    in_bed = instant(wake.date(), wake.time(), zone) - instant(bed.date(), bed.time(), zone)
    in_bed_min = round(in_bed.total_seconds() / 60)
    asleep_min = round(in_bed_min * (person.efficiency + 0.015 * noise(person, day, "efficiency")))
    return Night(bed.replace(tzinfo=zone), wake.replace(tzinfo=zone), in_bed_min, asleep_min, off_schedule_min)


def end_of(person: Person, day: date) -> datetime:
    """The instant at which `day` is over where the person lives."""
    return instant(day + timedelta(days=1), time(0), person.zone)
