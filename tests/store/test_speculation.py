"""The model at work in a routine: on warm data while the live read runs, never worse than the draft, never asked for nothing."""

from collections.abc import AsyncIterator

import pytest

from services.domain.ids import UserId
from services.domain.outcomes import GenerateRoutineSuccess
from services.domain.routine import Archetype, Planner, Routine, RoutineRequest, RoutineStatus
from services.domain.routine_events import PlanReadyEvent, RoutineStageChanged, TimeBlockReady
from tests.product import Product, open_product

PERSON = UserId("sandbox-avery")
REQUEST = RoutineRequest(PERSON, Archetype.PEAK_PERFORMER, "America/New_York", date=None)


@pytest.fixture
async def product(database_url: str) -> AsyncIterator[Product]:
    async with open_product(database_url, model=True) as opened:
        yield opened


async def made(product: Product, request: RoutineRequest = REQUEST) -> Routine:
    outcome = await product.services.routines.request(request)
    assert isinstance(outcome, GenerateRoutineSuccess)
    await product.services.routines.fulfil(outcome.routine.id)
    routine = await product.services.routines.read(outcome.routine.id, request.user_id)
    assert routine is not None
    assert routine.status is RoutineStatus.READY
    return routine


async def warm_up(product: Product, person: UserId = PERSON) -> None:
    """Store the week, as an earlier read of the day would have."""
    await product.services.health_data.refresh(person, force=True)


async def test_the_model_writes_and_says_what_it_took(product: Product) -> None:
    routine = await made(product)
    assert routine.planner is Planner.OPENAI
    assert routine.model
    assert routine.usage is not None
    assert routine.usage.output_tokens > 0
    assert await product.questions() == 1


async def test_words_for_warm_data_stand_when_live_data_says_the_same(product: Product) -> None:
    await warm_up(product)
    await product.set_faults({"match": "*", "kind": "delay", "delay_s": 0.3})
    routine = await made(product)
    assert routine.planner is Planner.OPENAI
    assert routine.timing is not None
    assert routine.timing.speculative
    assert await product.questions() == 1


async def test_blocks_are_published_as_they_are_written_and_final_at_the_end(product: Product) -> None:
    await warm_up(product)
    routine = await made(product)
    told = [event async for event in await product.services.events.progress(routine.id, PERSON, None)]
    assert [event.status for event in told if isinstance(event, RoutineStageChanged)] == [
        RoutineStatus.FETCHING,
        RoutineStatus.PLANNING,
    ]
    assert isinstance(told[-1], PlanReadyEvent)
    blocks = [event for event in told if isinstance(event, TimeBlockReady)]
    assert {event.planner for event in blocks if event.revision == min(each.revision for each in blocks)} == {Planner.RULES}
    for block in routine.time_blocks:
        revisions = [event for event in blocks if event.block.id == block.id]
        assert [event.revision for event in revisions] == sorted(event.revision for event in revisions)
        assert [event.final for event in revisions] == [False] * (len(revisions) - 1) + [True]


async def test_nothing_changed_since_the_last_plan_of_the_day_and_the_model_is_not_asked(product: Product) -> None:
    first = await made(product)
    second = await made(product)
    assert await product.questions() == 1
    assert (second.reused_from, second.inputs_hash, second.usage) == (first.id, first.inputs_hash, None)
    assert [task.title for block in second.time_blocks for task in block.tasks] == [
        task.title for block in first.time_blocks for task in block.tasks
    ]
    assert not {task.id for block in second.time_blocks for task in block.tasks} & {
        task.id for block in first.time_blocks for task in block.tasks
    }


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 429, "code": "insufficient_quota"},
        {"kind": "status", "status": 500},
        {"kind": "refusal"},
        {"kind": "down"},
    ],
    ids=lambda fault: str(fault.get("code") or fault["kind"]),
)
async def test_a_model_that_fails_costs_nobody_their_plan(product: Product, fault: dict[str, object]) -> None:
    await product.set_model(fault)
    routine = await made(product)
    assert (routine.planner, routine.model) == (Planner.RULES, None)
    assert routine.time_blocks
    (authorship,) = [check for check in routine.checks if check.rule == "text.author"]
    assert "task library" in authorship.detail


@pytest.mark.parametrize("mode", ["sloppy", "absurd", "unsafe", "medical", "hostile", "echo"])
async def test_whatever_the_model_writes_all_hard_rules_hold(product: Product, mode: str) -> None:
    await product.set_model(mode=mode)
    routine = await made(product)
    starts = [task.start_time for block in routine.time_blocks for task in block.tasks]
    assert starts == sorted(starts)
    assert routine.ready_at is not None
    assert all(start >= routine.ready_at for start in starts)
