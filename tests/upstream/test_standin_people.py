"""Days that come late, nights that grow, flights, night work, and a crowd: what real devices do to data."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from server.standins.arrival import Kind, arrives_at, last_received
from server.standins.days import end_of, nap_of, night_of
from server.standins.forms import Row
from server.standins.generated import CROWD, Crowd
from server.standins.people import Person, invented_people, today_of
from server.standins.rows import biomarker_rows
from server.standins.scores import score_rows
from tests.upstream.conftest import UNHURRIED

PEOPLE = invented_people()
DREW, EMERY, FRANKIE, GRAY = (PEOPLE[f"sandbox-{name}"] for name in ("drew", "emery", "frankie", "gray"))
KOLKATA = DREW.zone
NUMBERS = st.integers(1, CROWD)
MINUTES = st.integers(0, 365 * 24 * 60)


def of_type(rows: list[Row], name: str) -> list[Row]:
    return [row for row in rows if row["type"] == name]


def week_of(person: Person, now: datetime) -> list[Row]:
    today = today_of(person, now)
    return [row for back in range(7) for row in biomarker_rows(person, today - timedelta(days=back), now)]


def test_a_third_of_the_days_comes_hours_to_two_days_late() -> None:
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(300)]
    due = [(day, arrives_at(DREW, day, Kind.SLEEP)) for day in days]
    late = [moment - end_of(DREW, day) for day, moment in due if moment is not None]
    assert 70 <= len(late) <= 130
    assert timedelta(hours=4) <= min(late) < timedelta(hours=8)
    assert timedelta(hours=40) < max(late) <= timedelta(hours=48)


def test_a_late_day_is_not_there_until_it_arrives_and_then_it_is_whole() -> None:
    day = next(
        day
        for day in (date(2026, 3, 1) + timedelta(days=number) for number in range(60))
        if arrives_at(DREW, day, Kind.SLEEP) and not arrives_at(DREW, day, Kind.ACTIVITY)
    )
    due = arrives_at(DREW, day, Kind.SLEEP)
    assert due is not None
    before, after = (biomarker_rows(DREW, day, due + timedelta(minutes=shift)) for shift in (-1, 1))
    assert {row["category"] for row in before} <= {"activity", "body"}
    assert {"activity", "sleep"} <= {row["category"] for row in after}
    assert score_rows(DREW, day, due - timedelta(minutes=1)) == []
    assert {row["type"] for row in score_rows(DREW, day, due + timedelta(minutes=1))} == {
        *("activity", "sleep", "readiness", "wellbeing", "mental_wellbeing")
    }


def test_last_night_grows_while_it_lasts() -> None:
    day = next(
        day
        for day in (date(2026, 3, 1) + timedelta(days=number) for number in range(60))
        if not any(arrives_at(DREW, day, kind) for kind in Kind)
    )
    wake = night_of(DREW, day).wake
    reads = [biomarker_rows(DREW, day, wake + timedelta(minutes=shift)) for shift in range(-240, 90, 15)]
    minutes = [int(row["value"]) for read in reads for row in of_type(read, "sleep_duration")]
    assert minutes == sorted(minutes)
    assert len(set(minutes)) > 6
    assert minutes[-1] == night_of(DREW, day).asleep_min
    (end,) = of_type(biomarker_rows(DREW, day, wake - timedelta(minutes=100)), "sleep_end_time")
    assert datetime.fromisoformat(end["value"]) < wake - timedelta(minutes=90)
    assert end["periodicity"] == "intraday"
    assert of_type(reads[0], "sleep_debt") == []
    assert score_rows(DREW, day, wake) == []


def test_the_running_day_s_scores_move_and_say_when_they_were_made() -> None:
    day = date(2026, 3, 18)
    reads = [score_rows(GRAY, day, datetime(2026, 3, 18, hour, 40, tzinfo=UTC)) for hour in range(8, 24)]
    scores = [of_type(read, "activity")[0] for read in reads]
    assert [row["score"] for row in scores] == sorted(row["score"] for row in scores)
    assert len({row["score"] for row in scores}) > 3
    made = [datetime.fromisoformat(row["createdAtUtc"]) for row in scores]
    assert made == sorted(made)
    assert len({row["id"] for row in scores}) == 1
    assert len({of_type(read, "sleep")[0]["score"] for read in reads}) == 1


def test_somebody_flew_west_in_any_two_weeks_and_has_one_day_once() -> None:
    zones = []
    for number in range(28):
        now = datetime.combine(date(2026, 5, 1) + timedelta(days=number), time(18), ZoneInfo("America/New_York"))
        rows = of_type(biomarker_rows(EMERY, now.date(), now), "steps")
        assert len(rows) == 1
        zones.append(rows[0]["startDateTime"][-6:])
    assert Counter(zones) == {"-04:00": 14, "-07:00": 14}
    assert sum(before == "-04:00" and after == "-07:00" for before, after in pairwise(zones)) in {1, 2}


def test_on_the_day_of_the_flight_the_offset_changes_at_noon() -> None:
    day = next(day for day in (date(2026, 5, 1) + timedelta(days=each) for each in range(14)) if day.toordinal() % 14 == 0)
    for hour, offset in ((11, "-04:00"), (13, "-07:00")):
        rows = biomarker_rows(EMERY, day, datetime.combine(day, time(hour), EMERY.zone))
        assert {row["startDateTime"][-6:] for row in of_type(rows, "steps")} == {offset}
        assert {row["startDateTime"][-6:] for row in of_type(rows, "sleep_end_time")} == {"-04:00"}


def test_a_night_worker_sleeps_by_day_and_naps_apart() -> None:
    now = datetime(2026, 3, 18, 20, tzinfo=FRANKIE.zone)
    day = next(now.date() - timedelta(days=back) for back in range(1, 7) if nap_of(FRANKIE, now.date() - timedelta(days=back)))
    rows = of_type(biomarker_rows(FRANKIE, day, now), "sleep_in_bed_duration")
    nap, main = sorted(rows, key=lambda row: int(row["value"]))
    assert (15 < int(nap["value"]) < 45, int(main["value"]) > 360) == (True, True)
    assert nap["startDateTime"] != main["startDateTime"]
    (end,) = (row for row in of_type(biomarker_rows(FRANKIE, day, now), "sleep_end_time") if "T15:" in row["value"])
    assert end["endDateTime"].startswith(day.isoformat())
    assert of_type(rows, "sleep_duration") == of_type(biomarker_rows(FRANKIE, day, now), "heart_rate_resting") == []


def test_a_phone_alone_leaves_out_the_factors_it_cannot_know() -> None:
    now = datetime(2026, 3, 18, 20, tzinfo=FRANKIE.zone)
    (phone,) = of_type(score_rows(FRANKIE, date(2026, 3, 17), now), "sleep")
    (watch,) = of_type(score_rows(GRAY, date(2026, 3, 17), now), "sleep")
    assert {factor["name"] for factor in phone["factors"]} == {
        *("sleep_duration", "sleep_regularity", "sleep_debt", "circadian_alignment")
    }
    assert [factor["name"] for factor in watch["factors"] if factor["value"] is None] == ["sleep_continuity"]


def test_a_watch_with_everything_tells_of_low_oxygen() -> None:
    rows = week_of(GRAY, datetime(2026, 3, 18, 20, tzinfo=UTC))
    low = [float(row["value"]) for row in of_type(rows, "oxygen_saturation_sleep")]
    assert len(low) == 7
    assert max(low) <= 94
    assert len({row["type"] for row in rows if row["category"] == "vitals"}) == 14


def test_what_came_last_is_never_after_now() -> None:
    for number in range(200):
        now = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=7 * number)
        for person in PEOPLE.values():
            received_at = last_received(person, now)
            assert person.silent is (received_at is None)
            assert received_at is None or now - timedelta(days=4) < received_at <= now


@UNHURRIED
@given(NUMBERS, MINUTES)
def test_rows_of_the_crowd_hold_together_at_any_moment(number: int, minute: int) -> None:
    person = Crowd()[f"generated-{number:05}"]
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    rows = week_of(person, now)
    assert rows == week_of(person, now)
    keys = [(row["category"], row["type"], row["startDateTime"]) for row in rows]
    assert len(keys) == len(set(keys))
    for row in rows:
        start, end = (datetime.fromisoformat(row[name]) for name in ("startDateTime", "endDateTime"))
        assert start < end
        assert start <= now
        if row["type"] == "sleep_end_time":
            assert datetime.fromisoformat(row["value"]) <= now
    assert person.silent is (last_received(person, now) is None)


def test_the_crowd_is_the_same_by_seed_and_varied() -> None:
    crowd = Crowd()
    assert (len(crowd), len(list(crowd))) == (CROWD, CROWD)
    some = [crowd[external_id] for external_id in list(crowd)[:400]]
    assert some == [Crowd()[person.id] for person in some]
    assert some != [Crowd(seed=1)[person.id] for person in some]
    assert len({person.zone.key for person in some}) > 20
    assert Counter(person.wearable for person in some)[True] in range(180, 300)
    assert {person.delivery.value for person in some} == {"synced", "late"}
    assert sum(person.nap is not None for person in some) > 5
    assert sum(person.trip is not None for person in [crowd[each] for each in crowd]) > 5
    for strange in ("generated-00000", "generated-10001", "generated-1", "sandbox-avery"):
        assert strange not in crowd
