"""What is known of Sahha's types: units brought to one, impossible values refused and kept as such, zeros not believed."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.health import Biomarker, RecordKind
from services.sahha.catalogue import ARCHETYPES, CATEGORIES
from services.sahha.measures import BIOMARKERS, FACTORS, SCORE_FACTORS, Kind, suspicious_zero
from services.sahha.units import UNITS, in_unit
from services.store.record_rows import biomarker_fingerprint
from tests.upstream.conftest import UNHURRIED
from tests.upstream.test_payloads import NOW, SLEEP_SCORE, STEPS, biomarkers, scores

NIGHT = {
    **STEPS,
    "category": "sleep",
    "startDateTime": "2025-07-10T18:00:00+12:00",
    "endDateTime": "2025-07-11T17:59:59+12:00",
}


def night(kind: str, value: object, unit: str | None = None, **other: Any) -> dict[str, Any]:
    return {**NIGHT, "type": kind, "value": value, "unit": unit, "valueType": "double", **other}


def only(row: dict[str, Any]) -> Biomarker:
    parsed = biomarkers(row)
    assert parsed.rejected == ()
    return parsed.rows[0]


def test_every_known_type_has_a_category_and_a_unit_that_is_asked_for() -> None:
    for name, measure in BIOMARKERS.items():
        assert measure.category in CATEGORIES, name
        if measure.kind is Kind.NUMBER:
            assert measure.unit.lower() in UNITS, name
            assert measure.low < measure.high, name
    assert {name for names in SCORE_FACTORS.values() for name in names} == set(FACTORS)
    assert all(measure.unit.lower() in UNITS for measure in FACTORS.values())


def test_every_type_and_label_of_the_real_answers_is_known(real_bodies: Path) -> None:
    for path in real_bodies.glob("biomarker-*.json"):
        for row in orjson.loads(path.read_bytes()):
            measure = BIOMARKERS[row["type"]]
            assert (measure.category, measure.unit) == (row["category"], row["unit"])
            assert row["periodicity"] in measure.periodicities
            assert row["aggregation"] in measure.aggregations
    for row in orjson.loads((real_bodies / "archetypes.json").read_bytes()):
        values = ARCHETYPES[row["name"]]
        assert not values or values[row["ordinality"]] == row["value"]


def test_a_night_in_hours_and_in_minutes_is_the_same_night() -> None:
    in_hours, in_minutes = only(night("sleep_duration", "7.5", "hour")), only(night("sleep_duration", "450", "minute"))
    assert (in_hours.number, in_hours.unit) == (in_minutes.number, in_minutes.unit) == (450.0, "minute")
    assert (in_hours.value, in_hours.value_unit) == ("7.5", "hour")
    assert (in_minutes.value, in_minutes.value_unit, in_minutes.received_unit) == ("450", "minute", None)
    assert biomarker_fingerprint(in_hours) == biomarker_fingerprint(in_minutes)
    assert in_hours.meaning == in_minutes.meaning == 450.0


@UNHURRIED
@given(st.integers(0, 96), st.sampled_from(["hour", "hours", "H"]))
def test_quarters_of_an_hour_are_exact_minutes(quarters: int, unit: str) -> None:
    assert only(night("sleep_duration", str(quarters / 4), unit)).number == quarters * 15


@pytest.mark.parametrize(
    ("kind", "value", "unit", "number"),
    [
        ("sleep_efficiency", "0.75", "percentage", 0.75),
        ("sleep_efficiency", "75", "percent", 0.75),
        ("sleep_efficiency", "93.75", "%", 0.9375),
        ("sleep_efficiency", "1", "ratio", 1.0),
        ("sleep_efficiency", "0.", "percentage", 0.0),
        ("sleep_regularity", "0.972", "index", 0.972),
        ("sleep_regularity", "97.2", "percentage", 0.972),
        ("sleep_debt", "26.28", "minute", 0.438),
        ("heart_rate_variability_rmssd", "0.045", "second", 45.0),
        ("heart_rate_resting", "1", "count/second", 60.0),
        ("body_temperature_basal", "98.6", "fahrenheit", 37.0),
        ("weight", "154", "lb", 69.853225),
        ("height", "180", "cm", 1.8),
        ("blood_glucose", "5", "mmol/L", 90.078),
        ("body_mass_index", "23.1", "kg/m²", 23.1),
        ("oxygen_saturation", "97", "percent", 0.97),
        ("sleep_duration", "450", None, 450.0),
    ],
)
def test_numbers_come_in_the_unit_of_their_type(kind: str, value: str, unit: str | None, number: float) -> None:
    row = only(night(kind, value, unit))
    assert row.number == number
    assert row.unit == (BIOMARKERS[kind].unit if unit else None)
    assert (row.value, row.value_unit) == (value, unit)


@pytest.mark.parametrize("unit", ["parsec", "kg", "count"])
def test_a_unit_that_cannot_be_read_leaves_a_row_without_a_number(unit: str) -> None:
    row = only(night("sleep_duration", "450", unit))
    assert (row.value, row.unit, row.number) == ("450", unit, None)


@UNHURRIED
@given(st.floats(-1e6, 1e6), st.sampled_from(sorted(UNITS)), st.sampled_from(sorted(UNITS)))
def test_conversions_there_and_back_agree(figure: float, one: str, other: str) -> None:
    there = in_unit(figure, one, other)
    if there is None or UNITS[one].quantity is UNITS["percent"].quantity:
        return
    back = in_unit(there, other, one)
    assert back == pytest.approx(figure, rel=1e-4, abs=1e-4 * max(1, UNITS[other].factor / UNITS[one].factor))


@pytest.mark.parametrize(
    ("kind", "value", "unit", "reason"),
    [
        ("sleep_duration", "1500", "minute", "value: is impossibly high"),
        ("sleep_duration", "25", "hour", "value: is impossibly high"),
        ("heart_rate_resting", "-5", "bpm", "value: is impossibly low"),
        ("heart_rate_resting", "0", "bpm", "value: is impossibly low"),
        ("body_mass_index", "200000", "count", "value: is impossibly high"),
        ("steps", "1e308", "count", "value: is impossibly high"),
        ("steps", "-1", "count", "value: is impossibly low"),
        ("steps", "many", "count", "value: is not a finite number"),
        ("sleep_efficiency", "101", "percent", "value: is impossibly high"),
        ("oxygen_saturation", "0.02", "percentage", "value: is impossibly low"),
        ("sleep_end_time", "7", "datetime", "value: is not an ISO 8601 date-time"),
        ("sleep_end_time", "2199-01-01T06:00+12:00", "datetime", "value: lies in the future"),
        ("sleep_end_time", "2025-07-01T06:00+12:00", "datetime", "value: lies outside the row's window"),
    ],
)
def test_an_impossible_value_is_kept_as_refused_and_out_of_the_rows(kind: str, value: str, unit: str, reason: str) -> None:
    parsed = biomarkers(night(kind, value, unit), STEPS)
    assert [row.type for row in parsed.rows] == ["steps"]
    (rejection,) = parsed.rejected
    assert (rejection.reason, rejection.position) == (reason, 0)
    record = rejection.record
    assert record is not None
    assert (record.kind, record.category, record.type, record.periodicity) == (RecordKind.BIOMARKER, "sleep", kind, "daily")
    assert (record.value, record.unit, record.sahha_id, record.reason) == (value, unit, STEPS["id"], reason)
    assert record.start_date_time == datetime.fromisoformat(NIGHT["startDateTime"])
    assert record.end_date_time == datetime.fromisoformat(NIGHT["endDateTime"])
    assert value not in repr(record).replace(NIGHT["startDateTime"], "") or len(value) < 5


def test_what_is_real_but_strange_is_kept() -> None:
    for kind, value, unit in (
        ("floors_climbed", "522", "count"),
        ("exercise_duration", "312", "minute"),
        ("activity_sedentary_duration", "0", "minute"),
        ("sleep_duration", "0.", "minute"),
        ("sleep_debt", "-0.5", "hour"),
    ):
        assert only(night(kind, value, unit)).value == value


def test_totals_of_a_week_may_be_those_of_seven_days() -> None:
    weekly = night("steps", "700000", "count", periodicity="weekly")
    assert only(weekly).number == 700_000
    assert biomarkers({**weekly, "periodicity": "daily"}).rows == ()


def test_a_sleep_that_ends_before_it_starts_says_nothing() -> None:
    start = night("sleep_start_time", "2025-07-11T06:00+12:00", "datetime", id="start")
    end = night("sleep_end_time", "2025-07-10T11:00:00Z", "datetime", id="end")
    parsed = biomarkers(start, end, night("sleep_duration", "450", "minute"))
    assert [row.type for row in parsed.rows] == ["sleep_duration"]
    assert [(each.position, each.reason, each.record and each.record.sahha_id) for each in parsed.rejected] == [
        (0, "value: the sleep ends before it starts", "start"),
        (1, "value: the sleep ends before it starts", "end"),
    ]
    assert len(biomarkers({**start, "value": "2025-07-10T22:30+12:00"}, end).rows) == 2


@pytest.mark.parametrize(("start", "kept"), [("2025-07-12T17:41:59Z", 1), ("2025-07-12T17:42:01Z", 0)])
def test_rows_of_days_to_come_are_refused(start: str, kept: int) -> None:
    end = "2025-07-14T00:00:00Z"
    assert len(biomarkers({**STEPS, "startDateTime": start, "endDateTime": end}).rows) == kept
    parsed = scores({**SLEEP_SCORE, "scoreDateTime": start})
    assert len(parsed.rows) == kept
    if not kept:
        record = parsed.rejected[0].record
        assert record is not None
        assert (record.kind, record.type, record.value) == (RecordKind.SCORE, "sleep", "0.74")


def test_a_malformed_row_is_kept_when_it_says_what_it_is_about() -> None:
    parsed = biomarkers({**STEPS, "value": {"a": "\x00" * 3}}, {**STEPS, "type": None}, {**STEPS, "value": "x" * 2000}, 7)
    records = [each.record for each in parsed.rejected]
    assert records[1] is records[3] is None
    assert records[0] is not None
    assert records[0].value == '{"a":"\\u0000\\u0000\\u0000"}'
    assert records[2] is not None
    assert records[2].value == "x" * 1024


@pytest.mark.parametrize("score", [73.5, -0.1, "NaN"])
def test_a_score_off_the_scale_is_refused(score: object) -> None:
    parsed = scores({**SLEEP_SCORE, "score": score})
    assert parsed.rows == ()
    record = parsed.rejected[0].record
    assert record is not None
    assert (record.kind, record.value, record.received_at) == (RecordKind.SCORE, str(score), NOW)


def test_an_impossible_factor_does_not_take_its_score_with_it() -> None:
    factors = [
        {"id": "f", "name": "resting_heart_rate", "value": -5, "unit": "bpm"},
        {"name": "sleep_duration", "value": 402, "unit": "minute", "score": 0.8},
        {"name": "sleep_regularity", "value": 97.2, "unit": "percent"},
        {"name": "of tomorrow", "value": 1e308},
    ]
    parsed = scores({**SLEEP_SCORE, "factors": factors})
    (row,) = parsed.rows
    assert [(factor.name, factor.value, factor.unit) for factor in row.factors] == [
        ("sleep_duration", 402.0, "minute"),
        ("sleep_regularity", 97.2, "percent"),
        ("of tomorrow", 1e308, None),
    ]
    record = parsed.rejected[0].record
    assert record is not None
    assert (record.kind, record.category, record.type) == (RecordKind.SCORE_FACTOR, "sleep", "resting_heart_rate")
    assert (record.value, record.unit, record.sahha_id) == ("-5", "bpm", "f")


@pytest.mark.parametrize(
    ("kind", "stored", "number", "suspicious"),
    [
        ("steps", 8412.0, 0.0, True),
        ("sleep_duration", 450.0, 0.0, True),
        ("active_energy_burned", 1.0, 0.0, True),
        ("steps", 0.0, 0.0, False),
        ("steps", 8412.0, 8000.0, False),
        ("steps", 8412.0, None, False),
        ("sleep_debt", 1.3, 0.0, False),
        ("sleep_interruptions", 3.0, 0.0, False),
        ("of tomorrow", 5.0, 0.0, False),
    ],
)
def test_a_zero_after_a_good_value(kind: str, stored: float, number: float | None, suspicious: bool) -> None:
    row = replace(only({**STEPS, "value": "1"}), type=kind, number=number)
    assert suspicious_zero(stored, row) is suspicious
