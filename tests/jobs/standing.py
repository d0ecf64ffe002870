"""Standing orders at a moment that a test chooses: the clock is set, and the job runs as it would have."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from services.clock import clock_starting_at
from services.daily_routines import EVERY, DailyRoutineService
from services.domain.daily_routine import DailyRoutine, DailyRoutineOrder
from services.domain.ids import UserId
from services.domain.outcomes import SetDailyRoutineSuccess
from services.domain.routine import Archetype, Preferences
from tests.product import Product

PERSON = UserId("sandbox-avery")


def at(product: Product, moment: datetime) -> DailyRoutineService:
    """Standing orders with a clock that starts at a moment."""
    services = product.services
    return DailyRoutineService(services.database, services.routines, services.settings, clock_starting_at(moment))


def order(
    timezone: str,
    wake: time | None = time(7),
    *,
    user_id: UserId = PERSON,
    lead_minutes: int = 30,
    sleep: time | None = time(22, 30),
) -> DailyRoutineOrder:
    return DailyRoutineOrder(
        user_id=user_id,
        archetype=Archetype.PEAK_PERFORMER,
        timezone=timezone,
        preferences=Preferences(wake_time=wake, sleep_time=sleep),
        lead_minutes=lead_minutes,
    )


async def ordered(product: Product, moment: datetime, wanted: DailyRoutineOrder) -> DailyRoutine:
    outcome = await at(product, moment).set_order(wanted)
    assert isinstance(outcome, SetDailyRoutineSuccess)
    assert outcome.daily_routine is not None
    return outcome.daily_routine


def ticks(start: datetime, end: datetime, every: timedelta = EVERY) -> Iterator[datetime]:
    """The moments at which the job runs."""
    moment = start
    while moment < end:
        yield moment
        moment += every


async def run_job(product: Product, start: datetime, end: datetime, every: timedelta = EVERY) -> None:
    for moment in ticks(start, end, every):
        await at(product, moment).generate_due()


async def asked_dates(product: Product, user_id: UserId = PERSON) -> list[date]:
    """The days of a person that a plan was asked for; every one of them has its routine and its job."""
    async with product.services.database.connection() as connection:
        rows = await connection.fetch(
            """
            select daily_requests.local_date, routines.auto_replan, routines.local_date as planned_date, pgqueuer.priority
            from daily_requests join routines on routines.id = daily_requests.routine_id
            join pgqueuer on pgqueuer.dedupe_key = 'routine:' || routines.id
            where daily_requests.user_id = $1 order by daily_requests.local_date
            """,
            user_id,
        )
        routines = await connection.fetchval("select count(*) from routines where user_id = $1", user_id)
    assert len(rows) == routines
    assert all(row["auto_replan"] and row["planned_date"] == row["local_date"] for row in rows)
    return [row["local_date"] for row in rows]
