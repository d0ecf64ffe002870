"""What a plan is made from. Everything in it enters `inputs_hash`."""

from dataclasses import dataclass
from datetime import date, datetime

from services.domain.health import NOTHING_EARLIER, BehaviourLabel, EarlierRecords, HealthRecords
from services.domain.ids import RoutineId
from services.domain.routine import Archetype, Condition, Plan, Preferences


@dataclass(frozen=True, slots=True)
class PlanInputs:
    """`timezone` is a known IANA name; `ready_at` is the moment at which the plan is made: nothing of it may lie before that.

    `records` are those of the week, `earlier` those of the three weeks before it. `previous` is the plan of the same day, with
    the status of each task, of which what is left is planned again. `completion` is the share of the last week's tasks that were
    done, 0 to 1; `None` where that is not known.
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
    earlier: EarlierRecords = NOTHING_EARLIER

    @property
    def month(self) -> HealthRecords:
        """The week's rows and the earlier ones behind them: for what looks back, never for evidence."""
        return self.records.after(self.earlier)
