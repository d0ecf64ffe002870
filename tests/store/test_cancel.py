"""Calling a routine off, against everything that can happen to it at the same moment."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.domain.ids import RoutineId, UserId
from services.domain.outcomes import CancelRoutineResult, CancelRoutineSuccess
from services.domain.problems import NotCancellable, NotFound
from services.domain.routine import RoutineStatus
from services.domain.routine_events import RoutineStageChanged
from services.fulfilment import TakenOver
from services.store import routines as store
from tests.faults.asking import PERSON, acknowledged, count
from tests.product import Product, open_product


@pytest.fixture
async def product(database_url: str) -> AsyncIterator[Product]:
    async with open_product(database_url) as opened:
        yield opened


async def test_a_queued_routine_is_cancelled_with_its_job(product: Product) -> None:
    routine = (await acknowledged(product, "tap-1")).routine
    outcome = await product.services.routines.cancel(routine.id, PERSON)
    assert isinstance(outcome, CancelRoutineSuccess)
    assert outcome.routine.status is RoutineStatus.CANCELLED
    assert await count(product.services.database, "pgqueuer") == 0
    assert await product.services.routines.fulfil(routine.id) is None
    again = await acknowledged(product, "tap-1")
    assert (again.routine.id, again.routine.status) == (routine.id, RoutineStatus.CANCELLED)


async def test_its_progress_ends_and_nothing_is_announced(product: Product) -> None:
    routine = (await acknowledged(product, None)).routine
    stream = await product.services.events.progress(routine.id, PERSON, None)
    await product.services.routines.cancel(routine.id, PERSON)
    async with asyncio.timeout(5):
        told = [event async for event in stream]
    assert isinstance(told[-1], RoutineStageChanged)
    assert told[-1].status is RoutineStatus.CANCELLED
    assert await count(product.services.database, "events where kind in ('READY', 'FAILED')") == 0
    assert (await product.services.routines.wait(routine.id, 5)).status is RoutineStatus.CANCELLED


async def test_a_second_cancellation_changes_nothing(product: Product) -> None:
    routine = (await acknowledged(product, None)).routine
    outcomes = [await product.services.routines.cancel(routine.id, PERSON) for _ in range(2)]
    assert all(isinstance(outcome, CancelRoutineSuccess) for outcome in outcomes)
    assert await count(product.services.database, "events") == 1


async def test_what_is_final_cannot_be_cancelled(product: Product) -> None:
    routine = (await acknowledged(product, None)).routine
    await product.services.routines.fulfil(routine.id)
    outcome = await product.services.routines.cancel(routine.id, PERSON)
    assert isinstance(outcome, NotCancellable)
    assert "READY" in outcome.message
    found = await product.services.routines.read(routine.id, PERSON)
    assert found is not None
    assert found.status is RoutineStatus.READY


async def test_somebody_elses_routine_does_not_exist(product: Product) -> None:
    routine = (await acknowledged(product, None)).routine
    assert isinstance(await product.services.routines.cancel(routine.id, UserId("sandbox-blake")), NotFound)
    assert await count(product.services.database, "pgqueuer") == 1


async def test_an_attempt_under_way_writes_nothing_afterwards(product: Product) -> None:
    routine = (await acknowledged(product, None)).routine
    async with product.services.database.connection() as connection:
        attempt = await store.take(connection, routine.id, routine.created_at)
    assert attempt is not None
    await product.services.routines.cancel(routine.id, PERSON)
    with pytest.raises(TakenOver):
        await product.services.routines._fulfilment.make(attempt)
    found = await product.services.routines.read(routine.id, PERSON)
    assert found is not None
    assert (found.status, found.plan) == (RoutineStatus.CANCELLED, None)


@pytest.mark.parametrize("turn", range(10))
async def test_a_finish_and_a_cancellation_at_once_have_one_winner(product: Product, turn: int) -> None:
    routine = (await acknowledged(product, None)).routine
    outcome, _ = await asyncio.gather(_after(0.02 * turn, product, routine.id), product.services.routines.fulfil(routine.id))
    found = await product.services.routines.read(routine.id, PERSON)
    assert found is not None
    cancelled = isinstance(outcome, CancelRoutineSuccess)
    assert found.status is (RoutineStatus.CANCELLED if cancelled else RoutineStatus.READY)
    announced = await count(product.services.database, "events where kind = 'READY'")
    told = await count(product.services.database, "events where payload ->> 'status' = 'CANCELLED'")
    assert (announced, told) == ((0, 1) if cancelled else (1, 0))


async def test_the_worker_that_does_it_is_told(database_url: str) -> None:
    async with open_product(database_url, worker=True) as product:
        await product.set_faults({"match": "*", "kind": "hang"})
        routine = (await acknowledged(product, None)).routine
        async with asyncio.timeout(10):
            while await count(product.services.database, "routines where attempt = 1") == 0:
                await asyncio.sleep(0.05)
        assert [task for task in asyncio.all_tasks() if task.get_name() == "job"]
        await product.services.routines.cancel(routine.id, PERSON)
        async with asyncio.timeout(2):
            while [task for task in asyncio.all_tasks() if task.get_name() == "job"]:
                await asyncio.sleep(0.02)
        assert await count(product.services.database, "pgqueuer") == 0


async def _after(seconds: float, product: Product, routine_id: RoutineId) -> CancelRoutineResult:
    await asyncio.sleep(seconds)
    return await product.services.routines.cancel(routine_id, PERSON)
