"""The state of a person's data, told apart."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from services.domain.freshness import assess, bound, fresh_biomarker, newest_value_at, parse_instant
from services.domain.health import Biomarker, DataSource, DataState
from tests.unit.plan_people import DAY, MORNING, activity, biomarker, night, nobody, records, rested, score

YESTERDAY = DAY - timedelta(days=1)
LAST_NIGHT = night(DAY, time(22, 40), time(6, 10))
EARLIER_NIGHT = night(YESTERDAY, time(22, 40), time(6, 10))


def unfinished(rows: Iterable[Biomarker]) -> list[Biomarker]:
    return [replace(row, periodicity="intraday") for row in rows]


def test_nothing_has_ever_arrived() -> None:
    assert assess(nobody(), MORNING) == (DataState.NONE, ("activity", "sleep"))


def test_everything_expected_is_fresh() -> None:
    assert assess(rested(), MORNING) == (DataState.COMPLETE, ())


def test_nothing_new_for_longer_than_the_bound() -> None:
    later = MORNING + timedelta(hours=40)
    assert assess(rested(), later) == (DataState.STALE, ("activity", "sleep"))


def test_last_night_is_awaited_while_other_rows_arrive() -> None:
    data = records([*EARLIER_NIGHT, *activity(DAY, 41)])
    assert assess(data, MORNING)[0] is DataState.SYNCING


def test_the_real_morning_with_a_new_score_and_no_night_yet() -> None:
    data = records([*EARLIER_NIGHT, *activity(YESTERDAY, 3263)], [score("sleep", 0.96, "high", DAY)])
    assert assess(data, MORNING)[0] is DataState.SYNCING


def test_last_night_is_awaited_while_the_device_reports() -> None:
    evening = MORNING - timedelta(hours=10)
    rows = [replace(row, received_at=evening) for row in [*EARLIER_NIGHT, *activity(YESTERDAY, 3263)]]
    assert assess(records(rows), MORNING)[0] is DataState.PARTIAL
    data = replace(records(rows), device_seen_at=MORNING - timedelta(minutes=20))
    assert assess(data, MORNING)[0] is DataState.SYNCING


def test_a_week_without_anything_after_better_times_is_stale() -> None:
    data = replace(nobody(), older_value_at=MORNING - timedelta(days=12))
    assert assess(data, MORNING) == (DataState.STALE, ("activity", "sleep"))


def test_a_night_that_still_grows_is_syncing() -> None:
    data = records([*unfinished(LAST_NIGHT), *activity(DAY, 41)])
    assert assess(data, MORNING)[0] is DataState.SYNCING


def test_an_unfinished_row_read_long_after_waking_is_whole() -> None:
    noon = MORNING + timedelta(hours=6)
    rows = [replace(row, as_of=noon, received_at=noon) for row in unfinished([*LAST_NIGHT, *activity(DAY, 900)])]
    assert assess(records(rows, as_of=noon), noon)[0] is DataState.COMPLETE


def test_a_stored_row_grows_no_more_by_being_read_again() -> None:
    noon = MORNING + timedelta(hours=6)
    stored = [replace(row, as_of=noon, source=DataSource.DATABASE) for row in unfinished(LAST_NIGHT)]
    data = records([*stored, *activity(DAY, 900, as_of=noon)], as_of=noon, source=DataSource.DATABASE)
    assert assess(data, noon)[0] is DataState.SYNCING


def test_a_night_still_missing_in_the_afternoon_is_missing() -> None:
    afternoon = datetime(2026, 3, 18, 20, tzinfo=UTC)
    data = records([*EARLIER_NIGHT, *activity(DAY, 4000, as_of=afternoon)], as_of=afternoon)
    assert assess(data, afternoon) == (DataState.PARTIAL, ("sleep",))


def test_before_four_in_the_morning_no_night_is_awaited() -> None:
    data = records([*EARLIER_NIGHT, *activity(DAY, 12)])
    assert assess(data, datetime(2026, 3, 18, 5, 30, tzinfo=UTC))[0] is DataState.COMPLETE


def test_a_category_the_person_had_is_expected() -> None:
    old = MORNING - timedelta(hours=80)
    data = records([*LAST_NIGHT, *activity(YESTERDAY, 5), biomarker("heart_rate_resting", "58", old, old, category="vitals")])
    assert assess(data, MORNING) == (DataState.PARTIAL, ("vitals",))


def test_a_category_of_which_nothing_came_for_a_week_is_not_expected() -> None:
    old = MORNING - timedelta(days=8)
    data = records([*LAST_NIGHT, *activity(YESTERDAY, 5), biomarker("heart_rate_resting", "58", old, old, category="vitals")])
    assert assess(data, MORNING) == (DataState.COMPLETE, ())


def test_what_is_measured_now_and_then_is_never_missing() -> None:
    old = MORNING - timedelta(days=6)
    data = records([*LAST_NIGHT, *activity(YESTERDAY, 5), biomarker("weight", "71", old, old, category="body")])
    assert assess(data, MORNING)[0] is DataState.COMPLETE


@pytest.mark.parametrize(("category", "hours"), [("sleep", 36), ("activity", 36), ("vitals", 72), ("something_new", 72)])
def test_bounds(category: str, hours: int) -> None:
    measured = MORNING - timedelta(hours=hours)
    row = biomarker("x", "1", measured, measured, category=category)
    assert bound(category) == timedelta(hours=hours)
    assert fresh_biomarker(row, MORNING)
    assert not fresh_biomarker(row, MORNING + timedelta(seconds=1))


def test_the_newest_value_of_a_read() -> None:
    assert newest_value_at(nobody()) is None
    assert newest_value_at(rested()) == MORNING


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2025-07-11T06:00+12:00", 1752170400), ("2025-09-24T22:09:49.700-04:00", 1758766189.7), ("2025-07-11T06:00Z", 1752213600)],
)
def test_instants_in_their_forms(text: str, seconds: float) -> None:
    parsed = parse_instant(text)
    assert parsed is not None
    assert parsed.timestamp() == seconds


@pytest.mark.parametrize("text", ["", "480", "2025-07-11T06:00", "yesterday", "0."])
def test_what_is_no_instant(text: str) -> None:
    assert parse_instant(text) is None
