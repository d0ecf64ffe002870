"""S1-S5, S12, S17, S18 of the fault matrix: Sahha cannot be reached, or its answer never ends, breaks or leads elsewhere."""

import asyncio
import threading
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from server.standins.sahha import create_sahha_standin
from server.standins.serving import serve_standin
from services.breaker import BreakerState
from services.domain.health import DataSource
from services.domain.outcomes import GenerateRoutineSuccess
from services.domain.routine import Archetype, Routine, RoutineRequest, RoutineStatus
from tests.product import MORNING
from tests.upstream.trial import AVERY, BLAKE, EVERYBODY, HURRIED, PATIENCE_S, Trial, is_stored, open_trial

ALL_DATA = "biomarker|score|profile"
LATER = MORNING + timedelta(minutes=20)


async def planned(trial: Trial) -> Routine:
    """A routine asked for now, when it is final."""
    routines = trial.product.services.routines
    request = RoutineRequest(
        user_id=AVERY, archetype=Archetype.TRANSFORMATION_SEEKER, timezone="America/New_York", date=None, idempotency_key=None
    )
    outcome = await routines.request(request)
    assert isinstance(outcome, GenerateRoutineSuccess)
    async with asyncio.timeout(PATIENCE_S):
        while (routine := await routines.read(outcome.routine.id, AVERY)) is None or not routine.status.final:
            await asyncio.sleep(0.05)
    return routine


async def test_s01_a_refused_connection_gives_what_is_stored_and_a_plan(database_url: str, unused_tcp_port: int) -> None:
    async with open_trial(database_url):
        pass
    closed = f"http://127.0.0.1:{unused_tcp_port}"
    async with open_trial(database_url, warm=(), at=LATER, worker=True, sahha_url=closed) as trial:
        assert all(is_stored(reading) for reading in await trial.read_in_turn(EVERYBODY))
        routine = await planned(trial)
        assert routine.status is RoutineStatus.READY
        assert routine.health_data is not None
        assert routine.health_data.source is DataSource.DATABASE
        await trial.check()


async def test_s01_reads_are_live_again_when_sahha_is_back(database_url: str) -> None:
    async with open_trial(database_url) as trial:
        with capture_logs() as logs:
            await trial.fail({"kind": "down"})
            assert all(is_stored(reading) for reading in await trial.read_in_turn(EVERYBODY * 3))
            assert trial.breaker() is BreakerState.OPEN
            await trial.mend()
            await trial.read_until(AVERY, DataSource.LIVE)
            await trial.read_until(BLAKE, DataSource.LIVE)
        events = [entry["event"] for entry in logs]
        assert events.count("[SAHHA] Reads are stopped") == 1
        assert events.count("[SAHHA] Reads go on") == 1
        await trial.check(probes=2)


async def test_s02_a_name_that_does_not_resolve_piles_up_no_threads(database_url: str) -> None:
    async with open_trial(database_url):
        pass
    async with open_trial(database_url, warm=(), at=LATER, sahha_url="http://sahha.invalid") as trial:
        before = threading.active_count()
        for _ in range(4):
            assert all(is_stored(reading) for reading in await trial.read_at_once(EVERYBODY))
        # Names are resolved in the loop's own pool, which is bounded.
        assert threading.active_count() - before <= 8
        await trial.check()


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("S3", {"kind": "hang"}),
        ("S4", {"kind": "drip_head", "delay_s": 0.05}),
        ("S5", {"kind": "drip", "delay_s": 0.05}),
    ],
)
async def test_s03_s04_s05_an_answer_that_never_ends_is_cut_by_the_whole_deadline(
    database_url: str, row: str, fault: dict[str, object]
) -> None:
    # Every byte comes in less than the attempt's time: only a deadline over the whole answer ends it.
    async with open_trial(database_url, warm=(AVERY,), **HURRIED) as trial:
        await trial.fail({**fault, "match": ALL_DATA})
        assert is_stored(await trial.read(AVERY)), row
        cut = await trial.log("biomarker", "score")
        assert 2 <= len(cut) <= 6
        await trial.mend()
        await trial.read_until(AVERY, DataSource.LIVE)
        await trial.check()


async def test_s03_one_call_that_hangs_does_not_take_the_others_with_it(database_url: str) -> None:
    async with open_trial(database_url, warm=(AVERY,), **HURRIED) as trial:
        await trial.fail({"kind": "hang", "match": "score"})
        reading = await trial.read(AVERY)
        assert reading.source is DataSource.MIXED
        assert reading.records is not None
        assert {row.source for row in reading.records.biomarkers} == {DataSource.LIVE}
        assert {row.source for row in reading.records.scores} == {DataSource.DATABASE}
        await trial.check()


async def test_s12_a_reset_in_the_middle_of_the_body_is_tried_again(database_url: str) -> None:
    async with open_trial(database_url, warm=(AVERY,)) as trial:
        await trial.fail({"kind": "reset", "match": "biomarker", "times": 1}, {"kind": "reset", "match": "score", "times": 1})
        assert (await trial.read(AVERY)).source is DataSource.LIVE
        assert [await trial.asked(kind) for kind in ("biomarker", "score")] == [2, 2]
        await trial.check()


@pytest.mark.parametrize("kind", ["big", "bomb"])
async def test_s17_a_body_too_large_is_cut_and_not_asked_for_again(database_url: str, kind: str) -> None:
    async with open_trial(database_url, warm=(AVERY,)) as trial:
        await trial.fail({"kind": kind, "match": ALL_DATA})
        assert is_stored(await trial.read(AVERY))
        assert await trial.asked("biomarker", "score") == 2
        await trial.check()


async def test_s18_a_redirect_to_another_host_is_not_followed(database_url: str) -> None:
    async with open_trial(database_url, warm=(AVERY,)) as trial:
        elsewhere = create_sahha_standin(trial.product.services.clock)
        async with serve_standin(elsewhere) as url:
            location = f"{url}/api/v1/profile/score/{AVERY}"
            await trial.fail({"kind": "redirect", "match": ALL_DATA, "location": location})
            assert is_stored(await trial.read(AVERY))
            assert (await trial.http.get(f"{url}/_standin/log")).json() == []
        await trial.check()


async def test_s01_to_s05_nobody_is_told_what_was_never_there(database_url: str) -> None:
    async with open_trial(database_url, warm=()) as trial:
        await trial.fail({"kind": "down"})
        reading = await trial.read(AVERY)
        assert reading.records is None
        assert reading.error is not None
        assert (reading.error.code, reading.error.retryable) == ("HEALTH_DATA_UNAVAILABLE", True)
        assert reading.ended - reading.began < timedelta(seconds=PATIENCE_S)
        await trial.check()
