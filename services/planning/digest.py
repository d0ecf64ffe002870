"""Two hundred rows become the few facts a planner needs, each naming the rows it rests on.

A fact is made from a fresh value only (rule data); what is older is never evidence. Pure functions.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from services.domain.freshness import SLEEP_BOUND, assess, fresh_biomarker, fresh_score
from services.domain.health import (
    NOTHING_EARLIER,
    BehaviourLabel,
    Biomarker,
    DataState,
    EarlierRecords,
    HealthRecords,
    Score,
    TimestampRepair,
)
from services.domain.schedule import local_date
from services.planning.baseline import DayValue, OwnRange, Trend, one_a_day, own_range, trend
from services.planning.chronotype import Chronotype, chronotype, newest_labels
from services.planning.facts import Fact, FactKey, shortest, trust
from services.planning.load import MODERATE_TYPES, VIGOROUS_TYPE, HardEffort, Load, hard_effort, load
from services.planning.nights import DURATION_TYPES, Habit, Night, nights, recent, usual
from services.planning.recovery import Energy, Need, energy, needs, of_a_whole_day, strained
from services.planning.red_flags import RaisedFlag, red_flags

__all__ = ["Chronotype", "Digest", "Energy", "Fact", "FactKey", "Need", "digest", "shortest"]

ADULT_AGE = 18
SENIOR_AGE = 65


@dataclass(frozen=True, slots=True)
class Digest:
    """All that planning knows of a person's data. Without data: no facts, no habits, energy UNKNOWN.

    `trends` and `ranges` compare with the person's own earlier values; `strain` names those that speak of strain. `hard_effort`
    is the newest recorded one. `labels` are Sahha's words for the person's behaviour, by name.
    """

    state: DataState
    missing: tuple[str, ...]
    facts: Mapping[FactKey, Fact]
    night: Night | None
    usual_bed: Habit | None
    usual_wake: Habit | None
    energy: Energy
    needs: frozenset[Need]
    age: float | None
    flags: tuple[RaisedFlag, ...]
    trends: Mapping[FactKey, Trend] = field(default_factory=dict)
    ranges: Mapping[FactKey, OwnRange] = field(default_factory=dict)
    strain: tuple[FactKey, ...] = ()
    load: Load | None = None
    hard_effort: HardEffort | None = None
    chronotype: Chronotype | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def red_flags(self) -> tuple[str, ...]:
        """What was out of range more than once, by name."""
        return tuple(flag.name for flag in self.flags)

    @property
    def minor(self) -> bool:
        return self.age is not None and self.age < ADULT_AGE

    @property
    def senior(self) -> bool:
        return self.age is not None and self.age >= SENIOR_AGE


def digest(
    records: HealthRecords,
    tz: ZoneInfo,
    now: datetime,
    needed_at: datetime,
    labels: Iterable[BehaviourLabel] = (),
    earlier: EarlierRecords = NOTHING_EARLIER,
) -> Digest:
    """The digest of a read at `now` for a plan whose first moment is `needed_at`, when a value must still be fresh.

    Facts are made from the read alone. Habits, trends, own ranges and load look back into the weeks before it as well, and what
    needs more than there is is left out.
    """
    state, missing = assess(records, now)
    today = local_date(now, tz)
    month = records.after(earlier)
    found = nights(month.biomarkers, tz, now)
    habit_nights = recent(found, now)
    newest = found[0] if found and _fresh_night(found[0], needed_at) else None
    facts = dict(_facts(records, newest, tz, today, needed_at))
    trends, ranges = _trends(month, found, tz, today), _ranges(month, facts, tz, today)
    strain = strained(trends, ranges)
    bed, wake = (usual([night.start for night in habit_nights], tz), usual([night.end for night in habit_nights], tz))
    called, moved = newest_labels(labels, now), load(month.biomarkers, today)
    recovered = energy(facts, newest, strain)
    return Digest(
        state=state,
        missing=missing,
        facts=facts,
        night=newest,
        usual_bed=bed,
        usual_wake=wake,
        energy=recovered,
        needs=needs(facts, recovered, moved, strain),
        age=_age(month.biomarkers),
        flags=red_flags(records.biomarkers, needed_at),
        trends=trends,
        ranges=ranges,
        strain=strain,
        load=moved,
        hard_effort=hard_effort(month.biomarkers),
        chronotype=chronotype(bed, wake, called),
        labels=called,
    )


def _fresh_night(night: Night, needed_at: datetime) -> bool:
    """A night's age counts from its waking, and its rows have ages of their own."""
    rows = (night.start_row, night.end_row, *([night.duration_row] if night.duration_row else []))
    return needed_at - night.end <= SLEEP_BOUND and all(fresh_biomarker(row, needed_at) for row in rows)


SCORE_FACTS = {
    FactKey.READINESS: "readiness",
    FactKey.SLEEP_SCORE: "sleep",
    FactKey.ACTIVITY_SCORE: "activity",
    FactKey.WELLBEING_SCORE: "wellbeing",
    FactKey.MENTAL_SCORE: "mental_wellbeing",
}

NIGHT_FACTS = {
    FactKey.DEEP_SLEEP: "sleep_deep_duration",
    FactKey.REM_SLEEP: "sleep_rem_duration",
    FactKey.AWAKE_AT_NIGHT: "sleep_awake_duration",
    FactKey.SLEEP_EFFICIENCY: "sleep_efficiency",
}
"""What a wearable adds to a night."""

BIOMARKER_FACTS = {
    FactKey.SLEEP_DEBT: ("sleep_debt",),
    FactKey.SLEEP_REGULARITY: ("sleep_regularity",),
    FactKey.RESTING_HEART_RATE: ("heart_rate_resting",),
    FactKey.HEART_RATE_VARIABILITY: ("heart_rate_variability_rmssd", "heart_rate_variability_sdnn"),
    FactKey.RESPIRATORY_RATE: ("respiratory_rate_sleep", "respiratory_rate"),
    FactKey.SKIN_TEMPERATURE: ("skin_temperature_sleep",),
    FactKey.BLOOD_OXYGEN: ("oxygen_saturation_sleep", "oxygen_saturation"),
}

WHOLE_DAY_FACTS = {
    FactKey.STEPS: ("steps",),
    FactKey.SITTING: ("activity_sedentary_duration",),
    FactKey.ACTIVE_MINUTES: ("active_duration",),
}
RUNNING_DAY_FACTS = {FactKey.STEPS_TODAY: ("steps",), FactKey.ACTIVE_TODAY: ("active_duration",)}

FACTOR_FACTS = {
    FactKey.SLEEP_DEBT: ("sleep_debt", ("sleep", "readiness")),
    FactKey.SLEEP_REGULARITY: ("sleep_regularity", ("sleep",)),
    FactKey.RESTING_HEART_RATE: ("resting_heart_rate", ("readiness",)),
    FactKey.HEART_RATE_VARIABILITY: ("heart_rate_variability", ("readiness",)),
}
"""Where a biomarker is missing: the factor of these scores that says the same."""

LEAST_WIDTH = {
    FactKey.RESTING_HEART_RATE: 5.0,
    FactKey.HEART_RATE_VARIABILITY: 8.0,
    FactKey.RESPIRATORY_RATE: 1.5,
    FactKey.SKIN_TEMPERATURE: 0.6,
    FactKey.BLOOD_OXYGEN: 2.0,
}
"""A person's own range reaches at least this far from its middle, in the value's unit: smaller steps are noise. Ours."""

COMPARED_BIOMARKERS = (
    *("sleep_start_time", "sleep_end_time", *DURATION_TYPES, "age"),
    *(kind for key in LEAST_WIDTH for kind in BIOMARKER_FACTS[key]),
    *(*MODERATE_TYPES, VIGOROUS_TYPE, "steps"),
)
COMPARED_SCORES = ("readiness", "sleep")
"""The types that earlier weeks are asked for: of no other is anything compared."""


def _facts(
    records: HealthRecords, night: Night | None, tz: ZoneInfo, today: date, needed_at: datetime
) -> Iterable[tuple[FactKey, Fact]]:
    if night is not None:
        yield from _night_facts(night, needed_at)
    scores = _newest_scores(records.scores, needed_at)
    for key, kind in SCORE_FACTS.items():
        if kind in scores:
            yield key, Fact(key, scores[kind], scores[kind].score_date_time.date(), None, trust(scores[kind], needed_at))
    totals = [row for row in records.biomarkers if row.category == "activity"]
    whole = [row for row in totals if of_a_whole_day(row)]
    running = [row for row in totals if row.start_date_time.date() == today and not of_a_whole_day(row)]
    for named, rows in ((BIOMARKER_FACTS, records.biomarkers), (WHOLE_DAY_FACTS, whole), (RUNNING_DAY_FACTS, running)):
        for key, types in named.items():
            row = _newest(rows, types, needed_at)
            if row is not None:
                yield key, Fact(key, row, _day_of(row, tz), None, trust(row, needed_at))
            elif key in FACTOR_FACTS:
                yield from _factor(key, scores, needed_at)


def _night_facts(night: Night, needed_at: datetime) -> Iterable[tuple[FactKey, Fact]]:
    rows = {FactKey.NIGHT_START: night.start_row, FactKey.NIGHT_END: night.end_row}
    if night.duration_row is not None and night.duration_row.number is not None:
        rows[FactKey.NIGHT_DURATION] = night.duration_row
    for key, kind in NIGHT_FACTS.items():
        row = night.rows.get(kind)
        if row is not None and row.number is not None and fresh_biomarker(row, needed_at):
            rows[key] = row
    for key, row in rows.items():
        yield key, Fact(key, row, night.day, None, trust(row, needed_at))


def _factor(key: FactKey, scores: Mapping[str, Score], needed_at: datetime) -> Iterable[tuple[FactKey, Fact]]:
    name, kinds = FACTOR_FACTS[key]
    for score in (scores[kind] for kind in kinds if kind in scores):
        for factor in score.factors:
            if factor.name == name and factor.value is not None:
                yield key, Fact(key, score, score.score_date_time.date(), factor, trust(score, needed_at, factor))
                return


def _newest_scores(rows: Iterable[Score], needed_at: datetime) -> dict[str, Score]:
    fresh = [row for row in rows if row.score is not None and fresh_score(row, needed_at)]
    return {row.type: row for row in sorted(fresh, key=lambda row: (row.score_date_time, row.id))}


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
    return max(fresh, key=lambda row: (row.start_date_time, row.periodicity == "daily", row.type, row.id), default=None)


def _day_of(row: Biomarker, tz: ZoneInfo) -> date:
    """The day a row speaks of: a day's totals that of their start, everything else that of its measurement."""
    return row.start_date_time.date() if row.category == "activity" else local_date(row.measured_at, tz)


def _trends(records: HealthRecords, found: Iterable[Night], tz: ZoneInfo, today: date) -> dict[FactKey, Trend]:
    asleep = [
        DayValue(night.day, night.asleep.total_seconds() / 60, night.duration_row or night.end_row)
        for night in reversed([*found])
    ]
    series = {FactKey.NIGHT_DURATION: asleep}
    for key in (FactKey.READINESS, FactKey.SLEEP_SCORE):
        series[key] = _score_values(records.scores, SCORE_FACTS[key])
    for key in (FactKey.HEART_RATE_VARIABILITY, FactKey.RESTING_HEART_RATE):
        series[key] = _biomarker_values(records, key, tz)
    compared = {key: trend(key, one_a_day(values, today), today) for key, values in series.items()}
    return {key: each for key, each in compared.items() if each is not None}


def _ranges(records: HealthRecords, facts: Mapping[FactKey, Fact], tz: ZoneInfo, today: date) -> dict[FactKey, OwnRange]:
    """Of the vitals that are known for today; the newest value of the series is the fact itself."""
    compared = {}
    for key, width in LEAST_WIDTH.items():
        values = one_a_day(_biomarker_values(records, key, tz), today)
        if key in facts and values and values[-1].row is facts[key].row:
            compared[key] = own_range(key, values, width)
    return {key: each for key, each in compared.items() if each is not None}


def _score_values(rows: Iterable[Score], kind: str) -> list[DayValue]:
    scored = sorted((row for row in rows if row.type == kind), key=lambda row: (row.score_date_time, row.id))
    return [DayValue(row.score_date_time.date(), row.score, row) for row in scored if row.score is not None]


def _biomarker_values(records: HealthRecords, key: FactKey, tz: ZoneInfo) -> list[DayValue]:
    """Of one type alone, the one of the newest row: two ways of measuring are not compared with each other."""
    dated = (TimestampRepair.NONE, TimestampRepair.START)
    rows = [row for row in records.biomarkers if row.type in BIOMARKER_FACTS[key] and row.repair in dated]
    ordered = sorted(rows, key=lambda row: (row.start_date_time, row.periodicity == "daily", row.type, row.id))
    if ordered:
        kind = ordered[-1].type
        return [DayValue(_day_of(row, tz), row.number, row) for row in ordered if row.type == kind and row.number is not None]
    if key not in FACTOR_FACTS:
        return []
    return _factor_values(records.scores, *FACTOR_FACTS[key])


def _factor_values(scores: Iterable[Score], name: str, kinds: tuple[str, ...]) -> list[DayValue]:
    ordered = sorted((row for row in scores if row.type == kinds[0]), key=lambda row: (row.score_date_time, row.id))
    return [
        DayValue(row.score_date_time.date(), factor.value, row)
        for row in ordered
        for factor in row.factors
        if factor.name == name and factor.value is not None
    ]


def _age(rows: Iterable[Biomarker]) -> float | None:
    """Years, as the newest row of type `age` says; a person's age has no freshness bound."""
    ages = [row for row in rows if row.type == "age" and row.number is not None and 0 < row.number < 130]
    newest = max(ages, key=lambda row: (row.end_date_time, row.id), default=None)
    return None if newest is None else newest.number
