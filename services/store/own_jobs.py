"""pgqueuer's side of a worker, fenced: what a worker says of a job counts only while the job is still its own.

A worker that stood still, or lost the database, may come back to a job that another one has taken over by then. pgqueuer's own
statements name the job alone: the late worker would delete the job under the hands of the other one, or queue it a second time.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import asyncpg
import structlog
from pgqueuer import AsyncpgDriver, AsyncpgPoolDriver, Job, JobId, Queries
from pgqueuer.domain.models import TracebackRecord
from pgqueuer.ports.driver import NotifyCallback
from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.types import JOB_STATUS, QueueEntrypoint, QueueManagerId

from services.clock import Clock
from services.store.database import store_unavailable

STATEMENT_TIMEOUT_S = 5.0
"""For each statement with everything around it, also on a network that swallows packets."""

PAUSES_S = (0.2, 0.5, 1.0, 2.0)
"""Between the attempts at saying that a job is to be done again: a database that restarts is back by then."""

log = structlog.get_logger()


class BoundedPoolDriver(AsyncpgPoolDriver):
    """The pool, with an end to every wait: for a free connection, an answer, and the giving back of a broken connection."""

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        async with asyncio.timeout(STATEMENT_TIMEOUT_S):
            return await super().fetch(query, *args)

    async def execute(self, query: str, *args: object) -> str:
        async with asyncio.timeout(STATEMENT_TIMEOUT_S):
            return await super().execute(query, *args)

    async def notify(self, channel: str, payload: str) -> None:
        async with asyncio.timeout(STATEMENT_TIMEOUT_S):
            await super().notify(channel, payload)

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        async with asyncio.timeout(STATEMENT_TIMEOUT_S):
            await super().add_listener(channel, callback)


OWN = "select id from pgqueuer where id = any($1::bigint[]) and queue_manager_id = $2 and status = 'picked' for update"
BEAT = "update pgqueuer set heartbeat = now() where id = any($1::bigint[]) and queue_manager_id = $2 and status = 'picked'"


class OwnJobs(Queries):
    """The jobs of one queue manager, whose id has to be `owner`.

    `on_taking` is called when jobs can be taken for the first time, `on_lost` when they no longer can. `polled_at`: when they
    last could, by `Clock.monotonic`.
    """

    def __init__(self, pool: asyncpg.Pool, on_taking: Callable[[], None], on_lost: Callable[[], None]) -> None:
        super().__init__(BoundedPoolDriver(pool))
        self.owner = QueueManagerId(uuid4())
        self.polled_at: float | None = None
        self._pool = pool
        self._on_taking = on_taking
        self._on_lost = on_lost

    async def dequeue(
        self,
        batch_size: int,
        entrypoints: dict[QueueEntrypoint, EntrypointExecutionParameter],
        queue_manager_id: QueueManagerId,
        global_concurrency_limit: int | None,
        heartbeat_timeout: timedelta,
    ) -> list[Job]:
        try:
            jobs = await super().dequeue(batch_size, entrypoints, queue_manager_id, global_concurrency_limit, heartbeat_timeout)
        except Exception:
            self._on_lost()
            raise
        if self.polled_at is None:
            self._on_taking()
        self.polled_at = Clock.monotonic()
        return jobs

    async def log_jobs(self, job_status: list[tuple[Job, JOB_STATUS, TracebackRecord | None]]) -> None:
        """How jobs ended. One whose worker was stopped in the middle goes back to the queue: pgqueuer would delete it."""
        async with self._own([job.id for job, _, _ in job_status]) as (queries, own):
            ended = [(job, status, _nameless(record)) for job, status, record in job_status if job.id in own]
            for job, status, _ in ended:
                if status == "canceled":
                    await queries.retry_job(job, timedelta(0), None)
            if done := [each for each in ended if each[1] != "canceled"]:
                await queries.log_jobs(done)

    async def retry_job(self, job: Job, delay: timedelta, traceback_record: TracebackRecord | None) -> None:  # noqa: ARG002 - pgqueuer's signature
        """Queue a job again. Where that cannot be said for long, its heartbeat runs out: pgqueuer would give the job up."""
        for pause_s in (*PAUSES_S, None):
            try:
                async with self._own([job.id]) as (queries, own):
                    if own:
                        await queries.retry_job(job, delay, None)
            except Exception as error:
                if not store_unavailable(error):
                    raise
                if pause_s is None:
                    log.warning("[QUEUE] A job waits for its heartbeat to run out", job=job.id, reason=type(error).__name__)
                    return
                await asyncio.sleep(pause_s)
            else:
                return

    async def update_heartbeat(self, job_ids: list[JobId]) -> None:
        await self.driver.execute(BEAT, list(set(job_ids)), self.owner)

    @asynccontextmanager
    async def _own(self, job_ids: list[JobId]) -> AsyncIterator[tuple[Queries, frozenset[JobId]]]:
        """Those of some jobs that are still ours, and pgqueuer's statements in the transaction in which they stay so."""
        async with (
            asyncio.timeout(STATEMENT_TIMEOUT_S),
            self._pool.acquire() as connection,
            connection.transaction(),
        ):
            rows = await connection.fetch(OWN, job_ids, self.owner)
            yield Queries(AsyncpgDriver(connection)), frozenset(JobId(row["id"]) for row in rows)


def _nameless(record: TracebackRecord | None) -> TracebackRecord | None:
    """What went wrong without the words: the message of an exception can quote a person's values, and this is kept for days."""
    if record is None:
        return None
    return record.model_copy(update={"exception_message": "", "traceback": "", "additional_context": None})
