"""News of a person's data during the day: where it changes the picture, what is left of the day is planned again.

The listener queues a durable job in the transaction that stores the news, behind a short delay: a device sends many rows at once.
"""

from datetime import UTC, datetime, timedelta

import asyncpg
import structlog

from services.clock import Clock
from services.domain.health import DataState
from services.domain.ids import UserId
from services.domain.routine import ChangeKind, Routine
from services.domain.schedule import local_date, zone
from services.fulfilment import Fulfilment
from services.planning.changes import Trigger
from services.planning.planner import PlannedDay
from services.routines import RoutineService
from services.store import days, people, queue
from services.store.database import Database

SETTLING = timedelta(seconds=30)
"""News of one person within this time is looked at once."""
AT_MOST_EVERY = timedelta(minutes=30)
"""A day does not turn around more often than this, unless the night has become whole."""
MATERIAL = frozenset({ChangeKind.ADDED, ChangeKind.REMOVED, ChangeKind.MOVED})
"""Other words for the same tasks at the same times are no reason to disturb anybody."""

log = structlog.get_logger()


class ReplanningService:
    """Plans that follow the day."""

    def __init__(self, database: Database, fulfilment: Fulfilment, routines: RoutineService, clock: Clock) -> None:
        self._database = database
        self._fulfilment = fulfilment
        self._routines = routines
        self._clock = clock

    async def note_news(self, connection: asyncpg.Connection, user_id: UserId, at: datetime) -> None:
        """A `NewsListener`: where the person has a plan that follows the day, have it looked at."""
        if await days.replannable(connection, user_id, local_date(at, UTC) - timedelta(days=1), at):
            await queue.enqueue_news(connection, user_id, SETTLING)

    async def follow(self, user_id: UserId) -> bool:
        """Plan again what the newest data of this person changes. True: more news came meanwhile, look again."""
        now = self._clock.now()
        async with self._database.connection() as connection:
            found = await days.replannable(connection, user_id, local_date(now, UTC) - timedelta(days=1), now)
        for routine in found:
            if _day_is_on(routine, now) and self._due(routine, now, planned := await self._fulfilment.preview(routine)):
                await self._routines.replan(routine.id, None, user_id, Trigger.READINGS)
                log.info("[REPLAN] News changes the day", routine=str(routine.id), changes=len(planned.plan.changes))
        async with self._database.connection() as connection:
            newest = await people.news_at(connection, user_id)
        return newest is not None and newest > now

    def _due(self, routine: Routine, now: datetime, planned: PlannedDay) -> bool:
        """Whether what is left of the day looks different now; a night that has become whole always counts."""
        before = routine.health_data.state if routine.health_data else None
        if before is DataState.SYNCING and planned.health_data.state is not DataState.SYNCING:
            return True
        rested = routine.ready_at is None or now - routine.ready_at >= AT_MOST_EVERY
        return rested and routine.auto_replan and any(change.kind in MATERIAL for change in planned.plan.changes)


def _day_is_on(routine: Routine, now: datetime) -> bool:
    """Today in the routine's zone, or the evening before: a plan for later is made anew when its day comes."""
    today = local_date(now, zone(routine.timezone))
    blocks = routine.time_blocks
    return bool(blocks) and blocks[-1].end_time > now and routine.date <= today + timedelta(days=1)
