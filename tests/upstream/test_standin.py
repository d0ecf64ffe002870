"""The stand-in keeps Sahha's contract, and its people are the same whenever they are asked for."""

import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.standins.people import Person, day_of, invented_people
from server.standins.rows import biomarker_rows, score_rows
from server.standins.serving import run_sahha_standin
from services.clock import Clock
from services.domain.health import DataSource, HealthRecords, in_local_days, newest_biomarkers, newest_scores
from services.domain.ids import UserId
from services.domain.schedule import local_date
from services.sahha.payloads import parse_biomarkers, parse_scores
from tests.upstream.conftest import UNHURRIED, OpenUpstream, Upstream

NEW_YORK = ZoneInfo("America/New_York")
PEOPLE = invented_people()
AVERY, BLAKE, CASEY = (PEOPLE[f"sandbox-{name}"] for name in ("avery", "blake", "casey"))
API = "/api/v1"
WEEK = {"startDateTime": "2026-03-12", "endDateTime": "2026-03-18"}

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


@pytest.mark.parametrize("hour", range(24))
async def test_over_http_as_the_product_asks(upstream_with: OpenUpstream, hour: int) -> None:
    now = datetime.combine(date(2026, 3, 8), time(hour, 30), NEW_YORK)
    today = now.date()
    async with upstream_with(now=now) as upstream:
        biomarkers = await upstream.client.biomarkers(UserId(AVERY.id), today - timedelta(days=7), today + timedelta(days=1))
        scores = await upstream.client.scores(UserId(AVERY.id), today - timedelta(days=7), today + timedelta(days=1))
    first = today - timedelta(days=6)
    assert len(in_local_days(biomarkers.rows, first, today)) == 156
    assert len(in_local_days(scores.rows, first, today)) == 89


@UNHURRIED
@given(st.dates(date(2024, 1, 1), date(2035, 1, 1)))
def test_a_good_sleeper_and_a_short_one(day: date) -> None:
    good, short = day_of(AVERY, day), day_of(BLAKE, day)
    assert good.night.asleep_min > 380
    assert good.readiness >= 0.6
    assert good.sleep_debt_h < 2
    assert short.night.asleep_min < 390  # in the night of 25 hours
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


def test_a_settled_day_never_changes() -> None:
    day = date(2026, 3, 10)
    reads = [biomarker_rows(AVERY, day, datetime(2026, 3, 12 + later, later, tzinfo=UTC)) for later in range(10)]
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


async def authorized(upstream: Upstream) -> dict[str, str]:
    credential = {"clientId": "sandbox", "clientSecret": "sandbox"}
    answer = (await upstream.controls.post(f"{API}/oauth/account/token", json=credential)).json()
    assert (answer["expiresIn"], answer["tokenType"]) == (86400, "Account")
    return {"Authorization": f"account {answer['accountToken']}"}


async def get(upstream: Upstream, path: str, **params: str | int | list[str]) -> httpx.Response:
    return await upstream.controls.get(API + path, params=params, headers=await authorized(upstream))


async def test_only_a_living_account_token_opens_anything(upstream_with: OpenUpstream) -> None:
    async with upstream_with(token_life=timedelta(milliseconds=200)) as upstream:
        wrong = await upstream.controls.post(f"{API}/oauth/account/token", json={"clientId": "sandbox"})
        assert wrong.status_code == 401
        answer = await upstream.controls.post(
            f"{API}/oauth/account/token", json={"clientId": "sandbox", "clientSecret": "sandbox"}
        )
        token = answer.json()["accountToken"]
        path = f"{API}/account/profile/{AVERY.id}"
        for header in ("", token, f"Bearer {token}", "account x", f"profile {token}"):
            assert (await upstream.controls.get(path, headers={"Authorization": header})).status_code == 401
        upstream_now = upstream.clock.now()
        while upstream.clock.now() - upstream_now < timedelta(milliseconds=250):
            answer = await upstream.controls.get(path, headers={"Authorization": f"account {token}"})
        assert answer.status_code == 401


@pytest.mark.parametrize("path", ["/account/profile/nobody", "/profile/score/nobody", "/profile/archetypes/nobody"])
async def test_an_unknown_profile_is_a_404(upstream: Upstream, path: str) -> None:
    assert (await get(upstream, path)).status_code == 404


async def test_biomarkers_want_categories_and_unknown_ones_are_empty(upstream: Upstream) -> None:
    path = f"/profile/biomarker/{AVERY.id}"
    assert (await get(upstream, path, **WEEK)).status_code == 400
    unknown = await get(upstream, path, categories="heart", **WEEK)
    assert (unknown.status_code, unknown.json()) == (200, [])
    sleep = (await get(upstream, path, categories=["sleep", "heart"], **WEEK)).json()
    assert {row["category"] for row in sleep} == {"sleep"}
    assert {type(row["value"]) for row in sleep} == {str}
    steps = (await get(upstream, path, categories="activity", types="steps", **WEEK)).json()
    assert len(steps) == 7


async def test_scores_of_a_type_and_of_an_unknown_one(upstream: Upstream) -> None:
    path = f"/profile/score/{AVERY.id}"
    assert {row["type"] for row in (await get(upstream, path, types="sleep", **WEEK)).json()} == {"sleep"}
    assert (await get(upstream, path, types="of tomorrow", **WEEK)).json() == []
    assert len((await get(upstream, path, types="sleep")).json()) == 14


async def test_a_person_without_data_is_answered_204(upstream: Upstream) -> None:
    answer = await get(upstream, f"/profile/score/{CASEY.id}", types="sleep", **WEEK)
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        ("2026-03-16", "2026-03-17", [17, 16]),
        ("2026-03-16T00:00:00", "2026-03-17T00:00:00", [17, 16]),
        ("2026-03-16T00:00:01", "2026-03-17T23:59:59-04:00", [17]),
        ("2026-03-18", "2026-03-25", [18]),
        ("2026-03-19", "2026-03-25", []),
    ],
)
async def test_dates_are_read_on_the_person_s_own_days(upstream: Upstream, start: str, end: str, days: list[int]) -> None:
    answer = await get(upstream, f"/profile/score/{AVERY.id}", types="sleep", startDateTime=start, endDateTime=end)
    rows = answer.json() if answer.status_code == 200 else []
    assert [datetime.fromisoformat(row["scoreDateTime"]).day for row in rows] == days


async def test_a_plus_that_was_not_encoded_is_refused(upstream: Upstream) -> None:
    headers = await authorized(upstream)
    query = "types=sleep&startDateTime=2026-03-16T00:00:00+12:00"
    assert (await upstream.controls.get(f"{API}/profile/score/{AVERY.id}?{query}", headers=headers)).status_code == 400


async def test_profiles_are_registered_once_and_found(upstream: Upstream) -> None:
    headers = await authorized(upstream)
    for status in (201, 400):
        answer = await upstream.controls.post(f"{API}/oauth/profile/register", json={"externalId": "new"}, headers=headers)
        assert answer.status_code == status
    found = (await get(upstream, "/account/profile/search", searchParameter="new", currentPage=1, pageSize=100)).json()
    assert ([item["externalId"] for item in found["items"]], found["totalCount"]) == (["new"], 1)
    every = (await get(upstream, "/account/profile/search", currentPage=0, pageSize=3)).json()
    assert (len(every["items"]), every["totalPages"]) == (3, 2)


async def test_archetypes_of_weeks_that_are_over(upstream: Upstream) -> None:
    path = f"/profile/archetypes/{AVERY.id}"
    rows = (await get(upstream, path, startDateTime="2026-03-01", endDateTime="2026-03-18")).json()
    assert {row["startDateTime"][:10] for row in rows} == {"2026-03-02", "2026-03-09"}
    named = (await get(upstream, path, name="sleep_duration", periodicity="weekly")).json()
    assert {(row["name"], row["ordinality"]) for row in named} == {("sleep_duration", 2)}
    assert (await get(upstream, path, name="of tomorrow")).json() == []


async def test_faults_are_checked_shown_and_cleared(upstream: Upstream) -> None:
    assert (await upstream.controls.put("/_standin/faults", content=b'{"faults": [{"kind": "meteor"}]}')).status_code == 400
    await upstream.fail({"match": "score|biomarker", "kind": "status", "status": 503})
    assert (await get(upstream, f"/profile/score/{AVERY.id}")).status_code == 503
    assert (await get(upstream, f"/account/profile/{AVERY.id}")).status_code == 200
    assert (await upstream.controls.get("/_standin/faults")).json()["faults"][0]["kind"] == "status"
    await upstream.controls.delete("/_standin/faults")
    assert (await get(upstream, f"/profile/score/{AVERY.id}")).status_code == 200
    assert [request["status"] for request in await upstream.asked("score")] == [503, 200]
    await upstream.controls.delete("/_standin/log")
    assert await upstream.asked("score") == []


async def test_chance_is_drawn_from_the_seed(upstream: Upstream) -> None:
    async def drawn(seed: int) -> list[int]:
        await upstream.fail({"match": "profile", "kind": "status", "status": 500, "probability": 0.3}, seed=seed)
        headers = await authorized(upstream)
        path = f"{API}/account/profile/{AVERY.id}"
        return [(await upstream.controls.get(path, headers=headers)).status_code for _ in range(60)]

    first = await drawn(1)
    assert first == await drawn(1)
    assert first != await drawn(2)
    assert 8 <= first.count(500) <= 28


def test_it_listens_on_loopback_only() -> None:
    with pytest.raises(ValueError, match="loopback"):
        run_sahha_standin(None, "0.0.0.0", 0, 0, client_id="a", client_secret="b")  # noqa: S104 - refused


def test_as_a_process_it_serves_on_the_socket_it_is_given(unused_tcp_port: int) -> None:
    program = (
        "from server.standins.serving import run_sahha_standin;"
        f"run_sahha_standin(None, '127.0.0.1', {unused_tcp_port}, 3600.0, client_id='id', client_secret='secret')"
    )
    process = subprocess.Popen([sys.executable, "-c", program])  # noqa: S603 - ours
    try:
        transport = httpx.HTTPTransport(retries=5)
        with httpx.Client(base_url=f"http://127.0.0.1:{unused_tcp_port}", transport=transport, trust_env=False) as http:
            answer = http.post(f"{API}/oauth/account/token", json={"clientId": "id", "clientSecret": "secret"})
            headers = {"Authorization": f"account {answer.json()['accountToken']}"}
            assert http.get(f"{API}/account/profile/{AVERY.id}", headers=headers).status_code == 200
            log = http.get("/_standin/log").json()
        ahead = datetime.fromisoformat(log[0]["at"]) - Clock().now()
        assert timedelta(minutes=59) < ahead < timedelta(minutes=61)
    finally:
        process.terminate()
        assert process.wait(timeout=10) in {0, -15}
