"""S6-S11, S20, S21, S24 of the fault matrix: Sahha fails, refuses, limits or is slow; and it recovers."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping

import pytest
from structlog.testing import capture_logs

from scheduler.worker import pause_s
from services.breaker import BreakerState
from services.domain.health import DataSource, ReadPolicy
from services.domain.ids import UserId
from services.errors import CircuitOpen, PersonNotFound, UpstreamStatus
from tests.upstream.trial import AVERY, BLAKE, CALLS, DREW, EVERYBODY, FRANKIE, GRAY, STOPPED, Trial, is_stored, open_trial

OTHERS = EVERYBODY[1:]
DATA = "biomarker|score|profile"


def crowd(many: int) -> list[UserId]:
    return [UserId(f"generated-{number:05}") for number in range(1, many + 1)]


def opened(logs: Iterable[Mapping[str, object]], event: str) -> int:
    return sum(entry["event"] == event for entry in logs)


async def test_s06_nothing_but_500_opens_the_breaker_within_ten_reads(database_url: str) -> None:
    async with open_trial(database_url, **STOPPED) as trial:
        with capture_logs() as logs:
            await trial.fail({"kind": "status", "status": 500})
            await trial.read_in_turn((EVERYBODY * 2)[:10])
            assert trial.breaker() is BreakerState.OPEN
            before = await trial.asked()
            await trial.read_in_turn(EVERYBODY * 8)
            assert await trial.asked() == before
        assert all(is_stored(reading) for reading in trial.readings)
        assert opened(logs, "[SAHHA] Reads are stopped") == 1
        await trial.check()


async def test_s06_one_person_alone_never_opens_it(database_url: str) -> None:
    async with open_trial(database_url, warm=(AVERY, BLAKE)) as trial:
        await trial.fail({"kind": "status", "status": 500, "person": AVERY})
        await trial.read_in_turn([AVERY] * 12)
        assert trial.breaker() is BreakerState.CLOSED
        assert (await trial.read(BLAKE)).source is DataSource.LIVE
        await trial.check()


async def test_s07_a_503_that_asks_for_time_is_left_alone_for_as_long(database_url: str) -> None:
    async with open_trial(database_url) as trial:
        await trial.fail({"kind": "status", "status": 503, "retry_after_s": 20, "match": DATA})
        assert is_stored(await trial.read(AVERY))
        before = await trial.asked()
        assert before <= len(CALLS) + 1
        assert all(is_stored(reading) for reading in await trial.read_in_turn(OTHERS))
        assert await trial.asked() == before
        with pytest.raises(CircuitOpen) as postponed:
            await trial.product.services.health_data.sync(AVERY)
        assert 15 < postponed.value.retry_after_s <= 20
        assert pause_s(0, postponed.value) >= postponed.value.retry_after_s
        assert await trial.asked() == before
        await trial.check()


async def test_s07_and_asked_again_after_it(database_url: str) -> None:
    async with open_trial(database_url, warm=(AVERY,)) as trial:
        await trial.fail({"kind": "status", "status": 503, "retry_after_s": 1, "match": "score", "times": 1})
        await trial.read_until(AVERY, DataSource.LIVE)
        refused, *later = await trial.log("score")
        assert refused["status"] == 503
        assert min(entry["at_s"] for entry in later) - refused["at_s"] >= 1
        await trial.check()


async def test_s08_a_429_for_an_hour_is_not_slept_through_and_is_one_person_s(database_url: str) -> None:
    async with open_trial(database_url) as trial:
        await trial.fail({"kind": "status", "status": 429, "retry_after_s": 3600, "person": AVERY})
        assert is_stored(await trial.read(AVERY))
        asked_of_avery = len([entry for entry in await trial.log() if entry["person"] == AVERY])
        assert asked_of_avery <= len(CALLS)
        others = await trial.read_at_once(OTHERS)
        assert {reading.source for reading in others} == {DataSource.LIVE}
        assert is_stored(await trial.read(AVERY))
        assert len([entry for entry in await trial.log() if entry["person"] == AVERY]) == asked_of_avery
        assert trial.breaker() is BreakerState.CLOSED
        with pytest.raises(UpstreamStatus) as postponed:
            await trial.product.services.health_data.sync(AVERY)
        assert postponed.value.status == 429
        assert 3500 < (postponed.value.retry_after_s or 0) <= 3600
        assert pause_s(0, postponed.value) >= (postponed.value.retry_after_s or 0)
        await trial.check()


async def test_s09_a_token_that_expires_is_fetched_once_for_everybody(database_url: str) -> None:
    async with open_trial(database_url, crowd=14) as trial:
        (await trial.http.delete("/_standin/tokens")).raise_for_status()
        people = [*EVERYBODY, *crowd(14)]
        readings = await trial.read_at_once(people)
        assert {reading.source for reading in readings} == {DataSource.LIVE}
        assert await trial.asked("token") == 1
        statuses = Counter(entry["status"] for entry in await trial.log(*CALLS))
        assert statuses[401] <= len(CALLS) * len(people)
        assert trial.breaker() is BreakerState.CLOSED


async def test_s10_a_revoked_key_opens_the_breaker_at_once_and_pages_once(database_url: str) -> None:
    async with open_trial(database_url, **STOPPED) as trial:
        (await trial.http.delete("/_standin/tokens")).raise_for_status()
        with capture_logs() as logs:
            await trial.fail({"kind": "status", "status": 401})
            assert is_stored(await trial.read(AVERY))
            assert trial.breaker() is BreakerState.OPEN
            before = await trial.asked()
            readings = await trial.read_at_once([UserId(person) for person in EVERYBODY * 5])
        assert all(is_stored(reading) for reading in readings)
        assert await trial.asked() == before
        assert await trial.asked("token") <= 2
        assert [entry["log_level"] for entry in logs].count("critical") == 1
        await trial.check()


async def test_s10_and_reads_are_live_again_with_a_new_key(database_url: str) -> None:
    async with open_trial(database_url) as trial:
        (await trial.http.delete("/_standin/tokens")).raise_for_status()
        await trial.fail({"kind": "status", "status": 401})
        await trial.read_in_turn(EVERYBODY)
        await trial.mend()
        await trial.read_until(AVERY, DataSource.LIVE)
        await trial.read_until(BLAKE, DataSource.LIVE)
        assert trial.breaker() is BreakerState.CLOSED


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_s11_a_person_who_is_not_linked_is_told_so_and_nobody_else(database_url: str, status: int) -> None:
    async with open_trial(database_url) as trial:
        await trial.fail({"kind": "status", "status": status, "person": AVERY})
        for _ in range(12):
            reading = await trial.read(AVERY)
            assert isinstance(reading.error, PersonNotFound)
        by_kind = Counter(entry["kind"] for entry in await trial.log() if entry["person"] == AVERY)
        assert max(by_kind.values()) <= 12
        assert {reading.source for reading in await trial.read_at_once(OTHERS)} == {DataSource.LIVE}
        assert trial.breaker() is BreakerState.CLOSED
        await trial.check()


async def test_s20_a_third_of_all_calls_fails_and_every_read_is_answered(database_url: str) -> None:
    async with open_trial(database_url) as trial:
        await trial.fail({"kind": "status", "status": 500, "probability": 0.3, "match": DATA}, seed=20)
        for _ in range(20):
            await trial.read_at_once(EVERYBODY)
        assert all(reading.records is not None for reading in trial.readings)
        assert sum(not reading.records.empty for reading in trial.readings if reading.records) >= 0.99 * len(trial.readings)
        await trial.check(probes=4)


async def test_s21_a_sahha_ten_times_slower_opens_the_breaker_and_the_database_stays_free(database_url: str) -> None:
    async with open_trial(database_url, sahha_slow_read_s=1, database_pool=4, **STOPPED) as trial:
        await trial.fail({"kind": "delay", "delay_s": 3, "match": DATA})
        async with asyncio.TaskGroup() as group:
            slow = [group.create_task(trial.read(person)) for person in EVERYBODY]
            await asyncio.sleep(0.1)
            for _ in range(30):
                # More than the pool has connections: a live read under way may hold none.
                await stored(trial, GRAY)
            assert not any(task.done() for task in slow)
        await trial.read_at_once(EVERYBODY)
        assert trial.breaker() is BreakerState.OPEN
        before = await trial.asked()
        assert all(is_stored(reading) for reading in await trial.read_at_once(EVERYBODY))
        assert await trial.asked() == before
        await trial.check()


async def stored(trial: Trial, person: UserId) -> None:
    records = await trial.product.services.health_data.read_week(person, None, ReadPolicy.DATABASE, 1)
    assert records.source is DataSource.DATABASE


async def test_s24_recovery_begins_with_two_probes_and_no_stampede(database_url: str) -> None:
    async with open_trial(database_url, crowd=40, sahha_breaker_open_s=0.5, sahha_breaker_longest_open_s=0.5) as trial:
        people = crowd(40)
        await trial.read_at_once(people)
        await trial.fail({"kind": "down"})
        for _ in range(2):
            await trial.read_at_once(people)
        assert trial.breaker() is BreakerState.OPEN
        await trial.fail({"kind": "delay", "delay_s": 1, "match": "score"})
        await asyncio.sleep(0.7)  # the 0.5 s and their jitter
        before = await trial.asked(*CALLS)
        readings = await trial.read_at_once(people)
        live = [reading for reading in readings if reading.source is DataSource.LIVE]
        assert 1 <= len(live) <= 2
        assert await trial.asked(*CALLS) - before <= 2 * len(CALLS)
        assert trial.breaker() is BreakerState.CLOSED
        await trial.mend()
        ramp = await trial.read_at_once(people)
        assert {reading.source for reading in ramp} == {DataSource.LIVE}
        counts = (await trial.http.get("/_standin/counts")).json()
        assert counts["most_at_once"] <= trial.product.services.settings.sahha_concurrency
        await trial.check(probes=2)


async def test_s24_a_failed_probe_keeps_it_closed_for_longer(database_url: str) -> None:
    async with open_trial(database_url) as trial:
        await trial.fail({"kind": "down"})
        await trial.read_in_turn(EVERYBODY * 2)
        before = await trial.asked(*CALLS)
        async with asyncio.timeout(10):
            while await trial.asked(*CALLS) == before:
                await trial.read_in_turn((DREW, FRANKIE))
                await asyncio.sleep(0.05)
        assert trial.breaker() is BreakerState.OPEN
        await trial.check(probes=1)
