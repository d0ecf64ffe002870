"""Routines: acknowledged at once, fulfilled by a worker, announced when they are final."""

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from uuid import uuid4

import asyncpg
import structlog

from services.clock import Clock
from services.config import Settings
from services.domain.ids import EventId, RoutineId, UserId
from services.domain.outcomes import (
    CancelRoutineResult,
    CancelRoutineSuccess,
    GenerateRoutineResult,
    GenerateRoutineSuccess,
    SetTaskStatusResult,
    SetTaskStatusSuccess,
)
from services.domain.pages import Page
from services.domain.problems import (
    HealthDataUnavailable,
    IdempotencyKeyReused,
    InvalidInput,
    NotCancellable,
    NotFound,
    PlanningFailed,
)
from services.domain.routine import Preferences, ReplanOf, Routine, RoutineRequest, RoutineStatus, TaskStatus
from services.domain.schedule import zone
from services.errors import BadUserInput, HealthDataUnavailableError, PersonNotFound, Unavailable
from services.events import PlanReadyHub
from services.fulfilment import Fulfilment, TakenOver
from services.metrics import Metrics
from services.planning.changes import Trigger
from services.planning.request import default_date, validate_request
from services.store import daily_routines, days, events, held_jobs, idempotency, queue
from services.store import routines as store
from services.store.database import Database
from services.store.pruning import BATCH, Prune, in_batches
from services.store.routine_rows import load_cursor, request_hash

GENERATE, REPLAN = "generateRoutine", "replanRoutine"
DATE_FIELD = ("input", "date")
NOT_REPLANNABLE = "Only the newest READY routine of a day that is not over can be planned again."
ORPHANED_AFTER = timedelta(seconds=30)
"""An unfinished routine of this age without a job gets a new one."""
RECHECK_S = 2.0
RETRY_BASE_S = 1.0
RETRY_CAP_S = 300.0
"""Jobs back off from 1 s to 5 min (reliability.md, section 3)."""
ATTEMPT_MARGIN_S = 15.0
"""An attempt that takes so much longer than everything it waits for together may take hangs, and has failed."""
LOST_ATTEMPTS = 4
"""An attempt whose process dies reports nothing, and most often the process died for reasons of its own. After this many times
`WORKER_ATTEMPTS` the routine is what ends them."""
KEPT_FOR = timedelta(hours=72)
"""Of idempotency keys and events (reliability.md, section 3)."""

log = structlog.get_logger()


class RoutineService:
    """Everything that is done with routines."""

    def __init__(
        self,
        database: Database,
        fulfilment: Fulfilment,
        hub: PlanReadyHub,
        settings: Settings,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._database = database
        self._fulfilment = fulfilment
        self._hub = hub
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._attempt_deadline_s = settings.sahha_plan_deadline_s + settings.openai_deadline_s + ATTEMPT_MARGIN_S

    async def request(self, request: RoutineRequest) -> GenerateRoutineResult:
        """Acknowledge a request: when this returns, the routine and its job are durable.

        The same idempotency key and input give the same routine again, with the same cursor, for 72 h. An identical request that
        is still running is joined. Raises `Unavailable`: whether something was acknowledged is not known, and the same key tells.
        """
        now = self._clock.now()
        problem = validate_request(request, now)
        if problem is not None and (problem.field != DATE_FIELD or request.idempotency_key is None):
            return problem
        fingerprint = request_hash(request, request.date)
        async with self._database.transaction() as connection:
            cursor = await store.lock_person(connection, request.user_id, now)
            earlier = await self._earlier(connection, request, GENERATE, fingerprint)
            if earlier is not None:
                return earlier
            if problem is not None:  # the day of a key that was used in time may be over by now
                return problem
            whole = await self._with_preferences(connection, request)
            local_date = request.date or default_date(now, zone(request.timezone), whole.preferences or Preferences())
            routine, joined = await self._queue(connection, whole, local_date, cursor)
            await self._claim(connection, request, GENERATE, fingerprint, routine)
        log.info("[ROUTINE] Acknowledged", routine=str(routine.id), joined=joined)
        return GenerateRoutineSuccess(routine, joined=joined, cursor=routine.cursor)

    async def request_in(self, connection: asyncpg.Connection, requests: Mapping[RoutineId, tuple[RoutineRequest, date]]) -> None:
        """Acknowledge validated requests of as many people, each for a day, when the caller's transaction commits.

        Their jobs stand behind those of `request`. No idempotency key is looked at and no running request joined: the caller sees
        to it that nothing is asked for twice.
        """
        now = self._clock.now()
        cursors = await store.lock_people(connection, [request.user_id for request, _ in requests.values()], now)
        new = [store.NewRoutine(id_, request, day, cursors[request.user_id]) for id_, (request, day) in requests.items()]
        await store.insert_many(connection, new, now)
        await queue.enqueue_routines(connection, [each.id for each in new])

    async def replan(
        self, routine_id: RoutineId, idempotency_key: str | None, owner: UserId | None, trigger: Trigger = Trigger.ASKED
    ) -> GenerateRoutineResult:
        """Acknowledge that the rest of a routine's day is planned again; a new routine, which supersedes it. As `request`."""
        now = self._clock.now()
        async with self._database.transaction() as connection:
            routine = await store.read(connection, routine_id, owner, now)
            if routine is None:
                return NotFound("There is no such routine.")
            request = _request_again(routine, idempotency_key)
            problem = validate_request(request, now)
            if problem is not None and problem.field != DATE_FIELD:
                return replace(problem, field=problem.field[1:])  # this call has no `input` around it
            cursor = await store.lock_person(connection, routine.user_id, now)
            fingerprint = request_hash(request, routine.date, routine.id)
            earlier = await self._earlier(connection, request, REPLAN, fingerprint)
            if earlier is not None:
                return earlier
            if problem is not None or routine.status is not RoutineStatus.READY or routine.superseded_by is not None:
                return InvalidInput(NOT_REPLANNABLE, field=("id",))
            again, joined = await self._queue(connection, request, routine.date, cursor, ReplanOf(routine.id, trigger.value))
            await self._claim(connection, request, REPLAN, fingerprint, again)
        log.info("[ROUTINE] Replan acknowledged", routine=str(again.id), joined=joined)
        return GenerateRoutineSuccess(again, joined=joined, cursor=again.cursor)

    async def cancel(self, routine_id: RoutineId, owner: UserId | None) -> CancelRoutineResult:
        """Call a routine off that is not final yet, for everybody who asked for it. No attempt at it writes anything afterwards.

        One that was called off before stays so and is a success too. Raises `Unavailable`: ask again.
        """
        now = self._clock.now()
        async with self._database.transaction() as connection:
            found = await store.read(connection, routine_id, owner, now)
            if found is None:
                return NotFound("There is no such routine.")
            await store.lock_person(connection, found.user_id, found.created_at)
            cancelled = await store.cancel(connection, found.id, found.user_id, now)
            if cancelled is None:
                return _not_cancelled(await store.read(connection, found.id, found.user_id, now))
            await queue.cancel_routine(connection, cancelled.id)
            stage = events.stage(RoutineStatus.CANCELLED)
            await events.append(connection, cancelled.user_id, cancelled.id, now, [stage])
        self._metrics.routines.labels(RoutineStatus.CANCELLED.value).inc()
        log.info("[ROUTINE] CANCELLED", routine=str(cancelled.id), attempt=cancelled.attempt)
        return CancelRoutineSuccess(cancelled)

    async def set_task_status(self, task_id: str, status: TaskStatus, owner: UserId | None) -> SetTaskStatusResult:
        """Mark a task; whatever its status was before. Tasks of a routine that was superseded can no longer be marked."""
        now = self._clock.now()
        async with self._database.transaction() as connection:
            routine = await days.lock_routine_of_task(connection, task_id, owner, now)
            if routine is None or routine.plan is None:
                return NotFound("There is no such task.")
            if routine.superseded_by is not None:
                return InvalidInput("A newer routine of this day has replaced this task.", field=("taskId",))
            plan = routine.plan.with_task_status(task_id, status)
            await days.rewrite_plan(connection, routine, plan)
        marked = next(task for task in plan.tasks if task.id == task_id)
        return SetTaskStatusSuccess(marked, replace(routine, plan=plan))

    async def read(self, routine_id: RoutineId, owner: UserId | None) -> Routine | None:
        """A routine of `owner`, or of anybody for `None`. Somebody else's and one that does not exist: `None`."""
        return await self._database.read(lambda connection: store.read(connection, routine_id, owner, self._clock.now()))

    async def view(self, routine_id: RoutineId, owner: UserId | None) -> Routine | None:
        """As `read`, to be shown: nothing of it is compared or changed, and a `page` holds the like."""
        return await self._database.read(lambda connection: store.view(connection, routine_id, owner, self._clock.now()))

    async def page(self, user_id: UserId, first: int, after: str | None) -> Page[Routine]:
        """A person's routines, newest first. Raises `BadUserInput` for a cursor that no page gave out."""
        position = None
        if after is not None and (position := load_cursor(after)) is None:
            raise BadUserInput("Not a cursor of this list.", field=("after",))
        now = self._clock.now()
        return await self._database.read(lambda connection: store.page(connection, user_id, first, position, now))

    async def wait(self, routine_id: RoutineId, seconds: float) -> Routine:
        """The routine when it is final, or as far as it is after `seconds`, or when the process is asked to stop.

        A store that goes away meanwhile is waited for too. Raises `LookupError` for a routine that does not exist.
        """
        routine = await self._existing(routine_id)
        with self._hub.watch(routine.user_id) as wake, suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not routine.status.final and not self._hub.closing:
                    wake.clear()
                    with suppress(Unavailable):
                        routine = await self._existing(routine_id)
                    if not routine.status.final:
                        with suppress(TimeoutError):
                            async with asyncio.timeout(RECHECK_S):
                                await wake.wait()
        return routine

    async def fulfil(self, routine_id: RoutineId) -> float | None:
        """Make a routine READY or FAILED, fenced against every other attempt at it.

        Gives the seconds after which to try again, or `None` when nothing is left to do. A bug or a hang leads to another attempt
        until WORKER_ATTEMPTS are made; an upstream that fails is an outcome of this one. Raises `Unavailable`: try again soon,
        however often.
        """
        async with self._database.connection() as connection:
            attempt = await store.take(connection, routine_id, self._clock.now())
        if attempt is None:
            return None
        try:
            if attempt.number > LOST_ATTEMPTS * self._settings.worker_attempts:
                await self._give_up(attempt)
                return None
            return await self._attempt(attempt)
        except TakenOver:
            self._metrics.fenced.inc()
            log.warning("[ROUTINE] Another attempt took over", routine=str(routine_id))
            return retry_delay_s(1)  # to see that the other one ends it: the queue may have given this one the job back by now

    async def _attempt(self, attempt: store.Attempt) -> float | None:
        """One attempt; the seconds until the next one if it has to be."""
        try:
            async with asyncio.timeout(self._attempt_deadline_s):
                await self._fulfilment.make(attempt)
        except PersonNotFound:
            await self._fulfilment.fail(attempt, NotFound("Sahha knows no such person."))
        except HealthDataUnavailableError as error:
            problem = HealthDataUnavailable(error.message, retryable=True, retry_after_ms=error.retry_after_ms)
            await self._fulfilment.fail(attempt, problem)
        except (TakenOver, Unavailable):
            raise
        except Exception:
            log.warning("[ROUTINE] Attempt failed", routine=str(attempt.routine.id), attempt=attempt.number, exc_info=True)
            if attempt.number < self._settings.worker_attempts:
                return retry_delay_s(attempt.number)
            await self._give_up(attempt)
        return None

    async def _give_up(self, attempt: store.Attempt) -> None:
        await self._fulfilment.fail(attempt, PlanningFailed("The plan could not be made. Ask again.", retryable=True))

    async def requeue_orphans(self) -> int:
        """Give a job to unfinished routines that have none; how many there were."""
        async with self._database.transaction() as connection:
            return await queue.requeue_orphans(connection, self._clock.now() - ORPHANED_AFTER, BATCH)

    async def prune(self) -> int:
        """Forget idempotency keys, events and what became of jobs more than 72 h ago, in batches; how many went."""
        before = self._clock.now() - KEPT_FOR
        kinds: tuple[Prune, ...] = (
            lambda connection, limit: events.prune(connection, before, limit),
            lambda connection, limit: idempotency.prune(connection, before, limit),
            lambda connection, limit: queue.prune(connection, KEPT_FOR, limit),
            held_jobs.prune,
        )
        return sum([await in_batches(self._database, prune) for prune in kinds])

    async def _earlier(
        self, connection: asyncpg.Connection, request: RoutineRequest, operation: str, fingerprint: bytes
    ) -> GenerateRoutineResult | None:
        """What this idempotency key was used for before."""
        key = request.idempotency_key
        claim = None if key is None else await idempotency.find(connection, request.user_id, operation, key)
        if claim is None:
            return None
        if claim.fingerprint != fingerprint:
            return IdempotencyKeyReused("This idempotencyKey was used with other input. Use a new key.")
        routine = await store.read(connection, claim.routine_id, request.user_id, self._clock.now())
        if routine is None:
            raise LookupError("an idempotency key without its routine")
        return GenerateRoutineSuccess(routine, joined=False, cursor=routine.cursor)

    async def _with_preferences(self, connection: asyncpg.Connection, request: RoutineRequest) -> RoutineRequest:
        """The request with preferences: what it leaves out is what the person's standing order says."""
        if request.preferences is not None:
            return request
        ordered = await daily_routines.read_preferences(connection, request.user_id)
        return replace(request, preferences=ordered or Preferences())

    async def _queue(
        self,
        connection: asyncpg.Connection,
        request: RoutineRequest,
        local_date: date,
        cursor: EventId,
        replan: ReplanOf | None = None,
    ) -> tuple[Routine, bool]:
        """The routine of an identical request that still runs, else a new one with its job; whether it was joined."""
        now = self._clock.now()
        identical = request_hash(request, local_date, replan.routine_id if replan else None)
        running = await store.find_running(connection, request.user_id, identical, now)
        if running is not None:
            return running, True
        routine = await store.insert(connection, RoutineId(uuid4()), request, local_date, cursor, now, replan)
        await queue.enqueue_routine(connection, routine.id)
        return routine, False

    async def _claim(
        self, connection: asyncpg.Connection, request: RoutineRequest, operation: str, fingerprint: bytes, routine: Routine
    ) -> None:
        if request.idempotency_key is not None:
            await idempotency.claim(
                connection,
                request.user_id,
                operation,
                request.idempotency_key,
                fingerprint,
                routine.id,
                self._clock.now(),
            )

    async def _existing(self, routine_id: RoutineId) -> Routine:
        routine = await self.read(routine_id, owner=None)
        if routine is None:
            raise LookupError(routine_id)
        return routine


def retry_delay_s(attempt: int) -> float:
    """Full jitter: anything up to the back-off of this attempt, counted from 1."""
    return random.uniform(0, min(RETRY_CAP_S, RETRY_BASE_S * 2 ** (attempt - 1)))


def _not_cancelled(routine: Routine | None) -> CancelRoutineResult:
    """Why a routine could not be called off: it is final, or gone."""
    if routine is None:
        return NotFound("There is no such routine.")
    if routine.status is RoutineStatus.CANCELLED:
        return CancelRoutineSuccess(routine)
    return NotCancellable(f"The routine is {routine.status.value} already.")


def _request_again(routine: Routine, idempotency_key: str | None) -> RoutineRequest:
    """What was asked for with this routine."""
    return RoutineRequest(
        user_id=routine.user_id,
        archetype=routine.archetype,
        timezone=routine.timezone,
        date=routine.date,
        preferences=routine.preferences,
        idempotency_key=idempotency_key,
        condition=routine.condition,
        auto_replan=routine.auto_replan,
    )
