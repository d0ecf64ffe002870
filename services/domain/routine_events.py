"""What happens to a routine, as its subscribers hear of it. Ids follow each other in the order of commits, for each person."""

from dataclasses import dataclass
from datetime import datetime

from services.domain.ids import EventId, RoutineId
from services.domain.routine import Planner, Routine, RoutineStatus, TimeBlock


@dataclass(frozen=True, slots=True)
class PlanReadyEvent:
    """A routine of this person became READY or FAILED."""

    id: EventId
    at: datetime
    routine_id: RoutineId
    routine: Routine


@dataclass(frozen=True, slots=True)
class RoutineStageChanged:
    """`detail` says what goes on, in words safe to show."""

    id: EventId
    at: datetime
    routine_id: RoutineId
    status: RoutineStatus
    detail: str | None


@dataclass(frozen=True, slots=True)
class TimeBlockReady:
    """A block that a person can already use. A later one with the same block id and a higher revision replaces it."""

    id: EventId
    at: datetime
    routine_id: RoutineId
    block: TimeBlock
    planner: Planner
    revision: int
    final: bool


RoutineEvent = PlanReadyEvent | RoutineStageChanged | TimeBlockReady
