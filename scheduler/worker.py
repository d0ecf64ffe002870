"""Durable work on pgqueuer: an entrypoint, a deadline, a service call; and a supervisor around it.

A job may run twice, and starts again from the beginning after a crash: what it does is fenced in the services.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import structlog
from pgqueuer import AsyncpgPoolDriver, Job, Queries, QueueManager, RetryRequested

from services.background import background, owned_task
from services.config import Settings
from services.container import Services
from services.domain.ids import RoutineId, UserId
from services.errors import Unavailable, UpstreamError, UpstreamStatus
from services.routines import retry_delay_s
from services.store.queue import Entrypoint

DEQUEUE_TIMEOUT = timedelta(seconds=2)
"""Jobs come by notification; this is how long one waits whose notification was lost (durable-work.md)."""
BATCH = 5
SWEEP_S = 30.0
SYNC_ATTEMPTS = 5
DRAIN_S = 5.0
"""What a stop leaves a running job to finish in, before it is handed back to the queue."""
JOB_DEADLINE_S = 60.0
RECONNECT_CAP_S = 5.0

T = TypeVar("T")

log = structlog.get_logger()


class Worker:
    """The durable work of one process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._settings: Settings = services.settings
        self._stopping = asyncio.Event()
        self._manager: QueueManager | None = None

    @property
    def working(self) -> bool:
        """Jobs are being taken at this moment."""
        return self._manager is not None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take jobs until the block ends; then let running ones finish for a while and hand back the rest."""
        async with background(self._sweep(), "orphan sweep"), background(self._supervise(), "worker") as supervised:
            try:
                yield
            finally:
                self._stopping.set()
                if self._manager is not None:
                    self._manager.shutdown.set()
                await asyncio.wait({supervised}, timeout=DRAIN_S + 2)

    async def _supervise(self) -> None:
        """Build a manager, run it, and build a new one when it ends: a manager cannot be run twice."""
        delay = 0.1
        while not self._stopping.is_set():
            try:
                await self._work()
                delay = 0.1
            except (OSError, TimeoutError, RuntimeError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("[QUEUE] The worker lost its store and starts anew", reason=type(error).__name__)
                delay = min(RECONNECT_CAP_S, delay * 2)
            except Exception:
                log.exception("[QUEUE] The worker crashed and starts anew")
                delay = min(RECONNECT_CAP_S, delay * 2)
            with suppress(TimeoutError):
                async with asyncio.timeout(random.uniform(0, delay)):
                    await self._stopping.wait()

    async def _work(self) -> None:
        concurrency = self._settings.worker_concurrency
        pool = await asyncpg.create_pool(
            self._services.database_url,
            min_size=2,
            max_size=4,
            command_timeout=5,
            server_settings={"application_name": "firstlight-worker"},
        )
        try:
            manager = QueueManager(Queries(AsyncpgPoolDriver(pool)))
            manager.entrypoint(Entrypoint.GENERATE_ROUTINE, on_failure="hold")(self._generate)
            manager.entrypoint(Entrypoint.SYNC_SAHHA_DATA, on_failure="delete")(self._sync)
            self._manager = manager
            await manager.run(
                dequeue_timeout=DEQUEUE_TIMEOUT,
                batch_size=min(BATCH, concurrency // 2),
                max_concurrent_tasks=concurrency,
                heartbeat_timeout=timedelta(seconds=self._settings.worker_heartbeat_timeout_s),
                shutdown_on_listener_failure=True,
            )
        finally:
            self._manager = None
            with suppress(TimeoutError):
                async with asyncio.timeout(2):
                    await pool.close()
            pool.terminate()

    async def _generate(self, job: Job) -> None:
        delay_s = await self._or_hand_back(self._services.routines.fulfil(RoutineId(UUID(_payload(job)))))
        if delay_s is not None:
            raise RetryRequested(timedelta(seconds=delay_s))

    async def _sync(self, job: Job) -> None:
        """A sync that fails is tried again a few times; after that the next live read of the person queues a new one."""
        try:
            await self._or_hand_back(self._services.health_data.sync(UserId(_payload(job))))
        except (UpstreamError, Unavailable) as error:
            if job.attempts + 1 >= SYNC_ATTEMPTS:
                log.warning("[QUEUE] Job SYNC_SAHHA_DATA given up", reason=str(error))
                return
            wait_s = error.retry_after_s if isinstance(error, UpstreamStatus) else None
            raise RetryRequested(timedelta(seconds=wait_s or retry_delay_s(job.attempts + 4))) from error

    async def _or_hand_back(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`; when the process stops first and it does not end soon, the job goes back to the queue."""
        async with (
            asyncio.timeout(JOB_DEADLINE_S),
            owned_task(work, "job") as task,
            owned_task(self._stopping.wait(), "stop") as stop,
        ):
            await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                await asyncio.wait({task}, timeout=DRAIN_S)
            if not task.done():
                raise RetryRequested(timedelta(0), "the process stops")
            return task.result()

    async def _sweep(self) -> None:
        while True:
            try:
                found = await self._services.routines.requeue_orphans()
                if found:
                    log.warning("[QUEUE] Routines without a job were queued again", routines=found)
            except Unavailable:
                pass
            await asyncio.sleep(SWEEP_S * random.uniform(0.8, 1.2))


def _payload(job: Job) -> str:
    if job.payload is None:
        raise ValueError("a job without its payload")
    return job.payload.decode()
