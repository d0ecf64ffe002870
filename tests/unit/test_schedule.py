"""Local days and clock times where the clock itself moves."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.schedule import (
    UnknownTimezone,
    ceil_to_grid,
    clock,
    floor_to_grid,
    instant,
    local_date,
    local_day,
    local_time,
    minute_of_day,
    seen_from,
    trailing_dates,
    wall_clock,
    zone,
)

NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
APIA = ZoneInfo("Pacific/Apia")
CAIRO = ZoneInfo("Africa/Cairo")
BEIRUT = ZoneInfo("Asia/Beirut")


@pytest.mark.parametrize(
    "name",
    ["", "Mars/Olympus", "america/new_york", "../etc/passwd", "right/UTC", "localtime", "America", "A\0B", "\ud800", "x" * 500],
)
def test_a_name_that_is_no_place_is_unknown(name: str) -> None:
    with pytest.raises(UnknownTimezone):
        zone(name)


def test_a_known_name_gives_its_zone() -> None:
    assert zone("Asia/Kolkata").key == "Asia/Kolkata"


@pytest.mark.parametrize(
    ("tz", "day", "clock_time", "expected"),
    [
        (NEW_YORK, date(2027, 3, 14), time(2, 30), datetime(2027, 3, 14, 7, 0, tzinfo=UTC)),
        (NEW_YORK, date(2027, 3, 14), time(3, 0), datetime(2027, 3, 14, 7, 0, tzinfo=UTC)),
        (NEW_YORK, date(2026, 11, 1), time(1, 30), datetime(2026, 11, 1, 5, 30, tzinfo=UTC)),
        (LORD_HOWE, date(2026, 10, 4), time(2, 10), datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
        (LORD_HOWE, date(2026, 4, 5), time(1, 45), datetime(2026, 4, 4, 14, 45, tzinfo=UTC)),
        (CAIRO, date(2026, 4, 24), time(0, 0), datetime(2026, 4, 23, 22, 0, tzinfo=UTC)),
        (BEIRUT, date(2026, 3, 29), time(0, 0), datetime(2026, 3, 28, 22, 0, tzinfo=UTC)),
        (APIA, date(2011, 12, 30), time(12, 0), datetime(2011, 12, 30, 10, 0, tzinfo=UTC)),
        (APIA, date(2011, 12, 31), time(0, 0), datetime(2011, 12, 30, 10, 0, tzinfo=UTC)),
    ],
)
def test_a_skipped_time_is_the_end_of_the_gap_and_a_repeated_one_its_first(
    tz: ZoneInfo, day: date, clock_time: time, expected: datetime
) -> None:
    assert instant(day, clock_time, tz) == expected


@pytest.mark.parametrize(
    ("tz", "day", "hours"),
    [
        (NEW_YORK, date(2027, 3, 14), 23),
        (NEW_YORK, date(2026, 11, 1), 25),
        (LORD_HOWE, date(2026, 10, 4), 23.5),
        (LORD_HOWE, date(2026, 4, 5), 24.5),
        (CAIRO, date(2026, 4, 24), 23),
        (NEW_YORK, date(2026, 7, 1), 24),
    ],
)
def test_a_calendar_day_has_its_real_hours(tz: ZoneInfo, day: date, hours: float) -> None:
    assert instant(day + timedelta(days=1), time(0), tz) - instant(day, time(0), tz) == timedelta(hours=hours)


def test_a_sleep_time_before_the_wake_time_is_on_the_next_day() -> None:
    day = local_day(date(2026, 3, 18), NEW_YORK, time(16), time(8))
    assert (day.start, day.end) == (datetime(2026, 3, 18, 20, tzinfo=UTC), datetime(2026, 3, 19, 12, tzinfo=UTC))


def test_a_waking_day_over_a_gap_is_shorter_by_the_gap() -> None:
    before_the_gap = local_day(date(2027, 3, 13), NEW_YORK, time(20), time(12))
    assert before_the_gap.end - before_the_gap.start == timedelta(hours=15)


@pytest.mark.parametrize(
    ("start", "end", "spans"),
    [
        (time(9), time(17), [(time(9), time(17))]),
        (time(6), time(8), [(time(7), time(8))]),
        (time(22), time(2), [(time(22), time(1))]),
        (time(0, 15), time(0, 45), [(time(0, 15), time(0, 45))]),
        (time(3), time(5), []),
    ],
)
def test_what_happens_every_day_is_cut_to_the_waking_day(start: time, end: time, spans: list[tuple[time, time]]) -> None:
    day = local_day(date(2026, 3, 18), NEW_YORK, time(7), time(1))
    assert [(day.local_time(begin), day.local_time(finish)) for begin, finish in day.spans(start, end)] == spans


def test_an_event_across_waking_shows_at_both_ends_of_a_long_day() -> None:
    day = local_day(date(2026, 3, 18), NEW_YORK, time(7), time(6, 45))
    assert len(day.spans(time(6, 30), time(7, 30))) == 2


def test_local_date_and_time_are_those_of_the_zone() -> None:
    moment = datetime(2026, 3, 18, 2, 30, 41, tzinfo=UTC)
    assert (local_date(moment, NEW_YORK), local_time(moment, NEW_YORK)) == (date(2026, 3, 17), time(22, 30))


def test_a_written_instant_keeps_its_own_clock() -> None:
    written = datetime.fromisoformat("2025-07-11T06:00+12:00")
    assert wall_clock(written) == time(6)
    assert seen_from(datetime(2025, 7, 11, 17, 42, tzinfo=UTC), written).isoformat() == "2025-07-12T05:42:00+12:00"


def test_the_last_days_are_those_of_the_zone_or_of_every_zone() -> None:
    now = datetime(2026, 11, 1, 2, tzinfo=UTC)
    assert trailing_dates(now, NEW_YORK, 7) == (date(2026, 10, 25), date(2026, 10, 31))
    assert trailing_dates(now, None, 7) == (date(2026, 10, 25), date(2026, 11, 2))


@given(st.datetimes(timezones=st.just(UTC)))
def test_the_grid_lies_around_every_moment(moment: datetime) -> None:
    if moment > datetime(9999, 12, 31, 23, 54, tzinfo=UTC):
        return
    low, high = floor_to_grid(moment), ceil_to_grid(moment)
    assert low <= moment <= high
    assert high - low in {timedelta(0), timedelta(minutes=5)}
    assert low.minute % 5 == high.minute % 5 == 0


@given(st.times())
def test_minutes_of_the_day_count_both_ways(moment: time) -> None:
    assert clock(minute_of_day(moment)) == moment.replace(second=0, microsecond=0)


@given(
    st.dates(date(1990, 1, 1), date(2037, 12, 30)),
    st.times().map(lambda moment: moment.replace(second=0, microsecond=0)),
    st.sampled_from([NEW_YORK, LORD_HOWE, APIA, CAIRO, BEIRUT, ZoneInfo("Asia/Kathmandu"), ZoneInfo("Antarctica/Troll")]),
)
def test_an_instant_shows_its_time_or_the_first_after_a_gap(day: date, clock_time: time, tz: ZoneInfo) -> None:
    moment = instant(day, clock_time, tz)
    shown = moment.astimezone(tz).replace(tzinfo=None)
    asked = datetime.combine(day, clock_time)
    if shown != asked:
        assert shown > asked
        just_before = (moment - timedelta(minutes=1)).astimezone(tz).replace(tzinfo=None)
        assert just_before < asked
