"""Routines: acknowledged at once, fulfilled by a worker, announced when they are final."""

import asyncio
import random
from contextlib import suppress
from datetime import timedelta
from uuid import uuid4

import structlog

from services.clock import Clock
from services.config import Settings
from services.domain.health import HealthRecords, ReadPolicy
from services.domain.ids import RoutineId, UserId
from services.domain.outcomes import GenerateRoutineResult, GenerateRoutineSuccess
from services.domain.pages import Page
from services.domain.problems import HealthDataUnavailable, IdempotencyKeyReused, NotFound, PlanningFailed, Problem
from services.domain.routine import Routine, RoutineRequest, RoutineStatus, RoutineTiming
from services.domain.schedule import zone
from services.errors import BadUserInput, HealthDataUnavailableError, PersonNotFound, Unavailable
from services.events import PlanReadyHub
from services.health_data import HealthDataService
from services.metrics import Metrics
from services.planning.inputs import PlanInputs
from services.planning.planner import PlannedDay, make_plan
from services.planning.request import default_date, validate_request
from services.store import events, idempotency, queue
from services.store import routines as store
from services.store.database import Database

OPERATION = "generateRoutine"
ORPHANED_AFTER = timedelta(seconds=30)
"""An unfinished routine of this age without a job gets a new one."""
RECHECK_S = 2.0
RETRY_BASE_S = 1.0
RETRY_CAP_S = 300.0
"""Jobs back off from 1 s to 5 min (reliability.md, section 3)."""
KEPT_FOR = timedelta(hours=72)
"""Of idempotency keys and events (reliability.md, section 3)."""
PRUNE_BATCH = 5000

log = structlog.get_logger()


class RoutineService:
    """Everything that is done with routines."""

    def __init__(
        self,
        database: Database,
        health_data: HealthDataService,
        hub: PlanReadyHub,
        settings: Settings,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._database = database
        self._health_data = health_data
        self._hub = hub
        self._settings = settings
        self._clock = clock
        self._metrics = metrics

    async def request(self, request: RoutineRequest) -> GenerateRoutineResult:
        """Acknowledge a request: when this returns, the routine and its job are durable.

        The same idempotency key and input give the same routine again, with the same cursor. An identical request that is still
        running is joined. Raises `Unavailable`: nothing was acknowledged, the same key is safe to use again.
        """
        now = self._clock.now()
        if (problem := validate_request(request, now)) is not None:
            return problem
        local_date = request.date or default_date(now, zone(request.timezone), request.preferences)
        asked = store.request_hash(request, request.date)
        async with self._database.transaction() as connection:
            cursor = await store.lock_person(connection, request.user_id, now)
            key = request.idempotency_key
            if key is not None and (claim := await idempotency.find(connection, request.user_id, OPERATION, key)):
                if claim.fingerprint != asked:
                    return IdempotencyKeyReused("This idempotencyKey was used with other input. Use a new key.")
                routine = await store.read(connection, claim.routine_id, request.user_id, now)
                if routine is None:
                    raise LookupError("an idempotency key without its routine")
                return GenerateRoutineSuccess(routine, joined=False, cursor=routine.cursor)
            identical = store.request_hash(request, local_date)
            routine = await store.find_running(connection, request.user_id, identical, now)
            joined = routine is not None
            if routine is None:
                routine = await store.insert(connection, RoutineId(uuid4()), request, local_date, cursor, now)
                await queue.enqueue_routine(connection, routine.id)
            if key is not None:
                await idempotency.claim(connection, request.user_id, OPERATION, key, asked, routine.id, now)
        log.info("[ROUTINE] Acknowledged", routine=str(routine.id), joined=joined)
        return GenerateRoutineSuccess(routine, joined=joined, cursor=routine.cursor)

    async def read(self, routine_id: RoutineId, owner: UserId | None) -> Routine | None:
        """A routine of `owner`, or of anybody for `None`. Somebody else's and one that does not exist: `None`."""
        async with self._database.connection() as connection:
            return await store.read(connection, routine_id, owner, self._clock.now())

    async def page(self, user_id: UserId, first: int, after: str | None) -> Page[Routine]:
        """A person's routines, newest first. Raises `BadUserInput` for a cursor that no page gave out."""
        position = None
        if after is not None and (position := store.load_cursor(after)) is None:
            raise BadUserInput("Not a cursor of this list.", field=("after",))
        async with self._database.connection() as connection:
            return await store.page(connection, user_id, first, position, self._clock.now())

    async def wait(self, routine_id: RoutineId, seconds: float) -> Routine:
        """The routine when it is final, or as far as it is after `seconds`, or when the process is asked to stop.

        Raises `LookupError` for one that does not exist.
        """
        routine = await self._existing(routine_id)
        with self._hub.watch(routine.user_id) as wake, suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not (routine := await self._existing(routine_id)).status.final and not self._hub.closing:
                    wake.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(RECHECK_S):
                            await wake.wait()
        return routine

    async def fulfil(self, routine_id: RoutineId) -> float | None:
        """Make a routine READY or FAILED, fenced against every other attempt at it.

        Gives the seconds after which to try again, or `None` when nothing is left to do. Only a bug or an unreachable store
        leads to another attempt; an upstream that fails is an outcome of this one.
        """
        async with self._database.connection() as connection:
            attempt = await store.take(connection, routine_id, self._clock.now())
        if attempt is None:
            return None
        try:
            await self._attempt(attempt)
        except PersonNotFound:
            await self._fail(attempt, NotFound("Sahha knows no such person."))
        except HealthDataUnavailableError as error:
            await self._fail(attempt, HealthDataUnavailable(error.message, retryable=True, retry_after_ms=error.retry_after_ms))
        except Exception as error:
            if attempt.number >= self._settings.worker_attempts and not isinstance(error, Unavailable):
                log.exception("[ROUTINE] Given up", routine=str(routine_id), attempt=attempt.number)
                await self._fail(attempt, PlanningFailed("The plan could not be made. Ask again.", retryable=True))
                return None
            log.warning("[ROUTINE] Attempt failed", routine=str(routine_id), attempt=attempt.number, exc_info=True)
            return retry_delay_s(attempt.number)
        return None

    async def requeue_orphans(self) -> int:
        """Give a job to unfinished routines that have none; how many there were."""
        async with self._database.transaction() as connection:
            return await queue.requeue_orphans(connection, self._clock.now() - ORPHANED_AFTER, PRUNE_BATCH)

    async def generate_due(self) -> str:
        """Insert a request for every standing order that is due. There are no standing orders yet, so none is."""
        return "0 standing orders are due"

    async def prune(self) -> int:
        """Forget idempotency keys and events of more than 72 h ago, in batches; how many went."""
        before = self._clock.now() - KEPT_FOR
        total = 0
        while True:
            async with self._database.transaction() as connection:
                gone = await events.prune(connection, before, PRUNE_BATCH)
                gone += await idempotency.prune(connection, before, PRUNE_BATCH)
            total += gone
            if gone == 0:
                return total

    async def _attempt(self, attempt: store.Attempt) -> None:
        routine = attempt.routine
        records = await self._health_data.read_week(
            routine.user_id, zone(routine.timezone), ReadPolicy.LIVE_FIRST, self._settings.sahha_plan_deadline_s
        )
        async with self._database.connection() as connection:
            if not await store.mark_planning(connection, attempt):
                self._fenced(routine)
                return
        started = self._clock.monotonic()
        planned = make_plan(_inputs(routine, records, self._clock))
        plan_ms = round((self._clock.monotonic() - started) * 1000)
        await self._finish(attempt, planned, records, plan_ms)

    async def _finish(self, attempt: store.Attempt, planned: PlannedDay, records: HealthRecords, plan_ms: int) -> None:
        """READY, its event and its wake-up, in one transaction."""
        routine = attempt.routine
        now = self._clock.now()
        total_ms = round((now - routine.created_at).total_seconds() * 1000)
        timing = RoutineTiming(records.fetch_ms, plan_ms, total_ms)
        async with self._database.transaction() as connection:
            await store.lock_person(connection, routine.user_id, routine.created_at)
            done = await store.finish(connection, attempt, now, planned.plan, planned.health_data, timing)
            if done:
                await events.append(connection, routine.user_id, events.EventKind.READY, routine.id, now)
        if not done:
            self._fenced(routine)
            return
        self._metrics.routines.labels(RoutineStatus.READY.value).inc()
        self._metrics.routine_seconds.observe(total_ms / 1000)
        log.info("[ROUTINE] READY", routine=str(routine.id), source=records.source.value, total_ms=total_ms, plan_ms=plan_ms)

    async def _fail(self, attempt: store.Attempt, problem: Problem) -> None:
        """FAILED, its event and its wake-up, in one transaction."""
        routine = attempt.routine
        async with self._database.transaction() as connection:
            await store.lock_person(connection, routine.user_id, routine.created_at)
            done = await store.fail(connection, attempt, problem)
            if done:
                await events.append(connection, routine.user_id, events.EventKind.FAILED, routine.id, self._clock.now())
        if not done:
            self._fenced(routine)
            return
        self._metrics.routines.labels(RoutineStatus.FAILED.value).inc()
        log.warning("[ROUTINE] FAILED", routine=str(routine.id), code=problem.code)

    async def _existing(self, routine_id: RoutineId) -> Routine:
        routine = await self.read(routine_id, owner=None)
        if routine is None:
            raise LookupError(routine_id)
        return routine

    def _fenced(self, routine: Routine) -> None:
        self._metrics.fenced.inc()
        log.warning("[ROUTINE] Another attempt took over", routine=str(routine.id))


def retry_delay_s(attempt: int) -> float:
    """Full jitter: anything up to the back-off of this attempt, counted from 1."""
    return random.uniform(0, min(RETRY_CAP_S, RETRY_BASE_S * 2 ** (attempt - 1)))


def _inputs(routine: Routine, records: HealthRecords, clock: Clock) -> PlanInputs:
    return PlanInputs(
        routine_id=routine.id,
        archetype=routine.archetype,
        preferences=routine.preferences,
        timezone=routine.timezone,
        date=routine.date,
        records=records,
        ready_at=clock.now(),
    )
