"""Reads through the gate, against the stand-in: what opens it, who is kept waiting, and how often Sahha is asked meanwhile."""

import asyncio
from typing import Any

import pytest
import structlog

from services.breaker import BreakerState, Outcome
from services.config import load_settings
from services.domain.ids import UserId
from services.errors import (
    CircuitOpen,
    CredentialRejected,
    PersonRemoved,
    PersonUnknown,
    ProfileMismatch,
    UpstreamError,
    UpstreamMalformed,
    UpstreamStatus,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from services.metrics import Metrics
from services.sahha.client import SahhaAccess, SahhaClient
from services.sahha.gate import MOST_WAITING, outcome_of
from tests.upstream.conftest import OpenUpstream, Upstream

AVERY, BLAKE, CASEY = UserId("sandbox-avery"), UserId("sandbox-blake"), UserId("sandbox-casey")
PEOPLE = (AVERY, BLAKE, CASEY)
ALWAYS: dict[str, Any] = {"match": "profile"}
QUICK = {"sahha_breaker_open_s": 0.3, "sahha_breaker_longest_open_s": 0.6}


async def read(upstream: Upstream, person: UserId = AVERY) -> type[Exception] | None:
    """One read of a person: nothing, or the class of what it failed with."""
    try:
        async with upstream.client.reading(person):
            await upstream.client.profile(person)
    except UpstreamError as error:
        return type(error)
    return None


async def reads(upstream: Upstream, times: int) -> list[type[Exception] | None]:
    return [await read(upstream, PEOPLE[number % 3]) for number in range(times)]


def events(logs: list[Any], level: str) -> list[str]:
    return [entry["event"] for entry in logs if entry["log_level"] == level]


async def test_an_outage_stops_the_reads_says_so_once_and_ends_by_two_probes(upstream_with: OpenUpstream) -> None:
    async with upstream_with(**QUICK) as upstream:
        await upstream.fail({**ALWAYS, "kind": "status", "status": 500})
        with structlog.testing.capture_logs() as logs:
            outcomes = await reads(upstream, 30)
            assert outcomes == [UpstreamStatus] * 10 + [CircuitOpen] * 20
            asked = len(await upstream.asked("profile"))
            assert asked <= 10 + 6
            await asyncio.sleep(0.4)
            assert await read(upstream) is UpstreamStatus
            assert await read(upstream) is CircuitOpen
            await upstream.fail()
            await asyncio.sleep(0.8)
            assert [await read(upstream) for _ in range(5)] == [None] * 5
    assert events(logs, "error") == ["[SAHHA] Reads are stopped"]
    assert events(logs, "info")[-1] == "[SAHHA] Reads go on"
    assert upstream.client.breaker_state is BreakerState.CLOSED


@pytest.mark.parametrize("status", [400, 403, 404, 410, 429])
async def test_answers_about_a_person_never_stop_the_reads(upstream_with: OpenUpstream, status: int) -> None:
    async with upstream_with(sahha_retry_share=0) as upstream:
        await upstream.fail({**ALWAYS, "kind": "status", "status": status})
        await reads(upstream, 30)
        assert upstream.client.breaker_state is BreakerState.CLOSED
        await upstream.fail()
        assert await read(upstream) is None


async def test_a_deleted_profile_is_told_from_an_unknown_one(upstream: Upstream) -> None:
    await upstream.fail({**ALWAYS, "kind": "status", "status": 410})
    with pytest.raises(PersonRemoved):
        await upstream.client.profile(AVERY)


async def test_a_rejected_credential_stops_the_reads_at_once_and_pages_once(upstream_with: OpenUpstream) -> None:
    async with upstream_with(secret="wrong", **QUICK) as upstream:
        with structlog.testing.capture_logs() as logs:
            assert await reads(upstream, 10) == [CredentialRejected] + [CircuitOpen] * 9
            await asyncio.sleep(0.4)
            assert await read(upstream) is CredentialRejected
        assert len(await upstream.asked("token")) == 2
    assert (len(events(logs, "critical")), events(logs, "error")) == (1, [])


async def test_a_revoked_key_is_asked_with_no_more_than_twice(upstream: Upstream) -> None:
    await upstream.fail({**ALWAYS, "kind": "status", "status": 401})
    await asyncio.gather(*(read(upstream, PEOPLE[number % 3]) for number in range(20)))
    assert upstream.client.breaker_state is BreakerState.OPEN
    assert len(await upstream.asked("token")) <= 3
    assert await reads(upstream, 20) == [CircuitOpen] * 20


async def test_slow_reads_stop_the_reads_though_they_succeed(upstream_with: OpenUpstream) -> None:
    async with upstream_with(sahha_slow_read_s=0.1, sahha_breaker_reads=4) as upstream:
        await upstream.client.authenticate()
        await upstream.fail({**ALWAYS, "kind": "delay", "delay_s": 0.15})
        assert await reads(upstream, 6) == [None] * 4 + [CircuitOpen] * 2


async def test_waiting_for_a_slot_of_ours_is_not_sahha_s_slowness(upstream_with: OpenUpstream) -> None:
    async with upstream_with(sahha_slow_read_s=0.5, sahha_breaker_reads=4, sahha_concurrency=1) as upstream:
        await upstream.client.authenticate()
        await upstream.fail({**ALWAYS, "kind": "delay", "delay_s": 0.1})
        started = upstream.clock.monotonic()
        assert await asyncio.gather(*(read(upstream, PEOPLE[number % 3]) for number in range(12))) == [None] * 12
        assert upstream.clock.monotonic() - started > 1.2
        assert upstream.client.breaker_state is BreakerState.CLOSED


async def test_reads_cut_by_their_caller_count_when_sahha_had_been_slow(upstream_with: OpenUpstream) -> None:
    async with upstream_with(sahha_slow_read_s=0.1, sahha_breaker_reads=4) as upstream:
        await upstream.client.authenticate()
        await upstream.fail({**ALWAYS, "kind": "hang"})

        async def cut(person: UserId, after_s: float) -> None:
            async with asyncio.timeout(after_s), upstream.client.reading(person):
                await upstream.client.profile(person)

        for after_s in (0.02, 0.2):
            assert upstream.client.breaker_state is BreakerState.CLOSED
            results = await asyncio.gather(*(cut(each, after_s) for each in PEOPLE * 2), return_exceptions=True)
            assert {type(result) for result in results} == {TimeoutError}
        assert upstream.client.breaker_state is BreakerState.OPEN


async def test_a_person_to_wait_for_is_not_asked_for_and_nobody_else_notices(upstream: Upstream) -> None:
    await upstream.fail({"person": AVERY, "kind": "status", "status": 429, "retry_after_s": 3600, "times": 1})
    for _ in range(3):
        with pytest.raises(UpstreamStatus) as caught:
            await upstream.client.profile(AVERY)
        assert caught.value.status == 429
        assert caught.value.retry_after_s == pytest.approx(3600, abs=5)
    assert len(await upstream.asked("profile")) == 1
    assert (await upstream.client.profile(BLAKE)).external_id == BLAKE


async def test_a_short_wait_for_a_person_is_waited_for(upstream: Upstream) -> None:
    await upstream.fail({"person": AVERY, "kind": "status", "status": 429, "retry_after_s": 1, "times": 1})
    profiles = await asyncio.gather(*(upstream.client.profile(AVERY) for _ in range(3)))
    assert [profile.external_id for profile in profiles] == [AVERY] * 3


async def test_a_503_with_a_wait_holds_for_all_calls(upstream: Upstream) -> None:
    await upstream.fail({**ALWAYS, "kind": "status", "status": 503, "retry_after_s": 20, "times": 1})
    with pytest.raises(UpstreamStatus):
        await upstream.client.profile(AVERY)
    for person in (AVERY, BLAKE):
        with pytest.raises(CircuitOpen) as caught:
            await upstream.client.profile(person)
        assert caught.value.retry_after_s == pytest.approx(20, abs=2)
    assert await read(upstream, CASEY) is CircuitOpen
    assert len(await upstream.asked("profile")) == 1


async def test_a_limit_on_tokens_holds_for_all_calls(upstream: Upstream) -> None:
    await upstream.fail({"match": "token", "kind": "status", "status": 429, "retry_after_s": 60})
    assert [await read(upstream, each) for each in PEOPLE] == [UpstreamStatus, CircuitOpen, CircuitOpen]
    assert len(await upstream.asked("token")) == 1


async def test_people_asked_to_wait_with_are_remembered_within_bounds(upstream: Upstream) -> None:
    gate = upstream.client._gate
    for number in range(MOST_WAITING + 50):
        gate.postpone(UserId(f"person {number}"), 60 if number % 2 else 0.0)
    assert len(gate._waiting) <= MOST_WAITING
    for number in range(2 * MOST_WAITING):
        gate.postpone(UserId(f"another {number}"), 60)
    assert len(gate._waiting) == MOST_WAITING


async def test_the_budget_keeps_an_outage_from_growing(upstream_with: OpenUpstream) -> None:
    async with upstream_with(sahha_breaker_reads=1000) as upstream:
        await upstream.client.authenticate()
        await upstream.fail({**ALWAYS, "kind": "status", "status": 500})
        results = await asyncio.gather(*(upstream.client.profile(AVERY) for _ in range(100)), return_exceptions=True)
        assert {type(result) for result in results} == {UpstreamStatus}
        assert len(await upstream.asked("profile")) <= 110


async def test_attempts_and_states_are_told(upstream: Upstream) -> None:
    metrics = Metrics()
    access = SahhaAccess(upstream.url, "sandbox", "sandbox")
    client = SahhaClient(upstream.http, access, load_settings(_env_file=None), upstream.clock, metrics)
    await upstream.fail({**ALWAYS, "kind": "status", "status": 500, "times": 1})
    await client.profile(AVERY)
    await upstream.fail({**ALWAYS, "kind": "status", "status": 401})
    with pytest.raises(CredentialRejected):
        await client.profile(AVERY)
    await client.aclose()
    text = metrics.render().decode()
    for line in (
        'firstlight_sahha_attempts_total{attempt="first"} 2.0',
        'firstlight_sahha_attempts_total{attempt="repeated"} 1.0',
        'firstlight_sahha_breaker{state="OPEN"} 1.0',
        'firstlight_sahha_breaker{state="CLOSED"} 0.0',
    ):
        assert line in text


def _status(status: int) -> UpstreamStatus:
    return UpstreamStatus("x", status=status)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (_status(500), Outcome.FAILED),
        (_status(408), Outcome.FAILED),
        (_status(429), Outcome.NEUTRAL),
        (_status(400), Outcome.NEUTRAL),
        (UpstreamTimeout("x"), Outcome.FAILED),
        (UpstreamUnreachable("x"), Outcome.FAILED),
        (UpstreamMalformed("x"), Outcome.FAILED),
        (ProfileMismatch("x"), Outcome.FAILED),
        (TimeoutError(), Outcome.FAILED),
        (PersonUnknown("x"), Outcome.NEUTRAL),
        (PersonRemoved("x"), Outcome.NEUTRAL),
        (CircuitOpen("x", retry_after_s=1), Outcome.NEUTRAL),
        (ValueError("a bug of ours"), Outcome.NEUTRAL),
        (asyncio.CancelledError(), Outcome.ABANDONED),
        (ExceptionGroup("x", [PersonUnknown("x"), _status(500)]), Outcome.FAILED),
        (ExceptionGroup("x", [PersonUnknown("x"), ExceptionGroup("y", [_status(429)])]), Outcome.NEUTRAL),
        (BaseExceptionGroup("x", [PersonUnknown("x"), asyncio.CancelledError()]), Outcome.ABANDONED),
    ],
)
def test_what_an_error_says_of_sahha(error: BaseException, outcome: Outcome) -> None:
    assert outcome_of(error) is outcome


async def test_errors_leave_the_block_as_they_are(upstream: Upstream) -> None:
    async def raising(error: Exception) -> None:
        async with upstream.client.reading(AVERY):
            raise error

    for error in (ValueError("ours"), UpstreamTimeout("theirs")):
        with pytest.raises(type(error)) as caught:
            await raising(error)
        assert caught.value is error
