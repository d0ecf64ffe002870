"""The deterministic planner: one pure function from inputs to a verified day."""

from dataclasses import dataclass
from uuid import uuid5

from services.domain.freshness import expected_categories, newest_value_at
from services.domain.health import DataSource
from services.domain.ids import RoutineId
from services.domain.routine import Evidence, HealthDataUse, Plan, Planner, RoutineTask, TimeBlock
from services.planning.day_plan import DayPlan, PlannedBlock, PlannedTask, Situation
from services.planning.draft import draft
from services.planning.fingerprint import inputs_hash
from services.planning.inputs import PlanInputs
from services.planning.nights import nights
from services.planning.situation import situation
from services.planning.summary import summary
from services.planning.verifier import verify

NIGHTS_FOR_TRUST = 7
"""As many nights make a habit that can be relied on."""


@dataclass(frozen=True, slots=True)
class PlannedDay:
    """A verified plan and what it was made from. `day` and `situation` are what a writer finds better words for."""

    plan: Plan
    health_data: HealthDataUse
    day: DayPlan
    situation: Situation


def make_plan(inputs: PlanInputs) -> PlannedDay:
    """The day of `inputs`: every hard rule holds on it, and the same inputs give the same day. No I/O, no clock.

    Raises `UnknownTimezone` for a zone that was not validated.
    """
    found = situation(inputs)
    verified = verify(draft(found), found)
    plan = Plan(
        planner=Planner.RULES,
        summary=summary(verified.plan, found),
        time_blocks=tuple(time_block(block, inputs.routine_id) for block in verified.plan.blocks),
        checks=verified.checks,
        inputs_hash=inputs_hash(found),
    )
    return PlannedDay(plan, health_data_use(verified.plan, found), verified.plan, found)


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


def time_block(block: PlannedBlock, routine_id: RoutineId) -> TimeBlock:
    """A block as a routine shows it."""
    return TimeBlock(
        id=str(uuid5(routine_id, f"block/{block.kind.title}")),
        title=block.kind.title,
        energy_zone=block.kind.zone,
        start_time=block.start,
        end_time=block.end,
        purpose=block.purpose,
        why_it_matters=block.why_it_matters,
        tasks=tuple(_task(task, routine_id) for task in block.tasks),
    )


def _task(task: PlannedTask, routine_id: RoutineId) -> RoutineTask:
    """Ids come from the library key: a task that a later plan of the same routine keeps has the same id."""
    return RoutineTask(
        id=str(uuid5(routine_id, f"task/{task.template.key}")),
        title=task.title,
        description=task.description,
        type=task.template.type,
        priority=task.priority,
        start_time=task.start,
        end_time=task.end,
        evidence=task.evidence,
    )
