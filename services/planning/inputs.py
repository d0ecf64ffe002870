"""What a plan is made from. Everything in it enters `inputs_hash`."""

from dataclasses import dataclass
from datetime import date, datetime

from services.domain.health import BehaviourLabel, HealthRecords
from services.domain.ids import RoutineId
from services.domain.routine import Archetype, Condition, Plan, Preferences


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """`timezone` is a known IANA name; `ready_at` is the moment at which the plan is made: nothing of it may lie before that.

    `records` may hold a week or a month. `previous` is the plan of the same day, with the status of each task, of which what is
    left is planned again. `completion` is the share of the last week's tasks that were done, 0 to 1; `None` where that is not
    known.
    """

    routine_id: RoutineId
    archetype: Archetype
    preferences: Preferences
    timezone: str
    date: date
    records: HealthRecords
    ready_at: datetime
    condition: Condition = Condition.WELL
    labels: tuple[BehaviourLabel, ...] = ()
    previous: Plan | None = None
    completion: float | None = None
