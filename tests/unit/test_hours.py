"""When a day begins and ends."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from services.domain.health import HealthRecords
from services.domain.routine import Preferences
from services.planning.day_plan import Situation
from services.planning.hours import Origin
from services.planning.situation import open_from, situation
from services.planning.skeleton import BLOCKS
from tests.unit.plan_people import DAY, MORNING, ZONE, ask, biomarker, nobody, records, rested, short_sleeper

NEW_YORK = ZoneInfo(ZONE)
DAWN = datetime(2026, 3, 18, 8, tzinfo=UTC)


def clock_times(found: Situation) -> tuple[time, time]:
    day = found.hours.day
    return day.local_time(day.start), day.local_time(found.hours.lights_out)


def plan_for(data: HealthRecords, preferences: Preferences = Preferences(), ready_at: datetime = MORNING) -> Situation:  # noqa: B008
    return situation(ask(data, preferences=preferences, ready_at=ready_at))


def test_preferences_come_first_then_habits_then_the_default() -> None:
    assert clock_times(plan_for(rested(), Preferences(time(6), time(22)))) == (time(6), time(22))
    assert clock_times(plan_for(rested())) == (time(6, 30), time(22, 40))
    assert clock_times(plan_for(nobody())) == (time(7), time(23))


def test_one_preference_and_one_habit() -> None:
    found = plan_for(rested(), Preferences(wake_time=time(5, 45)))
    assert (found.hours.wake_from, found.hours.sleep_from) == (Origin.PREFERENCE, Origin.HABIT)
    assert clock_times(found) == (time(5, 45), time(22, 40))


@pytest.mark.parametrize(
    ("preferences", "expected"),
    [
        (Preferences(sleep_time=time(8)), (time(16), time(8))),
        (Preferences(sleep_time=time(7)), (time(15), time(7))),
        (Preferences(wake_time=time(22)), (time(22), time(14))),
    ],
)
def test_a_single_time_that_no_other_fits_gets_a_usual_night(preferences: Preferences, expected: tuple[time, time]) -> None:
    assert clock_times(plan_for(nobody(), preferences)) == expected


def test_a_bedtime_of_habit_moves_until_the_night_is_long_enough() -> None:
    found = plan_for(rested(bed=time(0, 30), wake=time(6, 35)), ready_at=datetime(2026, 3, 18, 11, tzinfo=UTC))
    assert found.hours.night == timedelta(hours=7)
    assert found.hours.lights_out == found.hours.day.end


def test_an_own_bedtime_stays_and_lights_go_out_in_time_for_the_night() -> None:
    found = plan_for(rested(), Preferences(time(7), time(1)))
    assert found.hours.day.local_time(found.hours.day.end) == time(1)
    assert clock_times(found) == (time(7), time(0))


def test_a_teenager_needs_more() -> None:
    year = datetime(2026, 1, 1, tzinfo=UTC)
    teen = records([biomarker("age", "15", year, year, category="characteristic", unit="year")])
    assert clock_times(plan_for(teen, Preferences(wake_time=time(6)))) == (time(6), time(22))


def test_a_tired_person_goes_to_bed_earlier_than_a_rested_one() -> None:
    assert plan_for(short_sleeper()).hours.lights_out < plan_for(rested()).hours.lights_out
    own = Preferences(time(7), time(22))
    assert plan_for(short_sleeper(), own).hours.lights_out < plan_for(rested(), own).hours.lights_out
    assert plan_for(short_sleeper(), own).hours.day.end == plan_for(rested(), own).hours.day.end


def test_who_asks_late_still_gets_half_an_hour() -> None:
    late = datetime(2026, 3, 19, 2, 40, tzinfo=UTC)
    found = plan_for(short_sleeper(), ready_at=late)
    assert found.hours.late
    assert found.left == timedelta(minutes=30)


def test_the_night_over_a_spring_gap_is_counted_in_real_hours() -> None:
    request = ask(nobody(), day=datetime(2027, 3, 13).date(), zone=ZONE)  # noqa: DTZ001
    found = situation(request)
    assert clock_times(found) == (time(7), time(23))
    assert situation(ask(nobody(), preferences=Preferences(wake_time=time(6)), day=request.date)).hours.night == timedelta(
        hours=7
    )
    assert clock_times(situation(ask(nobody(), preferences=Preferences(wake_time=time(6)), day=request.date)))[1] == time(22)


@pytest.mark.parametrize(
    ("ready", "first"),
    [(time(6, 40), time(6, 45)), (time(6, 43), time(6, 45)), (time(6, 43, 1), time(6, 50)), (time(6, 58), time(7))],
)
def test_the_first_moment_is_two_minutes_on_and_on_the_grid(ready: time, first: time) -> None:
    moment = datetime.combine(DAY, ready, UTC)
    assert open_from(moment) == datetime.combine(DAY, first, UTC)


def test_blocks_are_scaled_over_the_day() -> None:
    found = plan_for(nobody(), Preferences(time(6), time(22)), ready_at=DAWN)
    starts = [found.hours.day.local_time(frame.start) for frame in found.frames]
    assert starts == [time(6), time(9), time(12), time(15), time(18)]
    assert [frame.kind for frame in found.frames] == list(BLOCKS)


def test_only_blocks_with_time_left_appear() -> None:
    found = plan_for(nobody(), Preferences(time(6), time(22)), ready_at=datetime(2026, 3, 18, 18, 50, tzinfo=UTC))
    assert [frame.kind.title for frame in found.frames] == ["Evening Routine", "Wind Down"]
    assert found.hours.day.local_time(found.frames[0].start) == time(15)


def test_a_day_of_an_hour_is_one_block() -> None:
    found = plan_for(nobody(), Preferences(time(9), time(10)), ready_at=DAWN)
    assert [frame.kind.title for frame in found.frames] == ["Wind Down"]
