"""The invented people tell their stories, and are the same whenever they are asked for."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.standins.days import day_of
from server.standins.people import Person, invented_people
from server.standins.rows import biomarker_rows
from server.standins.scores import score_rows
from services.domain.health import DataSource, HealthRecords, in_local_days, newest_biomarkers, newest_scores
from services.domain.ids import UserId
from services.domain.schedule import local_date
from services.sahha.payloads import parse_biomarkers, parse_scores
from tests.upstream.conftest import UNHURRIED

NEW_YORK = ZoneInfo("America/New_York")
PEOPLE = invented_people()
AVERY, BLAKE, CASEY = (PEOPLE[f"sandbox-{name}"] for name in ("avery", "blake", "casey"))

INSTANTS = [
    datetime.combine(day, time(hour, minute), NEW_YORK)
    for day in (
        date(2026, 3, 7),
        date(2026, 3, 8),  # 23 hours
        date(2026, 3, 9),
        date(2026, 10, 31),
        date(2026, 11, 1),  # 25 hours
        date(2026, 11, 2),
        date(2026, 12, 31),
        date(2027, 1, 1),
        date(2028, 2, 29),
    )
    for hour, minute in ((0, 0), (0, 1), (1, 30), (2, 30), (5, 59), (6, 0), (12, 0), (18, 0), (23, 59))
]


def week_of(person: Person, now: datetime, zone: ZoneInfo = NEW_YORK) -> HealthRecords:
    """The last 7 local days, as the service reads them: a day more is asked for on each side, and cut off again."""
    today = local_date(now, zone)
    days = [today + timedelta(days=shift) for shift in range(-7, 2)]
    body = orjson.dumps([row for day in days for row in biomarker_rows(person, day, now)])
    score_body = orjson.dumps([row for day in days for row in score_rows(person, day, now)])
    biomarkers = parse_biomarkers(body, received_at=now, fallback_offset=UTC)
    scores = parse_scores(score_body, received_at=now, fallback_offset=UTC)
    assert (biomarkers.rejected, biomarkers.repaired, scores.rejected) == ((), 0, ())
    first = today - timedelta(days=6)
    return HealthRecords(
        UserId(person.id),
        DataSource.LIVE,
        now,
        in_local_days(biomarkers.rows, first, today),
        in_local_days(scores.rows, first, today),
    )


@pytest.mark.parametrize("now", INSTANTS, ids=str)
def test_the_first_person_has_156_biomarkers_and_89_scores_in_a_week(now: datetime) -> None:
    records = week_of(AVERY, now)
    assert (len(records.biomarkers), len(records.scores)) == (156, 89)


@UNHURRIED
@given(st.integers(0, 11 * 366 * 24 * 60))
def test_at_any_instant_at_all(minute: int) -> None:
    now = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    records = week_of(AVERY, now)
    assert (len(records.biomarkers), len(records.scores)) == (156, 89)
    assert all(row.start_date_time <= now for row in records.biomarkers)
    assert all(row.created_at is not None and row.created_at <= now for row in records.scores)


EVERY_DAY = st.dates(date(2024, 1, 1), date(2035, 1, 1))


@UNHURRIED
@given(EVERY_DAY)
@example(date(2032, 3, 14))  # 23 hours
@example(date(2032, 11, 7))  # 25 hours
def test_a_good_sleeper_and_a_short_one(day: date) -> None:
    good, short = day_of(AVERY, day), day_of(BLAKE, day)
    assert good.night.asleep_min > 380
    assert good.readiness >= 0.6
    assert good.sleep_debt_h < 2
    assert short.night.asleep_min < 390
    assert short.readiness < 0.5
    assert short.sleep_debt_h > 8
    assert 0 < good.night.asleep_min <= good.night.in_bed_min
    assert good.night.bed < good.night.middle < good.night.wake


def test_a_person_known_without_data() -> None:
    now = INSTANTS[0]
    assert biomarker_rows(CASEY, date(2026, 3, 6), now) == score_rows(CASEY, date(2026, 3, 6), now) == []


def test_the_running_day_grows_with_the_clock_and_settles_the_next_morning() -> None:
    day = date(2026, 3, 18)

    def steps(moment: datetime) -> tuple[int, str]:
        (row,) = [row for row in biomarker_rows(AVERY, day, moment) if row["type"] == "steps"]
        return int(row["value"]), row["periodicity"]

    seen = [steps(datetime(2026, 3, 18, hour, 20, tzinfo=NEW_YORK)) for hour in range(24)]
    assert [value for value, _ in seen] == sorted(value for value, _ in seen)
    assert seen[0] == (0, "intraday")
    assert {periodicity for _, periodicity in seen} == {"intraday"}
    assert steps(datetime(2026, 3, 19, 5, 59, tzinfo=NEW_YORK)) == (seen[-1][0], "intraday")
    assert steps(datetime(2026, 3, 19, 6, 0, tzinfo=NEW_YORK)) == (seen[-1][0], "daily")


@pytest.mark.parametrize("person", PEOPLE.values(), ids=PEOPLE)
def test_a_settled_day_never_changes(person: Person) -> None:
    day = date(2026, 3, 8)
    reads = [biomarker_rows(person, day, datetime(2026, 3, 12 + later, later, tzinfo=UTC)) for later in range(10)]
    assert all(read == reads[0] for read in reads)


def test_a_day_has_not_begun_before_the_person_s_midnight() -> None:
    now = datetime(2026, 3, 19, 2, 0, tzinfo=UTC)
    assert biomarker_rows(AVERY, date(2026, 3, 19), now) == []
    assert biomarker_rows(AVERY, date(2026, 3, 18), now) != []


def test_what_is_newest_is_of_today() -> None:
    now = datetime(2026, 3, 18, 12, tzinfo=NEW_YORK)
    records = week_of(AVERY, now)
    newest = {row.type: row for row in newest_biomarkers(records.biomarkers)}
    assert newest["sleep_end_time"].value.startswith("2026-03-18T06:")
    assert newest["steps"].start_date_time.date() == now.date()
    assert {row.score_date_time.date() for row in newest_scores(records.scores)} == {now.date()}
