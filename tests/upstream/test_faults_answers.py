"""S13-S16, S19, S22 of the fault matrix: Sahha answers, and the answer cannot be read, cannot be true or is somebody else's."""

import logging
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.breaker import BreakerState
from services.domain.health import DataSource, ReadPolicy, local_date_of
from tests.upstream.trial import AVERY, BLAKE, EMERY, GRAY, NEW_YORK, Reading, Trial, days_of, is_stored, open_trial

DATA = "biomarker|score"
NIGHT = ["sleep_duration", "sleep_in_bed_duration", "sleep_deep_duration", "sleep_rem_duration"]


async def rows_of(trial: Trial, person: str) -> int:
    """How many rows of a person lie in any table that holds health data."""
    async with trial.product.services.database.connection() as connection:
        tables = await connection.fetch(
            "select table_name from information_schema.columns where column_name = 'user_id' and table_schema = 'public'"
            " and table_name ~ '(biomarker|score)'"
        )
        assert len(tables) >= 2
        counts = [
            await connection.fetchval(f"select count(*) from {table['table_name']} where user_id = $1", person)  # noqa: S608
            for table in tables
        ]
    return sum(int(count) for count in counts)


async def first_and_failing(trial: Trial, *faults: dict[str, Any]) -> tuple[Reading, Reading]:
    """The same read with Sahha as it is, and then with these faults."""
    before = await trial.read(AVERY)
    await trial.fail(*faults)
    return before, await trial.read(AVERY)


@pytest.mark.parametrize("kind", ["truncate", "garbage", "html"])
async def test_s13_s14_an_answer_that_is_not_json_is_not_asked_for_again_nor_told(
    database_url: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_trial(database_url, warm=(AVERY,)) as trial:
        await trial.fail({"kind": kind, "match": DATA})
        with caplog.at_level(logging.DEBUG), capture_logs() as logs:
            assert is_stored(await trial.read(AVERY))
        assert Counter(entry["kind"] for entry in await trial.log(*DATA.split("|"))) == {"biomarker": 1, "score": 1}
        told = f"{logs} {caplog.text}"
        for part in ("scoreDateTime", "factors", "doctype", '"value"', "aggregation"):
            assert part not in told
        assert trial.breaker() is BreakerState.CLOSED
        await trial.check()


async def test_s13_one_broken_category_leaves_the_others_live(database_url: str) -> None:
    async with open_trial(database_url, warm=(AVERY,)) as trial:
        before = await trial.read(AVERY)
        await trial.fail({"kind": "garbage", "match": "biomarker", "times": 1})
        reading = await trial.read(AVERY)
        assert reading.source is DataSource.LIVE
        assert reading.numbers("steps") == before.numbers("steps")
        await trial.check()


@pytest.mark.parametrize(
    "edit",
    [
        {"field": "value", "rename": "reading"},
        {"field": "value", "omit": True},
        {"field": "value", "set": None},
        {"field": "value", "set": ""},
        {"field": "value", "set": {"of": "tomorrow"}},
        {"field": "category", "omit": True},
        {"field": "endDateTime", "set": "tomorrow"},
    ],
    ids=str,
)
async def test_s15_a_row_without_its_value_is_missing_and_never_zero(database_url: str, edit: dict[str, Any]) -> None:
    async with open_trial(database_url, warm=()) as trial:
        await trial.fail({"kind": "edit", "match": "biomarker", "types": ["steps"], **edit})
        reading = await trial.read(AVERY)
        assert reading.records is not None
        assert reading.source is DataSource.LIVE
        assert reading.numbers("steps") == {}
        assert len(reading.records.biomarkers) == 156 - 7
        assert trial.counted("rejected") >= 7
        await trial.check()


async def test_s15_what_is_missing_now_does_not_undo_what_was_known(database_url: str) -> None:
    async with open_trial(database_url, warm=(AVERY,)) as trial:
        await trial.fail({"kind": "edit", "match": "biomarker", "types": NIGHT, "field": "value", "rename": "reading"})
        await trial.read(AVERY)
        stored = await trial.product.services.health_data.read_week(AVERY, NEW_YORK, ReadPolicy.DATABASE, 1)
        nights = [row for row in stored.biomarkers if row.type == "sleep_duration"]
        assert len(nights) == 7
        assert all(row.number for row in nights)
        await trial.check()


@pytest.mark.parametrize(
    "edit",
    [
        {"field": "of_tomorrow", "set": {"nested": [1, 2]}},
        {"field": "aggregation", "set": "median"},
        {"field": "valueType", "set": "decimal"},
        {"field": "id", "omit": True},
        {"field": "aggregation", "set": None},
    ],
    ids=str,
)
async def test_s15_what_is_new_or_beside_the_point_is_no_error(database_url: str, edit: dict[str, Any]) -> None:
    async with open_trial(database_url, warm=(AVERY,)) as trial:
        before, after = await first_and_failing(trial, {"kind": "edit", "match": "biomarker", **edit})
        assert after.source is DataSource.LIVE
        assert after.numbers("steps") == before.numbers("steps")
        await trial.check()


@pytest.mark.parametrize("edit", [{"field": "factors", "omit": True}, {"field": "factors.value", "set": None}], ids=str)
async def test_s15_scores_stand_without_their_factors(database_url: str, edit: dict[str, Any]) -> None:
    async with open_trial(database_url, warm=()) as trial:
        await trial.fail({"kind": "edit", "match": "score", **edit})
        reading = await trial.read(AVERY)
        assert reading.records is not None
        assert len(reading.records.scores) == 89
        assert not [factor for row in reading.records.scores for factor in row.factors if factor.value is not None]
        await trial.check()


IMPOSSIBLE = [
    ("heart_rate_resting", "-5"),
    ("heart_rate_resting", "NaN"),
    ("heart_rate_resting", "Infinity"),
    ("steps", "1e308"),
    ("steps", "-1"),
    ("sleep_duration", "1500"),
    ("weight", "200000"),
    ("sleep_efficiency", "-0.5"),
]


@pytest.mark.parametrize(("name", "value"), IMPOSSIBLE)
async def test_s16_an_impossible_value_is_kept_out_with_its_reason_and_the_rest_is_kept(
    database_url: str, name: str, value: str
) -> None:
    async with open_trial(database_url, warm=()) as trial:
        await trial.fail({"kind": "edit", "match": "biomarker", "field": "value", "types": [name], "set": value})
        reading = await trial.read(AVERY)
        rejected = 1 if name == "weight" else 7
        assert reading.records is not None
        assert reading.source is DataSource.LIVE
        assert reading.numbers(name) == {}
        assert trial.counted("rejected") >= rejected
        assert len(reading.records.biomarkers) == 156 - rejected
        await trial.check()


async def test_s16_what_is_possible_depends_on_the_unit_and_units_are_one_in_the_end(database_url: str) -> None:
    async with open_trial(database_url, warm=()) as trial:

        async def nights_of(value: str, unit: str) -> set[float | None]:
            night = {"kind": "edit", "match": "biomarker", "types": ["sleep_duration"]}
            await trial.fail({**night, "field": "value", "set": value}, {**night, "field": "unit", "set": unit})
            return set((await trial.read(AVERY)).numbers("sleep_duration").values())

        assert await nights_of("25", "hour") == set()
        assert await nights_of("7.5", "hour") == await nights_of("450.", "minute") == {450}
        await trial.check()


async def test_s16_a_score_beyond_its_scale_is_kept_out(database_url: str) -> None:
    async with open_trial(database_url, warm=()) as trial:
        await trial.fail({"kind": "edit", "match": "score", "field": "score", "types": ["sleep"], "set": 1e308})
        reading = await trial.read(AVERY)
        assert reading.records is not None
        believed = [row.score for row in reading.records.scores if row.type == "sleep"]
        assert not [score for score in believed if score is not None and not 0 <= score <= 1]
        assert len([row for row in reading.records.scores if row.type != "sleep"]) == 89 - 7
        await trial.check()


async def test_s16_a_zero_after_a_good_value_is_not_believed(database_url: str) -> None:
    async with open_trial(database_url, warm=(AVERY,)) as trial:
        before, after = await first_and_failing(
            trial, {"kind": "edit", "match": "biomarker", "types": ["sleep_duration"], "set": "0."}
        )
        assert after.numbers("sleep_duration") == before.numbers("sleep_duration")
        assert trial.counted("doubted") >= 7
        await trial.check()


async def test_s19_the_profile_of_another_person_is_refused_and_nothing_is_stored(database_url: str) -> None:
    async with open_trial(database_url, warm=(BLAKE,)) as trial:
        await trial.fail({"kind": "wrong_profile", "match": "profile"})
        with capture_logs() as logs:
            stranger, known = await trial.read(AVERY), await trial.read(BLAKE)
        assert (stranger.records, stranger.error and stranger.error.code) == (None, "HEALTH_DATA_UNAVAILABLE")
        assert is_stored(known)
        assert await rows_of(trial, AVERY) == 0
        assert await rows_of(trial, BLAKE) > 0
        alarms = [entry for entry in logs if entry["log_level"] == "error" and "another person" in entry["event"]]
        assert len(alarms) == 2
        assert not [entry for entry in logs if "sandbox-somebody-else" in str(entry)]
        await trial.check()


async def test_s22_what_lies_in_the_future_is_dropped(database_url: str) -> None:
    async with open_trial(database_url, warm=()) as trial:
        await trial.fail({"kind": "shift", "match": DATA, "hours": 72})
        reading = await trial.read(AVERY)
        assert reading.records is not None
        now = trial.product.services.clock.now()
        assert [row for row in reading.records.biomarkers if row.start_date_time > now] == []
        assert [row for row in reading.records.scores if row.score_date_time > now] == []
        assert reading.records.biomarkers
        # Clocks and offsets are wrong by hours, never by a day: what lies further ahead is not even stored.
        snapshot = await trial.product.services.health_data.snapshot(AVERY, ReadPolicy.LIVE_FIRST)
        assert [row for row in snapshot.biomarkers if row.start_date_time > now + timedelta(days=1)] == []
        await trial.check()


@pytest.mark.parametrize("offset", ["+14:00", "-12:00", "+05:30"])
async def test_s22_the_same_instants_in_another_zone_are_the_same_days(database_url: str, offset: str) -> None:
    async with open_trial(database_url, warm=(AVERY,)) as trial:
        _before, after = await first_and_failing(trial, {"kind": "zone", "match": DATA, "offset": offset})
        assert after.source is DataSource.LIVE
        for name in ("steps", "sleep_duration"):
            counted = days_of(after, name)
            assert set(counted.values()) <= {1}, counted
            assert 6 <= len(counted) <= 7
        await trial.check()


async def test_s22_order_is_ours_whatever_sahha_s_is(database_url: str) -> None:
    async with open_trial(database_url, warm=(AVERY,)) as trial:
        before, after = await first_and_failing(trial, {"kind": "shuffle", "match": DATA})
        assert before.records is not None
        assert after.records is not None
        assert [row.id for row in before.records.biomarkers] == [row.id for row in after.records.biomarkers]
        assert [row.id for row in before.records.scores] == [row.id for row in after.records.scores]
        ends = [row.end_date_time for row in after.records.biomarkers]
        assert ends == sorted(ends, reverse=True)
        await trial.check()


async def test_s22_overlapping_windows_crash_nothing_and_no_key_comes_twice(database_url: str) -> None:
    async with open_trial(database_url, warm=()) as trial:
        await trial.fail({"kind": "overlap", "match": DATA})
        reading = await trial.read(AVERY)
        assert reading.records is not None
        keys = [(row.category, row.type, row.periodicity, row.start_date_time) for row in reading.records.biomarkers]
        assert len(keys) == len(set(keys)) > 156
        await trial.check()


async def test_s22_a_person_who_flew_west_has_each_day_once(database_url: str) -> None:
    async with open_trial(database_url, warm=()) as trial:
        now = trial.product.services.clock.now()
        flight = next(day for day in (now.date() + timedelta(days=each) for each in range(14)) if day.toordinal() % 14 == 0)
    for hours in (11, 20, 40):  # before the flight, on the evening of the flight, and the day after, in UTC
        at = now.replace(hour=0) + (flight - now.date()) + timedelta(hours=hours)
        async with open_trial(database_url, warm=(), at=at) as trial:
            reading = await trial.read(EMERY)
            stored = await trial.product.services.health_data.read_week(EMERY, None, ReadPolicy.DATABASE, 1)
            counted = Counter(local_date_of(row) for row in stored.biomarkers if row.type == "steps")
            assert set(days_of(reading, "steps").values()) == {1}
            assert set(counted.values()) == {1}, counted
            await trial.check()


async def test_a_reading_that_calls_for_a_doctor_comes_through_as_it_is(database_url: str) -> None:
    async with open_trial(database_url, warm=(), sahha_breaker_reads=1000) as trial:
        low = (await trial.read(GRAY)).numbers("oxygen_saturation_sleep")
        assert len(low) >= 6
        assert all(number is not None and (number if number > 1 else 100 * number) <= 94 for number in low.values())
        await trial.check()
