"""Requests that a caller has to mend, each with the field it is about."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.domain.ids import UserId
from services.domain.routine import Archetype, FixedEvent, Preferences, RoutineRequest
from services.planning.request import default_date, validate_request

NOW = datetime(2026, 3, 18, 16, tzinfo=UTC)
GOOD = RoutineRequest(UserId("person"), Archetype.PEAK_PERFORMER, "America/New_York", None)
SLEEP = ("input", "preferences", "sleepTime")
EVENTS = ("input", "preferences", "fixedEvents")


def with_preferences(**given: object) -> RoutineRequest:
    return replace(GOOD, preferences=replace(Preferences(), **given))  # type: ignore[arg-type]


def with_events(*spans: tuple[time, time]) -> RoutineRequest:
    return with_preferences(fixed_events=tuple(FixedEvent(f"event {start:%H}", start, end) for start, end in spans))


@pytest.mark.parametrize(
    "request_",
    [
        GOOD,
        replace(GOOD, date=date(2026, 3, 18)),
        replace(GOOD, date=date(2027, 3, 19)),
        replace(GOOD, idempotency_key="k" * 128),
        with_preferences(wake_time=time(16), sleep_time=time(8), work_start=time(22), work_end=time(6)),
        with_events((time(9), time(10)), (time(10), time(11)), (time(23), time(1))),
        with_events(*[(time(hour), time(hour, 30)) for hour in range(24)]),
    ],
)
def test_what_can_be_planned(request_: RoutineRequest) -> None:
    assert validate_request(request_, NOW) is None


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (replace(GOOD, timezone="Mars/Olympus"), ("input", "timezone")),
        (replace(GOOD, timezone=""), ("input", "timezone")),
        (replace(GOOD, timezone="Europe/Paris\0"), ("input", "timezone")),
        (replace(GOOD, user_id=UserId("")), ("input", "userId")),
        (replace(GOOD, user_id=UserId("x" * 129)), ("input", "userId")),
        (replace(GOOD, user_id=UserId("a\0b")), ("input", "userId")),
        (replace(GOOD, user_id=UserId("\ud83d")), ("input", "userId")),
        (replace(GOOD, idempotency_key=""), ("input", "idempotencyKey")),
        (replace(GOOD, idempotency_key="k" * 129), ("input", "idempotencyKey")),
        (replace(GOOD, date=date(2026, 3, 17)), ("input", "date")),
        (replace(GOOD, date=date(2027, 3, 20)), ("input", "date")),
        (with_preferences(wake_time=time(7), sleep_time=time(7)), SLEEP),
        (with_preferences(work_start=time(9)), ("input", "preferences", "workEnd")),
        (with_preferences(work_end=time(9)), ("input", "preferences", "workStart")),
        (with_preferences(work_start=time(9), work_end=time(9)), ("input", "preferences", "workEnd")),
        (with_events((time(9), time(10)), (time(9, 59), time(11))), (*EVENTS, "1")),
        (with_events((time(23), time(1)), (time(12), time(13)), (time(0, 30), time(2))), (*EVENTS, "2")),
        (with_events((time(9), time(17)), (time(10), time(11))), (*EVENTS, "1")),
        (with_events((time(9), time(9))), (*EVENTS, "0")),
        (with_preferences(fixed_events=(FixedEvent(" ", time(9), time(10)),)), (*EVENTS, "0", "title")),
        (with_preferences(fixed_events=(FixedEvent("x" * 121, time(9), time(10)),)), (*EVENTS, "0", "title")),
        (with_preferences(fixed_events=(FixedEvent("a\0", time(9), time(10)),)), (*EVENTS, "0", "title")),
        (with_preferences(fixed_events=(FixedEvent("many", time(9), time(10)),) * 51), EVENTS),
    ],
)
def test_the_field_to_mend_is_named(request_: RoutineRequest, field: tuple[str, ...]) -> None:
    problem = validate_request(request_, NOW)
    assert problem is not None
    assert problem.field == field
    assert problem.message.endswith(".")
    assert "x" * 20 not in problem.message
    assert not problem.retryable


def test_today_is_that_of_the_zone() -> None:
    late = datetime(2026, 3, 18, 23, tzinfo=UTC)
    assert validate_request(replace(GOOD, date=date(2026, 3, 18)), late) is None
    assert validate_request(replace(GOOD, date=date(2026, 3, 18), timezone="Pacific/Auckland"), late) is not None


@pytest.mark.parametrize(
    ("clock_time", "preferences", "days"),
    [
        (time(12), Preferences(), 0),
        (time(22, 30), Preferences(), 0),
        (time(22, 31), Preferences(), 1),
        (time(23, 45), Preferences(time(8), time(1)), 0),
        (time(0, 10), Preferences(time(8), time(1)), 0),
        (time(21, 35), Preferences(time(6), time(22)), 1),
        (time(23, 45), Preferences(time(16), time(8)), 0),
        (time(4), Preferences(sleep_time=time(7)), 0),
    ],
)
def test_the_date_left_out(clock_time: time, preferences: Preferences, days: int) -> None:
    zone = ZoneInfo("America/New_York")
    now = datetime.combine(date(2026, 3, 18), clock_time, zone)
    assert default_date(now, zone, preferences) == date(2026, 3, 18) + timedelta(days=days)
