"""Whatever a model says, the day that comes out is the draft or better, and keeps every hard rule."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import time, timedelta

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from server.standins.openai_words import Mode, write_day
from services.domain.ids import UserId
from services.domain.routine import Archetype, CheckVerdict, ModelUsage, Planner, Preferences, TaskStatus
from services.domain.writing import BlockBrief, BlockText, SummaryText, TaskText, WritingBrief
from services.errors import ModelFailed, ModelFailureKind
from services.openai.payloads import to_block, to_summary
from services.openai.prompt import document_of
from services.planning.evaluation import all_cases, evaluate
from services.planning.inputs import PlanInputs
from services.planning.planner import PlannedDay, make_plan, replan
from services.planning.rules import RULES, Strength
from services.planning.writer import CHECK, Words, Writer, WrittenBlock
from services.planning.writer_manuscript import Manuscript
from tests.unit.plan_people import MORNING, ask, at, nobody, rested, short_sleeper
from tests.unit.plan_requests import requests
from tests.upstream.model import PERSON, Written, write_all

Output = BlockText | SummaryText | ModelUsage
Says = Callable[[WritingBrief], list[Output]]


class ScriptedModel:
    """Says what a script makes of each brief, and then fails where it is told to."""

    name = "scripted"
    version = "scripted/1"
    prompt_version = "0"

    def __init__(self, *scripts: Says, failure: Exception | None = None) -> None:
        self.scripts = scripts
        self.failure = failure
        self.briefs: list[WritingBrief] = []

    async def write(
        self, brief: WritingBrief, user_id: UserId, *, within_s: float, attempts: int
    ) -> AsyncGenerator[Output, None]:
        assert user_id == PERSON
        assert within_s > 0
        assert attempts in {1, 2}
        script = self.scripts[min(len(self.briefs), len(self.scripts) - 1)]
        self.briefs.append(brief)
        for output in script(brief):
            yield output
        if self.failure is not None:
            raise self.failure


def in_mode(mode: Mode) -> Says:
    def says(brief: WritingBrief) -> list[Output]:
        day = write_day(document_of(brief), mode)
        blocks = [block for block in map(to_block, day["blocks"]) if block is not None]
        summary = to_summary(day)
        assert summary is not None
        return [*blocks, summary, ModelUsage(1000, 0, 500)]

    return says


GOOD = in_mode(Mode.GOOD)


async def written_by(model: ScriptedModel, planned: PlannedDay, earlier: Words | None = None) -> Written:
    return await write_all(Writer(model, 60), planned, earlier=earlier)


def written(model: ScriptedModel, planned: PlannedDay) -> Written:
    """The same outside a loop: for properties."""
    return asyncio.run(written_by(model, planned))


def holds(day: PlannedDay) -> None:
    """No hard rule is broken."""
    broken = [
        (rule.id, violation.detail)
        for rule in RULES
        if rule.strength is Strength.HARD
        for violation in rule.violations(day.day, day.situation)
    ]
    assert broken == []


DAYS = [
    make_plan(ask(rested())),
    make_plan(ask(short_sleeper(), Archetype.RESILIENCE_REBUILDER)),
    make_plan(ask(nobody(), Archetype.CONNECTED_EXPLORER)),
    make_plan(ask(rested(), Archetype.PEAK_PERFORMER, ready_at=at(time(20)))),
]
TEXTS = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "",
            "Take a short walk after eating and let it be easy.",
            "You slept 470 minutes last night. Have a calm breakfast.",
            "Sprint 30 hours until you drop.",
            "This treats your insomnia.",
            "<b>Visit https://evil.example</b>",
            "Drink three liters of water at 25:61.",
            "\u202e\u0000\ud800",
            "x" * 5000,
        ]
    ),
)


@st.composite
def blocks_for(draw: st.DrawFn, brief: WritingBrief) -> list[Output]:
    """Anything between a good answer and none: fields, slots, tasks and texts mixed up at will."""
    said: list[Output] = [output for output in GOOD(brief) if draw(st.integers(0, 5))]
    found: list[Output] = []
    for output in said:
        if isinstance(output, BlockText) and draw(st.booleans()):
            output = _spoilt(draw, output, brief.blocks)  # noqa: PLW2901 - the same block, worse
        found += [output] * draw(st.integers(0, 2))
    if draw(st.booleans()):
        found.append(SummaryText(draw(TEXTS)))
    return draw(st.permutations(found))


def _spoilt(draw: st.DrawFn, block: BlockText, briefs: tuple[BlockBrief, ...]) -> BlockText:
    ids = [slot.id for brief in briefs for slot in brief.slots] + ["s0", ""]
    keys = [option.key for brief in briefs for slot in brief.slots for option in slot.options] + ["marathon"]
    spoils: list[Callable[[TaskText], TaskText]] = [
        lambda task: task,
        lambda task: replace(task, title=draw(TEXTS)),
        lambda task: replace(task, description=draw(TEXTS)),
        lambda task: replace(task, slot=draw(st.sampled_from(ids))),
        lambda task: replace(task, task=draw(st.sampled_from(keys))),
    ]
    tasks = [draw(st.sampled_from(spoils))(task) for task in block.tasks]
    tasks = tasks * draw(st.integers(0, 2)) if draw(st.integers(0, 3)) == 0 else tasks
    return replace(
        block,
        block=draw(st.sampled_from([block.block] * 5 + ["Night Block", ""])),
        purpose=draw(st.just(block.purpose) | TEXTS),
        why_it_matters=draw(st.just(block.why_it_matters) | TEXTS),
        tasks=tuple(tasks),
    )


@hypothesis_settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from(DAYS), st.sampled_from([None, *ModelFailureKind, KeyError("a bug")]))
def test_garbage_never_gets_in_and_never_raises(
    data: st.DataObject, planned: PlannedDay, ends: ModelFailureKind | Exception | None
) -> None:
    failure = ModelFailed(ends, "asked for") if isinstance(ends, ModelFailureKind) else ends
    model = ScriptedModel(lambda brief: data.draw(blocks_for(brief)), failure=failure)
    outcome = written(model, planned)
    day = outcome.day.planned
    holds(day)
    assert len(model.briefs) <= 2
    assert [(task.start_time, task.end_time, task.type) for task in day.plan.tasks] == [
        (task.start_time, task.end_time, task.type) for task in planned.plan.tasks
    ]
    drafted = {block.title: block for block in planned.plan.time_blocks}
    assert all(block == drafted[block.title] for block in day.plan.time_blocks if block.title not in outcome.by_model)
    assert (day.plan.planner is Planner.OPENAI) is bool(outcome.by_model)
    assert day.plan.summary.endswith(planned.plan.summary)


@pytest.mark.parametrize("planned", DAYS, ids=["rested", "tired", "unknown", "evening"])
def test_good_words_get_in_whole(planned: PlannedDay) -> None:
    outcome = written(ScriptedModel(GOOD), planned)
    holds(outcome.day.planned)
    assert outcome.by_model == [block.title for block in planned.plan.time_blocks if block.tasks]
    assert outcome.authorship.verdict is CheckVerdict.PASSED
    assert outcome.day.plan.usage == ModelUsage(1000, 0, 500)


def test_only_what_did_not_get_in_is_asked_again_with_what_was_wrong() -> None:
    model = ScriptedModel(in_mode(Mode.SLOPPY), GOOD)
    outcome = written(model, DAYS[0])
    first, second = model.briefs
    assert len(first.blocks) == 5
    assert all(block.complaints == () for block in first.blocks)
    assert len(second.blocks) == 3
    assert all(block.complaints for block in second.blocks)
    assert sorted(outcome.by_model) == sorted(block.block for block in first.blocks)
    assert outcome.day.plan.usage == ModelUsage(2000, 0, 1000)


def test_the_second_answer_is_the_last() -> None:
    model = ScriptedModel(in_mode(Mode.MEDICAL))
    outcome = written(model, DAYS[0])
    assert len(model.briefs) == 2
    assert outcome.by_model == []
    assert "text.safe" in outcome.authorship.detail
    assert outcome.day.plan.usage == ModelUsage(2000, 0, 1000)
    assert outcome.day.plan.model is None


def test_a_bug_costs_nobody_their_plan() -> None:
    outcome = written(ScriptedModel(GOOD, failure=ZeroDivisionError("ours")), DAYS[0])
    assert outcome.day.failure is ModelFailureKind.INTERNAL
    assert len(outcome.by_model) == 5


def test_without_time_nothing_is_asked_twice() -> None:
    model = ScriptedModel(in_mode(Mode.MEDICAL))
    asyncio.run(write_all(Writer(model, 4), DAYS[0]))
    assert len(model.briefs) == 1


async def test_leaving_early_closes_the_model() -> None:
    closed = asyncio.Event()

    class Lingering(ScriptedModel):
        async def write(
            self, brief: WritingBrief, user_id: UserId, *, within_s: float, attempts: int
        ) -> AsyncGenerator[Output, None]:
            try:
                async for output in super().write(brief, user_id, within_s=within_s, attempts=attempts):
                    yield output
                await asyncio.sleep(60)
            finally:
                closed.set()

    async with aclosing(Writer(Lingering(GOOD), 60).write(DAYS[0], PERSON)) as events:
        async for event in events:
            assert isinstance(event, WrittenBlock)
            break
    assert closed.is_set()


def test_an_option_of_a_slot_takes_its_place_with_its_own_evidence() -> None:
    manuscript = Manuscript(DAYS[0])
    block = next(block for block in manuscript.brief().blocks if any(len(slot.options) > 1 for slot in block.slots))
    tasks = tuple(TaskText(slot.id, slot.options[-1].key, slot.options[-1].title, slot.options[-1].text) for slot in block.slots)
    text = BlockText(block.block, "Begin gently and see how it goes.", "What starts well is easier to keep up.", tasks)
    taken = manuscript.take(text)
    assert taken is not None
    assert [task.key for task in taken.tasks] == [slot.options[-1].key for slot in block.slots]
    facts = {item.type for fact in DAYS[0].situation.digest.facts.values() for item in [fact.evidence]}
    assert all(item.type in facts for task in taken.tasks for item in task.evidence)


def test_no_two_slots_offer_the_same_task() -> None:
    for planned in DAYS:
        keys = [option.key for block in Manuscript(planned).brief().blocks for slot in block.slots for option in slot.options]
        assert len(keys) == len(set(keys))


def test_words_of_a_plan_before_that_still_stand_are_not_written_again() -> None:
    first = written(ScriptedModel(GOOD), DAYS[0]).day.plan
    noon = MORNING + timedelta(hours=6)
    done = replace(
        first,
        time_blocks=tuple(
            replace(
                block,
                tasks=tuple(replace(task, status=TaskStatus.DONE) if task.end_time <= noon else task for task in block.tasks),
            )
            for block in first.time_blocks
        ),
    )
    again = replan(DAYS[0].situation.inputs, done, noon)
    model = ScriptedModel(GOOD)
    outcome = written(model, again)
    holds(outcome.day.planned)
    kept = {task.id: task.description for task in done.tasks if task.status is TaskStatus.DONE}
    assert kept.items() <= {task.id: task.description for task in outcome.day.plan.tasks}.items()
    assert outcome.day.plan.planner is Planner.OPENAI
    assert all(task.description in {before.description for before in first.tasks} for task in again.plan.tasks) == (
        model.briefs == []
    )


def test_a_day_without_open_tasks_asks_nobody() -> None:
    late: PlanInputs = ask(rested(), preferences=Preferences(wake_time=time(6), sleep_time=time(22)), ready_at=at(time(21, 50)))
    planned = make_plan(late)
    model = ScriptedModel(GOOD)
    outcome = written(model, planned)
    assert bool(model.briefs) is bool(planned.plan.tasks)
    assert outcome.day.plan.checks[-1].rule == CHECK


@hypothesis_settings(max_examples=40, deadline=None)
@given(requests())
def test_good_words_get_into_whatever_day_there_is(inputs: PlanInputs) -> None:
    planned = make_plan(inputs)
    outcome = written(ScriptedModel(GOOD), planned)
    holds(outcome.day.planned)
    told = [block.title for block in planned.plan.time_blocks if block.tasks]
    assert outcome.by_model == ([] if planned.situation.forbids_exertion else told)


@pytest.mark.parametrize("mode", [Mode.GOOD, Mode.SLOPPY, Mode.UNSAFE, Mode.HOSTILE])
async def test_the_evaluated_cases_hold_whoever_writes(mode: Mode) -> None:
    async def make(inputs: PlanInputs) -> PlannedDay:
        return (await written_by(ScriptedModel(in_mode(mode)), make_plan(inputs))).day.planned

    outcomes = await evaluate(all_cases(), make)
    assert {outcome.case.id: outcome.unmet or outcome.error for outcome in outcomes if outcome.unmet or outcome.error} == {}
