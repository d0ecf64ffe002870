"""Routines: ask for one, call it off, read one, list a person's, and follow the day."""

from dataclasses import replace

from strawberry import UNSET

from resolvers.access import acting_for, owner
from resolvers.arguments import (
    PAGE_LIMIT,
    USER_ID_LENGTH,
    WAIT_LIMIT_S,
    AfterCursorArgument,
    FirstArgument,
    KeyArgument,
    PersonArgument,
    RoutineArgument,
    TaskArgument,
    TaskStatusArgument,
    known_as_routine,
    page_cursor,
    person_id,
    storable,
    within,
)
from resolvers.context import Info
from services.domain.outcomes import CancelRoutineResult, GenerateRoutineResult, GenerateRoutineSuccess, SetTaskStatusResult
from services.domain.pages import Page
from services.domain.problems import NotFound
from services.domain.routine import Routine, RoutineRequest
from services.errors import RoutineNotFound


async def generate_routine(info: Info, request: RoutineRequest, wait_seconds: int) -> GenerateRoutineResult:
    """Acknowledge, then wait as long as was asked for. What the request itself gets wrong is an outcome of the service."""
    acting_for(info, request.user_id)
    within(wait_seconds, "waitSeconds", 0, WAIT_LIMIT_S)
    info.context.services.rate_limits.work(request.user_id)
    outcome = await info.context.services.routines.request(request)
    if not isinstance(outcome, GenerateRoutineSuccess) or not wait_seconds or outcome.routine.status.final:
        return outcome
    if info.context.place is not None:
        info.context.place.leave()
    return replace(outcome, routine=await info.context.services.routines.wait(outcome.routine.id, wait_seconds))


async def routine(info: Info, id: RoutineArgument) -> Routine:  # noqa: A002 - the contract's name
    person = owner(info)
    wanted = known_as_routine(id)
    found = None if wanted is None else await info.context.services.routines.view(wanted, person)
    if found is None:
        raise RoutineNotFound
    return found


async def routines(
    info: Info, user_id: PersonArgument, first: FirstArgument = 20, after: AfterCursorArgument = UNSET
) -> Page[Routine]:
    person = acting_for(info, person_id(user_id))
    size = within(first, "first", 1, PAGE_LIMIT)
    return await info.context.services.routines.page(person, size, page_cursor(after))


async def cancel_routine(info: Info, id: RoutineArgument) -> CancelRoutineResult:  # noqa: A002 - the contract's name
    person = owner(info)
    wanted = known_as_routine(id)
    if wanted is None:
        return NotFound("There is no such routine.")
    return await info.context.services.routines.cancel(wanted, person)


async def replan_routine(info: Info, id: RoutineArgument, idempotency_key: KeyArgument = UNSET) -> GenerateRoutineResult:  # noqa: A002 - the contract's name
    person = owner(info)
    wanted = known_as_routine(id)
    if wanted is None:
        return NotFound("There is no such routine.")
    replanned = await info.context.services.routines.read(wanted, person)
    if replanned is None:
        return NotFound("There is no such routine.")
    info.context.services.rate_limits.work(replanned.user_id)
    key = idempotency_key if isinstance(idempotency_key, str) else None
    return await info.context.services.routines.replan(wanted, key, person)


async def set_task_status(info: Info, task_id: TaskArgument, status: TaskStatusArgument) -> SetTaskStatusResult:
    person = owner(info)
    task = storable(task_id, "taskId", longest=USER_ID_LENGTH)
    return await info.context.services.routines.set_task_status(task, status, person)
