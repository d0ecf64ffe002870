"""The client against the stand-in, over HTTP on loopback: what each failure is told as, and how often Sahha was asked."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import structlog

from services.config import load_settings
from services.domain.ids import UserId
from services.errors import (
    CredentialRejected,
    PersonUnknown,
    ProfileMismatch,
    UpstreamError,
    UpstreamMalformed,
    UpstreamStatus,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from services.sahha.catalogue import ARCHETYPES, CATEGORIES
from services.sahha.client import SahhaAccess, SahhaClient
from tests.upstream.conftest import OpenUpstream, Upstream

AVERY = UserId("sandbox-avery")
CASEY = UserId("sandbox-casey")
TODAY = date(2026, 3, 18)
WEEK_AGO = TODAY - timedelta(days=6)
ALWAYS: dict[str, Any] = {"match": "profile"}


async def test_a_read_gives_rows_of_every_category_there_is(upstream: Upstream) -> None:
    biomarkers = await upstream.client.biomarkers(AVERY, WEEK_AGO, TODAY)
    scores = await upstream.client.scores(AVERY, WEEK_AGO, TODAY)
    assert {row.category for row in biomarkers.rows} == {"activity", "sleep", "vitals", "body", "characteristic"}
    assert (len(biomarkers.rows), biomarkers.rejected, biomarkers.repaired) == (156, (), 0)
    assert (len(scores.rows), scores.rejected) == (89, ())
    assert (await upstream.client.profile(AVERY)).external_id == AVERY


async def test_the_real_answers_go_through_whole(upstream_with: OpenUpstream, real_bodies: Path) -> None:
    person = UserId("SampleProfile-1")
    now = datetime(2025, 7, 11, 17, 42, tzinfo=UTC)
    async with upstream_with(now=now, bodies={person: real_bodies}) as upstream:
        with structlog.testing.capture_logs() as logs:
            biomarkers = await upstream.client.biomarkers(person, date(2025, 7, 5), date(2025, 7, 13))
            scores = await upstream.client.scores(person, date(2025, 7, 5), date(2025, 7, 13))
            await upstream.client.profile(person)
    assert (len(biomarkers.rows), biomarkers.rejected, biomarkers.repaired) == (184, (), 0)
    assert (len(scores.rows), scores.rejected) == (13, ())
    assert logs == []


async def test_no_data_is_a_result_and_not_a_failure(upstream: Upstream) -> None:
    assert (await upstream.client.biomarkers(CASEY, WEEK_AGO, TODAY)).rows == ()
    assert (await upstream.client.scores(CASEY, WEEK_AGO, TODAY)).rows == ()
    assert (await upstream.client.profile(CASEY)).data_last_received_at is None


async def test_a_hundred_callers_share_one_token(upstream: Upstream) -> None:
    await asyncio.gather(*(upstream.client.profile(AVERY) for _ in range(100)))
    assert len(await upstream.asked("token")) == 1
    assert len(await upstream.asked("profile")) == 100


async def test_the_token_fetch_survives_the_one_who_began_it(upstream: Upstream) -> None:
    await upstream.fail({"match": "token", "kind": "delay", "delay_s": 0.3, "times": 1})
    first = asyncio.create_task(upstream.client.profile(AVERY))
    await asyncio.sleep(0.1)
    others = [asyncio.create_task(upstream.client.profile(AVERY)) for _ in range(5)]
    await asyncio.sleep(0.05)
    first.cancel()
    assert {profile.external_id for profile in await asyncio.gather(*others)} == {AVERY}
    assert len(await upstream.asked("token")) == 1


async def test_a_failed_token_fetch_fails_everyone_who_waited_and_nobody_after(upstream: Upstream) -> None:
    await upstream.fail({"match": "token", "kind": "html", "times": 1})
    results = await asyncio.gather(*(upstream.client.profile(AVERY) for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in results] == [UpstreamMalformed] * 5
    assert (await upstream.client.profile(AVERY)).external_id == AVERY
    assert len(await upstream.asked("token")) == 2


async def test_a_failing_token_costs_no_more_attempts_than_a_failing_read(upstream: Upstream) -> None:
    await upstream.fail({"match": "token", "kind": "status", "status": 503})
    with pytest.raises(UpstreamStatus):
        await upstream.client.profile(AVERY)
    assert len(await upstream.asked("token")) == 3


async def test_a_token_is_renewed_before_its_life_ends(upstream_with: OpenUpstream) -> None:
    async with upstream_with(token_life=timedelta(seconds=1)) as upstream:
        await upstream.client.profile(AVERY)
        await asyncio.sleep(0.95)
        await upstream.client.profile(AVERY)
        assert len(await upstream.asked("token")) == 2
        assert [request["status"] for request in await upstream.asked("profile")] == [200, 200]


async def test_a_401_is_mended_by_one_new_token_for_all(upstream: Upstream) -> None:
    await upstream.client.authenticate()
    await upstream.controls.delete("/_standin/tokens")
    await asyncio.gather(*(upstream.client.profile(AVERY) for _ in range(20)))
    assert len(await upstream.asked("token")) == 2
    assert [request["status"] for request in await upstream.asked("profile")].count(200) == 20


async def test_a_401_for_ever_is_a_rejected_credential_after_one_renewal(upstream: Upstream) -> None:
    await upstream.fail({"match": "profile", "kind": "status", "status": 401})
    with pytest.raises(CredentialRejected):
        await upstream.client.profile(AVERY)
    assert len(await upstream.asked("profile")) == 2
    assert len(await upstream.asked("token")) == 2


async def test_a_wrong_secret_is_a_rejected_credential_and_stays_out_of_every_text(upstream_with: OpenUpstream) -> None:
    async with upstream_with(secret="not-the-s3cret") as upstream:
        with structlog.testing.capture_logs() as logs, pytest.raises(CredentialRejected) as caught:
            await upstream.client.authenticate()
        assert len(await upstream.asked("token")) == 1
        assert "s3cret" not in f"{caught.value!r} {logs}"
    assert "s3cret" not in repr(SahhaAccess("http://x", "s3cret", "s3cret"))


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_an_unknown_person_is_asked_for_once(upstream: Upstream, status: int) -> None:
    await upstream.fail({**ALWAYS, "kind": "status", "status": status})
    with pytest.raises(PersonUnknown):
        await upstream.client.profile(AVERY)
    assert len(await upstream.asked("profile")) == 1


async def test_a_person_whom_the_stand_in_does_not_know(upstream: Upstream) -> None:
    for read in (upstream.client.biomarkers, upstream.client.scores):
        with pytest.raises(PersonUnknown):
            await read(UserId("nobody"), WEEK_AGO, TODAY)


@pytest.mark.parametrize(
    "user_id", ["a/b", "a b", "../sandbox-avery", "x/../y", "ä%2Fö?x=1#y", "日本", "a;b=c&d+e", ".hidden", "a\n"]
)
async def test_every_id_is_one_segment_of_the_path(upstream: Upstream, user_id: str) -> None:
    with pytest.raises(PersonUnknown):
        await upstream.client.profile(UserId(user_id))
    assert [request["person"] for request in await upstream.asked("profile")] == [user_id]
    if user_id.isprintable():
        await register(upstream, user_id)
        assert (await upstream.client.profile(UserId(user_id))).external_id == user_id


async def register(upstream: Upstream, user_id: str) -> None:
    credential = {"clientId": "sandbox", "clientSecret": "sandbox"}
    token = (await upstream.controls.post("/api/v1/oauth/account/token", json=credential)).json()["accountToken"]
    answer = await upstream.controls.post(
        "/api/v1/oauth/profile/register", json={"externalId": user_id}, headers={"Authorization": f"account {token}"}
    )
    assert answer.status_code == 201


@pytest.mark.parametrize("user_id", ["", ".", ".."])
async def test_an_id_that_no_path_can_hold_is_not_asked_for(upstream: Upstream, user_id: str) -> None:
    with pytest.raises(PersonUnknown):
        await upstream.client.profile(UserId(user_id))
    assert await upstream.asked("token") == []


async def test_an_unpaired_surrogate_is_an_unknown_person(upstream: Upstream) -> None:
    with pytest.raises(PersonUnknown):
        await upstream.client.profile(UserId("\ud800"))


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_what_passes_is_tried_again(upstream: Upstream, status: int) -> None:
    await upstream.fail({**ALWAYS, "kind": "status", "status": status, "times": 2})
    assert (await upstream.client.profile(AVERY)).external_id == AVERY
    assert len(await upstream.asked("profile")) == 3


@pytest.mark.parametrize("kind", ["down", "reset"])
async def test_a_broken_connection_is_tried_again(upstream: Upstream, kind: str) -> None:
    await upstream.fail({**ALWAYS, "kind": kind, "times": 2})
    assert (await upstream.client.profile(AVERY)).external_id == AVERY


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "status", "status": 503}, UpstreamStatus),
        ({"kind": "down"}, UpstreamUnreachable),
        ({"kind": "reset"}, UpstreamUnreachable),
    ],
)
async def test_three_attempts_are_all(upstream: Upstream, fault: dict[str, Any], error: type[UpstreamError]) -> None:
    await upstream.fail({**ALWAYS, **fault})
    with pytest.raises(error):
        await upstream.client.profile(AVERY)
    assert len(await upstream.asked("profile")) == 3


@pytest.mark.parametrize("kind", ["truncate", "html", "redirect", "big", "bomb", "empty", "wrong_profile"])
async def test_what_is_no_answer_is_malformed_and_asked_for_once(upstream: Upstream, kind: str) -> None:
    await upstream.fail({**ALWAYS, "kind": kind})
    with pytest.raises(UpstreamMalformed) as caught:
        await upstream.client.profile(AVERY)
    assert len(await upstream.asked("profile")) == 1
    assert AVERY not in caught.value.reason


async def test_a_bad_request_is_not_repeated(upstream: Upstream) -> None:
    await upstream.fail({**ALWAYS, "kind": "status", "status": 400})
    with pytest.raises(UpstreamStatus) as caught:
        await upstream.client.profile(AVERY)
    assert caught.value.status == 400
    assert len(await upstream.asked("profile")) == 1


async def test_another_person_s_profile_is_refused_loudly(upstream: Upstream) -> None:
    await upstream.fail({**ALWAYS, "kind": "wrong_profile"})
    with structlog.testing.capture_logs() as logs, pytest.raises(UpstreamMalformed):
        await upstream.client.profile(AVERY)
    assert [entry["log_level"] for entry in logs] == ["error"]
    assert "somebody-else" not in str(logs)


@pytest.mark.parametrize("kind", ["hang", "drip", "drip_head"])
async def test_the_total_deadline_cuts_what_comes_too_slowly(upstream: Upstream, kind: str) -> None:
    await upstream.client.authenticate()
    await upstream.fail({**ALWAYS, "kind": kind, "delay_s": 0.05})
    started = upstream.clock.monotonic()
    with pytest.raises(UpstreamTimeout):
        await upstream.client.profile(AVERY, within_s=0.5)
    assert upstream.clock.monotonic() - started < 10


async def test_one_attempt_ends_in_time_though_every_byte_does(upstream_with: OpenUpstream) -> None:
    async with upstream_with(sahha_attempt_timeout_s=0.3) as upstream:
        await upstream.fail({**ALWAYS, "kind": "drip", "delay_s": 0.05, "times": 1})
        assert (await upstream.client.profile(AVERY)).external_id == AVERY
        assert len(await upstream.asked("profile")) == 2


async def test_retry_after_is_kept_to_when_it_fits(upstream: Upstream) -> None:
    await upstream.fail({**ALWAYS, "kind": "status", "status": 429, "retry_after_s": 1, "times": 1})
    await upstream.client.profile(AVERY)
    first, second = [datetime.fromisoformat(request["at"]) for request in await upstream.asked("profile")]
    assert second - first >= timedelta(seconds=0.99)


async def test_retry_after_that_does_not_fit_is_handed_on_at_once(upstream: Upstream) -> None:
    await upstream.fail({**ALWAYS, "kind": "status", "status": 429, "retry_after_s": 3600})
    started = upstream.clock.monotonic()
    with pytest.raises(UpstreamStatus) as caught:
        await upstream.client.profile(AVERY)
    assert (caught.value.status, caught.value.retry_after_s) == (429, 3600.0)
    assert upstream.clock.monotonic() - started < 60
    assert len(await upstream.asked("profile")) == 1


async def test_no_more_calls_at_once_than_allowed(upstream_with: OpenUpstream) -> None:
    async with upstream_with(sahha_concurrency=2) as upstream:
        await upstream.client.authenticate()
        await upstream.fail({**ALWAYS, "kind": "delay", "delay_s": 0.2})
        started = upstream.clock.monotonic()
        await asyncio.gather(*(upstream.client.profile(AVERY) for _ in range(6)))
        assert upstream.clock.monotonic() - started >= 0.6


async def test_a_caller_s_cancellation_is_not_taken_for_a_timeout(upstream: Upstream) -> None:
    await upstream.fail({**ALWAYS, "kind": "hang"})
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await upstream.client.profile(AVERY)
    await upstream.fail()
    assert (await upstream.client.profile(AVERY)).external_id == AVERY


async def test_nobody_listens(upstream: Upstream, unused_tcp_port: int) -> None:
    access = SahhaAccess(f"http://127.0.0.1:{unused_tcp_port}", "sandbox", "sandbox")
    settings = load_settings(_env_file=None)
    with pytest.raises(UpstreamUnreachable):
        await SahhaClient(upstream.http, access, settings, upstream.clock).profile(AVERY)


async def test_one_person_s_faults_are_their_own(upstream: Upstream) -> None:
    await upstream.fail({"person": AVERY, "kind": "status", "status": 404})
    with pytest.raises(PersonUnknown):
        await upstream.client.profile(AVERY)
    assert (await upstream.client.profile(CASEY)).external_id == CASEY


async def test_lists_go_out_as_repeated_keys(upstream: Upstream) -> None:
    sent: list[str] = []

    async def keep(request: httpx.Request) -> None:
        sent.append(request.url.query.decode())

    upstream.http.event_hooks["request"] = [keep]
    await upstream.client.biomarkers(AVERY, WEEK_AGO, TODAY)
    query = "&".join(f"categories={quote(name)}" for name in CATEGORIES)
    assert sent[-1] == f"{query}&startDateTime=2026-03-12&endDateTime=2026-03-18"


async def test_one_category_or_one_type_can_be_asked_for(upstream: Upstream) -> None:
    sleep = await upstream.client.biomarkers(AVERY, WEEK_AGO, TODAY, categories=["sleep"])
    assert {row.category for row in sleep.rows} == {"sleep"}
    steps = await upstream.client.biomarkers(AVERY, WEEK_AGO, TODAY, types=["steps"])
    assert {row.type for row in steps.rows} == {"steps"}
    readiness = await upstream.client.scores(AVERY, WEEK_AGO, TODAY, types=["readiness"])
    assert {row.type for row in readiness.rows} == {"readiness"}


async def test_archetypes_are_words_of_weeks_that_are_over(upstream: Upstream) -> None:
    found = await upstream.client.archetypes(AVERY, date(2026, 3, 1), TODAY)
    assert found.rejected == ()
    starts = [row.start_date_time for row in found.rows]
    assert starts == sorted(starts, reverse=True) != []
    ordered = [row for row in found.rows if row.ordinality is not None]
    assert {"activity_level", "sleep_duration", "sleep_regularity"} <= {row.name for row in ordered}
    assert all(ARCHETYPES[row.name][row.ordinality or 0] == row.value for row in ordered)
    assert (await upstream.client.archetypes(CASEY, WEEK_AGO, TODAY)).rows == ()
    monthly = await upstream.client.archetypes(AVERY, date(2026, 3, 1), TODAY, periodicity="monthly")
    assert {row.periodicity for row in monthly.rows} <= {"monthly"}


async def test_another_person_s_profile_is_told_from_every_other_failure(upstream: Upstream) -> None:
    await upstream.fail({**ALWAYS, "kind": "wrong_profile"})
    with pytest.raises(ProfileMismatch):
        await upstream.client.profile(AVERY)
    await upstream.fail({**ALWAYS, "kind": "truncate"})
    with pytest.raises(UpstreamMalformed) as caught:
        await upstream.client.profile(AVERY)
    assert not isinstance(caught.value, ProfileMismatch)
