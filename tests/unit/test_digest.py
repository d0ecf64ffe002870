"""What is known of a person, and which row says so."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.domain.health import Biomarker, DataSource, HealthRecords, ScoreFactor, TimestampRepair
from services.domain.routine import EvidenceKind
from services.planning.digest import Digest, Energy, FactKey, Need, digest, shortest
from services.planning.nights import nights, usual
from tests.unit.plan_people import (
    DAY,
    MORNING,
    ZONE,
    activity,
    biomarker,
    night,
    nobody,
    records,
    rested,
    score,
    short_sleeper,
)

NEW_YORK = ZoneInfo(ZONE)


def known(data: HealthRecords, now: datetime = MORNING, tz: ZoneInfo = NEW_YORK) -> Digest:
    return digest(data, tz, now, now)


def vitals(kind: str, *values: str) -> list[Biomarker]:
    moments = [MORNING - timedelta(hours=5 + 24 * back) for back in range(len(values))]
    return [
        biomarker(kind, value, moment, moment, category="vitals", unit="count")
        for value, moment in zip(values, moments, strict=True)
    ]


def test_without_rows_nothing_is_known() -> None:
    found = known(nobody())
    assert (found.facts, found.night, found.usual_bed, found.energy, found.needs) == ({}, None, None, Energy.UNKNOWN, frozenset())


def test_each_fact_names_its_row_and_quotes_it_exactly() -> None:
    data = rested()
    for fact in known(data).facts.values():
        assert fact.row in (*data.biomarkers, *data.scores)
        assert fact.evidence.source is DataSource.LIVE
    evidence = known(data).facts[FactKey.NIGHT_START].evidence
    assert (evidence.kind, evidence.value) == (EvidenceKind.BIOMARKER, "2026-03-17T22:40-04:00")


def test_the_night_belongs_to_the_day_of_waking_in_the_requested_zone() -> None:
    assert [found.day for found in nights(night(DAY, time(0, 50), time(6, 20)), NEW_YORK, MORNING)] == [DAY]
    seen_from_auckland = nights(night(DAY, time(0, 50), time(6, 20)), ZoneInfo("Pacific/Auckland"), MORNING)
    assert [found.day for found in seen_from_auckland] == [date(2026, 3, 18)]
    assert nights(night(DAY, time(22), time(9)), ZoneInfo("Pacific/Auckland"), MORNING + timedelta(hours=9))[0].day == date(
        2026, 3, 19
    )


def test_a_nap_is_no_night() -> None:
    assert nights(night(DAY, time(3), time(6)), NEW_YORK, MORNING) == ()


def test_a_night_that_has_not_ended_is_none_yet() -> None:
    assert nights(night(DAY, time(23), time(8)), NEW_YORK, MORNING) == ()


def test_sleep_by_day_is_the_night_of_a_person_who_mostly_sleeps_by_day() -> None:
    days = [DAY - timedelta(days=back) for back in range(1, 6)]
    rows = [row for day in days for row in night(day, time(8, 30), time(16, 10))]
    assert [found.day for found in nights(rows, NEW_YORK, MORNING)] == days
    one_late_morning = [*night(DAY - timedelta(days=6), time(8), time(15, 30)), *rested().biomarkers]
    assert all(
        found.day != DAY - timedelta(days=6) or found.start.hour == 22 for found in nights(one_late_morning, NEW_YORK, MORNING)
    )


def test_usual_times_are_a_mean_around_the_clock() -> None:
    moments = [datetime(2026, 3, day, hour, minute, tzinfo=UTC) for day, hour, minute in ((1, 23, 30), (2, 0, 30), (3, 0, 0))]
    habit = usual(moments, ZoneInfo("UTC"))
    assert habit is not None
    assert (habit.clock_time, habit.nights) == (time(0), 3)


def test_two_nights_are_no_habit_and_scattered_ones_have_no_middle() -> None:
    moments = [datetime(2026, 3, 1, hour, tzinfo=UTC) for hour in (0, 6, 12, 18)]
    assert usual(moments, ZoneInfo("UTC")) is None
    assert usual(moments[:2], ZoneInfo("UTC")) is None


def test_a_repaired_row_decides_no_time() -> None:
    rows = [replace(row, repair=TimestampRepair.END) for row in night(DAY, time(22), time(6))]
    assert nights(rows, NEW_YORK, MORNING) == ()


def test_the_finished_row_wins_over_the_running_one() -> None:
    running = [replace(row, periodicity="intraday", id="running") for row in night(DAY, time(22), time(4))]
    for rows in ([*running, *night(DAY, time(22), time(6))], [*night(DAY, time(22), time(6)), *running]):
        assert nights(rows, NEW_YORK, MORNING)[0].end_row.periodicity == "daily"


def test_old_values_are_no_facts() -> None:
    assert known(rested(), MORNING + timedelta(days=2)).facts == {}
    assert known(rested(), MORNING + timedelta(days=2)).usual_bed is not None


def test_a_night_counts_from_its_waking() -> None:
    later = datetime(2026, 3, 19, 22, 31, tzinfo=UTC)
    assert FactKey.NIGHT_END in known(rested(), later - timedelta(minutes=2)).facts
    assert FactKey.NIGHT_END not in known(rested(), later).facts


def test_a_factor_stands_in_for_a_missing_biomarker() -> None:
    factor = ScoreFactor("sleep_debt", 0.43799999356269836, 0, 0.97, "high", "hour")
    data = records(night(DAY, time(22), time(6)), [score("sleep", 0.96, "high", DAY, factors=[factor])])
    evidence = known(data).facts[FactKey.SLEEP_DEBT].evidence
    assert (evidence.kind, evidence.type, evidence.value) == (EvidenceKind.FACTOR, "sleep_debt", "0.43799999356269836")


def test_a_factor_without_a_value_is_no_fact() -> None:
    factor = ScoreFactor("sleep_debt", None, 0, None, None, "hour")
    assert FactKey.SLEEP_DEBT not in known(records(scores=[score("sleep", 0.9, "high", DAY, factors=[factor])])).facts


@pytest.mark.parametrize(
    ("number", "text"), [(480.0, "480"), (0.96, "0.96"), (0.43799999356269836, "0.43799999356269836"), (None, "")]
)
def test_scores_are_told_in_their_shortest_lossless_form(number: float | None, text: str) -> None:
    assert shortest(number) == text
    assert number is None or float(text) == number


@pytest.mark.parametrize(
    ("data", "energy"),
    [
        (rested(), Energy.HIGH),
        (short_sleeper(), Energy.LOW),
        (records(night(DAY, time(23), time(6, 30))), Energy.STEADY),
        (records(night(DAY, time(1), time(6, 30))), Energy.LOW),
        (records(scores=[score("readiness", 0.62, "medium", DAY)]), Energy.STEADY),
        (records(scores=[score("readiness", 0.62, "minimal", DAY)]), Energy.LOW),
        (records(scores=[score("readiness", 0.31, None, DAY)]), Energy.LOW),
        (records(scores=[score("readiness", 0.9, "high", DAY), score("sleep", 0.2, "low", DAY)]), Energy.HIGH),
        (records(activity(DAY - timedelta(days=1), 900)), Energy.UNKNOWN),
    ],
)
def test_energy(data: HealthRecords, energy: Energy) -> None:
    assert known(data).energy is energy


def test_low_heart_rate_variability_makes_a_low_day() -> None:
    factor = ScoreFactor("heart_rate_variability", 21.0, 48.0, 0.2, "low", "ms")
    data = records(scores=[score("readiness", 0.66, "medium", DAY, factors=[factor])])
    assert known(data).energy is Energy.LOW


def test_few_steps_call_for_movement_only_when_the_day_is_over() -> None:
    yesterday = records(activity(DAY - timedelta(days=1), 1900))
    assert Need.MOVEMENT in known(yesterday).needs
    assert Need.MOVEMENT not in known(records(activity(DAY, 40))).needs


@pytest.mark.parametrize(
    ("kind", "values", "flag"),
    [
        ("oxygen_saturation", ("93", "94"), "blood oxygen"),
        ("oxygen_saturation", ("0.93", "0.92"), "blood oxygen"),
        ("heart_rate_resting", ("104", "108"), "resting heart rate"),
        ("blood_pressure_systolic", ("184", "190"), "blood pressure"),
        ("body_temperature_basal", ("38.4", "38.1"), "body temperature"),
    ],
)
def test_a_reading_out_of_range_counts_when_it_is_repeated(kind: str, values: tuple[str, str], flag: str) -> None:
    assert known(records(vitals(kind, *values))).red_flags == (flag,)
    assert known(records(vitals(kind, values[0]))).red_flags == ()
    assert known(records(vitals(kind, *values)), MORNING + timedelta(days=4)).red_flags == ()


def test_one_sample_told_twice_is_no_repeat() -> None:
    row = vitals("heart_rate_resting", "108")[0]
    assert known(records([row, replace(row, periodicity="intraday", id="again")])).red_flags == ()


def test_a_newer_ordinary_reading_clears_the_flag() -> None:
    assert known(records(vitals("heart_rate_resting", "72", "104", "108"))).red_flags == ()


def test_age_decides_who_is_a_minor() -> None:
    year = datetime(2026, 1, 1, tzinfo=UTC)
    assert known(records([biomarker("age", "16", year, year, category="characteristic", unit="year")])).minor
    assert not known(nobody()).minor
