"""From an acknowledged routine to a READY one: the draft at once, live data beside it, the better plan last.

The draft on warm data is published within milliseconds of the job's start, and is what a person gets when everything else fails.
Live data that says the same keeps it; live data that differs replaces the blocks that rest on it.
"""

from dataclasses import dataclass
from datetime import datetime

import structlog

from services.background import owned_task
from services.clock import Clock
from services.config import Settings
from services.domain.health import HealthRecords, ReadPolicy
from services.domain.problems import Problem
from services.domain.routine import Plan, Routine, RoutineStatus, RoutineTiming, TimeBlock
from services.domain.schedule import zone
from services.health_data import HealthDataService
from services.metrics import Metrics
from services.planning.inputs import PlanInputs
from services.planning.planner import PlannedDay, make_plan
from services.store import events
from services.store import routines as store
from services.store.database import Database

REVISIONS_AN_ATTEMPT = 100
"""Revisions of a later attempt are higher than all of an earlier one's."""

log = structlog.get_logger()


class TakenOver(Exception):
    """Another attempt has the routine: stop quietly."""


@dataclass(slots=True)
class Publication:
    """What subscribers of a routine have been given so far."""

    attempt: store.Attempt
    blocks: dict[str, TimeBlock]
    revision: int
    first_block_at: datetime | None = None


class Fulfilment:
    """One attempt after the other at making a routine READY."""

    def __init__(
        self, database: Database, health_data: HealthDataService, settings: Settings, clock: Clock, metrics: Metrics
    ) -> None:
        self._database = database
        self._health_data = health_data
        self._settings = settings
        self._clock = clock
        self._metrics = metrics

    async def make(self, attempt: store.Attempt) -> None:
        """READY, with its event. Raises `TakenOver`, `PersonNotFound`, `HealthDataUnavailableError`, `Unavailable`."""
        published = Publication(attempt, {}, (attempt.number - 1) * REVISIONS_AN_ATTEMPT)
        routine = attempt.routine
        async with owned_task(self._read_live(routine), "live read") as live:
            warm = await self._draft_on_warm_data(published)
            records = await live
        started = self._clock.monotonic()
        planned = self._plan(routine, records)
        plan_ms = round((self._clock.monotonic() - started) * 1000)
        speculative = warm is not None and warm.plan.inputs_hash == planned.plan.inputs_hash
        await self._finish(published, planned, records, plan_ms, speculative=speculative)

    async def fail(self, attempt: store.Attempt, problem: Problem) -> None:
        """FAILED with its reason, and its event. Raises `TakenOver`."""
        routine = attempt.routine
        async with self._database.transaction() as connection:
            await store.lock_person(connection, routine.user_id, routine.created_at)
            if not await store.fail(connection, attempt, problem):
                raise TakenOver
            failed = events.NewEvent(events.EventKind.FAILED)
            await events.append(connection, routine.user_id, routine.id, self._clock.now(), [failed])
        self._metrics.routines.labels(RoutineStatus.FAILED.value).inc()
        log.warning("[ROUTINE] FAILED", routine=str(routine.id), code=problem.code)

    async def _read_live(self, routine: Routine) -> HealthRecords:
        return await self._health_data.read_week(
            routine.user_id, zone(routine.timezone), ReadPolicy.LIVE_FIRST, self._settings.sahha_plan_deadline_s
        )

    async def _draft_on_warm_data(self, published: Publication) -> PlannedDay | None:
        """The draft on what is stored, published; `None` for a person of whom nothing is stored."""
        stage = events.stage(RoutineStatus.FETCHING)
        routine = published.attempt.routine
        records = await self._health_data.read_week(
            routine.user_id, zone(routine.timezone), ReadPolicy.DATABASE, self._settings.sahha_plan_deadline_s
        )
        if records.empty:
            await self._publish(published, [stage])
            return None
        draft = self._plan(routine, records)
        await self._publish(published, [stage, *_block_events(published, draft.plan, final=False)])
        published.first_block_at = self._clock.now()
        return draft

    def _plan(self, routine: Routine, records: HealthRecords) -> PlannedDay:
        return make_plan(
            PlanInputs(
                routine_id=routine.id,
                archetype=routine.archetype,
                preferences=routine.preferences,
                timezone=routine.timezone,
                date=routine.date,
                records=records,
                ready_at=self._clock.now(),
            )
        )

    async def _publish(self, published: Publication, new: list[events.NewEvent]) -> None:
        """Write events of this attempt; raises `TakenOver` when it is no longer the newest."""
        routine = published.attempt.routine
        async with self._database.transaction() as connection:
            await store.lock_person(connection, routine.user_id, routine.created_at)
            if not await store.holds(connection, published.attempt):
                raise TakenOver
            await events.append(connection, routine.user_id, routine.id, self._clock.now(), new)

    async def _finish(
        self, published: Publication, planned: PlannedDay, records: HealthRecords, plan_ms: int, *, speculative: bool
    ) -> None:
        """READY with its final blocks, its event and its wake-up, in one transaction."""
        attempt, routine = published.attempt, published.attempt.routine
        now = self._clock.now()
        timing = RoutineTiming(
            fetch_ms=records.fetch_ms,
            plan_ms=plan_ms,
            total_ms=_ms(routine.created_at, now),
            first_block_ms=_ms(routine.created_at, published.first_block_at or now),
            speculative=speculative,
        )
        async with self._database.transaction() as connection:
            await store.lock_person(connection, routine.user_id, routine.created_at)
            result = store.Result(now, planned.plan, planned.health_data, timing)
            if not await store.finish(connection, attempt, result):
                raise TakenOver
            last = [*_block_events(published, planned.plan, final=True), events.NewEvent(events.EventKind.READY)]
            await events.append(connection, routine.user_id, routine.id, now, last)
        self._metrics.routines.labels(RoutineStatus.READY.value).inc()
        self._metrics.routine_seconds.observe((now - routine.created_at).total_seconds())
        log.info(
            "[ROUTINE] READY",
            routine=str(routine.id),
            source=records.source.value,
            total_ms=timing.total_ms,
            first_block_ms=timing.first_block_ms,
            plan_ms=plan_ms,
        )


def _block_events(published: Publication, plan: Plan, *, final: bool) -> list[events.NewEvent]:
    """An event for each block that is new or different; for each of all when they are final, since that is news too."""
    told = [block for block in plan.time_blocks if final or published.blocks.get(block.id) != block]
    published.revision += bool(told)
    published.blocks |= {block.id: block for block in told}
    return [events.block(events.PublishedBlock(block, plan.planner, published.revision, final)) for block in told]


def _ms(start: datetime, end: datetime) -> int:
    return max(0, round((end - start).total_seconds() * 1000))
