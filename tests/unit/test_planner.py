"""Whole plans, read as a person would read them."""

import json
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from time import perf_counter

import pytest

from services.domain.health import DataSource, DataState, HealthRecords
from services.domain.routine import Archetype, CheckVerdict, EnergyZone, FixedEvent, Plan, Preferences, RoutineTask, TaskType
from services.planning.planner import make_plan
from tests.unit.plan_people import DAY, MORNING, ask, at, nobody, records, rested, short_sleeper

DAWN = datetime(2026, 3, 18, 9, tzinfo=UTC)
WORKER = Preferences(work_start=time(9), work_end=time(17))
CHECKLIST = Preferences(wake_time=time(7), sleep_time=time(22))
HARD_TITLES = {"Strength session", "Interval session"}
FULL_DAY = {
    Archetype.FOUNDATION_BUILDER: (8, 10),
    Archetype.RESILIENCE_REBUILDER: (7, 9),
    Archetype.CONNECTED_EXPLORER: (10, 12),
    Archetype.TRANSFORMATION_SEEKER: (12, 14),
    Archetype.SYSTEMATIC_IMPROVER: (12, 15),
    Archetype.PEAK_PERFORMER: (14, 18),
}


def tasks(plan: Plan) -> list[RoutineTask]:
    return [task for block in plan.time_blocks for task in block.tasks]


def task(plan: Plan, words: str) -> RoutineTask:
    return next(task for task in tasks(plan) if words.lower() in task.title.lower())


def as_stored(data: HealthRecords, age: timedelta) -> HealthRecords:
    later = data.as_of + age
    rows = tuple(replace(row, source=DataSource.DATABASE, as_of=later) for row in data.biomarkers)
    scores = tuple(replace(row, source=DataSource.DATABASE, as_of=later) for row in data.scores)
    return replace(data, source=DataSource.DATABASE, as_of=later, biomarkers=rows, scores=scores, failure="Sahha did not answer")


def test_the_five_blocks_that_frontends_know() -> None:
    blocks = make_plan(ask(rested(), ready_at=DAWN)).plan.time_blocks
    assert [(block.title, block.energy_zone) for block in blocks] == [
        ("Morning Block", EnergyZone.MAINTENANCE),
        ("Peak Energy Block", EnergyZone.PEAK),
        ("Mid-day Slump", EnergyZone.RECOVERY),
        ("Evening Routine", EnergyZone.MAINTENANCE),
        ("Wind Down", EnergyZone.RECOVERY),
    ]
    assert all(block.end_time == after.start_time for block, after in pairwise(blocks))


@pytest.mark.parametrize("archetype", list(Archetype))
@pytest.mark.parametrize("preferences", [Preferences(), WORKER, CHECKLIST], ids=["free", "worker", "checklist"])
def test_a_full_day_has_as_many_tasks_as_its_archetype(archetype: Archetype, preferences: Preferences) -> None:
    for data in (rested(), short_sleeper(), nobody()):
        blocks = make_plan(ask(data, archetype, preferences, ready_at=DAWN)).plan.time_blocks
        least, most = FULL_DAY[archetype]
        assert least <= sum(len(block.tasks) for block in blocks) <= most
        fewest = 1 if archetype is Archetype.RESILIENCE_REBUILDER else 2
        assert all(fewest <= len(block.tasks) <= 5 for block in blocks)


def test_a_rested_and_a_short_sleeper_get_different_days() -> None:
    fresh, tired = make_plan(ask(rested())).plan, make_plan(ask(short_sleeper())).plan
    assert HARD_TITLES & {task.title for task in tasks(fresh)}
    assert not HARD_TITLES & {task.title for task in tasks(tired)}
    assert task(tired, "ready for bed").end_time < task(fresh, "ready for bed").end_time
    rest = [sum(task.type is TaskType.RECOVERY for task in tasks(plan)) for plan in (tired, fresh)]
    assert rest[0] >= rest[1]
    assert "little recovery" in tired.summary
    assert "318 minutes" in " ".join(task.description for task in tasks(tired))


def test_a_working_day_in_order() -> None:
    plan = make_plan(ask(rested(), preferences=WORKER)).plan
    nine, five = at(time(9)), at(time(17))
    assert task(plan, "breakfast").start_time - at(time(6, 30)) <= timedelta(minutes=60)
    assert task(plan, "daylight").end_time <= at(time(9))
    assert nine <= task(plan, "most important work").start_time < task(plan, "lunch").start_time < five
    assert at(time(11, 30)) <= task(plan, "lunch").start_time <= at(time(13, 30))
    assert task(plan, "session").start_time >= five
    assert task(plan, "dinner").end_time <= at(time(19, 40))
    assert tasks(plan)[-1].title == "Get ready for bed"
    outside = [task for task in tasks(plan) if task.type is TaskType.WORK and not nine <= task.start_time < task.end_time <= five]
    assert not outside


def test_nobody_works_without_working_hours() -> None:
    for archetype in Archetype:
        assert all(task.type is not TaskType.WORK for task in tasks(make_plan(ask(rested(), archetype)).plan))


def test_evidence_quotes_stored_values_and_every_block_has_some() -> None:
    data = rested()
    stored = {(row.type, row.value) for row in data.biomarkers} | {(row.type, str(row.score)) for row in data.scores}
    plan = make_plan(ask(data, preferences=WORKER)).plan
    assert all((item.type, item.value) in stored for task in tasks(plan) for item in task.evidence)
    assert all(any(task.evidence for task in block.tasks) for block in plan.time_blocks)
    assert sum(bool(task.evidence) for task in tasks(plan)) > len(tasks(plan)) / 2


def test_a_new_person_gets_a_modest_plan_without_figures_or_praise() -> None:
    day = make_plan(ask(nobody(), Archetype.PEAK_PERFORMER))
    words = day.plan.summary + "".join(block.purpose + (block.why_it_matters or "") for block in day.plan.time_blocks)
    assert not any(character.isdigit() for character in words)
    assert "good" not in day.plan.summary
    assert not any(task.evidence for task in tasks(day.plan))
    assert not HARD_TITLES & {task.title for task in tasks(day.plan)}
    use = day.health_data
    assert (use.state, use.confidence, use.newest_value_at, use.oldest_value_at) == (DataState.NONE, 0.0, None, None)


def test_stored_data_is_labelled_with_its_age() -> None:
    data = as_stored(rested(), timedelta(hours=3))
    day = make_plan(ask(data, ready_at=data.as_of))
    assert "stored" in day.plan.summary
    assert "3 hours old" in day.plan.summary
    assert all(item.source is DataSource.DATABASE for task in tasks(day.plan) for item in task.evidence)
    assert all(item.age_seconds >= 3 * 3600 for task in tasks(day.plan) for item in task.evidence)
    assert day.health_data.source is DataSource.DATABASE
    assert day.health_data.confidence < make_plan(ask(rested())).health_data.confidence


def test_old_data_is_told_and_not_cited() -> None:
    data = as_stored(rested(), timedelta(days=4))
    day = make_plan(ask(data, day=DAY + timedelta(days=4), ready_at=data.as_of))
    assert "4 days old" in day.plan.summary
    assert day.health_data.state is DataState.STALE
    assert not any(task.evidence for task in tasks(day.plan))


def test_what_is_missing_is_told() -> None:
    day = make_plan(ask(records(scores=rested().scores)))
    assert "Missing or out of date: activity" in day.plan.summary
    assert day.health_data.missing_categories == ("activity", "sleep")


def test_the_oldest_value_is_the_oldest_that_is_cited() -> None:
    day = make_plan(ask(rested()))
    cited = [item.measured_at for task in tasks(day.plan) for item in task.evidence]
    assert day.health_data.oldest_value_at == min(cited)
    assert day.health_data.newest_value_at == MORNING
    assert (day.health_data.biomarkers, day.health_data.scores) == (len(rested().biomarkers), 3)


def test_nothing_lies_in_an_appointment() -> None:
    events = (FixedEvent("dentist", time(7), time(8)), FixedEvent("seminar", time(12), time(14)))
    plan = make_plan(ask(rested(), preferences=Preferences(fixed_events=events))).plan
    for start, end in ((time(7), time(8)), (time(12), time(14))):
        assert not any(task.start_time < at(end) and task.end_time > at(start) for task in tasks(plan))


def test_a_day_full_of_appointments_says_so() -> None:
    events = tuple(FixedEvent(f"event {hour}", time(hour), time(hour + 1)) for hour in range(5, 23))
    plan = make_plan(ask(rested(), preferences=replace(CHECKLIST, fixed_events=events))).plan
    assert tasks(plan) == []
    assert all("appointments" in block.purpose for block in plan.time_blocks)
    count = next(check for check in plan.checks if check.rule == "count")
    assert (count.verdict, count.detail.startswith("0 tasks")) == (CheckVerdict.NOT_APPLICABLE, True)


def test_a_night_worker_eats_and_moves_by_their_own_clock() -> None:
    shift = Preferences(time(16), time(8), time(22), time(6))
    plan = make_plan(ask(nobody(), Archetype.TRANSFORMATION_SEEKER, shift)).plan
    assert not any("breakfast" in task.title.lower() or "lunch" in task.title.lower() for task in tasks(plan))
    assert task(plan, "first meal").start_time < at(time(18, 30))
    assert task(plan, "last meal of your day").end_time <= at(time(5), DAY + timedelta(days=1))
    social = [task for task in tasks(plan) if task.type is TaskType.SOCIAL]
    assert all(task.start_time < at(time(21)) or "colleague" in task.description for task in social)


def test_a_plan_for_tonight_holds_what_fits() -> None:
    plan = make_plan(ask(rested(), ready_at=at(time(21)))).plan
    assert [block.title for block in plan.time_blocks] == ["Wind Down"]
    assert 1 <= len(tasks(plan)) <= 2


def test_the_same_inputs_give_the_same_plan() -> None:
    assert make_plan(ask(rested())) == make_plan(ask(rested()))
    shuffled = replace(rested(), biomarkers=rested().biomarkers[::-1], scores=rested().scores[::-1])
    assert make_plan(ask(shuffled)).plan == make_plan(ask(rested())).plan


def test_the_hash_stands_for_the_inputs_and_not_for_the_fetch() -> None:
    def fingerprint(data: HealthRecords = rested(), **changes: object) -> str:  # noqa: B008
        return make_plan(replace(ask(data), **changes)).plan.inputs_hash  # type: ignore[arg-type]

    usual = fingerprint()
    assert len(usual) == 64
    assert int(usual, 16) >= 0
    assert fingerprint(ready_at=MORNING + timedelta(seconds=40)) == usual
    assert fingerprint(replace(rested(), fetch_ms=1234)) == usual
    different = [
        fingerprint(ready_at=MORNING + timedelta(minutes=10)),
        fingerprint(date=DAY + timedelta(days=1)),
        fingerprint(archetype=Archetype.PEAK_PERFORMER),
        fingerprint(preferences=WORKER),
        fingerprint(timezone="America/Toronto"),
        fingerprint(short_sleeper()),
    ]
    assert len({usual, *different}) == 7


def test_ids_are_unique_and_those_of_the_routine() -> None:
    plan = make_plan(ask(rested())).plan
    ids = [block.id for block in plan.time_blocks] + [task.id for task in tasks(plan)]
    assert len(set(ids)) == len(ids)
    assert json.dumps(ids) == json.dumps([block.id for block in plan.time_blocks] + [task.id for task in tasks(plan)])


def test_a_plan_takes_milliseconds() -> None:
    make_plan(ask(rested()))
    begun = perf_counter()
    for _ in range(5):
        make_plan(ask(rested(), Archetype.PEAK_PERFORMER, WORKER))
    assert (perf_counter() - begun) / 5 < 0.1
