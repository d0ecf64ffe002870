"""What a routine holds as JSON documents in its row, and back; a plan is read by `store.stored_plans`.

Instants are RFC 3339 in UTC. What depends on the moment of reading (ages) is not stored; `as_of` brings it back. Documents from
before a field was added read as if it were empty.
"""

from dataclasses import asdict
from datetime import datetime, time
from typing import Any

from services.domain.health import DataSource, DataState
from services.domain.problems import FAILURES, Problem
from services.domain.routine import (
    FixedEvent,
    HealthDataUse,
    Plan,
    Preferences,
    RoutineChange,
    RoutineTask,
    RoutineTiming,
    TaskType,
    TimeBlock,
)

Document = dict[str, Any]


def dump_preferences(preferences: Preferences) -> Document:
    return {
        "wake_time": _dump_time(preferences.wake_time),
        "sleep_time": _dump_time(preferences.sleep_time),
        "work_start": _dump_time(preferences.work_start),
        "work_end": _dump_time(preferences.work_end),
        "fixed_events": [
            {"title": event.title, "start_time": _dump_time(event.start_time), "end_time": _dump_time(event.end_time)}
            for event in preferences.fixed_events
        ],
        "avoid_task_types": [kind.value for kind in preferences.avoid_task_types],
        "goal": preferences.goal,
    }


def load_preferences(stored: Document) -> Preferences:
    return Preferences(
        wake_time=_load_time(stored["wake_time"]),
        sleep_time=_load_time(stored["sleep_time"]),
        work_start=_load_time(stored["work_start"]),
        work_end=_load_time(stored["work_end"]),
        fixed_events=tuple(
            FixedEvent(event["title"], time.fromisoformat(event["start_time"]), time.fromisoformat(event["end_time"]))
            for event in stored["fixed_events"]
        ),
        avoid_task_types=tuple(TaskType(kind) for kind in stored.get("avoid_task_types", ())),
        goal=stored.get("goal"),
    )


def dump_plan(plan: Plan) -> Document:
    return {
        "planner": plan.planner.value,
        "summary": plan.summary,
        "inputs_hash": plan.inputs_hash,
        "time_blocks": [dump_block(block) for block in plan.time_blocks],
        "checks": [
            {"rule": check.rule, "verdict": check.verdict.value, "detail": check.detail, "citation": check.citation}
            for check in plan.checks
        ],
        "safety_notice": plan.safety_notice,
        "changes": [_dump_change(change) for change in plan.changes],
        "model": plan.model,
        "usage": None if plan.usage is None else asdict(plan.usage),
    }


def dump_health_data(use: HealthDataUse) -> Document:
    return {
        "source": use.source.value,
        "state": use.state.value,
        "biomarkers": use.biomarkers,
        "scores": use.scores,
        "newest_value_at": _dump_instant(use.newest_value_at),
        "oldest_value_at": _dump_instant(use.oldest_value_at),
        "missing_categories": list(use.missing_categories),
        "confidence": use.confidence,
    }


def load_health_data(stored: Document, as_of: datetime) -> HealthDataUse:
    return HealthDataUse(
        source=DataSource(stored["source"]),
        state=DataState(stored["state"]),
        biomarkers=stored["biomarkers"],
        scores=stored["scores"],
        newest_value_at=load_instant(stored["newest_value_at"]),
        oldest_value_at=load_instant(stored["oldest_value_at"]),
        missing_categories=tuple(stored["missing_categories"]),
        confidence=stored["confidence"],
        as_of=as_of,
    )


def dump_timing(timing: RoutineTiming) -> Document:
    return {
        "fetch_ms": timing.fetch_ms,
        "plan_ms": timing.plan_ms,
        "total_ms": timing.total_ms,
        "first_block_ms": timing.first_block_ms,
        "speculative": timing.speculative,
    }


def load_timing(stored: Document) -> RoutineTiming:
    return RoutineTiming(**stored)


def dump_failure(problem: Problem) -> Document:
    return {
        "code": problem.code,
        "message": problem.message,
        "retryable": problem.retryable,
        "retry_after_ms": problem.retry_after_ms,
    }


def load_failure(stored: Document) -> Problem:
    kind = FAILURES[stored["code"]]
    return kind(stored["message"], retryable=stored["retryable"], retry_after_ms=stored["retry_after_ms"])


def dump_block(block: TimeBlock) -> Document:
    return {
        "id": block.id,
        "title": block.title,
        "energy_zone": block.energy_zone.value,
        "start_time": block.start_time.isoformat(),
        "end_time": block.end_time.isoformat(),
        "purpose": block.purpose,
        "why_it_matters": block.why_it_matters,
        "locked": block.locked,
        "tasks": [_dump_task(task) for task in block.tasks],
    }


def _dump_change(change: RoutineChange) -> Document:
    return {
        "kind": change.kind.value,
        "task_id": change.task_id,
        "task_title": change.task_title,
        "moved_from": _dump_instant(change.moved_from),
        "moved_to": _dump_instant(change.moved_to),
        "because": change.because,
    }


def _dump_task(task: RoutineTask) -> Document:
    return {
        "id": task.id,
        "key": task.key,
        "title": task.title,
        "description": task.description,
        "type": task.type.value,
        "priority": task.priority.value,
        "start_time": task.start_time.isoformat(),
        "end_time": task.end_time.isoformat(),
        "status": task.status.value,
        "evidence": [
            {
                "kind": evidence.kind.value,
                "type": evidence.type,
                "value": evidence.value,
                "unit": evidence.unit,
                "measured_at": evidence.measured_at.isoformat(),
                "source": evidence.source.value,
            }
            for evidence in task.evidence
        ],
    }


def _dump_time(value: time | None) -> str | None:
    return None if value is None else value.isoformat("minutes")


def _load_time(stored: str | None) -> time | None:
    return None if stored is None else time.fromisoformat(stored)


def _dump_instant(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()


def load_instant(stored: str | None) -> datetime | None:
    return None if stored is None else datetime.fromisoformat(stored)
