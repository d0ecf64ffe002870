"""The deterministic planner: pure functions from inputs to a verified day, for the first time or again."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid5

from services.domain.freshness import expected_categories, newest_value_at
from services.domain.health import DataSource
from services.domain.ids import RoutineId
from services.domain.routine import Evidence, HealthDataUse, Plan, Planner, RoutineTask, TimeBlock
from services.planning.changes import Trigger, changes
from services.planning.day_plan import DayPlan, PlannedBlock, PlannedTask, Situation
from services.planning.draft import draft
from services.planning.fingerprint import CURRENT, Versions, inputs_hash
from services.planning.inputs import PlanInputs
from services.planning.nights import nights
from services.planning.notice import safety_notice
from services.planning.situation import situation
from services.planning.summary import summary
from services.planning.verifier import VerifiedDay, verify

NIGHTS_FOR_TRUST = 7
"""As many nights make a habit that can be relied on."""


@dataclass(frozen=True, slots=True)
class PlannedDay:
    """A verified plan and what it was made from. `day` and `situation` are what a writer finds better words for."""

    plan: Plan
    health_data: HealthDataUse
    day: DayPlan
    situation: Situation


def make_plan(inputs: PlanInputs, versions: Versions = CURRENT) -> PlannedDay:
    """The day of `inputs`: every hard rule holds on it, and the same inputs give the same day. No I/O, no clock.

    Raises `UnknownTimezone` for a zone that was not validated.
    """
    found = situation(inputs)
    return finish(verify(draft(found), found), found, versions=versions)


def replan(inputs: PlanInputs, previous: Plan, now: datetime, trigger: Trigger = Trigger.ASKED) -> PlannedDay:
    """What is left of a day planned again from `now`, with `changes` against the plan before.

    `previous` is the plan of the same person and date with the status of each task. What is done, skipped or locked, and blocks
    that run or are past, stay to the last letter (rule keep); what was missed is dropped or moved by its value; what stays has
    the ids it had. As pure as `make_plan`.
    """
    found = situation(replace(inputs, previous=previous, ready_at=now))
    return finish(verify(draft(found), found), found, trigger=trigger)


def finish(
    day: VerifiedDay,
    found: Situation,
    *,
    planner: Planner = Planner.RULES,
    told: str | None = None,
    trigger: Trigger = Trigger.ASKED,
    versions: Versions = CURRENT,
) -> PlannedDay:
    """A verified day as a plan, whoever chose its tasks and wrote its words; `told` is a summary of theirs, else our own."""
    previous = found.inputs.previous
    blocks = tuple(time_block(block, found) for block in day.plan.blocks)
    plan = Plan(
        planner=planner,
        summary=told if told is not None else summary(day.plan, found),
        time_blocks=blocks,
        checks=day.checks,
        inputs_hash=inputs_hash(found, versions),
        safety_notice=safety_notice(found),
        changes=() if previous is None else changes(previous, blocks, found, trigger),
    )
    return PlannedDay(plan, health_data_use(day.plan, found), day.plan, found)


def health_data_use(plan: DayPlan, found: Situation) -> HealthDataUse:
    """What a day was made from; the oldest value is that of the values its tasks cite."""
    records = found.inputs.records
    cited: list[Evidence] = [item for task in plan.tasks for item in task.evidence]
    return HealthDataUse(
        source=records.source,
        state=found.digest.state,
        biomarkers=len(records.biomarkers),
        scores=len(records.scores),
        newest_value_at=newest_value_at(records),
        oldest_value_at=min((item.measured_at for item in cited), default=None),
        missing_categories=found.digest.missing,
        confidence=confidence(found),
        as_of=records.as_of,
    )


def confidence(found: Situation) -> float:
    """0 to 1, two decimals; 0 when no fresh value says anything.

    Six tenths for the share of expected categories that are fresh, three for the nights that habits rest on (all with seven),
    one for readings that came live.
    """
    records, digest = found.inputs.records, found.digest
    if not digest.facts:
        return 0.0
    expected = expected_categories(records.biomarkers)
    fresh = 1 - len(expected & set(digest.missing)) / len(expected)
    known_nights = len(nights(records.biomarkers, found.tz, found.inputs.ready_at))
    live = 1.0 if records.source is DataSource.LIVE else 0.0
    return round(0.6 * fresh + 0.3 * min(1.0, known_nights / NIGHTS_FOR_TRUST) + 0.1 * live, 2)


def time_block(block: PlannedBlock, found: Situation) -> TimeBlock:
    """A block as a routine shows it. What the plan before had keeps its id."""
    tasks = tuple(_task(task, found) for task in block.tasks)
    if block.kept is not None:
        return replace(block.kept, tasks=tasks, locked=True)
    return TimeBlock(
        id=_block_id(block.kind.title, found),
        title=block.kind.title,
        energy_zone=block.kind.zone,
        start_time=block.start,
        end_time=block.end,
        purpose=block.purpose,
        why_it_matters=block.why_it_matters,
        tasks=tasks,
    )


def _block_id(title: str, found: Situation) -> str:
    previous = found.inputs.previous
    held = (block.id for block in (previous.time_blocks if previous else ()) if block.title == title)
    return next(held, None) or str(uuid5(found.inputs.routine_id, f"block/{title}"))


def _task(task: PlannedTask, found: Situation) -> RoutineTask:
    if task.kept is not None:
        return task.kept
    return RoutineTask(
        id=task_id(task.template.key, found),
        title=task.title,
        description=task.description,
        type=task.template.type,
        priority=task.priority,
        start_time=task.start,
        end_time=task.end,
        evidence=task.evidence,
        key=task.template.key,
    )


def task_id(key: str, found: Situation) -> str:
    """Of the library key: a task that a later plan of the same routine, or a replan of it, still holds has the same id."""
    previous = found.inputs.previous
    held = (task.id for task in (previous.tasks if previous else ()) if task.key == key)
    return next(held, None) or fresh_task_id(found.inputs.routine_id, key)


def fresh_task_id(routine_id: RoutineId, key: str) -> str:
    return str(uuid5(routine_id, f"task/{key}"))
