"""A day that is planned again: what is done stays, what is missed goes or moves, and why is told."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from uuid import uuid4

import pytest

from services.domain.ids import RoutineId
from services.domain.routine import ChangeKind, CheckVerdict, Condition, Plan, Preferences, RoutineChange, RoutineTask, TaskStatus
from services.domain.schedule import instant
from services.planning.changes import Trigger
from services.planning.day_plan import DayPlan
from services.planning.draft import draft
from services.planning.evaluation.stage import Person, Stage, ask, rested, worn_out
from services.planning.fingerprint import Versions, same_inputs
from services.planning.planner import PlannedDay, make_plan, replan
from services.planning.situation import situation
from services.planning.speculation import material_difference
from services.planning.verifier import verify

DAWN = Stage(date(2026, 5, 12), time(5))
OFFICE = Preferences(work_start=time(9), work_end=time(17))
FIRST = ask(DAWN, rested(DAWN), preferences=OFFICE)


def at(clock_time: time) -> datetime:
    return instant(DAWN.day, clock_time, DAWN.tz)


@pytest.fixture(scope="module")
def first() -> Plan:
    return make_plan(FIRST).plan


def marked(plan: Plan, now: datetime, done: Callable[[RoutineTask], bool]) -> Plan:
    def mark(task: RoutineTask) -> RoutineTask:
        return replace(task, status=TaskStatus.DONE) if task.end_time <= now and done(task) else task

    blocks = (replace(block, tasks=tuple(mark(task) for task in block.tasks)) for block in plan.time_blocks)
    return replace(plan, time_blocks=tuple(blocks))


def again(
    previous: Plan,
    clock_time: time,
    person: Callable[[Stage], Person] = rested,
    condition: Condition = Condition.WELL,
    trigger: Trigger = Trigger.ASKED,
) -> PlannedDay:
    stage = replace(DAWN, clock_time=clock_time)
    inputs = replace(ask(stage, person(stage), preferences=OFFICE, condition=condition), routine_id=RoutineId(uuid4()))
    return replan(inputs, previous, stage.now, trigger)


def seen(task: RoutineTask) -> tuple[object, ...]:
    return task.id, task.start_time, task.end_time, task.title, task.description, task.priority


def change_of(day: PlannedDay, title: str) -> RoutineChange:
    return next(change for change in day.plan.changes if title in (change.task_title or ""))


def test_without_anything_new_nothing_changes(first: Plan) -> None:
    day = again(first, time(5, 1))
    assert day.plan.changes == ()
    assert [seen(task) for task in day.plan.tasks] == [seen(task) for task in first.tasks]


def test_what_is_done_stays_to_the_last_letter_and_keeps_its_id(first: Plan) -> None:
    previous = marked(first, at(time(14, 40)), lambda task: task.key != "lunch-balanced")
    day = again(previous, time(14, 40))
    done = [task for task in previous.tasks if task.status is TaskStatus.DONE]
    assert done
    assert all(task in day.plan.tasks for task in done)
    assert {block.id for block in day.plan.time_blocks} == {block.id for block in first.time_blocks}
    assert [block.locked for block in day.plan.time_blocks] == [True, True, True, False, False]


def test_a_missed_meal_moves_and_a_missed_trifle_goes(first: Plan) -> None:
    previous = marked(first, at(time(14, 40)), lambda task: task.type.value == "WORK")
    day = again(previous, time(14, 40))
    meal = change_of(day, "meal in the middle")
    assert (meal.kind, meal.because) == (ChangeKind.MOVED, "It was not done in its time, and is worth doing later.")
    assert meal.moved_from is not None
    assert meal.moved_to is not None
    assert meal.moved_from < meal.moved_to
    light = change_of(day, "daylight")
    assert (light.kind, light.moved_to) == (ChangeKind.REMOVED, None)
    assert "not done in its time" in light.because


def test_new_readings_make_an_easier_rest_of_the_day(first: Plan) -> None:
    previous = marked(first, at(time(9)), lambda _task: True)
    day = again(previous, time(9), worn_out, trigger=Trigger.READINGS)
    session = next(
        task for task in first.tasks if task.key and ("strength" in task.key or task.key in {"intervals", "hill-repeats"})
    )
    gone = change_of(day, session.title)
    assert gone.kind is ChangeKind.REMOVED
    assert "your readings ask for an easy day" in gone.because
    assert change_of(day, "ready for bed").because == "Lights go out earlier today."
    assert any("New readings have arrived" in change.because for change in day.plan.changes)


def test_illness_takes_effort_even_out_of_a_block_that_runs(first: Plan) -> None:
    training = next(task for task in first.tasks if task.key and "strength" in task.key)
    before = (training.start_time - timedelta(minutes=10)).astimezone(DAWN.tz).time()
    day = again(marked(first, at(before), lambda _task: True), before, condition=Condition.SICK)
    assert training.id not in {task.id for task in day.plan.tasks}
    assert "you say that you are ill" in change_of(day, training.title).because
    assert day.plan.safety_notice is not None


def test_a_task_that_runs_stays(first: Plan) -> None:
    work = next(task for task in first.tasks if task.key == "deep-work")
    middle = (work.start_time + timedelta(minutes=20)).astimezone(DAWN.tz).time()
    assert work in again(marked(first, at(middle), lambda _task: True), middle).plan.tasks


def test_a_locked_block_of_the_afternoon_stays(first: Plan) -> None:
    blocks = tuple(replace(block, locked=block.title == "Evening Routine") for block in first.time_blocks)
    day = again(replace(first, time_blocks=blocks), time(9, 40), worn_out)
    evening = next(block for block in day.plan.time_blocks if block.title == "Evening Routine")
    held = next(block for block in blocks if block.title == "Evening Routine")
    assert (evening.start_time, evening.end_time, evening.purpose) == (held.start_time, held.end_time, held.purpose)
    assert {task.id for task in evening.tasks} <= {task.id for task in held.tasks}


def test_rule_keep_puts_back_what_a_planner_moved(first: Plan) -> None:
    previous = marked(first, at(time(12, 40)), lambda _task: True)
    found = situation(replace(FIRST, previous=previous, ready_at=at(time(12, 40))))
    day = draft(found)
    mended = verify(DayPlan(tuple(replace(block, tasks=block.tasks[1:]) for block in day.blocks)), found)
    assert {check.rule: check.verdict for check in mended.checks}["keep"] is CheckVerdict.REPAIRED
    assert [task.kept for task in mended.plan.tasks if task.kept] == [task.kept for task in day.tasks if task.kept]


def test_words_of_a_model_stand_while_they_rest_on_the_same(first: Plan) -> None:
    def reworded(task: RoutineTask) -> RoutineTask:
        return replace(task, description="Put everything down and get ready, in your own time.") if task.key == "to-bed" else task

    blocks = tuple(replace(block, tasks=tuple(reworded(task) for task in block.tasks)) for block in first.time_blocks)
    day = again(replace(first, time_blocks=blocks), time(5, 1))
    assert day.plan.tasks[-1].description.startswith("Put everything down")


def test_a_task_from_an_older_library_is_kept_when_done_and_gone_otherwise(first: Plan) -> None:
    old = replace(first.tasks[0], key="retired-entry", status=TaskStatus.DONE)
    unknown = replace(first.tasks[-1], key="another-retired-entry")
    blocks = list(first.time_blocks)
    blocks[0] = replace(blocks[0], tasks=(old, *blocks[0].tasks[1:]))
    blocks[-1] = replace(blocks[-1], tasks=(*blocks[-1].tasks[:-1], unknown))
    day = again(replace(first, time_blocks=tuple(blocks)), time(8))
    assert old in day.plan.tasks
    assert unknown not in day.plan.tasks


def test_the_hash_tells_replans_and_versions_apart(first: Plan) -> None:
    usual = first.inputs_hash
    assert make_plan(FIRST, Versions(model="model-1")).plan.inputs_hash != usual
    assert make_plan(FIRST, Versions(prompt="2")).plan.inputs_hash != usual
    assert again(first, time(5, 1)).plan.inputs_hash != usual
    assert make_plan(replace(FIRST, condition=Condition.TIRED)).plan.inputs_hash != usual
    assert make_plan(replace(FIRST, preferences=replace(OFFICE, goal="sleep"))).plan.inputs_hash != usual
    assert same_inputs(FIRST, replace(FIRST, ready_at=FIRST.ready_at + timedelta(seconds=30)))


def test_only_blocks_whose_evidence_moved_differ() -> None:
    warm, live = make_plan(FIRST), make_plan(replace(FIRST, routine_id=RoutineId(uuid4())))
    assert material_difference(warm, live) == frozenset()
    person = rested(DAWN)
    newer = replace(person, scores=(*person.scores[1:], DAWN.score("readiness", 0.83, "high")))
    moved = material_difference(warm, make_plan(ask(DAWN, newer, preferences=OFFICE)))
    cites = {
        block.title
        for block in warm.plan.time_blocks
        for task in block.tasks
        if any(item.type == "readiness" for item in task.evidence)
    }
    assert moved == cites
