"""Invented people, and what each of them did on any day. Ids that begin with `sandbox-` are nobody's.

A day is a pure function of person and date: asked again it is the same, whatever else was asked before. Nights are served as
Sahha's own sample profiles serve them, from the first minute of the day of waking on.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from hashlib import blake2b
from zoneinfo import ZoneInfo

from services.domain.schedule import instant
from services.sahha.lexical import fixed_offset

NOON = time(12)
SLEEP_NEED_MIN = 450
"""Minutes of sleep below which a night adds to the debt."""
USUAL_SLEEP_MIN = 460
NIGHTS = 7


@dataclass(frozen=True, slots=True)
class Person:
    """Habits that the days are made around. A bedtime before noon lies after midnight. `silent`: known, and has sent nothing."""

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
    weight_kg: float = 70.0
    age: int = 40
    silent: bool = False


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


def invented_people() -> dict[str, Person]:
    """A good sleeper, a short sleeper with low readiness, and somebody who is new and has no data, by id."""
    people = (
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
    return {person.id: person for person in people}


def noise(person: Person, day: date, what: str) -> float:
    """A number from -1 to 1 that is always the same for this person, day and subject."""
    digest = blake2b(f"{person.id}|{day.isoformat()}|{what}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**63 - 1


def share(value: float) -> float:
    """`value` kept within 0 to 1, to two decimals, as scores are."""
    return round(min(1.0, max(0.0, value)), 2)


@lru_cache(maxsize=4096)
def night_of(person: Person, day: date) -> Night:
    """The night from which the person woke on `day`."""
    evening = day if person.bed < NOON else day - timedelta(days=1)
    late_min = round(person.spread_min * noise(person, day, "bed"))
    bed = datetime.combine(evening, person.bed) + timedelta(minutes=late_min)
    wake = datetime.combine(day, person.wake) + timedelta(minutes=round(10 * noise(person, day, "wake")))
    in_bed = instant(wake.date(), wake.time(), person.zone) - instant(bed.date(), bed.time(), person.zone)
    in_bed_min = round(in_bed.total_seconds() / 60)
    asleep_min = round(in_bed_min * (person.efficiency + 0.015 * noise(person, day, "efficiency")))
    return Night(bed.replace(tzinfo=person.zone), wake.replace(tzinfo=person.zone), in_bed_min, asleep_min, abs(late_min))


@lru_cache(maxsize=4096)
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
        activity=share(0.25 + 0.6 * steps / 10_000),
        readiness=share(sleep * min(1.0, variability / person.best_heart_rate_variability)),
    )
