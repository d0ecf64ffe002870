"""What readings say against a person's own: trends, ranges, load, chronotype, stages, and how far a value is trusted."""

from dataclasses import replace
from datetime import date, time, timedelta

import pytest

from services.domain.health import BehaviourLabel, Biomarker, DataSource, HealthRecords, Score
from services.domain.ids import UserId
from services.planning.baseline import DayValue, Direction, own_range, trend
from services.planning.chronotype import Chronotype
from services.planning.digest import Digest, Energy, FactKey, Need, digest
from services.planning.evaluation.stage import Person, Stage, rested, worn_out

STAGE = Stage(date(2026, 5, 12), time(9, 30), "America/New_York")
VARIABILITY = "heart_rate_variability_rmssd"


def known(person: Person, stage: Stage = STAGE, *labels: BehaviourLabel) -> Digest:
    read = HealthRecords(UserId("invented"), DataSource.LIVE, stage.now, person.biomarkers, person.scores)
    return digest(read, stage.tz, stage.now, stage.now, labels)


def vitals(kind: str, *values: float) -> tuple[Biomarker, ...]:
    """One a day, newest first."""
    return tuple(STAGE.vital(kind, 4 + 24 * back, value, "unit") for back, value in enumerate(values))


def readiness(*figures: float) -> tuple[Score, ...]:
    return tuple(STAGE.score("readiness", figure, "medium", back) for back, figure in enumerate(figures))


def days(*values: float) -> tuple[DayValue, ...]:
    """Newest last, the last one of today."""
    row = STAGE.vital("anything", 1, 1, "unit")
    return tuple(DayValue(STAGE.day - timedelta(days=len(values) - 1 - at), value, row) for at, value in enumerate(values))


@pytest.mark.parametrize(
    ("values", "direction"),
    [
        ([60, 62] * 11 + [45] * 6, Direction.LOWER),
        ([60, 62] * 11 + [80] * 6, Direction.HIGHER),
        ([60, 62] * 11 + [61] * 6, Direction.USUAL),
        ([60, 61, 62, 61, 40, 41, 39], Direction.LOWER),
        ([60, 61, 62, 61, 61, 60, 62], Direction.USUAL),
    ],
)
def test_a_week_against_the_weeks_before_and_three_days_within_a_week(values: list[float], direction: Direction) -> None:
    found = trend(FactKey.READINESS, days(*values), STAGE.day)
    assert found is not None
    assert found.direction is direction
    assert found.rows
    assert 0 < found.confidence <= 1


@pytest.mark.parametrize("values", [[], [60], [60, 61, 62], [60, 61, 62, 63]])
def test_few_values_say_nothing(values: list[float]) -> None:
    assert trend(FactKey.READINESS, days(*values), STAGE.day) is None


def test_a_month_is_surer_than_a_week() -> None:
    month, week = (trend(FactKey.READINESS, days(*[60.0, 62.0] * count), STAGE.day) for count in (14, 3))
    assert month is not None
    assert week is not None
    assert month.confidence > week.confidence


def test_the_newest_value_against_its_own_range() -> None:
    high = own_range(FactKey.RESTING_HEART_RATE, days(58, 57, 59, 58, 58, 57, 71), 5)
    usual = own_range(FactKey.RESTING_HEART_RATE, days(58, 57, 59, 58, 58, 57, 61), 5)
    assert high is not None
    assert high.direction is Direction.HIGHER
    assert usual is not None
    assert usual.direction is Direction.USUAL
    assert own_range(FactKey.RESTING_HEART_RATE, days(58, 57, 71), 5) is None


def test_strain_keeps_a_good_score_from_a_hard_day() -> None:
    strained = known(rested(STAGE).plus(*vitals("heart_rate_resting", 74, 58, 57, 59, 58, 58, 57)))
    assert strained.strain == (FactKey.RESTING_HEART_RATE,)
    assert strained.energy is Energy.STEADY
    assert Need.REST in strained.needs
    assert known(rested(STAGE)).energy is Energy.HIGH


def test_a_falling_readiness_is_seen_within_a_week() -> None:
    found = known(Person(rested(STAGE).biomarkers, readiness(0.55, 0.56, 0.57, 0.8, 0.82, 0.81, 0.8)))
    assert found.trends[FactKey.READINESS].direction is Direction.LOWER
    assert found.strain == (FactKey.READINESS,)


def test_two_ways_of_measuring_are_not_compared() -> None:
    older = (STAGE.vital("heart_rate_variability_sdnn", 28 + 24 * back, 120, "ms") for back in range(9))
    assert known(Person((*vitals(VARIABILITY, 40), *older))).ranges == {}


def test_load_of_a_week_and_a_month() -> None:
    minutes = [STAGE.total("activity_medium_intensity_duration", back, 40 if back <= 7 else 10) for back in range(1, 29)]
    vigorous = [STAGE.total("activity_high_intensity_duration", back, 5) for back in range(1, 8)]
    found = known(Person((*minutes, *vigorous))).load
    assert found is not None
    assert (found.unit, found.week, found.month, found.days, found.aerobic) == ("minute", 45, 10, 7, 350)
    assert found.rising
    assert not found.falling


def test_without_minutes_steps_are_the_load_and_few_days_are_none() -> None:
    found = known(rested(STAGE)).load
    assert found is not None
    assert (found.unit, found.week, found.month, found.aerobic) == ("count", 8412, None, None)
    assert known(Person((STAGE.total("steps", 1, 9000, "count"),))).load is None


def test_a_hard_effort_is_remembered_with_its_row() -> None:
    row = STAGE.total("activity_high_intensity_duration", 1, 42)
    found = known(rested(STAGE).plus(row, STAGE.total("activity_high_intensity_duration", 3, 60))).hard_effort
    assert found is not None
    assert (found.row, found.day) == (row, STAGE.day - timedelta(days=1))
    assert known(rested(STAGE).plus(STAGE.total("activity_high_intensity_duration", 1, 8))).hard_effort is None


def test_today_so_far_is_apart_from_yesterday() -> None:
    found = known(rested(STAGE).plus(STAGE.total("steps", 0, 11200, "count"))).facts
    assert (found[FactKey.STEPS_TODAY].number, found[FactKey.STEPS].number) == (11200, 8412)
    assert found[FactKey.STEPS_TODAY].confidence < found[FactKey.READINESS].confidence


def test_who_moved_much_today_needs_no_more_of_it() -> None:
    still = worn_out(STAGE)
    assert Need.MOVEMENT in known(still).needs
    assert Need.MOVEMENT not in known(still.plus(STAGE.total("steps", 0, 12000, "count"))).needs


def test_stages_are_facts_of_the_night_that_they_belong_to() -> None:
    night = STAGE.night(0, time(22, 40), time(6, 30))
    deep = replace(night[2], type="sleep_deep_duration", value="62", number=62.0, id="deep")
    other = replace(deep, start_date_time=deep.start_date_time - timedelta(days=1), value="99", number=99.0, id="other")
    found = known(Person((*night, deep, other))).facts[FactKey.DEEP_SLEEP]
    assert found.row is deep


@pytest.mark.parametrize(
    ("bed", "wake", "kind"),
    [
        (time(20, 45), time(4, 45), Chronotype.EARLY),
        (time(22, 40), time(6, 30), Chronotype.MIDDLE),
        (time(2, 30), time(10, 30), Chronotype.LATE),
        (time(8, 30), time(16, 10), Chronotype.BY_DAY),
    ],
)
def test_chronotype_from_the_nights(bed: time, wake: time, kind: Chronotype) -> None:
    nights = [row for back in range(1, 7) for row in STAGE.night(back, bed, wake)]
    assert known(Person(tuple(nights))).chronotype is kind


def test_a_label_stands_in_for_nights_and_an_old_one_for_nothing() -> None:
    at = STAGE.now - timedelta(days=5)
    label = BehaviourLabel(
        "id", "bed_schedule", "very_late_sleeper", "ordinal", "weekly", 3, at, at, at, STAGE.now, DataSource.LIVE
    )
    assert known(Person(), STAGE, label).chronotype is Chronotype.LATE
    assert known(Person(), STAGE, replace(label, end_date_time=at - timedelta(days=90))).labels == {}
    assert known(rested(STAGE), STAGE, label).chronotype is Chronotype.MIDDLE


def test_trust_falls_with_age_and_source() -> None:
    fresh, old = (STAGE.vital("heart_rate_resting", hours, 60, "bpm") for hours in (1, 60))
    stored = replace(fresh, source=DataSource.DATABASE)
    facts = [known(Person((row,))).facts[FactKey.RESTING_HEART_RATE].confidence for row in (fresh, stored, old)]
    assert facts == sorted(facts, reverse=True)
    assert 0.5 <= facts[-1] < facts[0] <= 1


def test_a_fever_counts_two_days_after_an_ordinary_reading() -> None:
    def flags(*values: float) -> tuple[str, ...]:
        return known(Person(vitals("body_temperature_basal", *values))).red_flags

    assert flags(36.6, 38.4, 38.2) == ("body temperature",)
    assert flags(36.6, 36.5, 36.6, 38.4, 38.2) == ()
    assert flags(36.6, 38.4) == ()


def test_how_urgent_a_flag_is() -> None:
    assert [flag.urgent for flag in known(Person(vitals("oxygen_saturation", 91, 90))).flags] == [True]
    assert [flag.urgent for flag in known(Person(vitals("oxygen_saturation", 94, 93))).flags] == [False]
