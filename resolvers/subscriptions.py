"""What is pushed to clients. A refusal is raised before there is a stream: the client gets `error`, not a first event."""

from collections.abc import AsyncIterator

from strawberry import UNSET

from resolvers.access import acting_for, admin, owner
from resolvers.arguments import (
    AfterEventArgument,
    PersonArgument,
    RoutineArgument,
    event_id,
    known_as_routine,
    person_id,
)
from resolvers.context import Info
from services.domain.job_runs import JobRun
from services.domain.routine_events import PlanReadyEvent, RoutineEvent
from services.errors import RoutineNotFound


async def plan_ready(info: Info, user_id: PersonArgument, after: AfterEventArgument = UNSET) -> AsyncIterator[PlanReadyEvent]:
    person = acting_for(info, person_id(user_id))
    return await info.context.services.events.subscribe(person, event_id(after))


async def routine_progress(
    info: Info, routine_id: RoutineArgument, after: AfterEventArgument = UNSET
) -> AsyncIterator[RoutineEvent]:
    person = owner(info)
    wanted = known_as_routine(routine_id, "routineId")
    if wanted is None:
        raise RoutineNotFound
    return await info.context.services.events.progress(wanted, person, event_id(after))


async def scheduler_events(info: Info) -> AsyncIterator[JobRun]:
    admin(info)
    return await info.context.scheduler.events()
