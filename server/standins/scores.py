"""The days of invented people as Sahha's scores with their factors.

A whole day of a sample profile has 13 scores, of which one is not made on Saturdays and one not on Sundays: 89 in any 7 days. Of
everybody else it has the four that Sahha makes from a phone, and readiness with a watch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from server.standins.arrival import Kind, arrived, clock_of, known_night, known_part
from server.standins.days import Day, activity_score, day_of, end_of, noise, share
from server.standins.forms import Row, identity, midnight, single, state_of
from server.standins.people import Delivery, Person, today_of, zone_of_day
from services.domain.schedule import instant, seen_from

SATURDAY, SUNDAY = 5, 6
SKIPPED = {"digital": SATURDAY, "nutrition": SUNDAY}
SAMPLES_ONLY = ("digital", "energy", "focus", "nutrition", "recovery", "resilience", "stress", "wellness")
RECALCULATED = timedelta(minutes=20)
"""From waking to the first scores of the day."""

MOVEMENT = ("steps", "active_hours", "active_calories", "intense_activity_duration", "extended_inactivity", "floors_climbed")
REST = (
    "sleep_duration",
    "sleep_regularity",
    "sleep_continuity",
    "sleep_debt",
    "circadian_alignment",
    "physical_recovery",
    "mental_recovery",
)
FACTORS = {
    "activity": MOVEMENT,
    "sleep": REST,
    "wellbeing": MOVEMENT + REST,
    "mental_wellbeing": ("steps", "active_hours", "extended_inactivity", "sleep_regularity", "circadian_alignment"),
    "readiness": (
        "sleep_duration",
        "sleep_debt",
        "physical_recovery",
        "mental_recovery",
        "resting_heart_rate",
        "heart_rate_variability",
    ),
}
WEARABLE_ONLY = frozenset({"physical_recovery", "mental_recovery", "resting_heart_rate", "heart_rate_variability"})
UNKNOWN_UNITS = {"floors_climbed": "count", "sleep_continuity": "minute"}


@dataclass(frozen=True, slots=True)
class Standing:
    """What the scores of a day rest on at a moment: the whole day's facts, and the part of its movement that is known."""

    person: Person
    day: date
    facts: Day
    part: float

    @property
    def steps(self) -> float:
        return self.facts.steps * self.part


def score_rows(person: Person, day: date, now: datetime) -> list[Row]:
    """The scores of `day` as they stand at `now`; none for a day that has not begun, or whose night has not arrived."""
    if person.silent or day > today_of(person, now):
        return []
    facts = day_of(person, day)
    if not all(arrived(person, day, kind, now) for kind in (Kind.ACTIVITY, Kind.SLEEP)):
        return []
    if known_night(person, facts.night, now) != facts.night or (_live(person) and now < facts.night.wake + RECALCULATED):
        return []
    part = known_part(person, day, now, clock_of(person, now, day)) if _live(person) else 1.0
    standing = Standing(person, day, facts, part)
    start = midnight(zone_of_day(person, day, now), day)
    created_at = _created_at(person, day, facts, now)
    return [
        {
            "id": identity(person, "score", name, start),
            "type": name,
            "state": state_of(score),
            "score": score,
            "factors": list(_factors(standing, name)),
            "dataSources": ["activity"] if name == "activity" else ["sleep", "activity"],
            "scoreDateTime": start,
            "createdAtUtc": created_at.isoformat(),
            "version": 1,
        }
        for name, score in _scores(standing)
        if SKIPPED.get(name) != day.weekday()
    ]


def _live(person: Person) -> bool:
    return person.delivery is not Delivery.SAMPLE


def _scores(standing: Standing) -> Iterator[tuple[str, float]]:
    person, facts = standing.person, standing.facts
    moved, rested = activity_score(standing.steps), facts.sleep
    yield "activity", moved
    yield "sleep", rested
    if person.wearable:
        yield "readiness", facts.readiness
    yield "wellbeing", share((moved + rested) / 2)
    yield "mental_wellbeing", share((moved + facts.regularity) / 2)
    if not _live(person):
        for name in SAMPLES_ONLY:
            yield name, share((rested + facts.readiness) / 2 + 0.06 * noise(person, standing.day, name))


def _created_at(person: Person, day: date, facts: Day, now: datetime) -> datetime:
    """When the scores were last calculated: of the running day with its last full hour, of another when it was over."""
    if not _live(person):
        return instant(day, time(0), person.zone)
    first = seen_from(facts.night.wake, now) + RECALCULATED
    return max(first, min(end_of(person, day), now.replace(minute=0, second=0, microsecond=0)))


def _factors(standing: Standing, score_type: str) -> Iterator[Row]:
    """The factors of a served type, with single-precision figures.

    What a device cannot tell is null, as in older answers, or left out where there is a phone alone, as in newer ones.
    """
    person = standing.person
    known = _known_factors(standing)
    for name in FACTORS.get(score_type, ()):
        identified: Row = {"id": identity(person, score_type, name, standing.day.isoformat()), "name": name}
        if name in known:
            value, goal, score, unit = known[name]
            figures = {"value": single(value), "goal": goal, "score": single(share(score)), "state": state_of(share(score))}
            yield {**identified, **figures, "unit": unit}
        elif person.wearable:
            yield {**identified, "value": None, "goal": 10, "score": None, "state": None, "unit": UNKNOWN_UNITS[name]}


def _known_factors(standing: Standing) -> dict[str, tuple[float, float, float, str]]:
    """Value, goal, score and unit by name."""
    person, facts, night = standing.person, standing.facts, standing.facts.night
    best_ms = person.best_heart_rate_variability
    steps = round(standing.steps)
    active_min, intense_min = facts.active_min * standing.part, round(facts.intense_min * standing.part)
    resting = 0.8 + 0.1 * noise(person, standing.day, "rhr")
    known: dict[str, tuple[float, float, float, str]] = {
        "steps": (steps, 10_000, steps / 10_000, "count"),
        "active_hours": (round(active_min / 25), 10, active_min / 250, "hour"),
        "active_calories": (round(steps * 0.045), 500, steps * 0.045 / 500, "kcal"),
        "intense_activity_duration": (intense_min, 30, intense_min / 30, "minute"),
        "extended_inactivity": (round(facts.sitting_min * 0.6), 480, 1.3 - facts.sitting_min / 1200, "minute"),
        "sleep_duration": (night.asleep_min, 480, night.asleep_min / 480, "minute"),
        "sleep_regularity": (facts.regularity, 1, facts.regularity, "index"),
        "sleep_debt": (facts.sleep_debt_h, 0, 1 - facts.sleep_debt_h / 20, "hour"),
        "circadian_alignment": (night.off_schedule_min, 30, 1 - night.off_schedule_min / 120, "minute"),
        "physical_recovery": (round(night.asleep_min * 0.17), 90, night.asleep_min * 0.17 / 90, "minute"),
        "mental_recovery": (round(night.asleep_min * 0.23), 120, night.asleep_min * 0.23 / 120, "minute"),
        "resting_heart_rate": (facts.resting_heart_rate, person.resting_heart_rate, resting, "bpm"),
        "heart_rate_variability": (facts.heart_rate_variability, best_ms, facts.heart_rate_variability / best_ms, "ms"),
    }
    return known if person.wearable else {name: known[name] for name in known.keys() - WEARABLE_ONLY}
