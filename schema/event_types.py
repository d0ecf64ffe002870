"""What is pushed: the events of a routine, shapes that read the domain's attributes."""

import datetime as dt

import strawberry

from schema.enums import Planner, RoutineStatus
from schema.types import Routine, TimeBlock
from services.domain import routine_events


@strawberry.interface(description="Something that happened to a routine.")
class RoutineEvent:
    id: strawberry.ID = strawberry.field(description="Give it as `after` to go on from here.")
    at: dt.datetime = strawberry.field(description="When it happened.")
    routine_id: strawberry.ID = strawberry.field(description="The routine it happened to.")


@strawberry.type(description="A routine became READY or FAILED.")
class PlanReadyEvent(RoutineEvent):
    routine: Routine = strawberry.field(description="The routine, as it is now.")

    @classmethod
    def is_type_of(cls, obj: object, _info: object) -> bool:
        return isinstance(obj, routine_events.PlanReadyEvent)


@strawberry.type(description="A routine went on to its next stage.")
class RoutineStageChanged(RoutineEvent):
    status: RoutineStatus = strawberry.field(description="Where it stands from now on.")
    detail: str | None = strawberry.field(description="What goes on, for a person to read.")

    @classmethod
    def is_type_of(cls, obj: object, _info: object) -> bool:
        return isinstance(obj, routine_events.RoutineStageChanged)


@strawberry.type(
    description="A block that a person can already use. A later one with the same block id and a higher revision replaces it."
)
class TimeBlockReady(RoutineEvent):
    block: TimeBlock = strawberry.field(description="The block, verified.")
    planner: Planner = strawberry.field(description="Which planner wrote it.")
    revision: int = strawberry.field(description="Counts the versions of this block, upwards.")
    final: bool = strawberry.field(description="No later one will replace it.")

    @classmethod
    def is_type_of(cls, obj: object, _info: object) -> bool:
        return isinstance(obj, routine_events.TimeBlockReady)


EVENTS = (PlanReadyEvent, RoutineStageChanged, TimeBlockReady)
"""What happens to a routine: reached through the interface alone, so the schema has to be told of them."""
