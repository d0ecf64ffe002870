"""Over invented people, zones, dates and requests every plan keeps its hard rules, and comes out the same again."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from services.domain.health import Biomarker, DataSource, HealthRecords, Score, ScoreFactor, TimestampRepair
from services.domain.routine import Archetype, CheckVerdict, FixedEvent, Preferences, RoutineTask
from services.domain.schedule import clock, instant
from services.planning.day_plan import Situation
from services.planning.digest import Energy, shortest
from services.planning.inputs import PlanInputs
from services.planning.library import LIBRARY
from services.planning.library.template import Caffeine, Effort
from services.planning.planner import PlannedDay, make_plan
from services.planning.situation import situation
from services.planning.skeleton import BLOCKS
from tests.unit.plan_people import ROUTINE, biomarker, night, records, score

ZONES = ("America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "Pacific/Apia", "Africa/Cairo", "UTC", "Pacific/Chatham")
DAYS = (
    date(2026, 3, 8),
    date(2026, 4, 4),
    date(2026, 4, 24),
    date(2026, 10, 3),
    date(2026, 10, 4),
    date(2026, 11, 1),
    date(2026, 7, 15),
    date(2027, 3, 13),
)
TITLES = {title: template for template in LIBRARY for title in (template.title, template.off_hours) if title}

clock_times = st.integers(0, 287).map(lambda slot: clock(slot * 5))
odd_times = st.integers(0, 1439).map(clock)
days = st.sampled_from(DAYS)
zones = st.sampled_from(ZONES)


@st.composite
def preferences(draw: st.DrawFn) -> Preferences:
    """Early and late people, night workers, days of four and of twenty hours, days full of appointments."""
    wake = draw(st.none() | odd_times)
    waking = draw(st.integers(1, 1439) | st.sampled_from([240, 1200, 960, 900]))
    sleep = (
        draw(st.none() | odd_times) if wake is None else draw(st.none() | st.just(clock(wake.hour * 60 + wake.minute + waking)))
    )
    work = draw(st.none() | st.tuples(odd_times, odd_times).filter(lambda pair: pair[0] != pair[1]))
    marks = sorted(draw(st.sets(st.integers(0, 1439), max_size=10)))
    events = [FixedEvent(f"event {start}", clock(start), clock(end)) for start, end in zip(marks[::2], marks[1::2], strict=False)]
    work_start, work_end = work or (None, None)
    return Preferences(wake, sleep, work_start, work_end, tuple(events))


@st.composite
def rows(draw: st.DrawFn, day: date, tz: str, now: datetime) -> list[Biomarker]:
    """Nights, steps and vitals of the last days, some of them repaired, some late, some implausible."""
    found: list[Biomarker] = []
    for back in range(draw(st.integers(0, 8))):
        bed, wake = draw(st.tuples(clock_times, clock_times).filter(lambda pair: pair[0] != pair[1]))
        found += night(day - timedelta(days=back), bed, wake, tz=tz, as_of=now)
    midnight = datetime.combine(day, time(0), ZoneInfo(tz))
    for kind, category, low, high in (
        ("steps", "activity", 0, 30000),
        ("activity_sedentary_duration", "activity", 0, 1440),
        ("heart_rate_resting", "vitals", 35, 125),
        ("oxygen_saturation", "vitals", 88, 100),
        ("sleep_debt", "sleep", 0, 9),
        ("age", "characteristic", 10, 90),
    ):
        for back in range(draw(st.integers(0, 3))):
            start = midnight - timedelta(days=back)
            value = str(draw(st.integers(low, high)))
            found.append(biomarker(kind, value, start, start + timedelta(hours=23), category=category, unit="count", as_of=now))
    source = draw(st.sampled_from([DataSource.LIVE, DataSource.DATABASE]))
    repair = st.sampled_from([TimestampRepair.NONE] * 9 + [TimestampRepair.BOTH])
    return [replace(row, source=source, repair=draw(repair)) for row in found]


@st.composite
def scores(draw: st.DrawFn, day: date, tz: str, now: datetime) -> list[Score]:
    found = []
    for kind in draw(st.sets(st.sampled_from(["readiness", "sleep", "activity", "wellbeing"]))):
        figure = draw(st.integers(0, 100)) / 100
        state = draw(st.sampled_from([None, "minimal", "low", "medium", "high"]))
        debt = ScoreFactor("sleep_debt", draw(st.none() | st.floats(0, 9, width=32)), 0, None, state, "hour")
        found.append(score(kind, figure, state, day, tz=tz, factors=[debt], as_of=now))
    return found


@st.composite
def requests(draw: st.DrawFn) -> PlanInputs:
    day, tz = draw(days), draw(zones)
    asked_before = draw(st.sampled_from([0, 0, 0, 1, 20]))
    now = instant(day - timedelta(days=asked_before), draw(odd_times), ZoneInfo(tz)) + timedelta(seconds=draw(st.integers(0, 59)))
    read_before = timedelta(hours=draw(st.sampled_from([0, 0, 0, 5, 30, 90])))
    read_at = now - read_before
    data: HealthRecords = records(draw(rows(day, tz, read_at)), draw(scores(day, tz, read_at)), as_of=now)
    return PlanInputs(ROUTINE, draw(st.sampled_from(list(Archetype))), draw(preferences()), tz, day, data, now)


def all_tasks(day: PlannedDay) -> list[RoutineTask]:
    return [task for block in day.plan.time_blocks for task in block.tasks]


def times_hold(day: PlannedDay, found: Situation) -> None:
    tasks = all_tasks(day)
    ready = found.inputs.ready_at + timedelta(minutes=2)
    for task in tasks:
        assert max(found.hours.day.start, ready) <= task.start_time < task.end_time <= found.hours.lights_out
        assert task.start_time.minute % 5 == task.end_time.minute % 5 == 0
        assert not any(task.start_time < end and start < task.end_time for start, end in found.events)
    assert all(task.end_time <= after.start_time for task, after in pairwise(tasks))


def blocks_hold(day: PlannedDay, found: Situation) -> None:
    blocks = day.plan.time_blocks
    order = [[kind.title for kind in BLOCKS].index(block.title) for block in blocks]
    assert order == sorted(set(order))
    assert all(block.end_time == after.start_time for block, after in pairwise(blocks))
    for block in blocks:
        assert max(found.hours.day.start, found.inputs.ready_at) <= block.start_time < block.end_time <= found.hours.day.end
        assert len(block.tasks) <= 5
        assert all(block.start_time <= task.start_time and task.end_time <= block.end_time for task in block.tasks)
    if not found.events and found.left >= timedelta(minutes=30):
        assert all_tasks(day)


def the_body_is_spared(day: PlannedDay, found: Situation) -> None:
    tasks = [(task, TITLES[task.title]) for task in all_tasks(day)]
    lights_out = found.hours.lights_out
    hard = [task for task, template in tasks if template.effort is Effort.HARD]
    assert len(hard) <= (0 if found.digest.energy in {Energy.LOW, Energy.UNKNOWN} else 1)
    assert all(lights_out - task.end_time >= timedelta(hours=4) for task in hard)
    coffee = [task for task, template in tasks if template.caffeine is not Caffeine.NONE]
    assert all(lights_out - task.end_time >= timedelta(hours=8.8) for task in coffee)
    if found.digest.red_flags:
        assert all(template.effort is Effort.NONE for _, template in tasks)
    if not found.hours.late:
        assert found.hours.next_wake - lights_out >= found.hours.need


def nothing_is_invented(day: PlannedDay, found: Situation) -> None:
    read = found.inputs.records
    stored = {(row.type, row.value, row.measured_at) for row in read.biomarkers}
    stored |= {(row.type, shortest(row.score), row.measured_at) for row in read.scores}
    stored |= {(item.name, shortest(item.value), row.measured_at) for row in read.scores for item in row.factors}
    for task in all_tasks(day):
        for item in task.evidence:
            assert (item.type, item.value, item.measured_at) in stored
            assert found.fresh_at - item.measured_at <= timedelta(hours=72)
    assert 0 <= day.health_data.confidence <= 1


@settings(max_examples=300, deadline=None)
@given(requests())
def test_every_plan_keeps_its_rules_without_repair_and_comes_out_the_same_again(inputs: PlanInputs) -> None:
    day, found = make_plan(inputs), situation(inputs)
    times_hold(day, found)
    blocks_hold(day, found)
    the_body_is_spared(day, found)
    nothing_is_invented(day, found)
    assert {check.rule for check in day.plan.checks if check.verdict is CheckVerdict.REPAIRED} <= {"sleep.len"}
    assert make_plan(inputs) == day


def test_a_day_before_the_calendar_ends_is_planned_too() -> None:
    inputs = PlanInputs(
        ROUTINE, Archetype.PEAK_PERFORMER, Preferences(), "UTC", date(2099, 12, 31), records(), datetime(2099, 12, 30, tzinfo=UTC)
    )
    assert all_tasks(make_plan(inputs))
