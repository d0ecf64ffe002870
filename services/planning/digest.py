"""Two hundred rows become the few facts a planner needs, each naming the row it rests on.

A fact is made from a fresh value only (rule data); what is older is never evidence. Pure functions.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from zoneinfo import ZoneInfo

from services.domain.freshness import SLEEP_BOUND, assess, fresh_biomarker, fresh_score
from services.domain.health import Biomarker, DataState, HealthRecords, Score, ScoreFactor, TimestampRepair
from services.domain.routine import Evidence, EvidenceKind
from services.domain.schedule import local_date
from services.planning.nights import Habit, Night, nights, recent, usual
from services.planning.red_flags import red_flags

LOW_STATES = frozenset({"low", "minimal"})
LOW_SCORE = 0.5
HIGH_SCORE = 0.7
SHORT_NIGHT_H = 6.0
LARGE_DEBT_H = 2.0
FEW_STEPS = 5000
IRREGULAR = 0.8
ADULT_AGE = 18


class FactKey(Enum):
    """What can be known of a person for today."""

    NIGHT_DURATION = "night duration"
    NIGHT_START = "night start"
    NIGHT_END = "night end"
    SLEEP_DEBT = "sleep debt"
    SLEEP_REGULARITY = "sleep regularity"
    READINESS = "readiness"
    SLEEP_SCORE = "sleep score"
    ACTIVITY_SCORE = "activity score"
    WELLBEING_SCORE = "wellbeing score"
    STEPS = "steps"
    SITTING = "sitting"
    RESTING_HEART_RATE = "resting heart rate"
    HEART_RATE_VARIABILITY = "heart rate variability"


class Energy(Enum):
    """How much a day may ask. LOW: low readiness, a short night or a large sleep debt. UNKNOWN: no fresh value says."""

    LOW = "LOW"
    UNKNOWN = "UNKNOWN"
    STEADY = "STEADY"
    HIGH = "HIGH"


class Need(Enum):
    """What the readings call for; a task that answers one is favoured."""

    REST = "REST"
    MOVEMENT = "MOVEMENT"
    RHYTHM = "RHYTHM"
    CHALLENGE = "CHALLENGE"


@dataclass(frozen=True, slots=True)
class Fact:
    """One fresh value. `day` is the local day it speaks of; `factor` is set when it is a factor of the score `row`."""

    key: FactKey
    row: Biomarker | Score
    day: date
    factor: ScoreFactor | None = None

    @property
    def number(self) -> float | None:
        if self.factor is not None:
            return self.factor.value
        return self.row.number if isinstance(self.row, Biomarker) else self.row.score

    @property
    def state(self) -> str | None:
        if self.factor is not None:
            return self.factor.state
        return None if isinstance(self.row, Biomarker) else self.row.state

    @property
    def evidence(self) -> Evidence:
        """The stored value as evidence: a biomarker's as received, a score's in its shortest lossless decimals."""
        if isinstance(self.row, Biomarker):
            kind, name, value, unit = EvidenceKind.BIOMARKER, self.row.type, self.row.value, self.row.unit
        elif self.factor is not None:
            kind, name, unit = EvidenceKind.FACTOR, self.factor.name, self.factor.unit
            value = shortest(self.factor.value)
        else:
            kind, name, value, unit = EvidenceKind.SCORE, self.row.type, shortest(self.row.score), None
        return Evidence(kind, name, value, unit, self.row.measured_at, self.row.source, self.row.as_of)


@dataclass(frozen=True, slots=True)
class Digest:
    """All that planning knows of a person's data. Without data: no facts, no habits, energy UNKNOWN."""

    state: DataState
    missing: tuple[str, ...]
    facts: Mapping[FactKey, Fact]
    night: Night | None
    usual_bed: Habit | None
    usual_wake: Habit | None
    energy: Energy
    needs: frozenset[Need]
    age: float | None
    red_flags: tuple[str, ...]

    @property
    def minor(self) -> bool:
        return self.age is not None and self.age < ADULT_AGE


def digest(records: HealthRecords, tz: ZoneInfo, now: datetime, needed_at: datetime) -> Digest:
    """The digest of a read at `now` for a plan whose first moment is `needed_at`, when a value must still be fresh."""
    state, missing = assess(records, now)
    found = nights(records.biomarkers, tz, now)
    habit_nights = recent(found, now)
    newest = found[0] if found and _fresh_night(found[0], needed_at) else None
    facts = dict(_facts(records, newest, tz, needed_at))
    return Digest(
        state=state,
        missing=missing,
        facts=facts,
        night=newest,
        usual_bed=usual([night.start for night in habit_nights], tz),
        usual_wake=usual([night.end for night in habit_nights], tz),
        energy=_energy(facts, newest),
        needs=_needs(facts, newest),
        age=_age(records.biomarkers),
        red_flags=red_flags(records.biomarkers, needed_at),
    )


def _fresh_night(night: Night, needed_at: datetime) -> bool:
    """A night's age counts from its waking, and its rows have ages of their own."""
    rows = (night.start_row, night.end_row, *([night.duration_row] if night.duration_row else []))
    return needed_at - night.end <= SLEEP_BOUND and all(fresh_biomarker(row, needed_at) for row in rows)


def shortest(number: float | None) -> str:
    """The shortest decimal text that reads back as the same number: `480`, `0.96`."""
    return "" if number is None else repr(float(number)).removesuffix(".0")


def _facts(records: HealthRecords, night: Night | None, tz: ZoneInfo, needed_at: datetime) -> Iterable[tuple[FactKey, Fact]]:
    if night is not None:
        yield FactKey.NIGHT_START, Fact(FactKey.NIGHT_START, night.start_row, night.day)
        yield FactKey.NIGHT_END, Fact(FactKey.NIGHT_END, night.end_row, night.day)
        if night.duration_row is not None and night.duration_row.number is not None:
            yield FactKey.NIGHT_DURATION, Fact(FactKey.NIGHT_DURATION, night.duration_row, night.day)
    scores = _newest_scores(records.scores, needed_at)
    for key, kind in SCORE_FACTS.items():
        if kind in scores:
            yield key, Fact(key, scores[kind], scores[kind].score_date_time.date())
    for key, types in BIOMARKER_FACTS.items():
        row = _newest(records.biomarkers, types, needed_at)
        if row is not None:
            yield key, Fact(key, row, _day_of(row, tz))
        elif key in FACTOR_FACTS:
            yield from _factor(key, scores)


SCORE_FACTS = {
    FactKey.READINESS: "readiness",
    FactKey.SLEEP_SCORE: "sleep",
    FactKey.ACTIVITY_SCORE: "activity",
    FactKey.WELLBEING_SCORE: "wellbeing",
}

BIOMARKER_FACTS = {
    FactKey.SLEEP_DEBT: ("sleep_debt",),
    FactKey.SLEEP_REGULARITY: ("sleep_regularity",),
    FactKey.STEPS: ("steps",),
    FactKey.SITTING: ("activity_sedentary_duration",),
    FactKey.RESTING_HEART_RATE: ("heart_rate_resting",),
    FactKey.HEART_RATE_VARIABILITY: ("heart_rate_variability_rmssd", "heart_rate_variability_sdnn"),
}

FACTOR_FACTS = {
    FactKey.SLEEP_DEBT: ("sleep_debt", ("sleep", "readiness")),
    FactKey.SLEEP_REGULARITY: ("sleep_regularity", ("sleep",)),
    FactKey.RESTING_HEART_RATE: ("resting_heart_rate", ("readiness",)),
    FactKey.HEART_RATE_VARIABILITY: ("heart_rate_variability", ("readiness",)),
}
"""Where a biomarker is missing: the factor of these scores that says the same."""


def _factor(key: FactKey, scores: Mapping[str, Score]) -> Iterable[tuple[FactKey, Fact]]:
    name, kinds = FACTOR_FACTS[key]
    for kind in kinds:
        for factor in scores[kind].factors if kind in scores else ():
            if factor.name == name and factor.value is not None:
                yield key, Fact(key, scores[kind], scores[kind].score_date_time.date(), factor)
                return


def _newest_scores(rows: Iterable[Score], needed_at: datetime) -> dict[str, Score]:
    fresh = [row for row in rows if row.score is not None and fresh_score(row, needed_at)]
    return {row.type: row for row in sorted(fresh, key=lambda row: row.score_date_time)}


def _newest(rows: Iterable[Biomarker], types: tuple[str, ...], needed_at: datetime) -> Biomarker | None:
    """The newest fresh row with a number; a row whose end was filled in has no age to trust."""
    fresh = [
        row
        for row in rows
        if row.type in types
        and row.number is not None
        and row.repair in {TimestampRepair.NONE, TimestampRepair.START}
        and fresh_biomarker(row, needed_at)
    ]
    return max(fresh, key=lambda row: (row.start_date_time, row.periodicity == "daily", row.type), default=None)


def _day_of(row: Biomarker, tz: ZoneInfo) -> date:
    """The day a row speaks of: a day's totals that of their start, everything else that of its measurement."""
    return row.start_date_time.date() if row.category == "activity" else local_date(row.measured_at, tz)


def _is_low(fact: Fact | None) -> bool:
    """Sahha's own word decides; without one, the score."""
    if fact is None:
        return False
    if fact.state is not None:
        return fact.state in LOW_STATES
    return fact.number is not None and fact.number < LOW_SCORE


def _below(fact: Fact | None, limit: float) -> bool:
    return fact is not None and fact.number is not None and fact.number < limit


def _energy(facts: Mapping[FactKey, Fact], night: Night | None) -> Energy:
    readiness = facts.get(FactKey.READINESS)
    main = readiness or facts.get(FactKey.SLEEP_SCORE)
    if _is_low(main) or _below(main, LOW_SCORE) or _short(night) or _indebted(facts) or _strained(facts):
        return Energy.LOW
    if main is not None and (main.state == "high" or (main.number or 0) >= HIGH_SCORE):
        return Energy.HIGH
    return Energy.UNKNOWN if main is None and night is None else Energy.STEADY


def _short(night: Night | None) -> bool:
    return night is not None and night.asleep.total_seconds() < SHORT_NIGHT_H * 3600


def _indebted(facts: Mapping[FactKey, Fact]) -> bool:
    debt = facts.get(FactKey.SLEEP_DEBT)
    return debt is not None and debt.number is not None and debt.number >= LARGE_DEBT_H


def _strained(facts: Mapping[FactKey, Fact]) -> bool:
    """Heart rate variability below the person's own, in Sahha's words (rule ex.hrv)."""
    variability = facts.get(FactKey.HEART_RATE_VARIABILITY)
    return variability is not None and variability.state in LOW_STATES


def _needs(facts: Mapping[FactKey, Fact], night: Night | None) -> frozenset[Need]:
    energy, steps = _energy(facts, night), facts.get(FactKey.STEPS)
    needs = set()
    if energy is Energy.LOW:
        needs.add(Need.REST)
    if energy is Energy.HIGH:
        needs.add(Need.CHALLENGE)
    whole_day = steps is not None and isinstance(steps.row, Biomarker) and steps.row.end_date_time <= steps.row.as_of
    if _is_low(facts.get(FactKey.ACTIVITY_SCORE)) or (whole_day and _below(steps, FEW_STEPS)):
        needs.add(Need.MOVEMENT)
    if _below(facts.get(FactKey.SLEEP_REGULARITY), IRREGULAR):
        needs.add(Need.RHYTHM)
    return frozenset(needs)


def _age(rows: Iterable[Biomarker]) -> float | None:
    """Years, as the newest row of type `age` says; a person's age has no freshness bound."""
    ages = [row for row in rows if row.type == "age" and row.number is not None and 0 < row.number < 130]
    newest = max(ages, key=lambda row: row.end_date_time, default=None)
    return None if newest is None else newest.number
