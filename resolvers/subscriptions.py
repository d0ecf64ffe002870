"""What is pushed to clients."""

from collections.abc import AsyncIterator

from strawberry import UNSET

from resolvers.access import acting_for
from resolvers.arguments import AfterEventArgument, PersonArgument, event_id, person_id
from resolvers.context import Info
from services.domain.routine_events import PlanReadyEvent


def plan_ready(info: Info, user_id: PersonArgument, after: AfterEventArgument = UNSET) -> AsyncIterator[PlanReadyEvent]:
    """A refusal is raised here, before the stream begins: the client gets `error`, not a first event."""
    person = acting_for(info, person_id(user_id))
    return info.context.services.events.subscribe(person, event_id(after))
