"""When a daily plan is due, wherever the clock moves (reliability.md, T1-T8): pure, so that every zone can be tried."""

import random
import time as stopwatch
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.daily_routine import DAY, DuePlan, Rhythm, next_due, owed, spread
from services.domain.ids import UserId
from services.domain.schedule import NOT_PLACES, local_date, local_time, zone

LEAD = timedelta(minutes=30)
EVERY = timedelta(minutes=5)
ZONES = sorted(available_timezones() - NOT_PLACES)


def rhythm(tz: str, wake: time, sleep: time = time(22, 30), lead: timedelta = LEAD) -> Rhythm:
    return Rhythm(wake, sleep, zone(tz), lead)


def walk(days: Rhythm, start: datetime, end: datetime) -> list[DuePlan]:
    """The plans that are due in a time, one after the other."""
    found: list[DuePlan] = []
    now = start
    while (due := next_due(days, now, found[-1].date if found else None)).at < end:
        found.append(due)
        now = due.wake
    return found


@pytest.mark.parametrize(
    ("tz", "wake", "day", "expected"),
    [
        # T1: 02:30 does not exist; the first instant after the gap does.
        ("America/New_York", time(2, 30), date(2027, 3, 14), "2027-03-14T07:00Z"),
        ("Europe/Berlin", time(2, 30), date(2026, 3, 29), "2026-03-29T01:00Z"),
        # T2: 01:30 and 02:30 come twice; the first time counts.
        ("America/New_York", time(1, 30), date(2026, 11, 1), "2026-11-01T05:30Z"),
        ("Europe/Berlin", time(2, 30), date(2026, 10, 25), "2026-10-25T00:30Z"),
        # T3: half an hour at Lord Howe; the gap at midnight in Cairo and Beirut.
        ("Australia/Lord_Howe", time(2, 10), date(2026, 10, 4), "2026-10-03T15:30Z"),
        ("Australia/Lord_Howe", time(1, 45), date(2026, 4, 5), "2026-04-04T14:45Z"),
        ("Africa/Cairo", time(0, 0), date(2026, 4, 24), "2026-04-23T22:00Z"),
        ("Asia/Beirut", time(0, 30), date(2026, 3, 29), "2026-03-28T22:00Z"),
        # T8: the leap day, and both sides of a year with 53 weeks.
        ("Asia/Tokyo", time(7), date(2028, 2, 29), "2028-02-28T22:00Z"),
        ("Asia/Tokyo", time(7), date(2028, 3, 1), "2028-02-29T22:00Z"),
        ("Europe/London", time(7), date(2026, 12, 31), "2026-12-31T07:00Z"),
        ("Europe/London", time(7), date(2027, 1, 1), "2027-01-01T07:00Z"),
        ("Europe/London", time(7), date(2027, 1, 4), "2027-01-04T07:00Z"),
    ],
)
def test_a_day_has_one_moment_of_waking(tz: str, wake: time, day: date, expected: str) -> None:
    woken = datetime.fromisoformat(expected)
    due = next_due(rhythm(tz, wake), woken - timedelta(hours=12), day - DAY)
    assert due == DuePlan(day, woken - LEAD, woken)
    assert next_due(rhythm(tz, wake), woken, day).date == day + DAY


def test_a_day_that_is_skipped_has_no_plan() -> None:
    """Samoa went from 29 to 31 December 2011."""
    plans = walk(rhythm("Pacific/Apia", time(7)), datetime(2011, 12, 28, tzinfo=UTC), datetime(2012, 1, 2, tzinfo=UTC))
    assert [due.date.isoformat() for due in plans] == ["2011-12-28", "2011-12-29", "2011-12-31", "2012-01-01", "2012-01-02"]


def test_a_wake_time_in_the_last_hour_of_a_day_that_lacks_it_keeps_its_day() -> None:
    """In Nuuk the gap of spring is the last hour of a Saturday."""
    start = datetime(2026, 3, 27, 12, tzinfo=UTC)
    plans = walk(rhythm("America/Nuuk", time(23, 30), time(15)), start, start + timedelta(days=3))
    assert [due.date for due in plans] == [date(2026, 3, 27) + number * DAY for number in range(3)]


def test_every_zone_has_one_plan_for_each_of_its_days_in_two_years() -> None:
    """Wake times are drawn, the awkward ones of the small hours more often than others; within 10 s for all zones."""
    chance = random.Random(20260311)
    started = stopwatch.process_time()
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
    for name in ZONES:
        wake = time(chance.choice([0, 1, 2, 3, chance.randrange(24)]), chance.choice([0, 5, 30, 59]))
        days = rhythm(name, wake)
        plans = walk(days, start, end)
        assert [due.date for due in plans] == [plans[0].date + number * DAY for number in range(len(plans))], name
        moved = [due for before, due in pairwise(plans) if due.wake - before.wake != DAY]
        assert all(local_date(due.wake, days.tz) - due.date in {timedelta(0), DAY} for due in moved), name
        assert sum(local_time(due.wake, days.tz) != wake for due in moved) <= 4, name
    assert stopwatch.process_time() - started < 10
    assert len(ZONES) > 400


class TestMovesBetweenZones:
    def test_west_repeats_no_day(self) -> None:
        """In Los Angeles it is still the 11th when the plan of the 12th has been made in Tokyo."""
        now = datetime(2026, 3, 12, 3, tzinfo=UTC)
        assert next_due(rhythm("America/Los_Angeles", time(7)), now, date(2026, 3, 12)).date == date(2026, 3, 13)

    def test_east_makes_no_second_one_and_goes_on_with_the_next_waking(self) -> None:
        now = datetime(2026, 3, 12, 3, tzinfo=UTC)  # the 11th, 20:00, in Los Angeles; noon of the 12th in Tokyo
        assert next_due(rhythm("Asia/Tokyo", time(7)), now, date(2026, 3, 11)).date == date(2026, 3, 13)


class TestWhatIsOwed:
    NEW_YORK = rhythm("America/New_York", time(7))
    DUE = datetime(2026, 3, 11, 10, 30, tzinfo=UTC)

    @pytest.mark.parametrize(
        ("now", "after", "expected"),
        [
            (DUE - timedelta(minutes=6), None, None),
            (DUE - timedelta(minutes=5), None, date(2026, 3, 11)),
            (DUE, date(2026, 3, 10), date(2026, 3, 11)),
            (DUE, date(2026, 3, 11), None),
            (DUE + timedelta(hours=9), date(2026, 3, 10), date(2026, 3, 11)),
            (DUE + timedelta(hours=15, minutes=30), date(2026, 3, 10), date(2026, 3, 11)),
            (DUE + timedelta(hours=15, minutes=31), date(2026, 3, 10), None),
            (DUE + timedelta(days=30), date(2026, 3, 10), date(2026, 4, 10)),
        ],
    )
    def test_today_once_and_nothing_of_the_past(self, now: datetime, after: date | None, expected: date | None) -> None:
        due = owed(self.NEW_YORK, now, now + EVERY, after)
        assert (due and due.date) == expected

    def test_waking_right_after_midnight_is_planned_the_evening_before(self) -> None:
        days = rhythm("UTC", time(0, 10))
        now = datetime(2026, 3, 10, 23, 40, tzinfo=UTC)
        due = owed(days, now, now, date(2026, 3, 10))
        assert due is not None
        assert due.date == date(2026, 3, 11)

    @given(
        st.sampled_from(ZONES),
        st.times().map(lambda at: at.replace(second=0, microsecond=0)),
        st.times().map(lambda at: at.replace(second=0, microsecond=0)),
        st.integers(5, 240),
        st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds have none
        st.integers(-3, 3),
    )
    def test_looking_again_finds_nothing_and_the_next_date_lies_ahead(
        self, tz: str, wake: time, sleep: time, lead: int, now: datetime, days_since: int
    ) -> None:
        """So one look at an order is enough, and the job's loop comes to its end."""
        days = Rhythm(wake, sleep, zone(tz), timedelta(minutes=lead))
        until = now + EVERY
        last = local_date(now, days.tz) - days_since * DAY
        due = owed(days, now, until, last)
        done = last if due is None else due.date
        assert owed(days, now, until, done) is None
        following = next_due(days, now, done)
        assert following.at > until
        assert following.date > done


class TestSpread:
    def test_a_person_always_has_the_same_share(self) -> None:
        assert spread(UserId("sandbox-avery"), LEAD) == spread(UserId("sandbox-avery"), LEAD)

    def test_people_of_one_minute_are_spread_evenly_over_the_first_half_of_the_lead(self) -> None:
        minutes = Counter(int(spread(UserId(f"person-{n}"), LEAD) / timedelta(minutes=1)) for n in range(15_000))
        assert sorted(minutes) == list(range(15))
        assert 900 < min(minutes.values()) <= max(minutes.values()) < 1100


def test_the_zone_data_are_those_that_the_table_was_written_for() -> None:
    assert ZoneInfo("Africa/Cairo").utcoffset(datetime(2026, 7, 1)) == timedelta(hours=3)  # noqa: DTZ001 - local
