"""Worker processes beside web processes (reliability.md, P3, P8)."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from services.clock import Clock
from tests.cluster import Cluster, ask, open_cluster, until_ready

HANG = {"match": "*", "kind": "hang"}


@pytest.fixture
async def cluster(tmp_path: Path, database_url: str) -> AsyncIterator[Cluster]:
    async with open_cluster(tmp_path, database_url) as opened:
        yield opened


async def test_two_web_and_three_worker_processes_share_the_work(cluster: Cluster) -> None:
    await cluster.set_faults({"match": "*", "kind": "delay", "delay_s": 0.3})
    async with AsyncExitStack() as stack:
        started = [cluster.web("--no-worker") for _ in range(2)] + [cluster.worker(WORKER_CONCURRENCY="2") for _ in range(3)]
        first, second, *workers = await asyncio.gather(*(stack.enter_async_context(each) for each in started))
        webs = [first, second]
        routines = await asyncio.gather(*(ask(webs[person % 2], person) for person in range(1, 25)))
        for person in range(1, 25):
            await until_ready(webs[(person + 1) % 2], person)
        finished = [worker.output.count("[ROUTINE] READY") for worker in workers]
        assert sum(finished) == len(routines)
        assert sum(each > 0 for each in finished) >= 2
        counts = await cluster.fetch("select routine_id from events where kind = 'READY'")
        assert sorted(str(row["routine_id"]) for row in counts) == sorted(routine["id"] for routine in routines)
        for worker in workers:
            assert await worker.stop() == 0


async def test_a_worker_that_stops_hands_back_what_it_cannot_finish(cluster: Cluster) -> None:
    await cluster.set_faults(HANG)
    async with cluster.web("--no-worker") as web:
        async with cluster.worker() as worker:
            await ask(web, 1)
            async with asyncio.timeout(20):
                while not await cluster.fetch("select from routines where attempt = 1"):
                    await asyncio.sleep(0.1)
            started = Clock.monotonic()
            assert await worker.stop() == 0
            assert Clock.monotonic() - started < 10
        (job,) = await cluster.fetch("select status::text, queue_manager_id from pgqueuer")
        assert (job["status"], job["queue_manager_id"]) == ("queued", None)
        await cluster.set_faults()
        async with cluster.worker():
            await until_ready(web, 1)
        (routine,) = await cluster.fetch("select attempt from routines")
        assert routine["attempt"] == 2


async def test_a_second_signal_ends_a_worker_at_once(cluster: Cluster) -> None:
    await cluster.set_faults(HANG)
    async with cluster.web("--no-worker") as web, cluster.worker() as worker:
        await ask(web, 1)
        async with asyncio.timeout(20):
            while not await cluster.fetch("select from routines where attempt = 1"):
                await asyncio.sleep(0.1)
        worker.process.send_signal(signal.SIGTERM)
        await worker.wait_for_line("The worker stops")
        worker.process.send_signal(signal.SIGTERM)
        assert await worker.until_ended(2) != 0
