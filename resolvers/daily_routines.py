"""Standing orders: set one, stop it, read it."""

from resolvers.access import acting_for
from resolvers.arguments import PersonArgument, person_id
from resolvers.context import Info
from services.domain.daily_routine import DailyRoutine, DailyRoutineOrder
from services.domain.outcomes import SetDailyRoutineResult


async def daily_routine(info: Info, user_id: PersonArgument) -> DailyRoutine | None:
    person = acting_for(info, person_id(user_id))
    return await info.context.services.daily_routines.read(person)


async def set_daily_routine(info: Info, order: DailyRoutineOrder) -> SetDailyRoutineResult:
    """What the order itself gets wrong is an outcome of the service."""
    acting_for(info, order.user_id)
    return await info.context.services.daily_routines.set_order(order)


async def stop_daily_routine(info: Info, user_id: PersonArgument) -> SetDailyRoutineResult:
    person = acting_for(info, person_id(user_id))
    return await info.context.services.daily_routines.stop(person)
