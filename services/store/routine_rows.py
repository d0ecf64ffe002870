"""A routine and its row: what is compared, what is handed out as a cursor, and the mapping back."""

import base64
import binascii
import hashlib
from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from services.domain.ids import EventId, RoutineId, UserId
from services.domain.routine import Archetype, Condition, Plan, Routine, RoutineRequest, RoutineStatus
from services.store.plan_document import (
    dump_preferences,
    load_failure,
    load_health_data,
    load_preferences,
    load_timing,
)
from services.store.stored_plans import load_plan, view_plan


def request_hash(request: RoutineRequest, local_date: date | None, replan_of: RoutineId | None = None) -> bytes:
    """SHA-256 of what was asked: equal for identical requests. The idempotency key is not part of it."""
    document = [
        request.user_id,
        request.archetype.value,
        request.timezone,
        local_date and local_date.isoformat(),
        request.preferences and dump_preferences(request.preferences),
        request.condition.value,
        request.auto_replan,
        replan_of and str(replan_of),
    ]
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).digest()


def dump_cursor(created_at: datetime, routine_id: UUID) -> str:
    """An opaque page cursor."""
    return base64.urlsafe_b64encode(f"{created_at.isoformat()}|{routine_id}".encode()).decode()


def load_cursor(cursor: str) -> tuple[datetime, UUID] | None:
    """The inverse of `dump_cursor`; `None` for anything that it did not make."""
    try:
        at, _, routine_id = base64.urlsafe_b64decode(cursor.encode("ascii")).decode("ascii").partition("|")
        created_at = datetime.fromisoformat(at)
        return (created_at, UUID(routine_id)) if created_at.tzinfo else None
    except (ValueError, binascii.Error):
        return None


VIEWED = """
id, user_id, local_date, timezone, archetype, preferences, status, created_at, cursor, attempt, ready_at, failure, health_data,
plan::text as plan, timing, supersedes, superseded_by, condition, auto_replan, replan_of, replan_trigger, reused_from"""
"""The columns for `view_routine`: a row whose plan is still text."""


def view_routine(row: asyncpg.Record, now: datetime) -> Routine:
    """As `load_routine`, to be shown: its plan is one of `view_plan`."""
    return load_routine(row, now, view_plan)


def load_routine(row: asyncpg.Record, now: datetime, plan: Callable[[Any, datetime], Plan] = load_plan) -> Routine:
    """The routine of a whole row; ages in it are counted up to `now`."""
    return Routine(
        id=RoutineId(row["id"]),
        user_id=UserId(row["user_id"]),
        date=row["local_date"],
        timezone=row["timezone"],
        archetype=Archetype(row["archetype"]),
        preferences=load_preferences(row["preferences"]),
        status=RoutineStatus(row["status"]),
        created_at=row["created_at"],
        cursor=EventId(row["cursor"]),
        attempt=row["attempt"],
        ready_at=row["ready_at"],
        failure=load_failure(row["failure"]) if row["failure"] else None,
        health_data=load_health_data(row["health_data"], now) if row["health_data"] else None,
        plan=plan(row["plan"], now) if row["plan"] else None,
        timing=load_timing(row["timing"]) if row["timing"] else None,
        supersedes=row["supersedes"],
        superseded_by=row["superseded_by"],
        condition=Condition(row["condition"]),
        auto_replan=row["auto_replan"],
        replan_of=row["replan_of"],
        replan_trigger=row["replan_trigger"],
        reused_from=row["reused_from"],
    )
