"""A routine every morning: standing orders, and the job that asks for what they are due.

The job inserts requests and nothing else; workers make the plans, behind everything that somebody waits for. What it asks for is
unique by person and local date, and committed together with the order's next date: however often and whenever it runs, on
however many replicas, one plan is asked for each person and day.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import asyncpg
import structlog

from services.clock import Clock
from services.config import Settings
from services.domain.daily_routine import (
    LONGEST_LEAD,
    SHORTEST_LEAD,
    DailyRoutine,
    DailyRoutineOrder,
    Rhythm,
    next_due,
    owed,
    spread,
)
from services.domain.health import Biomarker
from services.domain.ids import RoutineId, UserId
from services.domain.outcomes import SetDailyRoutineResult, SetDailyRoutineSuccess
from services.domain.problems import InvalidInput, NotFound
from services.domain.routine import RoutineRequest
from services.domain.schedule import UnknownTimezone, zone
from services.planning.hours import asked_hours
from services.planning.nights import HABIT_DAYS, nights, recent, usual
from services.planning.request import validate_request
from services.routines import RoutineService
from services.store import daily_routines as store
from services.store import routines as routine_store
from services.store.database import Database
from services.store.pruning import in_batches

EVERY = timedelta(minutes=5)
"""How often the job runs. It looks as far ahead, so that the shortest lead is kept too."""
PAGE = 100
"""Orders of one transaction: their people's rows are locked for some hundredths of a second."""
MOST_AT_ONCE = 20_000
LONGEST_RUN_S = 150.0
"""A run ends after so many orders or seconds; the next one goes on."""
UNKNOWN_ZONE_PAUSE = timedelta(days=1)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of an order that is looked at: the day that a plan is asked for, if any, and the next date."""

    order: DailyRoutineOrder
    day: date | None
    planned: store.NextPlan


class DailyRoutineService:
    """Standing orders."""

    def __init__(self, database: Database, routines: RoutineService, settings: Settings, clock: Clock) -> None:
        self._database = database
        self._routines = routines
        self._settings = settings
        self._clock = clock

    async def set_order(self, order: DailyRoutineOrder) -> SetDailyRoutineResult:
        """The standing order of this person from now on, in place of any other.

        The first plan is that of the next waking for which none was asked yet. Raises `Unavailable`: ask again.
        """
        now = self._clock.now()
        problem = _problem(order, now)
        if problem is not None:
            return problem
        async with self._database.transaction() as connection:
            rhythms = await self._rhythms(connection, [order], now)
            last = await store.last_request(connection, order.user_id)
            await store.put(connection, order, _next_plan(order, rhythms[order.user_id], now, last[0] if last else None), now)
            daily = await self._read(connection, order.user_id, now)
        log.info("[DAILY] Standing order set", lead_minutes=order.lead_minutes)
        return SetDailyRoutineSuccess(daily)

    async def stop(self, user_id: UserId) -> SetDailyRoutineResult:
        """End the standing order; a success too when there is none any more. What it has asked for already is still made.

        `NotFound` for a person of whom nothing is known here.
        """
        async with self._database.transaction() as connection:
            if not await store.remove(connection, user_id) and not await store.is_known(connection, user_id):
                return NotFound("There is no such person.")
        return SetDailyRoutineSuccess(None)

    async def read(self, user_id: UserId) -> DailyRoutine | None:
        """The standing order of a person, if there is one."""
        async with self._database.connection() as connection:
            return await self._read(connection, user_id, self._clock.now())

    async def generate_due(self) -> str:
        """Ask for the plan of every standing order that is due before the job runs again; a line on what was done."""
        now = self._clock.now()
        stop_at = self._clock.monotonic() + LONGEST_RUN_S
        found = requested = 0
        while found < MOST_AT_ONCE and self._clock.monotonic() < stop_at:
            looked_at, asked_for = await self._generate_page(now)
            found, requested = found + looked_at, requested + asked_for
            if looked_at < PAGE:
                return f"{found} standing orders were due, {requested} routines requested"
        log.warning("[DAILY] More standing orders are due than one run takes", taken=found)
        return f"{found} standing orders were due and more wait for the next run, {requested} routines requested"

    async def prune(self) -> int:
        """Forget what was asked for more than `RETENTION_DAYS` ago, in batches; how many went."""
        before = self._clock.now() - timedelta(days=self._settings.retention_days)
        return await in_batches(self._database, lambda connection, limit: store.prune(connection, before, limit))

    async def _generate_page(self, now: datetime) -> tuple[int, int]:
        """How many orders were due, and for how many of them a routine was asked for."""
        async with self._database.transaction() as connection:
            due = await store.lock_due(connection, now + EVERY, PAGE)
            if not due:
                return 0, 0
            rhythms = await self._rhythms(connection, [each.order for each in due], now)
            decisions = [_decide(each, rhythms.get(each.order.user_id), now) for each in due]
            wanted = {
                RoutineId(uuid4()): (_request(each.order, each.day), each.day) for each in decisions if each.day is not None
            }
            requested = 0
            if wanted:
                claimed = await store.claim(
                    connection, [(request.user_id, day, id_) for id_, (request, day) in wanted.items()], now
                )
                requested = len(claimed)
                await self._routines.request_in(connection, {id_: wanted[id_] for id_ in wanted if id_ in claimed})
            await store.reschedule(connection, [each.planned for each in decisions])
        return len(due), requested

    async def _rhythms(
        self, connection: asyncpg.Connection, orders: Sequence[DailyRoutineOrder], now: datetime
    ) -> dict[UserId, Rhythm]:
        """Their days as preferences, else the stored nights, tell them. Orders in a zone that is unknown are left out."""
        without = [order.user_id for order in orders if order.preferences.wake_time is None]
        since = now - timedelta(days=HABIT_DAYS + 2)
        sleeps = await store.read_sleep_times(connection, without, since, now) if without else {}
        found = {}
        for order in orders:
            try:
                tz = zone(order.timezone)
            except UnknownTimezone:
                log.warning("[DAILY] The time zone of a standing order is no longer known", zone=order.timezone)
                continue
            found[order.user_id] = _rhythm(order, tz, sleeps.get(order.user_id, ()), now)
            await asyncio.sleep(0)  # a month of nights takes a few milliseconds: others get their turn in between
        return found

    async def _read(self, connection: asyncpg.Connection, user_id: UserId, now: datetime) -> DailyRoutine | None:
        standing = await store.read(connection, user_id)
        if standing is None:
            return None
        last = await store.last_request(connection, user_id)
        routine = None if last is None else await routine_store.read(connection, last[1], user_id, now)
        return DailyRoutine(standing.order, standing.due_at, routine)


def _problem(order: DailyRoutineOrder, now: datetime) -> InvalidInput | None:
    """The first thing that the caller has to change, or `None`."""
    problem = validate_request(_request(order, None), now)
    if problem is None and not SHORTEST_LEAD <= order.lead_minutes <= LONGEST_LEAD:
        message = f"leadMinutes is out of bounds: send {SHORTEST_LEAD} to {LONGEST_LEAD}."
        return InvalidInput(message, field=("input", "leadMinutes"))
    return problem


def _request(order: DailyRoutineOrder, day: date | None) -> RoutineRequest:
    """What is asked for by an order. A plan made before waking is made again when the night turns out otherwise."""
    return RoutineRequest(
        user_id=order.user_id,
        archetype=order.archetype,
        timezone=order.timezone,
        date=day,
        preferences=order.preferences,
        auto_replan=True,
    )


def _rhythm(order: DailyRoutineOrder, tz: ZoneInfo, sleep_times: Sequence[Biomarker], now: datetime) -> Rhythm:
    habits = recent(nights(sleep_times, tz, now), now)
    wake, sleep = asked_hours(
        order.preferences,
        usual((night.end for night in habits), tz),
        usual((night.start for night in habits), tz),
    )
    return Rhythm(wake, sleep, tz, order.lead)


def _decide(standing: store.StandingOrder, rhythm: Rhythm | None, now: datetime) -> Decision:
    """Decided anew from the present, whatever was planned when: the clock, the zone or the person's nights may have changed."""
    order = standing.order
    if rhythm is None:
        later = now + UNKNOWN_ZONE_PAUSE
        return Decision(order, None, store.NextPlan(order.user_id, later, later))
    due = owed(rhythm, now, now + EVERY, standing.last_date)
    done = standing.last_date if due is None else due.date
    return Decision(order, None if due is None else due.date, _next_plan(order, rhythm, now, done))


def _next_plan(order: DailyRoutineOrder, rhythm: Rhythm, now: datetime, after: date | None) -> store.NextPlan:
    due = next_due(rhythm, now, after)
    return store.NextPlan(order.user_id, due.at, due.at + spread(order.user_id, order.lead))
