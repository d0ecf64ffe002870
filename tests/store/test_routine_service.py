"""Requests, attempts and events against a real PostgreSQL and the Sahha stand-in."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, time, timedelta

import pytest

from services.domain.health import DataSource, DataState
from services.domain.ids import EventId, UserId
from services.domain.outcomes import GenerateRoutineSuccess, SetTaskStatusSuccess
from services.domain.problems import HealthDataUnavailable, IdempotencyKeyReused, InvalidInput, NotFound
from services.domain.routine import Archetype, Preferences, Routine, RoutineRequest, RoutineStatus, TaskStatus
from services.domain.routine_events import PlanReadyEvent, RoutineStageChanged, TimeBlockReady
from services.errors import BadUserInput, CursorExpired, RoutineNotFound
from services.fulfilment import TakenOver
from services.store import events
from services.store import routines as store
from tests.product import MORNING, Product, open_product

PERSON = UserId("sandbox-avery")
REQUEST = RoutineRequest(
    user_id=PERSON, archetype=Archetype.TRANSFORMATION_SEEKER, timezone="America/New_York", date=None, idempotency_key=None
)


@pytest.fixture
async def product(database_url: str) -> AsyncIterator[Product]:
    """Services without a worker: nothing happens but what a test does."""
    async with open_product(database_url) as opened:
        yield opened


@pytest.fixture
async def working(database_url: str) -> AsyncIterator[Product]:
    async with open_product(database_url, worker=True) as opened:
        yield opened


async def acknowledged(product: Product, request: RoutineRequest = REQUEST) -> GenerateRoutineSuccess:
    outcome = await product.services.routines.request(request)
    assert isinstance(outcome, GenerateRoutineSuccess)
    return outcome


async def count(product: Product, table: str) -> int:
    async with product.services.database.connection() as connection:
        return int(await connection.fetchval(f"select count(*) from {table}"))  # noqa: S608 - the tests' own names


async def fulfilled(product: Product, request: RoutineRequest = REQUEST) -> Routine:
    """The final routine of a request, made by one attempt in this process."""
    routine = (await acknowledged(product, request)).routine
    assert await product.services.routines.fulfil(routine.id) is None
    found = await product.services.routines.read(routine.id, request.user_id)
    assert found is not None
    return found


async def announced(product: Product) -> list[events.StoredEvent]:
    async with product.services.database.connection() as connection:
        return await events.announcements(connection, PERSON, EventId(0), 100)


async def taken(product: Product, after: int, many: int) -> list[PlanReadyEvent]:
    found: list[PlanReadyEvent] = []
    async with asyncio.timeout(20):
        async for event in await product.services.events.subscribe(PERSON, EventId(after)):
            found.append(event)
            if len(found) == many:
                return found
    raise AssertionError("the subscription ended")


class TestAcknowledgement:
    async def test_routine_job_and_claim_are_one_transaction(self, product: Product) -> None:
        outcome = await acknowledged(product, replace(REQUEST, idempotency_key="tap-1"))
        assert outcome.routine.status is RoutineStatus.QUEUED
        assert not outcome.joined
        assert [await count(product, table) for table in ("routines", "pgqueuer", "idempotency_keys")] == [1, 1, 1]

    async def test_the_same_key_and_input_give_the_same_routine(self, product: Product) -> None:
        request = replace(REQUEST, idempotency_key="tap-1")
        first = await acknowledged(product, request)
        await product.services.routines.fulfil(first.routine.id)
        again = await acknowledged(product, request)
        assert (again.routine.id, again.cursor, again.joined) == (first.routine.id, first.cursor, False)
        assert again.routine.status is RoutineStatus.READY

    async def test_the_same_key_with_other_input_is_refused_and_changes_nothing(self, product: Product) -> None:
        await acknowledged(product, replace(REQUEST, idempotency_key="tap-1"))
        other = replace(REQUEST, idempotency_key="tap-1", archetype=Archetype.PEAK_PERFORMER)
        assert isinstance(await product.services.routines.request(other), IdempotencyKeyReused)
        assert [await count(product, table) for table in ("routines", "pgqueuer")] == [1, 1]

    async def test_keys_of_two_people_are_two_keys(self, product: Product) -> None:
        first = await acknowledged(product, replace(REQUEST, idempotency_key="tap-1"))
        other = await acknowledged(product, replace(REQUEST, user_id=UserId("sandbox-blake"), idempotency_key="tap-1"))
        assert other.routine.id != first.routine.id

    async def test_an_identical_request_joins_while_the_first_one_runs(self, product: Product) -> None:
        first = await acknowledged(product)
        second = await acknowledged(product)
        assert (second.routine.id, second.joined, second.cursor) == (first.routine.id, True, first.cursor)
        await product.services.routines.fulfil(first.routine.id)
        third = await acknowledged(product)
        assert (third.routine.id != first.routine.id, third.joined) == (True, False)

    async def test_fifty_calls_at_once_with_one_key_make_one_routine(self, product: Product) -> None:
        request = replace(REQUEST, idempotency_key="tap-1")
        outcomes = await asyncio.gather(*(acknowledged(product, request) for _ in range(50)))
        assert len({outcome.routine.id for outcome in outcomes}) == 1
        assert await count(product, "routines") == 1
        assert await count(product, "pgqueuer") == 1

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"timezone": "America/Neverland"}, "timezone"),
            ({"preferences": Preferences(wake_time=time(7), sleep_time=time(7))}, "sleepTime"),
            ({"date": date(2026, 3, 10)}, "date"),
            ({"user_id": UserId("a\0b")}, "userId"),
            ({"idempotency_key": ""}, "idempotencyKey"),
        ],
    )
    async def test_bad_input_names_its_field_and_stores_nothing(
        self, product: Product, changes: dict[str, object], field: str
    ) -> None:
        outcome = await product.services.routines.request(replace(REQUEST, **changes))  # type: ignore[arg-type]
        assert isinstance(outcome, InvalidInput)
        assert field in outcome.field
        assert [await count(product, table) for table in ("routines", "people", "pgqueuer")] == [0, 0, 0]


class TestFulfilment:
    async def test_live_data_makes_a_ready_routine(self, product: Product) -> None:
        routine = await fulfilled(product)
        assert routine.status is RoutineStatus.READY
        assert routine.health_data is not None
        assert (routine.health_data.source, routine.health_data.biomarkers, routine.health_data.scores) == (
            DataSource.LIVE,
            156,
            89,
        )
        assert 1 <= len(routine.time_blocks) <= 5
        assert routine.ready_at is not None
        assert all(block.start_time >= routine.ready_at for block in routine.time_blocks)

    async def test_when_sahha_fails_the_stored_week_makes_the_same_evidence(self, product: Product) -> None:
        live = await fulfilled(product)
        await product.set_faults({"match": "*", "kind": "status", "status": 500})
        stored = await fulfilled(product, replace(REQUEST, date=live.date))
        assert stored.health_data is not None
        assert stored.health_data.source is DataSource.DATABASE
        assert stored.health_data.oldest_value_age_seconds
        quoted = [
            {(each.type, each.value) for block in routine.time_blocks for task in block.tasks for each in task.evidence}
            for routine in (live, stored)
        ]
        assert quoted[0] == quoted[1]
        sources = {each.source for block in stored.time_blocks for task in block.tasks for each in task.evidence}
        assert sources == {DataSource.DATABASE}

    async def test_when_sahha_fails_and_nothing_is_stored_it_fails_and_says_so(self, product: Product) -> None:
        await product.set_faults({"match": "*", "kind": "status", "status": 503})
        routine = await fulfilled(product)
        assert routine.status is RoutineStatus.FAILED
        assert isinstance(routine.failure, HealthDataUnavailable)
        assert (await taken(product, 0, 1))[0].routine.status is RoutineStatus.FAILED

    async def test_a_person_whom_sahha_does_not_know_is_not_found(self, product: Product) -> None:
        routine = await fulfilled(product, replace(REQUEST, user_id=UserId("nobody-we-know")))
        assert isinstance(routine.failure, NotFound)

    async def test_a_person_without_data_gets_a_plan_that_quotes_no_number(self, product: Product) -> None:
        routine = await fulfilled(product, replace(REQUEST, user_id=UserId("sandbox-casey")))
        assert routine.health_data is not None
        assert (routine.status, routine.health_data.state) == (RoutineStatus.READY, DataState.NONE)
        assert not [each for block in routine.time_blocks for task in block.tasks for each in task.evidence]

    async def test_no_data_known_from_an_earlier_answer_is_not_an_outage(self, product: Product) -> None:
        casey = replace(REQUEST, user_id=UserId("sandbox-casey"))
        await fulfilled(product, casey)
        await product.set_faults({"match": "*", "kind": "status", "status": 503})
        again = await fulfilled(product, casey)
        assert again.health_data is not None
        assert (again.status, again.health_data.source) == (RoutineStatus.READY, DataSource.DATABASE)

    async def test_the_newest_routine_of_a_day_supersedes_the_one_before(self, product: Product) -> None:
        first = await fulfilled(product)
        second = await fulfilled(product)
        first_again = await product.services.routines.read(first.id, PERSON)
        assert first_again is not None
        assert (second.supersedes, first_again.superseded_by, second.superseded_by) == (first.id, second.id, None)

    async def test_fulfilling_twice_makes_one_event(self, product: Product) -> None:
        routine = await fulfilled(product)
        assert await product.services.routines.fulfil(routine.id) is None
        assert len(await announced(product)) == 1

    async def test_an_attempt_that_was_taken_over_writes_nothing(self, product: Product) -> None:
        services = product.services
        routine = (await acknowledged(product)).routine
        async with services.database.connection() as connection:
            stale = await store.take(connection, routine.id, services.clock.now())
        assert stale is not None
        await services.routines.fulfil(routine.id)
        with pytest.raises(TakenOver):
            await services.routines._fulfilment.fail(stale, NotFound("a zombie's word"))
        found = await services.routines.read(routine.id, PERSON)
        assert found is not None
        assert found.status is RoutineStatus.READY
        assert len(await announced(product)) == 1

    async def test_an_unfinished_routine_without_a_job_gets_one(self, product: Product) -> None:
        routine = (await acknowledged(product)).routine
        async with product.services.database.connection() as connection:
            await connection.execute("delete from pgqueuer")
            await connection.execute("update routines set created_at = created_at - interval '1 minute'")
        assert await product.services.routines.requeue_orphans() == 1
        assert await product.services.routines.requeue_orphans() == 0
        assert await count(product, "pgqueuer") == 1
        assert routine.status is RoutineStatus.QUEUED


class TestWorker:
    async def test_it_makes_what_was_acknowledged(self, working: Product) -> None:
        outcome = await acknowledged(working)
        routine = await working.services.routines.wait(outcome.routine.id, 20)
        assert routine.status is RoutineStatus.READY

    async def test_the_baseline_is_fetched_behind_the_answer(self, working: Product) -> None:
        outcome = await acknowledged(working)
        await working.services.routines.wait(outcome.routine.id, 20)
        async with asyncio.timeout(20):
            while await count(working, "biomarkers") <= 4 * 150:
                await asyncio.sleep(0.05)
        async with working.services.database.connection() as connection:
            days = await connection.fetchval("select count(distinct score_at::date) from scores where user_id = $1", PERSON)
        assert days >= 28


class TestEvents:
    async def test_after_replays_what_was_missed_once_and_in_order(self, product: Product) -> None:
        made = [(await fulfilled(product)).id for _ in range(3)]
        found = await taken(product, 0, 3)
        assert [event.routine_id for event in found] == made
        assert found[0].id < found[1].id < found[2].id
        assert [event.routine_id for event in await taken(product, found[1].id, 1)] == made[2:]

    async def test_the_cursor_of_an_acknowledgement_misses_nothing(self, product: Product) -> None:
        await fulfilled(product)
        outcome = await acknowledged(product)
        await product.services.routines.fulfil(outcome.routine.id)
        (event,) = await taken(product, outcome.cursor, 1)
        assert event.routine_id == outcome.routine.id

    async def test_a_subscriber_is_woken_by_the_commit(self, product: Product) -> None:
        stream = await product.services.events.subscribe(PERSON, None)
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        routine = await fulfilled(product)
        async with asyncio.timeout(3):
            assert (await waiting).routine_id == routine.id
        await stream.aclose()

    async def test_what_was_not_given_out_and_what_is_no_longer_kept_are_told_apart(self, product: Product) -> None:
        await fulfilled(product)
        with pytest.raises(BadUserInput):
            await taken(product, 1000, 1)
        async with product.services.database.connection() as connection:
            assert await events.prune(connection, MORNING + timedelta(days=4), 100) > 1
        with pytest.raises(CursorExpired):
            await taken(product, 0, 1)

    async def test_nobody_sees_anothers_routine(self, product: Product) -> None:
        routine = await fulfilled(product)
        assert await product.services.routines.read(routine.id, UserId("sandbox-blake")) is None
        page = await product.services.routines.page(UserId("sandbox-blake"), 10, None)
        assert page.items == ()


class TestDuringTheDay:
    async def test_a_task_is_marked_and_stays_marked(self, product: Product) -> None:
        routine = await fulfilled(product)
        task = routine.time_blocks[0].tasks[0]
        outcome = await product.services.routines.set_task_status(task.id, TaskStatus.DONE, PERSON)
        assert isinstance(outcome, SetTaskStatusSuccess)
        assert outcome.task == replace(task, status=TaskStatus.DONE, evidence=outcome.task.evidence)
        found = await product.services.routines.read(routine.id, PERSON)
        assert found is not None
        assert [each.id for block in found.time_blocks for each in block.tasks if each.status is TaskStatus.DONE] == [task.id]

    async def test_somebody_elses_task_does_not_exist(self, product: Product) -> None:
        task = (await fulfilled(product)).time_blocks[0].tasks[0]
        for task_id, owner in ((task.id, UserId("sandbox-blake")), ("no-such-task", PERSON)):
            assert isinstance(await product.services.routines.set_task_status(task_id, TaskStatus.DONE, owner), NotFound)

    async def test_a_replan_supersedes_and_only_the_newest_can_be_planned_again(self, product: Product) -> None:
        first = await fulfilled(product)
        outcome = await product.services.routines.replan(first.id, "again-1", PERSON)
        assert isinstance(outcome, GenerateRoutineSuccess)
        assert outcome.routine.replan_of == first.id
        await product.services.routines.fulfil(outcome.routine.id)
        second = await product.services.routines.read(outcome.routine.id, PERSON)
        assert second is not None
        assert (second.status, second.supersedes) == (RoutineStatus.READY, first.id)
        repeated = await product.services.routines.replan(first.id, "again-1", PERSON)
        assert isinstance(repeated, GenerateRoutineSuccess)
        assert repeated.routine.id == second.id
        assert isinstance(await product.services.routines.replan(first.id, None, PERSON), InvalidInput)
        assert isinstance(await product.services.routines.replan(second.id, None, UserId("sandbox-blake")), NotFound)


class TestProgress:
    async def test_the_draft_on_warm_data_comes_first_and_the_final_blocks_last(self, product: Product) -> None:
        await fulfilled(product)
        routine = await fulfilled(product)
        told = [event async for event in await product.services.events.progress(routine.id, PERSON, None)]
        assert isinstance(told[0], RoutineStageChanged)
        assert isinstance(told[-1], PlanReadyEvent)
        blocks = [event for event in told if isinstance(event, TimeBlockReady)]
        drafted, final = blocks[: len(routine.time_blocks)], blocks[-len(routine.time_blocks) :]
        assert not any(event.final for event in drafted)
        assert all(event.final for event in final)
        assert {event.block.id for event in drafted} == {event.block.id for event in final}
        assert max(event.revision for event in drafted) < min(event.revision for event in final)
        assert routine.timing is not None
        assert routine.timing.speculative
        assert [event.id for event in told] == sorted(event.id for event in told)

    async def test_somebody_elses_routine_has_no_progress(self, product: Product) -> None:
        routine = await fulfilled(product)
        with pytest.raises(RoutineNotFound):
            await product.services.events.progress(routine.id, UserId("sandbox-blake"), None)


class TestPages:
    async def test_pages_stay_valid_while_routines_arrive(self, product: Product) -> None:
        made = [(await fulfilled(product)).id for _ in range(4)]
        first = await product.services.routines.page(PERSON, 2, None)
        await fulfilled(product)
        second = await product.services.routines.page(PERSON, 2, first.cursors[-1])
        assert [routine.id for routine in (*first.items, *second.items)] == made[::-1]
        assert (first.has_next, second.has_next, second.has_previous) == (True, False, True)

    async def test_a_cursor_of_elsewhere_is_refused(self, product: Product) -> None:
        for cursor in ("x", "", "é", "MjAyNi0wMS0wMXx4"):
            with pytest.raises(BadUserInput):
                await product.services.routines.page(PERSON, 2, cursor)
