"""Over invented people, zones, dates, requests and replans every plan keeps its hard rules, and comes out the same again.

Thousands of them: `pytest tests/unit/test_plan_properties.py --hypothesis-profile=thorough`.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.domain.routine import Archetype, ChangeKind, CheckVerdict, Condition, Plan, Preferences, RoutineTask, TaskStatus
from services.planning.changes import Trigger
from services.planning.choices import admissible_tasks, substitute
from services.planning.day_plan import DayPlan, PlannedTask, Situation
from services.planning.facts import shortest
from services.planning.inputs import PlanInputs
from services.planning.kept import locked
from services.planning.library.template import Caffeine, Contra, Effort
from services.planning.planner import PlannedDay, make_plan, replan
from services.planning.recovery import Energy
from services.planning.rules import RULES, Strength
from services.planning.skeleton import BLOCKS
from tests.unit.plan_people import ROUTINE, records
from tests.unit.plan_requests import conditions, moments_of, reads, requests

EXAMPLES = max(200, settings().max_examples)
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
HARD_RULES = tuple(rule for rule in RULES if rule.strength is Strength.HARD)


def all_tasks(day: PlannedDay) -> list[RoutineTask]:
    return [task for block in day.plan.time_blocks for task in block.tasks]


def times_hold(day: PlannedDay, found: Situation) -> None:
    ready = found.inputs.ready_at + timedelta(minutes=2)
    for task in day.day.open_tasks:
        assert max(found.hours.day.start, ready) <= task.start < task.end <= found.hours.lights_out
        assert task.start.minute % 5 == task.end.minute % 5 == 0
        assert not any(task.start < end and start < task.end for start, end in found.events)
    assert all(task.end_time <= after.start_time for task, after in pairwise(all_tasks(day)))
    ids = [task.id for task in all_tasks(day)] + [block.id for block in day.plan.time_blocks]
    assert len(ids) == len(set(ids))


def blocks_hold(day: PlannedDay, found: Situation) -> None:
    blocks = day.plan.time_blocks
    order = [[kind.title for kind in BLOCKS].index(block.title) for block in blocks]
    assert order == sorted(set(order))
    assert all(block.end_time == after.start_time for block, after in pairwise(blocks))
    for block in blocks:
        assert block.start_time < block.end_time
        assert len(block.tasks) <= 5
        assert all(block.start_time <= task.start_time for task in block.tasks)
        if not block.locked:
            assert block.start_time >= found.inputs.ready_at


def the_body_is_spared(day: PlannedDay, found: Situation) -> None:
    tasks, lights_out = day.day.open_tasks, found.hours.lights_out
    hard = [task for task in tasks if task.template.effort is Effort.HARD]
    assert len(hard) <= (0 if found.energy in {Energy.LOW, Energy.UNKNOWN} else 1)
    assert all(lights_out - task.end >= timedelta(hours=4) for task in hard)
    coffee = [task for task in tasks if task.template.caffeine is not Caffeine.NONE]
    assert all(lights_out - task.end >= timedelta(hours=8.8) for task in coffee)
    if found.digest.flags or found.condition is Condition.SICK:
        assert all(task.template.effort is Effort.NONE for task in tasks)
        assert day.plan.safety_notice
    if found.condition is Condition.INJURED:
        assert not any(Contra.INJURED in task.template.against for task in tasks)
    assert not any(task.template.type in found.inputs.preferences.avoid_task_types for task in tasks)
    if not found.hours.late:
        assert found.hours.next_wake - lights_out >= found.hours.need


def nothing_is_invented(day: PlannedDay, found: Situation) -> None:
    read = found.inputs.records
    stored = {(row.type, row.value, row.measured_at) for row in read.biomarkers}
    stored |= {(row.type, shortest(row.score), row.measured_at) for row in read.scores}
    stored |= {(item.name, shortest(item.value), row.measured_at) for row in read.scores for item in row.factors}
    for task in day.day.open_tasks:
        for item in task.evidence:
            assert (item.type, item.value, item.measured_at) in stored
            assert found.fresh_at - item.measured_at <= timedelta(hours=72)
    assert 0 <= day.health_data.confidence <= 1
    goal = found.inputs.preferences.goal
    if goal is not None and len(goal) > 12:
        assert not any(goal in text for text in (day.plan.summary, *(task.description for task in all_tasks(day))))


def rules_hold(plan: DayPlan, found: Situation) -> None:
    broken = [(rule.id, violation.detail) for rule in HARD_RULES for violation in rule.violations(plan, found)]
    assert broken == []


def sound(day: PlannedDay) -> None:
    found = day.situation
    times_hold(day, found)
    blocks_hold(day, found)
    the_body_is_spared(day, found)
    nothing_is_invented(day, found)
    rules_hold(day.day, found)
    assert {check.rule for check in day.plan.checks if check.verdict is CheckVerdict.REPAIRED} <= {"sleep.len"}


@settings(max_examples=EXAMPLES, suppress_health_check=SLOW)
@given(requests())
def test_every_plan_keeps_its_rules_without_repair_and_comes_out_the_same_again(inputs: PlanInputs) -> None:
    day = make_plan(inputs)
    sound(day)
    found = day.situation
    free = not found.events and not inputs.preferences.avoid_task_types
    if free and found.left >= timedelta(minutes=30):
        assert all_tasks(day)
    assert make_plan(inputs) == day


@st.composite
def marked(draw: st.DrawFn, plan: Plan, now: datetime) -> Plan:
    """A plan in the middle of its day: what is over is done, skipped or forgotten; a little of what is to come is done too."""
    blocks = []
    for block in plan.time_blocks:
        tasks = []
        for task in block.tasks:
            over = task.end_time <= now
            status = draw(st.sampled_from(list(TaskStatus) if over else [*[TaskStatus.PENDING] * 6, *TaskStatus]))
            tasks.append(replace(task, status=status))
        blocks.append(replace(block, tasks=tuple(tasks), locked=draw(st.sampled_from([False] * 9 + [True]))))
    return replace(plan, time_blocks=tuple(blocks))


def what_is_done_stays(previous: Plan, day: PlannedDay, now: datetime) -> None:
    after = {task.id: task for task in all_tasks(day)}
    blocks = {block.id: block for block in day.plan.time_blocks}
    for block in previous.time_blocks:
        if locked(block, day.situation.open_from):
            kept = blocks[block.id]
            assert (kept.start_time, kept.end_time, kept.title) == (block.start_time, block.end_time, block.title)
        for task in block.tasks:
            if task.status is not TaskStatus.PENDING:
                assert after[task.id] == task
    assert all(task.start >= now + timedelta(minutes=2) for task in day.day.open_tasks)


def seen(task: RoutineTask | None) -> tuple[object, ...] | None:
    return None if task is None else (task.start_time, task.end_time, task.title, task.description)


def changes_tell_all(previous: Plan, day: PlannedDay) -> None:
    before, after = {task.id: task for task in previous.tasks}, {task.id: task for task in all_tasks(day)}
    told = {change.task_id: change for change in day.plan.changes}
    assert len(told) == len(day.plan.changes)
    for change in day.plan.changes:
        assert change.because.endswith(".")
        assert (change.task_id in before, change.task_id in after) == {
            ChangeKind.ADDED: (False, True),
            ChangeKind.REMOVED: (True, False),
            ChangeKind.MOVED: (True, True),
            ChangeKind.REWRITTEN: (True, True),
        }[change.kind]
    for task_id in before.keys() | after.keys():
        assert (seen(before.get(task_id)) == seen(after.get(task_id))) != (task_id in told)


@settings(max_examples=EXAMPLES // 2, suppress_health_check=SLOW)
@given(requests(), st.data())
def test_every_replan_keeps_what_is_done_and_all_rules(inputs: PlanInputs, data: st.DataObject) -> None:
    first = make_plan(inputs)
    now = data.draw(moments_of(first.situation))
    previous = data.draw(marked(first.plan, now))
    newer = data.draw(st.just(inputs.records) | reads(inputs.date, inputs.timezone, now))
    later = replace(inputs, records=replace(newer, as_of=now), condition=data.draw(conditions))
    trigger = data.draw(st.sampled_from(list(Trigger)))
    day = replan(later, previous, now, trigger)
    sound(day)
    what_is_done_stays(previous, day, now)
    changes_tell_all(previous, day)
    assert replan(later, previous, now, trigger) == day


def replaced(plan: DayPlan, old: PlannedTask, new: PlannedTask) -> DayPlan:
    return plan.rewritten(lambda task: new if task is old else task)


@settings(max_examples=EXAMPLES // 6, suppress_health_check=SLOW)
@given(requests(), st.data())
def test_whatever_is_chosen_among_the_admissible_keeps_the_rules(inputs: PlanInputs, data: st.DataObject) -> None:
    day = make_plan(inputs)
    plan, found = day.day, day.situation
    for place in day.day.tasks:
        options = admissible_tasks(place, found, plan)
        assert options[0] is place.template
        chosen = data.draw(st.sampled_from(options))
        if chosen is not place.template:
            plan = replaced(plan, place, substitute(place, chosen, found))
            rules_hold(plan, found)


def test_a_day_before_the_calendar_ends_is_planned_too() -> None:
    inputs = PlanInputs(
        ROUTINE, Archetype.PEAK_PERFORMER, Preferences(), "UTC", date(2099, 12, 31), records(), datetime(2099, 12, 30, tzinfo=UTC)
    )
    assert all_tasks(make_plan(inputs))
