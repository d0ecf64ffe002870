"""What a plan is made from. Everything in it enters `inputs_hash`."""

from dataclasses import dataclass
from datetime import date, datetime

from services.domain.health import HealthRecords
from services.domain.ids import RoutineId
from services.domain.routine import Archetype, Preferences


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """`timezone` is a known IANA name; `ready_at` is the moment at which the plan is made: nothing of it may lie before that."""

    routine_id: RoutineId
    archetype: Archetype
    preferences: Preferences
    timezone: str
    date: date
    records: HealthRecords
    ready_at: datetime
