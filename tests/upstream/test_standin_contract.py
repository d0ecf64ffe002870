"""Over HTTP the stand-in keeps Sahha's contract: what it answers, and what it refuses."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from server.standins.generated import Crowd
from services.domain.schedule import local_date
from tests.upstream.standing import API, Standing, open_standin

AVERY, CASEY = "sandbox-avery", "sandbox-casey"
WEEK = {"startDateTime": "2026-03-12", "endDateTime": "2026-03-18"}
READS = ("score", "biomarker", "archetypes", "insight/trend", "insight/comparison", "demographic", "integration")


@pytest.mark.parametrize("hour", range(0, 24, 3))
async def test_a_week_of_the_first_person_is_156_biomarkers_and_89_scores(hour: int) -> None:
    now = datetime.combine(date(2026, 3, 8), time(hour, 30), ZoneInfo("America/New_York"))
    first = now.date() - timedelta(days=6)
    async with open_standin(now) as standing:
        asked = {"startDateTime": first.isoformat(), "endDateTime": now.date().isoformat()}
        categories = ["activity", "sleep", "vitals", "body", "characteristic"]
        assert len(await standing.rows(f"/profile/biomarker/{AVERY}", categories=categories, **asked)) == 156
        assert len(await standing.rows(f"/profile/score/{AVERY}", **asked)) == 89


@pytest.fixture
async def standing() -> AsyncIterator[Standing]:
    async with open_standin() as opened:
        yield opened


async def test_only_an_account_token_that_lives_opens_anything() -> None:
    async with open_standin(token_life=timedelta(milliseconds=200)) as standing:
        wrong = await standing.http.post(f"{API}/oauth/account/token", json={"clientId": "sandbox"})
        assert wrong.status_code == 401
        token = await standing.token()
        path = f"{API}/account/profile/{AVERY}"
        for header in ("", token, f"Bearer {token}", "account x", f"profile {token}"):
            assert (await standing.http.get(path, headers={"Authorization": header})).status_code == 401
        await asyncio.sleep(0.25)
        answer = await standing.http.get(path, headers={"Authorization": f"account {token}"})
        assert answer.status_code == 401


async def test_a_token_s_life_is_told_as_number_or_text_and_ends_by_revocation(standing: Standing) -> None:
    credential = {"clientId": "sandbox", "clientSecret": "sandbox"}
    await standing.control("PUT", "tokens", life_s=60, as_text=True)
    answer = (await standing.http.post(f"{API}/oauth/account/token", json=credential)).json()
    assert (answer["expiresIn"], answer["tokenType"]) == ("60", "Account")
    headers = {"Authorization": f"account {answer['accountToken']}"}
    assert (await standing.http.get(f"{API}/account/profile/{AVERY}", headers=headers)).status_code == 200
    assert (await standing.http.delete("/_standin/tokens")).status_code == 204
    assert (await standing.http.get(f"{API}/account/profile/{AVERY}", headers=headers)).status_code == 401
    assert (await standing.http.put("/_standin/tokens", json={"life_s": 0})).status_code == 400


@pytest.mark.parametrize("read", READS)
async def test_an_unknown_profile_is_a_404(standing: Standing, read: str) -> None:
    assert (await standing.get(f"/profile/{read}/nobody", categories="sleep", category="score")).status_code == 404


async def test_a_refusal_has_sahha_s_body(standing: Standing) -> None:
    answer = await standing.get(f"/profile/score/{AVERY}", startDateTime="yesterday")
    assert answer.json() == {
        "title": "startDateTime is not a date",
        "statusCode": 400,
        "location": "request",
        "errors": [{"origin": "startDateTime", "errors": ["startDateTime is not a date"]}],
    }


async def test_biomarkers_want_categories_and_unknown_ones_are_empty(standing: Standing) -> None:
    path = f"/profile/biomarker/{AVERY}"
    assert (await standing.get(path, **WEEK)).status_code == 400
    unknown = await standing.get(path, categories="heart", **WEEK)
    assert (unknown.status_code, unknown.json()) == (200, [])
    sleep = await standing.rows(path, categories=["sleep", "heart"], **WEEK)
    assert {row["category"] for row in sleep} == {"sleep"}
    assert {type(row["value"]) for row in sleep} == {str}
    assert len(await standing.rows(path, categories="activity", types="steps", **WEEK)) == 7


async def test_lists_are_repeated_keys_or_have_commas(standing: Standing) -> None:
    path = f"/profile/score/{AVERY}"
    repeated = await standing.rows(path, types=["sleep", "activity"], **WEEK)
    assert await standing.rows(path, types="sleep,activity", **WEEK) == repeated
    assert {row["type"] for row in repeated} == {"sleep", "activity"}
    assert len(await standing.rows(path, types="sleep")) == 14


@pytest.mark.parametrize(
    "query", ["types=", "types=sleep,,steps", "types=['sleep']", "types[]=sleep", "types=" + "a," * 100 + "a"]
)
async def test_a_list_that_is_none_is_refused(standing: Standing, query: str) -> None:
    answer = await standing.http.get(
        f"{API}/profile/score/{AVERY}?{query}", headers={"Authorization": f"account {await standing.token()}"}
    )
    assert answer.status_code == 400


async def test_a_person_without_data_is_answered_204(standing: Standing) -> None:
    answer = await standing.get(f"/profile/score/{CASEY}", types="sleep", **WEEK)
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        ("2026-03-16", "2026-03-17", [17, 16]),
        ("2026-03-16T00:00:00", "2026-03-17T00:00:00", [17, 16]),
        ("2026-03-16T00:00:01", "2026-03-17T23:59:59-04:00", [17]),
        ("2026-03-16T04:00:00Z", "2026-03-17T03:59:59Z", [16]),
        ("2026-03-16T17:00:00+13:00", "2026-03-16T18:00+14:00", [16]),
        ("2026-03-18", "2026-03-25", [18]),
        ("2026-03-19", "2026-03-25", []),
    ],
)
async def test_dates_are_read_on_the_person_s_own_days(standing: Standing, start: str, end: str, days: list[int]) -> None:
    rows = await standing.rows(f"/profile/score/{AVERY}", types="sleep", startDateTime=start, endDateTime=end)
    assert [datetime.fromisoformat(row["scoreDateTime"]).day for row in rows] == days


@pytest.mark.parametrize(
    "query",
    [
        "startDateTime=2026-03-16T00:00:00+12:00",  # the plus arrives as a space
        "startDateTime=2026-03-32",
        "startDateTime=20260316",
        "startDateTime=2026-W12-1",
        "startDateTime=",
        "startDateTime=2026-03-16&startDateTime=2026-03-17",
        "startDateTime=2026-03-16&endDateTime=2026-03-15",
    ],
)
async def test_dates_that_are_none_are_refused(standing: Standing, query: str) -> None:
    headers = {"Authorization": f"account {await standing.token()}"}
    for read in ("score", "biomarker", "archetypes"):
        answer = await standing.http.get(f"{API}/profile/{read}/{AVERY}?categories=sleep&{query}", headers=headers)
        assert answer.status_code == 400


async def test_names_that_sahha_does_not_know_are_ignored(standing: Standing) -> None:
    everything = await standing.rows(f"/profile/score/{AVERY}", types="sleep")
    assert await standing.rows(f"/profile/score/{AVERY}", types="sleep", startDate="2026-03-17", version="1.0") == everything


@pytest.mark.parametrize(
    ("zone", "offset"),
    [("Asia/Kolkata", "+05:30"), ("Pacific/Kiritimati", "+14:00"), ("Etc/GMT+12", "-12:00"), ("Asia/Kathmandu", "+05:45")],
)
async def test_rows_are_in_the_person_s_own_offset(zone: str, offset: str) -> None:
    people = Crowd(400)
    whose = next(each for each in people.values() if each.zone.key == zone and not each.silent and each.trip is None)
    async with open_standin(crowd=people) as standing:
        today = local_date(standing.clock.now(), whose.zone)
        asked = {"startDateTime": (today - timedelta(days=8)).isoformat(), "endDateTime": today.isoformat()}
        rows = await standing.rows(f"/profile/biomarker/{whose.id}", categories="activity,sleep", **asked)
        device = (await standing.get(f"/profile/deviceInformation/{whose.id}")).json()
    assert {row["startDateTime"][-6:] for row in rows} == {row["endDateTime"][-6:] for row in rows} == {offset}
    assert device["timeZone"] == offset


async def test_profiles_are_registered_once_found_and_removed(standing: Standing) -> None:
    for status in (201, 400):
        answer = await standing.call("POST", "/oauth/profile/register", json={"externalId": "new"})
        assert answer.status_code == status
    found = (await standing.get("/account/profile/search", searchParameter="new", currentPage=1, pageSize=100)).json()
    assert ([item["externalId"] for item in found["items"]], found["totalCount"]) == (["new"], 1)
    every = (await standing.get("/account/profile/search", currentPage=0, pageSize=3)).json()
    assert (len(every["items"]), every["totalPages"]) == (3, 3)
    for refused in ({"currentPage": -1}, {"pageSize": 101}, {"pageSize": "many"}):
        assert (await standing.get("/account/profile/search", **refused)).status_code == 400
    assert (await standing.call("DELETE", "/profile", json={"externalId": "new"})).status_code == 204
    assert (await standing.get("/account/profile/new")).status_code == 410
    assert (await standing.call("DELETE", "/profile", externalId="nobody")).status_code == 404
    assert (await standing.call("POST", "/oauth/profile/register", json={"externalId": "new"})).status_code == 400


async def test_a_profile_token_opens_its_own_data_without_an_id(standing: Standing) -> None:
    answer = await standing.call(
        "POST", "/oauth/profile/token", json={"externalId": AVERY, "readOnly": "false", "lifetime": "60"}
    )
    profile = {"Authorization": f"profile {answer.json()['profileToken']}"}
    own = await standing.http.get(f"{API}/profile/score", params={"types": "sleep", **WEEK}, headers=profile)
    assert own.json() == await standing.rows(f"/profile/score/{AVERY}", types="sleep", **WEEK)
    assert (await standing.http.get(f"{API}/profile", headers=profile)).json()["externalId"] == AVERY
    assert (await standing.http.get(f"{API}/profile/score/{AVERY}", headers=profile)).status_code == 401
    assert (await standing.http.get(f"{API}/account/profile/search", headers=profile)).status_code == 401
    assert (await standing.get("/profile/score", types="sleep")).status_code == 401
    nobody = {"externalId": "nobody", "lifetime": "60"}
    assert (await standing.call("POST", "/oauth/profile/token", json=nobody)).status_code == 404
    forever = {"externalId": AVERY, "lifetime": "for ever"}
    assert (await standing.call("POST", "/oauth/profile/token", json=forever)).status_code == 400


async def test_a_refresh_token_is_used_once(standing: Standing) -> None:
    pair = (await standing.call("POST", "/oauth/profile/register", json={"externalId": "new"})).json()
    old = {"refreshToken": pair["refreshToken"]}
    answers = [await standing.http.post(f"{API}/oauth/profile/refreshToken", json=old) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 400]
    assert answers[0].json()["refreshToken"] != pair["refreshToken"]
    sdk = {"appId": "sandbox", "appSecret": "sandbox"}
    path = f"{API}/oauth/profile/register/appId"
    assert (await standing.http.post(path, json={"externalId": "newer"}, headers=sdk)).status_code == 201
    assert (await standing.http.post(path, json={"externalId": "newest"})).status_code == 401


async def test_a_person_tells_about_themselves(standing: Standing) -> None:
    answer = await standing.call("POST", "/oauth/profile/token", json={"externalId": AVERY})
    headers = {"Authorization": f"profile {answer.json()['profileToken']}"}

    async def tell(method: str, path: str, document: object) -> int:
        return (await standing.http.request(method, f"{API}/profile/{path}", json=document, headers=headers)).status_code

    assert await tell("PUT", "demographic", {"country": "US", "gender": "female"}) == 200
    assert await tell("PATCH", "demographic", {"gender": "other"}) == 200
    told = (await standing.get(f"/profile/demographic/{AVERY}")).json()
    assert (told["age"], told["country"], told["gender"]) == (34, "US", "other")
    assert await tell("PUT", "deviceInformation", {"timeZone": "+02:00"}) == 200
    assert (await standing.get(f"/profile/deviceInformation/{AVERY}")).json()["timeZone"] == "+02:00"
    assert await tell("PUT", "demographic", {"shoeSize": 43}) == 400
    assert await tell("POST", "data/log", [{"logType": "activity"}]) == 202
    assert await tell("POST", "data/log", {"logType": "activity"}) == 400
    assert (await standing.http.get(f"{API}/Version")).status_code == 200


async def test_archetypes_of_weeks_and_months_that_are_over(standing: Standing) -> None:
    path = f"/profile/archetypes/{AVERY}"
    rows = await standing.rows(path, startDateTime="2026-03-01", endDateTime="2026-03-18")
    assert {row["startDateTime"][:10] for row in rows} == {"2026-03-02", "2026-03-09"}
    months = await standing.rows(path, periodicity="monthly", startDateTime="2025-12-01", endDateTime="2026-03-18")
    bounds = {(row["startDateTime"][:10], row["endDateTime"][:10]) for row in months}
    assert bounds == {("2025-12-01", "2025-12-31"), ("2026-01-01", "2026-01-31"), ("2026-02-01", "2026-02-28")}
    named = await standing.rows(path, name="sleep_duration", periodicity="weekly")
    assert {(row["name"], row["ordinality"]) for row in named} == {("sleep_duration", 2)}
    assert await standing.rows(path, name="of_tomorrow") == []
    assert await standing.rows(path, periodicity="daily") == []


async def test_insights_are_trends_and_comparisons(standing: Standing) -> None:
    (trend,) = await standing.rows(f"/profile/insight/trend/{AVERY}", category="factor", name="steps")
    assert (trend["unit"], trend["periodicity"], len(trend["data"])) == ("count", "weekly", 4)
    assert trend["data"][0]["percentChangeFromPrevious"] is None
    comparisons = await standing.rows(f"/profile/insight/comparison/{AVERY}", category="biomarker")
    assert {each["name"] for each in comparisons} == {"steps", "sleep_duration", "heart_rate_resting"}
    assert set(comparisons[0]["data"][0]) == {
        *("type", "value", "percentile", "difference", "percentageDifference", "state", "properties")
    }
    assert (await standing.get(f"/profile/insight/trend/{AVERY}", category="weather")).status_code == 400
    assert (await standing.get(f"/profile/insight/comparison/{AVERY}", periodicity="hourly")).status_code == 400


async def test_the_guide_names_every_fault(standing: Standing) -> None:
    guide = (await standing.http.get("/_standin")).text
    for kind in ("down", "drip_head", "wrong_profile", "edit", "PUT /_standin/webhooks"):
        assert kind in guide
