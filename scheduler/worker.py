"""Durable work on pgqueuer: an entrypoint, a deadline, a service call; and a supervisor around it.

A job may run twice, and starts again from the beginning after a crash: what it does is fenced in the services, what is said of it
to the queue is fenced in `services.store.own_jobs`.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import structlog
from pgqueuer import Job, QueueManager, RetryRequested
from pgqueuer.domain.errors import FailingListenerError
from pgqueuer.models import Context

from services.background import background, owned_task
from services.clock import Clock
from services.config import Settings
from services.container import Services
from services.domain.ids import RoutineId, UserId
from services.errors import CircuitOpen, Unavailable, UpstreamError, UpstreamStatus
from services.replanning import SETTLING
from services.routines import retry_delay_s
from services.store.database import store_unavailable
from services.store.own_jobs import OwnJobs
from services.store.queue import Entrypoint

DEQUEUE_TIMEOUT = timedelta(seconds=2)
"""Jobs come by notification; this is how long one waits whose notification was lost (durable-work.md)."""
BATCH = 5
SWEEP_S = 30.0
SYNC_ATTEMPTS = 5
DRAIN_S = 5.0
"""What a stop leaves a running job to finish in, before it is handed back to the queue."""
HAND_BACK_S = 1.0
JOB_DEADLINE_S = 900.0
"""The last resort: the services end what they do long before."""
FIRST_POLL_S = 0.5
"""Processes that start together do not all take jobs, and call upstreams, at the same moment."""
RECONNECT_CAP_S = 1.5
"""Jobs are taken within 2 s after the database has come back (reliability.md, D1)."""
STORE_PAUSE_S = 2.0
"""A job that lost the database is tried again within this time: what it waits for is ours, and nobody is pressed by it."""
CONNECT_TIMEOUT_S = 3.0
SILENT_AFTER_S = 10.0
WEBHOOK_PAUSE_S = 0.5
"""Events that come within this time are applied together."""
WEBHOOK_POLL_S = 2.0
"""How long an event waits that a process without a worker has received."""

T = TypeVar("T")

log = structlog.get_logger()


class Worker:
    """The durable work of one process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._settings: Settings = services.settings
        self._stopping = asyncio.Event()
        self._manager: QueueManager | None = None
        self._jobs: OwnJobs | None = None
        self._down = False

    @property
    def working(self) -> bool:
        """Jobs are being taken: the queue was asked for some in the last seconds."""
        polled_at = None if self._jobs is None else self._jobs.polled_at
        return polled_at is not None and Clock.monotonic() - polled_at < SILENT_AFTER_S

    @asynccontextmanager
    async def running(self, stopping: asyncio.Event | None = None) -> AsyncIterator[None]:
        """Take jobs until the block ends, or `stopping` is set; then let running ones finish for a while and hand back the rest.

        The block's end takes at most DRAIN_S + HAND_BACK_S, counted from the moment at which `stopping` was set.
        """
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(background(self._sweep(), "orphan sweep"))
            await stack.enter_async_context(background(self._apply_webhooks(), "webhooks"))
            supervised = await stack.enter_async_context(background(self._supervise(), "worker"))
            if stopping is not None:
                await stack.enter_async_context(background(self._stop_after(stopping), "worker stop"))
            try:
                yield
            finally:
                self._stop()
                await asyncio.wait({supervised}, timeout=DRAIN_S + HAND_BACK_S)

    async def _stop_after(self, stopping: asyncio.Event) -> None:
        await stopping.wait()
        self._stop()

    def _stop(self) -> None:
        self._stopping.set()
        if self._manager is not None:
            self._manager.shutdown.set()

    async def _supervise(self) -> None:
        """Build a manager, run it, and build a new one when it ends: a manager cannot be run twice."""
        delay_s = FIRST_POLL_S
        while not await self._stopped_within(random.uniform(0, delay_s)):
            failure = "its manager ended"
            try:
                await self._work()
            except Exception as error:
                failure = type(error).__name__
                if not (store_unavailable(error) or isinstance(error, RuntimeError | FailingListenerError)):
                    log.exception("[QUEUE] The worker crashed and starts anew")
            if not (self._stopping.is_set() or self._down):
                log.warning("[QUEUE] The worker lost its store and starts anew", reason=failure)
                self._down = True
            worked = self._jobs is not None and self._jobs.polled_at is not None
            delay_s = 0.1 if worked else min(RECONNECT_CAP_S, delay_s * 2)

    def _on_taking(self) -> None:
        if self._down:
            self._down = False
            log.info("[QUEUE] The worker takes jobs again")

    async def _stopped_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()

    async def _work(self) -> None:
        """Take jobs and do them, until a stop or until the store is lost; raises whatever that shows itself as."""
        self._jobs = None
        concurrency = self._settings.worker_concurrency
        async with self._pool() as pool:
            self._jobs = OwnJobs(pool, on_taking=self._on_taking, on_lost=self._on_lost)
            self._manager = manager = self._build(self._jobs)
            try:
                if not self._stopping.is_set():
                    await manager.run(
                        dequeue_timeout=DEQUEUE_TIMEOUT,
                        batch_size=min(BATCH, concurrency // 2),
                        max_concurrent_tasks=concurrency,
                        heartbeat_timeout=timedelta(seconds=self._settings.worker_heartbeat_timeout_s),
                        shutdown_on_listener_failure=True,
                    )
            finally:
                self._manager = None

    @asynccontextmanager
    async def _pool(self) -> AsyncIterator[asyncpg.Pool]:
        """Connections of the queue's own: one listens, and requests cannot take the others."""
        pool = await asyncpg.create_pool(
            self._services.database_url,
            min_size=2,
            max_size=4,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=5,
            server_settings={"application_name": "firstlight-worker"},
        )
        try:
            yield pool
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(HAND_BACK_S):
                    await pool.close()
            pool.terminate()

    def _build(self, jobs: OwnJobs) -> QueueManager:
        manager = QueueManager(jobs)
        manager.queue_manager_id = jobs.owner
        manager.entrypoint(Entrypoint.GENERATE_ROUTINE, on_failure="hold")(self._generate)
        manager.entrypoint(
            Entrypoint.SYNC_SAHHA_DATA, concurrency_limit=self._settings.worker_sync_concurrency, on_failure="hold"
        )(self._sync)
        manager.entrypoint(Entrypoint.FOLLOW_NEWS, on_failure="hold")(self._follow)
        return manager

    def _on_lost(self) -> None:
        """Jobs that run are given DRAIN_S, so that a new manager need not wait for the longest of them."""
        if self._manager is not None:
            self._manager.shutdown.set()

    async def _generate(self, job: Job, context: Context) -> None:
        delay_s = await self._do(self._services.routines.fulfil(RoutineId(UUID(_payload(job)))), context)
        if delay_s is not None:
            raise RetryRequested(timedelta(seconds=delay_s))

    async def _sync(self, job: Job, context: Context) -> None:
        """A sync that fails is tried again a few times; after that the next live read of the person queues a new one."""
        user_id = UserId(_payload(job))
        try:
            wanted_again = await self._do(self._services.health_data.sync(user_id), context)
        except UpstreamError as error:
            if job.attempts + 1 >= SYNC_ATTEMPTS:
                log.warning("[QUEUE] Job SYNC_SAHHA_DATA given up", reason=error.reason)
                await self._do(self._services.health_data.give_up_sync(user_id), context)
                return
            raise RetryRequested(timedelta(seconds=pause_s(job.attempts, error))) from error
        if wanted_again:
            raise RetryRequested(timedelta(seconds=random.uniform(0.1, STORE_PAUSE_S)), "it was wanted again")

    async def _follow(self, job: Job, context: Context) -> None:
        """News that came while the last ones were looked at is looked at by the same job: a second one cannot be queued."""
        if await self._do(self._services.replanning.follow(UserId(_payload(job))), context):
            raise RetryRequested(SETTLING, "there was more news")

    async def _do(self, work: Coroutine[Any, Any, T], context: Context) -> T | None:
        """The result of `work`; `None` when the job is cancelled.

        The job goes back to the queue when its store is lost, and when it does not end soon after a stop.
        """
        manager = self._manager
        if manager is None:
            work.close()
            raise RetryRequested(timedelta(0), "the process stops")
        try:
            async with (
                asyncio.timeout(JOB_DEADLINE_S),
                owned_task(work, "job") as task,
                owned_task(manager.shutdown.wait(), "stop") as stop,
                owned_task(_cancelled(context), "cancelled") as cancelled,
            ):
                await asyncio.wait({task, stop, cancelled}, return_when=asyncio.FIRST_COMPLETED)
                if stop.done():
                    await asyncio.wait({task, cancelled}, timeout=DRAIN_S, return_when=asyncio.FIRST_COMPLETED)
                if task.done():
                    return task.result()
                if cancelled.done():
                    return None
                raise RetryRequested(timedelta(0), "the process stops")
        except (Unavailable, TimeoutError) as error:
            raise RetryRequested(timedelta(seconds=random.uniform(0.1, STORE_PAUSE_S))) from error

    async def _apply_webhooks(self) -> None:
        """What any process has acknowledged is applied by whichever comes first; a burst is worked off at once."""
        webhooks = self._services.webhooks
        while True:
            try:
                await webhooks.apply_waiting()
            except Unavailable:
                await asyncio.sleep(STORE_PAUSE_S * random.uniform(0.5, 1.0))
            except Exception:
                log.exception("[WEBHOOK] Events could not be applied")
                await asyncio.sleep(STORE_PAUSE_S)
            await webhooks.arrived(WEBHOOK_POLL_S)
            await asyncio.sleep(WEBHOOK_PAUSE_S)

    async def _sweep(self) -> None:
        while True:
            try:
                found = await self._services.routines.requeue_orphans()
                lost = await self._services.health_data.requeue_lost_syncs()
                if found or lost:
                    log.warning("[QUEUE] Work without a job was queued again", routines=found, syncs=lost)
            except Unavailable:
                pass
            except Exception:
                log.exception("[QUEUE] The orphan sweep failed")
            await asyncio.sleep(SWEEP_S * random.uniform(0.8, 1.2))


def pause_s(attempts: int, error: UpstreamError) -> float:
    """Seconds until a job is tried again after so many attempts that failed before: never less than the upstream asked for."""
    jitter = retry_delay_s(attempts + 5)
    asked = error.retry_after_s if isinstance(error, UpstreamStatus | CircuitOpen) else None
    return jitter if asked is None else asked + min(jitter, 1 + asked / 10)


async def _cancelled(context: Context) -> None:
    """Returns when the job is cancelled."""
    with context.cancellation:
        await asyncio.Event().wait()


def _payload(job: Job) -> str:
    if job.payload is None:
        raise ValueError("a job without its payload")
    return job.payload.decode()
