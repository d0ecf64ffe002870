"""Plans and preferences as documents: all of them comes back, and older ones read as if the new fields were empty."""

import json
from dataclasses import replace
from datetime import date, time

from services.domain.routine import Condition, ModelUsage, Preferences, TaskStatus, TaskType
from services.planning.evaluation.stage import Stage, ask, rested
from services.planning.planner import make_plan, replan
from services.store.plan_document import dump_plan, dump_preferences, load_preferences
from services.store.stored_plans import load_plan, view_plan

STAGE = Stage(date(2026, 5, 12), time(9, 40))
WISHES = Preferences(time(6, 30), None, time(9), time(17), (), (TaskType.SOCIAL, TaskType.WORK), "sleep better")


def test_preferences_come_back() -> None:
    assert load_preferences(json.loads(json.dumps(dump_preferences(WISHES)))) == WISHES


def test_older_preferences_read_as_without_wishes() -> None:
    stored = dump_preferences(WISHES)
    del stored["avoid_task_types"], stored["goal"]
    assert load_preferences(stored) == replace(WISHES, avoid_task_types=(), goal=None)


def test_a_replan_comes_back_with_its_changes_and_notice() -> None:
    inputs = ask(STAGE, rested(STAGE), preferences=WISHES)
    first = make_plan(inputs).plan
    blocks = tuple(
        replace(block, tasks=tuple(replace(task, status=TaskStatus.DONE) for task in block.tasks))
        for block in first.time_blocks[:1]
    )
    previous = replace(first, time_blocks=(*blocks, *first.time_blocks[1:]))
    day = replan(replace(inputs, condition=Condition.SICK), previous, replace(STAGE, clock_time=time(13)).now)
    plan = replace(day.plan, model="some-model", usage=ModelUsage(10, 2, 3))
    assert plan.changes
    assert plan.safety_notice
    assert load_plan(json.loads(json.dumps(dump_plan(plan))), STAGE.now) == plan


def test_a_plan_that_is_shown_reads_like_the_plan() -> None:
    plan = make_plan(ask(STAGE, rested(STAGE))).plan
    shown = view_plan(json.dumps(dump_plan(plan)), STAGE.now)
    assert (shown.summary, shown.checks, len(shown.tasks)) == (plan.summary, plan.checks, len(plan.tasks))
    ages = [[each.age_seconds for each in task.evidence] for task in plan.tasks]
    assert [[each.age_seconds for each in task.evidence] for task in shown.tasks] == ages
    assert any(ages)


def test_an_older_plan_reads_without_the_new_fields() -> None:
    plan = make_plan(ask(STAGE, rested(STAGE))).plan
    stored = dump_plan(plan)
    for field in ("safety_notice", "changes", "model", "usage"):
        del stored[field]
    for block in stored["time_blocks"]:
        for task in block["tasks"]:
            del task["key"]
    loaded = load_plan(stored, STAGE.now)
    assert (loaded.safety_notice, loaded.changes, loaded.model, loaded.usage) == (None, (), None, None)
    assert all(task.key is None for task in loaded.tasks)
