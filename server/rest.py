"""The predecessor's URLs, each a call of the method that GraphQL calls too. Bodies and answers are in snake_case."""

import datetime as dt
import re
from dataclasses import replace
from enum import Enum
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from resolvers.access import may_act_for, must_be_admin
from resolvers.arguments import WAIT_LIMIT_S, person_id
from schema.scalars import parse_local_time
from server.admission import Lane, admit
from server.refusals import rest_problem
from server.routine_json import job_json, routine_json
from server.wire import JsonResponse, NotJson, decode
from services.domain.ids import UserId
from services.domain.outcomes import GenerateRoutineSuccess, RefreshSahhaSuccess
from services.domain.problems import InvalidInput, PlanningFailed, Problem
from services.domain.routine import Archetype, Condition, Preferences, Routine, RoutineRequest, RoutineStatus, TaskType

E = TypeVar("E", bound=Enum)

BODY_FIELDS = frozenset({"archetype", "condition", "preferences", "timezone"})
PREFERENCE_FIELDS = frozenset({"wake_time", "sleep_time", "avoid_task_types", "goal"})


class Refused(Exception):
    """A body that cannot be understood, as the problem to answer with."""

    def __init__(self, message: str, *field: str) -> None:
        super().__init__(message)
        self.problem = InvalidInput(message, field=field)


async def generate_routine(request: Request) -> Response:
    """Asks for today's routine and answers when it is READY or FAILED; 202 when it is neither after 120 s."""
    caller = await admit(request)
    user_id = may_act_for(caller, UserId(request.path_params["user_id"]))
    try:
        command = to_command(user_id, decode(await request.body()))
    except NotJson as error:
        return rest_problem(InvalidInput(str(error)))
    except Refused as refused:
        return rest_problem(refused.problem)
    request.state.services.rate_limits.work(user_id)
    routines = request.state.services.routines
    with request.state.admission.taken(Lane.MUTATIONS, caller):
        outcome = await routines.request(command)
    if not isinstance(outcome, GenerateRoutineSuccess):
        return rest_problem(in_body(outcome))
    return answer(await routines.wait(outcome.routine.id, WAIT_LIMIT_S))


def answer(routine: Routine) -> Response:
    """The routine, or why there is none."""
    if routine.status is RoutineStatus.FAILED:
        return rest_problem(routine.failure or PlanningFailed("The plan could not be made. Ask again.", retryable=True))
    return JsonResponse(routine_json(routine), 200 if routine.status is RoutineStatus.READY else 202)


def in_body(problem: Problem) -> Problem:
    """The problem with the names of this URL's body: `input.preferences.sleepTime` is `preferences.sleep_time` here."""
    if not isinstance(problem, InvalidInput):
        return problem
    names = (re.sub(r"([A-Z])", r"_\1", step).lower() for step in problem.field if step != "input")
    return replace(problem, field=tuple(names))


async def refresh_sahha(request: Request) -> Response:
    """Fetches from Sahha now; `?force=true` also what was read a moment ago."""
    caller = must_be_admin(await admit(request))
    user_id = may_act_for(caller, person_id(request.path_params["user_id"]))
    force = request.query_params.get("force", "false").lower()
    if force not in {"true", "false"}:
        return rest_problem(InvalidInput("force is true or false.", field=("force",)))
    request.state.services.rate_limits.work(user_id)
    with request.state.admission.taken(Lane.MUTATIONS, caller):
        outcome = await request.state.services.health_data.refresh(user_id, force=force == "true")
    if not isinstance(outcome, RefreshSahhaSuccess):
        return rest_problem(outcome)
    return JsonResponse(
        {
            "user_id": outcome.user_id,
            "biomarkers": outcome.biomarkers,
            "scores": outcome.scores,
            "changed": outcome.changed,
            "fetched_at": outcome.fetched_at.isoformat(),
            "duration_ms": outcome.duration_ms,
        }
    )


async def scheduler_status(request: Request) -> Response:
    must_be_admin(await admit(request))
    status = await request.state.scheduler.status()
    return JsonResponse(
        {"running": status.running, "total_jobs": status.total_jobs, "jobs": [job_json(job) for job in status.jobs]}
    )


ROUTES = [
    Route("/api/user/{user_id:path}/routine/generate", generate_routine, methods=["POST"]),
    Route("/api/admin/refresh-sahha/{user_id:path}", refresh_sahha, methods=["POST"]),
    Route("/api/admin/scheduler/status", scheduler_status, methods=["GET"]),
]


def to_command(user_id: UserId, body: object) -> RoutineRequest:
    """The predecessor's body as a command. Raises `Refused`, also for a member that would be ignored."""
    members = _object(body, BODY_FIELDS)
    timezone = members.get("timezone")
    if not isinstance(timezone, str):
        raise Refused("timezone must be an IANA name, e.g. America/New_York.", "timezone")
    condition = members.get("condition")
    return RoutineRequest(
        user_id=user_id,
        archetype=_member(Archetype, members.get("archetype"), "archetype"),
        timezone=timezone,
        date=None,
        preferences=_preferences(members.get("preferences")),
        condition=Condition.WELL if condition is None else _member(Condition, condition, "condition"),
    )


def _object(value: object, known: frozenset[str], *field: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refused(f"{field[-1] if field else 'The body'} must be an object.", *field)
    for name in value:
        if name not in known:
            raise Refused(f"Only these are known here: {', '.join(sorted(known))}.", *field, name)
    return value


def _member(kind: type[E], value: object, *field: str) -> E:
    """By its name as people write it, such as "Transformation Seeker", in any case."""
    name = re.sub(r"[\s_-]+", "_", value.strip()).upper() if isinstance(value, str) else ""
    if name not in kind.__members__:
        known = ", ".join(each.name.replace("_", " ").title() for each in kind)
        raise Refused(f"{'.'.join(field)} must be one of: {known}.", *field)
    return kind[name]


def _preferences(value: object) -> Preferences | None:
    if value is None:
        return None
    members = _object(value, PREFERENCE_FIELDS, "preferences")
    goal = members.get("goal")
    if not isinstance(goal, str | None):
        raise Refused("goal must be text.", "preferences", "goal")
    return Preferences(
        wake_time=_time(members, "wake_time"),
        sleep_time=_time(members, "sleep_time"),
        avoid_task_types=_task_types(members.get("avoid_task_types"), "preferences", "avoid_task_types"),
        goal=goal,
    )


def _task_types(value: object, *field: str) -> tuple[TaskType, ...]:
    if not isinstance(value, list | None):
        raise Refused(f"{field[-1]} must be a list of names.", *field)
    return tuple(_member(TaskType, each, *field, str(index)) for index, each in enumerate(value or ()))


def _time(preferences: dict[str, Any], name: str) -> dt.time | None:
    value = preferences.get(name)
    try:
        return None if value is None else parse_local_time(value)
    except ValueError as error:
        raise Refused(str(error), "preferences", name) from None
