"""A plan that stands: nothing that it was made from has changed, so a later routine of the same day takes it over."""

from dataclasses import replace
from uuid import uuid5

from services.domain.health import DataSource
from services.domain.ids import RoutineId
from services.domain.routine import Evidence, Plan
from services.planning.planner import PlannedDay


def adopted(plan: Plan, planned: PlannedDay, routine_id: RoutineId) -> Plan:
    """The day of `plan` as the routine's own: its ids, and the readings as they were read this time.

    `planned` is the draft for this routine. Tasks keep their status; what the first plan cost and changed stays with it.
    """
    records = planned.situation.inputs.records
    sources = {(row.type, row.value): row.source for row in records.biomarkers}
    sources |= {(row.type, repr(row.score)): row.source for row in records.scores}
    blocks_here = {block.title: block.id for block in planned.plan.time_blocks}
    tasks_here = {task.key: task.id for task in planned.plan.tasks if task.key is not None}

    def read_again(evidence: Evidence) -> Evidence:
        return replace(evidence, source=sources.get((evidence.type, evidence.value), _of_factors(records.source)))

    blocks = tuple(
        replace(
            block,
            id=blocks_here.get(block.title) or str(uuid5(routine_id, block.id)),
            tasks=tuple(
                replace(
                    task,
                    id=tasks_here.get(task.key or "") or str(uuid5(routine_id, task.id)),
                    evidence=tuple(map(read_again, task.evidence)),
                )
                for task in block.tasks
            ),
        )
        for block in plan.time_blocks
    )
    told_live = plan.model is not None and records.source is DataSource.LIVE
    summary = plan.summary if told_live else planned.plan.summary
    return replace(plan, time_blocks=blocks, summary=summary, changes=(), usage=None)


def _of_factors(source: DataSource) -> DataSource:
    """The source of a factor, which rows do not list: that of the whole read, and the older one where it was mixed."""
    return DataSource.LIVE if source is DataSource.LIVE else DataSource.DATABASE
