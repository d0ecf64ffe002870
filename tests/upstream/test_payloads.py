"""Every written form of Sahha's answers, and what is made of those that are wrong."""

import base64
import math
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.domain.health import DataSource, TimestampRepair, in_local_days
from services.errors import UpstreamMalformed
from services.sahha.payloads import (
    ParsedBiomarkers,
    ParsedScores,
    parse_biomarkers,
    parse_profile,
    parse_scores,
    parse_token,
)
from tests.upstream.conftest import UNHURRIED

AUCKLAND = timezone(timedelta(hours=12))
NOW = datetime(2025, 7, 11, 17, 42, tzinfo=UTC)
STEPS = {
    "id": "77c5c1d4-4a6f-5b0e-9e0a-3f1b8f5f2a10",
    "category": "activity",
    "type": "steps",
    "periodicity": "daily",
    "aggregation": "total",
    "value": "8412",
    "unit": "count",
    "valueType": "integer",
    "startDateTime": "2025-07-10T00:00:00+12:00",
    "endDateTime": "2025-07-10T23:59:59+12:00",
}
SLEEP_SCORE = {
    "id": "5b2a7f0e-3c41-5d9a-8f27-90c1be64d7a3",
    "type": "sleep",
    "state": "medium",
    "score": 0.74,
    "factors": [],
    "dataSources": ["sleep"],
    "scoreDateTime": "2025-07-11T00:00:00+12:00",
    "createdAtUtc": "2025-07-11T03:12:09+00:00",
    "version": 1,
}


def biomarkers(*rows: object, fallback: tzinfo = AUCKLAND) -> ParsedBiomarkers:
    return parse_biomarkers(orjson.dumps(rows), received_at=NOW, fallback_offset=fallback)


def scores(*rows: object) -> ParsedScores:
    return parse_scores(orjson.dumps(rows), received_at=NOW, fallback_offset=AUCKLAND)


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def test_the_real_biomarkers_are_all_kept_as_they_are(real_bodies: Path) -> None:
    bodies = [path.read_bytes() for path in sorted(real_bodies.glob("biomarker-*.json"))]
    received = [row for body in bodies for row in orjson.loads(body)]
    parsed = [parse_biomarkers(body, received_at=NOW, fallback_offset=UTC) for body in bodies]
    rows = {row.id: row for each in parsed for row in each.rows}
    assert len(rows) == len(received) == 184
    assert [(each.rejected, each.repaired) for each in parsed] == [((), 0), ((), 0)]
    for raw in received:
        row = rows[raw["id"]]
        assert (row.value, row.unit, row.periodicity) == (raw["value"], raw["unit"], raw["periodicity"])
        assert row.start_date_time.isoformat() == raw["startDateTime"]
        assert row.number == (None if raw["valueType"] == "datetime" else float(raw["value"]))


def test_the_real_scores_are_all_kept_without_single_precision_noise(real_bodies: Path) -> None:
    parsed = parse_scores((real_bodies / "score-sleep.json").read_bytes(), received_at=NOW, fallback_offset=UTC)
    assert len(parsed.rows) == 13
    assert parsed.rejected == ()
    figures = [figure for row in parsed.rows for factor in row.factors for figure in (factor.value, factor.goal, factor.score)]
    assert len(figures) == 13 * 4 * 3
    assert all(len(repr(figure)) <= len("0.123456") for figure in figures)


def test_a_row_becomes_the_product_s_own_object() -> None:
    (row,) = biomarkers(STEPS).rows
    assert (row.category, row.type, row.value, row.number, row.unit) == ("activity", "steps", "8412", 8412.0, "count")
    assert row.start_date_time == datetime(2025, 7, 10, tzinfo=AUCKLAND)
    assert row.start_date_time.utcoffset() == timedelta(hours=12)
    assert (row.source, row.as_of, row.received_at, row.repair) == (DataSource.LIVE, NOW, NOW, TimestampRepair.NONE)


@pytest.mark.parametrize(
    ("value", "value_type", "text", "number"),
    [
        ("3263", "integer", "3263", 3263.0),
        ("3263", "long", "3263", 3263.0),
        ("0.438", "double", "0.438", 0.438),
        ("0.", "double", "0.", 0.0),
        ("-1.5e3", "double", "-1.5e3", -1500.0),
        ("0.43799999356269836", "double", "0.43799999356269836", 0.438),
        ("123456792", "long", "123456792", 123456792.0),
        (384, "integer", "384", 384.0),
        (0.1, None, "0.1", 0.1),
        ("7.", "a type of tomorrow", "7.", 7.0),
        ("2025-07-11T06:00+12:00", "datetime", "2025-07-11T06:00+12:00", None),
        ("19900101", "date", "19900101", None),
        ("female", "string", "female", None),
        ("NaN", "string", "NaN", None),
        ("1_000", "integer", "1_000", None),
        ("٣", "integer", "٣", None),
    ],
)
def test_every_lexical_form_of_a_value(value: object, value_type: str | None, text: str, number: float | None) -> None:
    (row,) = biomarkers({**STEPS, "type": "of tomorrow", "value": value, "valueType": value_type}).rows
    assert (row.value, row.number) == (text, number)


@pytest.mark.parametrize("value", ["NaN", "nan", "Infinity", "-inf", "1e999", "-1e999"])
@pytest.mark.parametrize("kind", ["steps", "of tomorrow"])
def test_what_is_no_finite_number_is_refused_in_any_type(value: str, kind: str) -> None:
    (rejection,) = biomarkers({**STEPS, "type": kind, "value": value, "valueType": "double"}).rejected
    assert rejection.reason == "value: is not a finite number"


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2025-07-10T06:00+12:00", datetime(2025, 7, 9, 18, 0, tzinfo=UTC)),
        ("2025-07-10T06:00:14+08:00", datetime(2025, 7, 9, 22, 0, 14, tzinfo=UTC)),
        ("2025-07-09T18:00:00Z", datetime(2025, 7, 9, 18, 0, tzinfo=UTC)),
        ("2025-07-10T06:00:00.700-04:00", datetime(2025, 7, 10, 10, 0, 0, 700_000, tzinfo=UTC)),
        ("2025-07-10T06:00:00.3228861+00:00", datetime(2025, 7, 10, 6, 0, 0, 322_886, tzinfo=UTC)),
        ("2025-07-10T06:00:00", datetime(2025, 7, 9, 18, 0, tzinfo=UTC)),
        ("2025-07-10", datetime(2025, 7, 9, 12, 0, tzinfo=UTC)),
    ],
)
def test_every_lexical_form_of_a_timestamp(text: str, instant: datetime) -> None:
    (row,) = biomarkers({**STEPS, "startDateTime": text}).rows
    assert row.start_date_time == instant


def test_a_zone_as_fallback_gives_the_offset_of_that_day() -> None:
    summer = {**STEPS, "startDateTime": "2025-07-10T00:00:00", "endDateTime": "2025-07-10T23:59:59"}
    winter = {**STEPS, "startDateTime": "2025-01-10T00:00:00", "endDateTime": "2025-01-10T23:59:59"}
    parsed = biomarkers(summer, winter, fallback=ZoneInfo("America/New_York"))
    assert [row.start_date_time.isoformat()[-6:] for row in parsed.rows] == ["-04:00", "-05:00"]


@pytest.mark.parametrize("absent", [None, ""])
@pytest.mark.parametrize(
    ("changed", "periodicity", "start", "end", "repair"),
    [
        (("endDateTime",), "daily", "2025-07-10T00:00:00+12:00", "2025-07-11T00:00:00+12:00", TimestampRepair.END),
        (("endDateTime",), "weekly", "2025-07-10T00:00:00+12:00", "2025-07-17T00:00:00+12:00", TimestampRepair.END),
        (("endDateTime",), "a new one", "2025-07-10T00:00:00+12:00", "2025-07-11T00:00:00+12:00", TimestampRepair.END),
        (("startDateTime",), "daily", "2025-07-10T00:00:00+12:00", "2025-07-10T23:59:59+12:00", TimestampRepair.START),
        (("startDateTime",), "weekly", "2025-07-04T00:00:00+12:00", "2025-07-10T23:59:59+12:00", TimestampRepair.START),
        (
            ("startDateTime", "endDateTime"),
            "daily",
            "2025-07-12T00:00:00+12:00",
            "2025-07-13T00:00:00+12:00",
            TimestampRepair.BOTH,
        ),
    ],
)
def test_missing_timestamps_are_filled_in_marked_and_counted(
    absent: str | None, changed: tuple[str, ...], periodicity: str, start: str, end: str, repair: TimestampRepair
) -> None:
    parsed = biomarkers({**STEPS, "periodicity": periodicity, **dict.fromkeys(changed, absent)})
    assert parsed == biomarkers({**without(STEPS, *changed), "periodicity": periodicity})
    (row,) = parsed.rows
    assert (row.start_date_time.isoformat(), row.end_date_time.isoformat(), row.repair) == (start, end, repair)
    assert (parsed.repaired, parsed.rejected) == (1, ())


def test_what_is_optional_may_be_missing() -> None:
    bare = without(STEPS, "id", "unit", "aggregation", "valueType")
    (row,), (again,) = biomarkers(bare).rows, biomarkers({**bare, "value": "9000", "periodicity": "intraday"}).rows
    assert row.id == again.id != ""
    assert (row.unit, row.aggregation, row.value_type, row.number) == (None, "unknown", None, 8412.0)


def test_unknown_types_categories_and_fields_are_kept() -> None:
    (row,) = biomarkers({**STEPS, "category": "dreams", "type": "colours", "mood": {"z": 1, "of": ["tomorrow"]}, "b": None}).rows
    assert (row.category, row.type, row.unit, row.number) == ("dreams", "colours", "count", 8412.0)
    assert row.extra == '{"b":null,"mood":{"of":["tomorrow"],"z":1}}'
    (score,) = scores({**SLEEP_SCORE, "mood": "bright"}).rows
    assert score.extra == '{"mood":"bright"}'


def test_what_a_webhook_adds_to_a_row_is_no_part_of_it() -> None:
    envelope = {"profileId": "p", "accountId": "a", "externalId": "e", "createdAtUtc": "2025-07-11T03:12:09Z", "version": 1}
    assert biomarkers({**STEPS, **envelope}) == biomarkers(STEPS)
    assert scores({**SLEEP_SCORE, "profileId": "p", "accountId": "a", "externalId": "e"}) == scores(SLEEP_SCORE)


def test_unknown_fields_hold_nothing_that_a_database_refuses() -> None:
    (row,) = biomarkers({**STEPS, "mood": "a\x00b", "literal": "\\u0000"}).rows
    assert row.extra is not None
    assert orjson.loads(row.extra) == {"mood": "a\ufffdb", "literal": "\\u0000"}
    deep: object = "end"
    for _ in range(900):
        deep = [deep]
    body = b'[{"deep": %s, %s]' % (str(deep).replace("'", '"').encode(), orjson.dumps(STEPS)[1:])
    (kept,) = parse_biomarkers(body, received_at=NOW, fallback_offset=AUCKLAND).rows
    assert (kept.number, kept.extra) == (8412.0, None)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({**STEPS, "value": None}, "value: "),
        ({**STEPS, "value": ""}, "value: "),
        ({**STEPS, "value": {"secret": "s3cret"}}, "value: "),
        ({**STEPS, "value": "s3cret\x00"}, "value: "),
        ({**STEPS, "type": "s3cret" * 50}, "type: "),
        (without(STEPS, "category"), "category: "),
        (without(STEPS, "periodicity"), "periodicity: "),
        ({**STEPS, "unit": 5}, "unit: "),
        ({**STEPS, "startDateTime": "s3cret"}, "startDateTime: "),
        ({**STEPS, "startDateTime": "0001-01-01T00:00:00"}, "startDateTime: "),
        ({**STEPS, "endDateTime": 1752192000}, "endDateTime: "),
        ({**STEPS, "endDateTime": "2025-07-01T00:00:00+12:00"}, "endDateTime: "),
        ("s3cret", ""),
    ],
)
def test_a_row_that_cannot_be_used_is_rejected_alone_and_without_its_value(row: object, reason: str) -> None:
    parsed = biomarkers(row, {**STEPS, "id": "good"})
    assert [good.id for good in parsed.rows] == ["good"]
    (rejection,) = parsed.rejected
    assert rejection.position == 0
    assert rejection.reason.startswith(reason)
    assert "s3cret" not in rejection.reason


@pytest.mark.parametrize("order", [1, -1])
def test_daily_supersedes_intraday_of_the_same_start(order: int) -> None:
    same_start = {"value": "3263", "periodicity": "intraday", "startDateTime": "2025-07-09T12:00:00Z"}
    parsed = biomarkers(*[STEPS, {**STEPS, **same_start}][::order])
    assert [(row.periodicity, row.value) for row in parsed.rows] == [("daily", "8412")]


def test_weekly_rows_of_one_start_stand_beside_daily_ones() -> None:
    assert len(biomarkers(STEPS, {**STEPS, "periodicity": "weekly"}).rows) == 2


@UNHURRIED
@given(st.permutations(range(6)))
def test_rows_come_newest_first_in_an_order_of_their_own(order: list[int]) -> None:
    rows = [
        {**STEPS, "type": kind, "startDateTime": f"2025-07-{day}T00:00:00+12:00", "endDateTime": f"2025-07-{day}T23:59:59+12:00"}
        for day in ("08", "09", "10")
        for kind in ("steps", "active_hours")
    ]
    parsed = biomarkers(*(rows[index] for index in order))
    assert [(row.start_date_time.day, row.type) for row in parsed.rows] == [
        (day, kind) for day in (10, 9, 8) for kind in ("active_hours", "steps")
    ]


@pytest.mark.parametrize("body", [b"{}", b"null", b"[{]", b"<html>", b'"x"', b"\xff\xfe", b"[" * 5000])
def test_a_body_that_is_no_list_is_malformed_and_not_quoted(body: bytes) -> None:
    for parse in (parse_biomarkers, parse_scores):
        with pytest.raises(UpstreamMalformed) as caught:
            parse(body, received_at=NOW, fallback_offset=UTC)
        assert caught.value.__cause__ is None
        assert len(caught.value.reason) < 40


@pytest.mark.parametrize("body", [b"", b"[]"])
def test_no_rows_is_a_result(body: bytes) -> None:
    assert parse_biomarkers(body, received_at=NOW, fallback_offset=UTC) == ParsedBiomarkers((), (), 0)
    assert parse_scores(body, received_at=NOW, fallback_offset=UTC) == ParsedScores((), ())


def test_a_score_with_factors_that_are_null_missing_and_wrong() -> None:
    factors = [
        {"id": "1", "name": "sleep_duration", "value": 402, "goal": 480, "score": 0.8100000023841858, "state": "medium"},
        {"name": "sleep_continuity", "value": None, "goal": 10, "score": None, "state": None, "unit": "minute"},
        {"name": "steps", "value": "12.5"},
        {"name": "broken", "value": "s3cret"},
        {"value": 1},
    ]
    parsed = scores({**SLEEP_SCORE, "factors": factors})
    (row,) = parsed.rows
    assert [(factor.name, factor.value, factor.score) for factor in row.factors] == [
        ("sleep_duration", 402.0, 0.81),
        ("sleep_continuity", None, None),
        ("steps", 12.5, None),
    ]
    assert [rejection.reason.split(":")[0] for rejection in parsed.rejected] == ["factors.3.value", "factors.4.name"]
    assert not any("s3cret" in rejection.reason for rejection in parsed.rejected)


def test_a_score_says_when_it_was_made_under_either_name_or_not_at_all() -> None:
    made = datetime(2025, 7, 11, 3, 12, 9, tzinfo=UTC)
    bare = without(SLEEP_SCORE, "createdAtUtc")
    assert [
        scores(row).rows[0].created_at
        for row in (
            SLEEP_SCORE,
            {**bare, "createdAt": "2025-07-11T03:12:09Z"},
            {**bare, "createdAtUtc": "2025-07-11T03:12:09"},
            bare,
        )
    ] == [made, made, made, None]


def test_a_score_may_lack_all_but_its_type_and_day() -> None:
    (row,) = scores({"type": "of tomorrow", "scoreDateTime": "2025-07-11T00:00:00", "score": None, "factors": None}).rows
    assert (row.score, row.state, row.factors, row.data_sources) == (None, None, (), ())
    assert row.score_date_time == datetime(2025, 7, 11, tzinfo=AUCKLAND)
    assert row.id


@pytest.mark.parametrize("absent", [{}, {"scoreDateTime": None}])
def test_a_score_without_a_day_is_rejected(absent: dict[str, Any]) -> None:
    parsed = scores({**without(SLEEP_SCORE, "scoreDateTime"), **absent})
    assert parsed.rows == ()
    assert parsed.rejected[0].reason.startswith("scoreDateTime: ")


def test_of_two_scores_of_one_day_the_later_made_stands() -> None:
    later = {**SLEEP_SCORE, "score": 0.8, "createdAtUtc": "2025-07-11T05:00:00Z", "scoreDateTime": "2025-07-10T12:00:00Z"}
    for rows in ([SLEEP_SCORE, later], [later, SLEEP_SCORE]):
        assert [row.score for row in scores(*rows).rows] == [0.8]


@pytest.mark.parametrize("figure", [0.9900000095367432, 0.43799999356269836, 0.972000002861023])
def test_single_precision_noise_is_rounded_off(figure: float) -> None:
    (row,) = scores({**SLEEP_SCORE, "factors": [{"name": "x", "value": figure}]}).rows
    assert row.factors[0].value == round(figure, 3)


@UNHURRIED
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_is_kept_to_the_last_bit_unless_single_precision_explains_it(figure: float) -> None:
    (row,) = scores({**SLEEP_SCORE, "factors": [{"name": "x", "value": figure}]}).rows
    assert row.factors[0].value is not None
    assert math.isclose(row.factors[0].value, figure, rel_tol=1e-7, abs_tol=1e-44)


def test_a_profile_says_whose_it_is_and_when_data_came() -> None:
    profile = parse_profile(b'{"externalId": "a/b", "dataLastReceivedAtUtc": "2025-07-11T03:12:09.5", "new": 1}')
    assert (profile.external_id, profile.data_last_received_at) == ("a/b", datetime(2025, 7, 11, 3, 12, 9, 500_000, tzinfo=UTC))
    assert parse_profile(b'{"externalId": "x", "dataLastReceivedAtUtc": null}').data_last_received_at is None
    for body in (b"{}", b"[]", b"", b'{"externalId": null}'):
        with pytest.raises(UpstreamMalformed):
            parse_profile(body)


def token_with(claims: object) -> str:
    return "head." + base64.urlsafe_b64encode(orjson.dumps(claims)).decode().rstrip("=") + ".signature"


@pytest.mark.parametrize(
    ("document", "lifetime_s"),
    [
        ({"accountToken": "t0ken", "expiresIn": 86400}, 86400.0),
        ({"accountToken": "t0ken", "expiresIn": "86400"}, 86400.0),
        ({"accountToken": "t0ken"}, None),
        ({"accountToken": "t0ken", "expiresIn": "soon"}, None),
        ({"accountToken": token_with({"exp": NOW.timestamp() + 90}), "expiresIn": 0}, 90.0),
        ({"accountToken": token_with({"exp": NOW.timestamp() - 90})}, 0.0),
        ({"accountToken": token_with([1])}, None),
        ({"accountToken": "head.%%%.signature"}, None),
    ],
)
def test_the_life_of_a_token_is_read_wherever_it_stands(document: dict[str, Any], lifetime_s: float | None) -> None:
    token = parse_token(orjson.dumps(document), received_at=NOW)
    assert token.lifetime_s == lifetime_s
    assert token.value not in repr(token)


@pytest.mark.parametrize("document", [{}, {"accountToken": ""}, {"accountToken": "a\r\nb"}, {"accountToken": 5}, []])
def test_an_answer_without_a_token_is_malformed(document: object) -> None:
    with pytest.raises(UpstreamMalformed):
        parse_token(orjson.dumps(document), received_at=NOW)


def test_a_night_belongs_to_the_day_of_waking_and_a_day_to_itself() -> None:
    night = {
        **STEPS,
        "category": "sleep",
        "startDateTime": "2025-07-09T18:00:00+12:00",
        "endDateTime": "2025-07-10T17:59:59+12:00",
    }
    older = {**night, "type": "older_form", "endDateTime": "2025-07-10T18:00:00+12:00"}
    filled_in = {**night, "type": "filled_in", "startDateTime": "2025-07-10T00:00:00+12:00", "endDateTime": None}
    rows = biomarkers(STEPS, night, older, filled_in).rows
    day = datetime(2025, 7, 10, tzinfo=AUCKLAND).date()
    assert len(in_local_days(rows, day, day)) == 4
    assert in_local_days(rows, day + timedelta(days=1), day + timedelta(days=9)) == ()
    assert in_local_days(rows, day - timedelta(days=9), day - timedelta(days=1)) == ()
