"""The queue: what a worker may say of a job, what is held, what is left alone, what is forgotten."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from pgqueuer import Job
from pgqueuer.models import TracebackRecord
from pgqueuer.ports.repository import EntrypointExecutionParameter
from pgqueuer.types import QueueEntrypoint

from scheduler.worker import pause_s
from services.domain.ids import HeldJobId, RoutineId
from services.domain.outcomes import RequeueHeldJobSuccess
from services.domain.problems import NotFound, PlanningFailed
from services.domain.routine import RoutineStatus
from services.errors import CircuitOpen, UpstreamMalformed, UpstreamStatus
from services.store import held_jobs, queue
from services.store import routines as store
from services.store.database import Database
from services.store.own_jobs import OwnJobs
from services.store.queue import Entrypoint
from tests.faults.asking import PERSON, acknowledged, count
from tests.product import Product, open_product

TIMEOUT = timedelta(seconds=20)
KINDS = {QueueEntrypoint(Entrypoint.GENERATE_ROUTINE): EntrypointExecutionParameter(concurrency_limit=0)}


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(database_url, min_size=1, max_size=4) as opened:
        yield opened


@pytest.fixture
async def product(database_url: str) -> AsyncIterator[Product]:
    async with open_product(database_url, worker_attempts=2) as opened:
        yield opened


def worker_of(pool: asyncpg.Pool) -> OwnJobs:
    return OwnJobs(pool, on_taking=lambda: None, on_lost=lambda: None)


async def picked(worker: OwnJobs) -> Job:
    (job,) = await worker.dequeue(5, KINDS, worker.owner, None, TIMEOUT)
    return job


async def until(database: Database, what: str, rows: int) -> None:
    async with asyncio.timeout(15):
        while await count(database, what) != rows:
            await asyncio.sleep(0.05)


class TestFence:
    """A worker whose job was taken over changes nothing about it any more."""

    @pytest.fixture
    async def taken_over(self, pool: asyncpg.Pool, database: Database) -> tuple[OwnJobs, OwnJobs, Job]:
        """A worker that stood still, the one that took its job over, and the job as the first one knows it."""
        zombie, successor = worker_of(pool), worker_of(pool)
        async with database.transaction() as connection:
            await queue.enqueue_routine(connection, RoutineId(uuid4()))
        job = await picked(zombie)
        await pool.execute("update pgqueuer set heartbeat = now() - interval '1 hour'")
        assert (await picked(successor)).id == job.id
        return zombie, successor, job

    async def test_its_success_removes_nothing(self, taken_over: tuple[OwnJobs, OwnJobs, Job], database: Database) -> None:
        zombie, successor, job = taken_over
        await zombie.log_jobs([(job, "successful", None)])
        assert await count(database, f"pgqueuer where status = 'picked' and queue_manager_id = '{successor.owner}'") == 1
        await successor.log_jobs([(job, "successful", None)])
        assert await count(database, "pgqueuer") == 0

    async def test_its_retry_queues_nothing(self, taken_over: tuple[OwnJobs, OwnJobs, Job], database: Database) -> None:
        zombie, successor, job = taken_over
        await zombie.retry_job(job, timedelta(0), None)
        assert await count(database, f"pgqueuer where status = 'picked' and queue_manager_id = '{successor.owner}'") == 1
        await successor.retry_job(job, timedelta(0), None)
        assert await count(database, "pgqueuer where status = 'queued' and attempts = 1") == 1

    async def test_its_heartbeat_keeps_nothing_alive(
        self, taken_over: tuple[OwnJobs, OwnJobs, Job], pool: asyncpg.Pool, database: Database
    ) -> None:
        zombie, successor, job = taken_over
        await pool.execute("update pgqueuer set heartbeat = now() - interval '1 hour'")
        await zombie.update_heartbeat([job.id])
        assert await count(database, "pgqueuer where heartbeat > now() - interval '1 minute'") == 0
        await successor.update_heartbeat([job.id])
        assert await count(database, "pgqueuer where heartbeat > now() - interval '1 minute'") == 1

    async def test_a_job_that_is_ended_in_the_middle_goes_back(self, pool: asyncpg.Pool, database: Database) -> None:
        worker = worker_of(pool)
        async with database.transaction() as connection:
            await queue.enqueue_routine(connection, RoutineId(uuid4()))
        await worker.log_jobs([(await picked(worker), "canceled", None)])
        assert await count(database, "pgqueuer where status = 'queued' and execute_after <= now()") == 1

    async def test_what_went_wrong_is_kept_without_words(self, pool: asyncpg.Pool, database: Database) -> None:
        worker = worker_of(pool)
        async with database.transaction() as connection:
            await queue.enqueue_routine(connection, RoutineId(uuid4()))
        job = await picked(worker)
        record = TracebackRecord.from_exception(ValueError("a resting heart rate of 5454"), job.id, {"of": "anna"})
        await worker.log_jobs([(job, "failed", record)])
        async with database.connection() as connection:
            (found,) = await held_jobs.held(connection, 10)
            kept = await connection.fetchval("select string_agg((traceback - 'timestamp')::text, ' ') from pgqueuer_log")
        assert (found.kind, found.reason) == (Entrypoint.GENERATE_ROUTINE, "ValueError")
        assert "5454" not in kept
        assert "anna" not in kept


class TestHeldJobs:
    async def test_a_job_that_ends_in_a_bug_is_held_and_done_again_when_asked(self, database_url: str) -> None:
        async with open_product(database_url, worker=True) as product:
            database = product.services.database
            async with database.transaction() as connection:
                await queue._enqueue(connection, Entrypoint.GENERATE_ROUTINE, "not a routine", "routine:none")
            await until(database, "pgqueuer where status = 'failed'", 1)
            (job,) = await product.services.held_jobs.newest(10)
            assert (job.subject, job.reason) == ("not a routine", "ValueError")
            assert await product.services.held_jobs.requeue(job.id) == RequeueHeldJobSuccess(job.id)
            await until(database, "pgqueuer_log where status = 'failed'", 2)
            await until(database, "pgqueuer where status = 'failed'", 1)

    async def test_one_that_is_not_held_is_not_found(self, product: Product) -> None:
        await acknowledged(product, None)
        async with product.services.database.connection() as connection:
            queued = await connection.fetchval("select id from pgqueuer")
        for job_id in (HeldJobId(queued), HeldJobId(10**9)):
            assert isinstance(await product.services.held_jobs.requeue(job_id), NotFound)

    async def test_a_held_job_whose_work_was_queued_again_is_forgotten(self, product: Product) -> None:
        routine = (await acknowledged(product, None)).routine
        async with product.services.database.transaction() as connection:
            await connection.execute("update pgqueuer set status = 'failed'")
            await queue.enqueue_routine(connection, routine.id)
        (job,) = await product.services.held_jobs.newest(10)
        assert isinstance(await product.services.held_jobs.requeue(job.id), RequeueHeldJobSuccess)
        assert await count(product.services.database, "pgqueuer") == 1
        assert await product.services.held_jobs.newest(10) == ()

    async def test_the_sweep_leaves_held_jobs_to_admins(self, product: Product) -> None:
        await acknowledged(product, None)
        async with product.services.database.connection() as connection:
            await connection.execute("update routines set created_at = created_at - interval '1 hour'")
            await connection.execute("update pgqueuer set status = 'failed'")
        assert await product.services.routines.requeue_orphans() == 0


class TestAttempts:
    async def test_a_bug_is_tried_again_and_then_told(self, product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(_inputs: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr("services.fulfilment.make_plan", broken)
        routine = (await acknowledged(product, None)).routine
        delay_s = await product.services.routines.fulfil(routine.id)
        assert delay_s is not None
        assert 0 <= delay_s <= 1
        assert await product.services.routines.fulfil(routine.id) is None
        found = await product.services.routines.read(routine.id, PERSON)
        assert found is not None
        assert (found.status, type(found.failure), found.attempt) == (RoutineStatus.FAILED, PlanningFailed, 2)

    async def test_a_hang_is_a_failed_attempt(self, product: Product) -> None:
        await product.set_faults({"match": "*", "kind": "hang"})
        product.services.routines._attempt_deadline_s = 0.3
        routine = (await acknowledged(product, None)).routine
        assert await product.services.routines.fulfil(routine.id) is not None
        assert await product.services.routines.fulfil(routine.id) is None
        found = await product.services.routines.read(routine.id, PERSON)
        assert found is not None
        assert found.status is RoutineStatus.FAILED

    async def test_an_attempt_that_was_taken_over_looks_again(self, product: Product) -> None:
        """The job may be this worker's again by now: to call it done would leave a routine without a job."""
        await product.set_faults({"match": "*", "kind": "delay", "delay_s": 0.5})
        routine = (await acknowledged(product, None)).routine
        attempt = asyncio.ensure_future(product.services.routines.fulfil(routine.id))
        await until(product.services.database, "routines where attempt = 1", 1)
        async with product.services.database.connection() as connection:
            assert await store.take(connection, routine.id, routine.created_at) is not None
        assert await attempt is not None
        found = await product.services.routines.read(routine.id, PERSON)
        assert found is not None
        assert not found.status.final

    async def test_a_routine_that_ends_its_processes_does_not_do_so_for_ever(self, product: Product) -> None:
        routine = (await acknowledged(product, None)).routine
        async with product.services.database.connection() as connection:
            for _ in range(8):
                await store.take(connection, routine.id, routine.created_at)
        assert await product.services.routines.fulfil(routine.id) is None
        found = await product.services.routines.read(routine.id, PERSON)
        assert found is not None
        assert (found.status, found.attempt) == (RoutineStatus.FAILED, 9)


class TestWorker:
    async def test_syncs_of_all_workers_together_are_limited(self, database_url: str) -> None:
        async with open_product(database_url, worker=True, worker_sync_concurrency=1, worker_concurrency=10) as product:
            await product.set_faults({"match": "*", "kind": "hang"})
            async with product.services.database.transaction() as connection:
                for person in range(5):
                    await queue.enqueue_sync(connection, f"sandbox-{person}")  # type: ignore[arg-type]
            await until(product.services.database, "pgqueuer where status = 'picked'", 1)
            await asyncio.sleep(1)
            assert await count(product.services.database, "pgqueuer where status = 'picked'") == 1

    @pytest.mark.parametrize("error", [UpstreamStatus("", status=429, retry_after_s=3600), CircuitOpen("", retry_after_s=3600)])
    def test_a_job_comes_no_sooner_than_the_upstream_asked(self, error: UpstreamStatus | CircuitOpen) -> None:
        assert all(3600 <= pause_s(attempts, error) <= 3600 * 1.2 for attempts in range(5))

    def test_other_failures_back_off_with_full_jitter(self) -> None:
        pauses = [pause_s(1, UpstreamMalformed("")) for _ in range(200)]
        assert 0 <= min(pauses) < 8
        assert 24 < max(pauses) <= 32


async def test_what_became_of_jobs_is_forgotten_in_time(product: Product) -> None:
    await acknowledged(product, None)
    async with product.services.database.transaction() as connection:
        await connection.execute("update pgqueuer_log set created = now() - interval '73 hours'")
        await connection.execute("update pgqueuer set status = 'failed', updated = now() - interval '31 days'")
        assert await queue.prune(connection, timedelta(hours=72), 100) == 1
        assert await held_jobs.prune(connection, 100) == 1
    assert await count(product.services.database, "pgqueuer_log") == await count(product.services.database, "pgqueuer") == 0
