"""Standing orders: shapes that read the domain's attributes."""

import datetime as dt
from typing import Annotated

import strawberry

from schema.enums import Archetype
from schema.problems import InvalidInput, NotFound
from schema.types import Routine
from services.domain import outcomes


@strawberry.type(description="A person's standing order: a routine every morning, made before they wake.")
class DailyRoutine:
    user_id: strawberry.ID = strawberry.field(description="Whose order it is: their externalId at Sahha.")
    archetype: Archetype = strawberry.field(description="How the person wants to be led.")
    timezone: str = strawberry.field(description="IANA name of the person's zone.")
    lead_minutes: int = strawberry.field(description="Minutes before the person's wake time at which the plan is due; 5 to 240.")
    wake_time: dt.time | None = strawberry.field(description="As ordered; null: their usual wake time decides.")
    sleep_time: dt.time | None = strawberry.field(description="As ordered; null: their habits decide.")
    next_at: dt.datetime | None = strawberry.field(
        description="When the next plan is due; it is asked for in the first half of the lead after that."
    )
    last_routine: Routine | None = strawberry.field(
        description="The newest routine that was made for the order, as it is now; null before the first."
    )


@strawberry.type(description="dailyRoutine is null after stopDailyRoutine.")
class SetDailyRoutineSuccess:
    daily_routine: DailyRoutine | None = strawberry.field(description="The standing order as it is now.")

    @classmethod
    def is_type_of(cls, obj: object, _info: object) -> bool:
        return isinstance(obj, outcomes.SetDailyRoutineSuccess)


SetDailyRoutineResult = Annotated[
    SetDailyRoutineSuccess | InvalidInput | NotFound,
    strawberry.union("SetDailyRoutineResult", description="The standing order, or why it was not changed."),
]
