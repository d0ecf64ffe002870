"""A routine and a job as the predecessor's URLs show them: snake_case, instants in RFC 3339."""

from typing import Any

from services.domain.ids import RoutineId
from services.domain.job_runs import SchedulerJob
from services.domain.routine import (
    Evidence,
    HealthDataUse,
    ModelUsage,
    Routine,
    RoutineChange,
    RoutineTask,
    RoutineTiming,
    TimeBlock,
)


def routine_json(routine: Routine) -> dict[str, Any]:
    """Everything that GraphQL's `Routine` shows of a routine that has not failed."""
    return {
        "id": str(routine.id),
        "user_id": routine.user_id,
        "date": routine.date.isoformat(),
        "timezone": routine.timezone,
        "archetype": routine.archetype.value,
        "status": routine.status.value,
        "created_at": routine.created_at.isoformat(),
        "ready_at": routine.ready_at.isoformat() if routine.ready_at else None,
        "planner": routine.planner.value if routine.planner else None,
        "model": routine.model,
        "health_data": _health_data(routine.health_data) if routine.health_data else None,
        "summary": routine.summary,
        "time_blocks": [_block(block) for block in routine.time_blocks],
        "checks": [
            {"rule": check.rule, "verdict": check.verdict.value, "detail": check.detail, "citation": check.citation}
            for check in routine.checks
        ],
        "safety_notice": routine.safety_notice,
        "timing": _timing(routine.timing) if routine.timing else None,
        "usage": _usage(routine.usage) if routine.usage else None,
        "inputs_hash": routine.inputs_hash,
        "reused_from": _id(routine.reused_from),
        "supersedes": _id(routine.supersedes),
        "superseded_by": _id(routine.superseded_by),
        "changes": [_change(change) for change in routine.changes],
    }


def job_json(job: SchedulerJob) -> dict[str, Any]:
    next_run = job.next_run.isoformat() if job.next_run else None
    return {"id": job.id, "name": job.name, "next_run": next_run, "trigger": job.trigger}


def _timing(timing: RoutineTiming) -> dict[str, Any]:
    return {
        "fetch_ms": timing.fetch_ms,
        "plan_ms": timing.plan_ms,
        "first_block_ms": timing.first_block_ms,
        "total_ms": timing.total_ms,
        "speculative": timing.speculative,
    }


def _usage(usage: ModelUsage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input_tokens,
        "cached_input_tokens": usage.cached_input_tokens,
        "output_tokens": usage.output_tokens,
    }


def _change(change: RoutineChange) -> dict[str, Any]:
    return {
        "kind": change.kind.value,
        "task_id": change.task_id,
        "task_title": change.task_title,
        "from": change.moved_from.isoformat() if change.moved_from else None,
        "to": change.moved_to.isoformat() if change.moved_to else None,
        "because": change.because,
    }


def _id(routine_id: RoutineId | None) -> str | None:
    return None if routine_id is None else str(routine_id)


def _health_data(use: HealthDataUse) -> dict[str, Any]:
    return {
        "source": use.source.value,
        "state": use.state.value,
        "biomarkers": use.biomarkers,
        "scores": use.scores,
        "newest_value_at": use.newest_value_at.isoformat() if use.newest_value_at else None,
        "oldest_value_age_seconds": use.oldest_value_age_seconds,
        "missing_categories": list(use.missing_categories),
        "confidence": use.confidence,
    }


def _block(block: TimeBlock) -> dict[str, Any]:
    return {
        "id": block.id,
        "title": block.title,
        "energy_zone": block.energy_zone.value,
        "start_time": block.start_time.isoformat(),
        "end_time": block.end_time.isoformat(),
        "purpose": block.purpose,
        "why_it_matters": block.why_it_matters,
        "locked": block.locked,
        "tasks": [_task(task) for task in block.tasks],
    }


def _task(task: RoutineTask) -> dict[str, Any]:
    return {
        "id": task.id,
        "title": task.title,
        "description": task.description,
        "type": task.type.value,
        "priority": task.priority.value,
        "start_time": task.start_time.isoformat(),
        "end_time": task.end_time.isoformat(),
        "status": task.status.value,
        "evidence": [_evidence(each) for each in task.evidence],
    }


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "kind": evidence.kind.value,
        "type": evidence.type,
        "value": evidence.value,
        "unit": evidence.unit,
        "measured_at": evidence.measured_at.isoformat(),
        "age_seconds": evidence.age_seconds,
        "source": evidence.source.value,
    }
