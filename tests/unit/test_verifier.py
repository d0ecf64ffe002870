"""Each hard rule, broken on purpose in a finished day, is found and repaired."""

from collections.abc import Callable
from dataclasses import replace
from datetime import time, timedelta

import pytest

from services.domain.health import DataSource
from services.domain.routine import CheckVerdict, Evidence, EvidenceKind, Preferences
from services.planning.day_plan import DayPlan, PlannedTask, Situation
from services.planning.draft import draft
from services.planning.library import LIBRARY
from services.planning.library.template import Caffeine, Effort
from services.planning.rules import RULES, Strength
from services.planning.situation import situation
from services.planning.verifier import UnrepairablePlanError, verify
from tests.unit.plan_people import DAY, ask, at, biomarker, night, nobody, records, rested, short_sleeper
from tests.unit.plan_people import MORNING as READY

BY_KEY = {template.key: template for template in LIBRARY}
WORKER = Preferences(wake_time=time(6, 30), sleep_time=time(22, 30), work_start=time(9), work_end=time(17))

Change = Callable[[PlannedTask], PlannedTask]


def verdicts(plan: DayPlan, found: Situation) -> dict[str, CheckVerdict]:
    return {check.rule: check.verdict for check in verify(plan, found).checks}


def changed(plan: DayPlan, key: str, change: Change) -> DayPlan:
    return plan.rewritten(lambda task: change(task) if task.template.key == key else task)


def some_task(plan: DayPlan, position: int = 3) -> PlannedTask:
    return plan.tasks[position]


@pytest.fixture(scope="module")
def found() -> Situation:
    return situation(ask(rested(), preferences=WORKER))


@pytest.fixture(scope="module")
def plan(found: Situation) -> DayPlan:
    return draft(found)


def test_a_draft_needs_no_repair(plan: DayPlan, found: Situation) -> None:
    assert verify(plan, found).plan == plan
    assert CheckVerdict.REPAIRED not in verdicts(plan, found).values()


def test_every_rule_gives_a_verdict_with_its_source(plan: DayPlan, found: Situation) -> None:
    checks = verify(plan, found).checks
    assert [check.rule for check in checks] == [rule.id for rule in RULES]
    assert all(check.citation and check.detail.endswith(".") for check in checks)


@pytest.mark.parametrize(
    ("rule", "break_it"),
    [
        ("time", lambda task: replace(task, start=task.start + timedelta(minutes=1), end=task.end + timedelta(minutes=1))),
        ("time", lambda task: replace(task, start=task.start - timedelta(hours=9), end=task.end - timedelta(hours=9))),
        ("time", lambda task: replace(task, end=task.start)),
        ("time", lambda task: replace(task, end=task.end + timedelta(hours=3))),
        ("text.numbers", lambda task: replace(task, description="You walked 12345 steps.")),
        ("text.numbers", lambda task: replace(task, title="Do it 7 times")),
        ("text.numbers", lambda task: replace(task, description="Start at 03:17.")),
    ],
)
def test_a_broken_task_is_put_right(plan: DayPlan, found: Situation, rule: str, break_it: Change) -> None:
    broken = changed(plan, some_task(plan).template.key, break_it)
    assert verdicts(broken, found)[rule] is CheckVerdict.REPAIRED
    assert CheckVerdict.REPAIRED not in verdicts(verify(broken, found).plan, found).values()


def test_of_two_tasks_at_once_the_later_one_goes(plan: DayPlan, found: Situation) -> None:
    first, second = plan.tasks[0], plan.tasks[1]
    broken = changed(plan, second.template.key, lambda task: replace(task, start=first.start + timedelta(minutes=5)))
    kept = {task.template.key for task in verify(broken, found).plan.tasks}
    assert first.template.key in kept
    assert second.template.key not in kept


def test_a_task_in_an_appointment_goes(plan: DayPlan, found: Situation) -> None:
    task = some_task(plan)
    busy = replace(found, events=((task.start, task.end),))
    assert verdicts(plan, busy)["time"] is CheckVerdict.REPAIRED


def test_training_in_working_hours_goes(plan: DayPlan, found: Situation) -> None:
    training = next(task for task in plan.tasks if task.template.role == "training")
    assert verdicts(plan, replace(found, work=((training.start, training.end),)))["time"] is CheckVerdict.REPAIRED


def test_what_begins_before_the_plan_is_ready_goes(plan: DayPlan, found: Situation) -> None:
    late = situation(replace(found.inputs, ready_at=plan.tasks[2].start))
    mended = verify(plan, late)
    assert {check.rule: check.verdict for check in mended.checks}["time.ready"] is CheckVerdict.REPAIRED
    assert min(task.start for task in mended.plan.tasks) >= late.open_from


def test_blocks_out_of_order_are_laid_anew(plan: DayPlan, found: Situation) -> None:
    assert verify(DayPlan(plan.blocks[::-1]), found).plan.tasks == plan.tasks
    gap = DayPlan((plan.blocks[0], *plan.blocks[2:]))
    assert verdicts(gap, found)["blocks"] is CheckVerdict.REPAIRED


def test_words_of_a_block_hold_no_number(plan: DayPlan, found: Situation) -> None:
    broken = DayPlan((replace(plan.blocks[0], purpose="Burn 300 kcal."), *plan.blocks[1:]))
    assert verdicts(broken, found)["text.numbers"] is CheckVerdict.REPAIRED


@pytest.mark.parametrize(
    ("rule", "change"),
    [
        ("caf.coffee", {"caffeine": Caffeine.COFFEE}),
        ("caf.pre", {"caffeine": Caffeine.PRE_WORKOUT}),
        ("ex.late", {"effort": Effort.HARD}),
    ],
)
def test_what_is_too_close_to_bed_goes(plan: DayPlan, found: Situation, rule: str, change: dict[str, object]) -> None:
    last = plan.tasks[-1]
    late = replace(last.template, **change)  # type: ignore[arg-type]
    broken = changed(plan, last.template.key, lambda task: replace(task, template=late))
    assert verdicts(broken, found)[rule] is CheckVerdict.REPAIRED


def test_one_hard_effort_is_enough(plan: DayPlan, found: Situation) -> None:
    hard = replace(plan.tasks[0].template, effort=Effort.HARD)
    broken = changed(plan, plan.tasks[0].template.key, lambda task: replace(task, template=hard))
    mended = verify(broken, found)
    assert {check.rule: check.verdict for check in mended.checks}["effort.one"] is CheckVerdict.REPAIRED
    assert sum(task.template.effort is Effort.HARD for task in mended.plan.tasks) == 1


def test_a_tired_day_holds_no_hard_effort(plan: DayPlan) -> None:
    tired = situation(ask(short_sleeper(), preferences=WORKER))
    assert verdicts(plan, tired)["effort.one"] is CheckVerdict.REPAIRED


def test_repeated_red_flags_hold_no_exertion() -> None:
    moments = [READY - timedelta(hours=hours) for hours in (2, 26)]
    pulse = [biomarker("heart_rate_resting", "109", moment, moment, category="vitals", unit="bpm") for moment in moments]
    flagged = situation(ask(replace(rested(), biomarkers=(*rested().biomarkers, *pulse)), preferences=WORKER))
    usual = draft(situation(ask(rested(), preferences=WORKER)))
    mended = verify(usual, flagged)
    assert {check.rule: check.verdict for check in mended.checks}["red.flags"] is CheckVerdict.REPAIRED
    assert all(task.template.effort is Effort.NONE for task in (*mended.plan.tasks, *draft(flagged).tasks))


@pytest.mark.parametrize(
    "change",
    [{"value": "9999"}, {"measured_at": READY - timedelta(minutes=1)}, {"source": DataSource.DATABASE}, {"unit": "parsec"}],
)
def test_a_value_that_is_not_stored_is_no_evidence(plan: DayPlan, found: Situation, change: dict[str, object]) -> None:
    task = next(task for task in plan.tasks if task.evidence and task.evidence[0].kind is EvidenceKind.SCORE)
    forged = replace(task.evidence[0], **change)  # type: ignore[arg-type]
    broken = changed(plan, task.template.key, lambda held: replace(held, evidence=(forged,)))
    mended = verify(broken, found)
    assert {check.rule: check.verdict for check in mended.checks}["data"] is CheckVerdict.REPAIRED
    assert forged not in [item for kept in mended.plan.tasks for item in kept.evidence]


def test_an_old_value_is_no_evidence() -> None:
    old = night(DAY - timedelta(days=3), time(22), time(6))
    found = situation(ask(records(old), preferences=WORKER))
    row = old[0]
    cited = Evidence(EvidenceKind.BIOMARKER, row.type, row.value, row.unit, row.measured_at, row.source, row.as_of)
    broken = draft(found).rewritten(lambda task: replace(task, evidence=(cited,)))
    mended = verify(broken, found)
    assert {check.rule: check.verdict for check in mended.checks}["data"] is CheckVerdict.REPAIRED
    assert not any(task.evidence for task in mended.plan.tasks)


def test_a_nap_is_not_told_as_a_night() -> None:
    nap = night(DAY, time(4), time(6, 10))
    data = rested()
    found = situation(ask(replace(data, biomarkers=(*nap, *data.biomarkers[3:])), preferences=WORKER))
    row = nap[2]
    cited = Evidence(EvidenceKind.BIOMARKER, row.type, row.value, row.unit, row.measured_at, row.source, row.as_of)
    broken = draft(found).rewritten(lambda task: replace(task, evidence=(cited,)))
    mended = verify(broken, found)
    assert {check.rule: check.verdict for check in mended.checks}["night.day"] is CheckVerdict.REPAIRED
    assert not any(task.evidence for task in mended.plan.tasks)


def test_a_rounded_value_and_an_own_time_may_be_said(plan: DayPlan, found: Situation) -> None:
    task = next(task for task in plan.tasks if any(item.type == "readiness" for item in task.evidence))
    clock = f"{found.hours.day.local_time(task.start):%H:%M}"
    said = changed(
        plan,
        task.template.key,
        lambda held: replace(held, description=f"Readiness is 0.8 (0.82), so at {clock} take {task.minutes} minutes."),
    )
    assert CheckVerdict.REPAIRED not in verdicts(said, found).values()
    wrongly_rounded = changed(plan, task.template.key, lambda held: replace(held, description="Readiness is 0.7."))
    assert verdicts(wrongly_rounded, found)["text.numbers"] is CheckVerdict.REPAIRED


def test_an_own_short_night_is_told_and_the_plan_leaves_room_for_a_long_one() -> None:
    found = situation(ask(rested(), preferences=Preferences(time(7), time(1))))
    check = next(check for check in verify(draft(found), found).checks if check.rule == "sleep.len")
    assert check.verdict is CheckVerdict.REPAIRED
    assert "Your own bedtime of 01:00 leaves 6 h" in check.detail
    assert max(task.end for task in draft(found).tasks) <= at(time(0), DAY + timedelta(days=1))


def test_what_cannot_be_repaired_never_leaves(plan: DayPlan, found: Situation) -> None:
    short = replace(found, hours=replace(found.hours, next_wake=found.hours.lights_out + timedelta(hours=5)))
    with pytest.raises(UnrepairablePlanError, match=r"sleep\.len"):
        verify(plan, short)


def test_rules_are_objects_with_their_numbers() -> None:
    hard = {rule.id for rule in RULES if rule.strength is Strength.HARD}
    assert {"sleep.len", "night.day", "time", "time.ready", "blocks", "text.numbers", "data"} <= hard
    assert {"caf.coffee", "caf.pre", "ex.late", "effort.one", "red.flags"} <= hard
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.statement.endswith(".") and rule.number and rule.citation for rule in RULES)


def test_without_data_the_checks_say_so() -> None:
    found = situation(ask(nobody()))
    found_verdicts = verdicts(draft(found), found)
    assert found_verdicts["data"] is found_verdicts["night.day"] is CheckVerdict.NOT_APPLICABLE
