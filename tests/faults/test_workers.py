"""Worker processes beside web processes (reliability.md, P3, P8, P14)."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.clock import Clock
from tests.cluster import SERVICE_KEY, Cluster, open_cluster
from tests.process import ServiceProcess

MUTATION = """
mutation($input: GenerateRoutineInput!, $waitSeconds: Int) {
  generateRoutine(input: $input, waitSeconds: $waitSeconds) {
    __typename
    ... on GenerateRoutineSuccess { routine { id status } }
  }
}
"""
HANG = {"match": "*", "kind": "hang"}
RESTARTS = 10


@pytest.fixture
async def cluster(tmp_path: Path, database_url: str) -> AsyncIterator[Cluster]:
    async with open_cluster(tmp_path, database_url) as opened:
        yield opened


async def ask(web: ServiceProcess, person: int, wait_s: int = 0) -> dict[str, Any]:
    """The routine of a generated person, by a key of its own."""
    given = {
        "userId": f"generated-{person:05}",
        "archetype": "PEAK_PERFORMER",
        "timezone": "Europe/Berlin",
        "idempotencyKey": "tap-1",
    }
    answer = await web.graphql(MUTATION, {"input": given, "waitSeconds": wait_s}, key=SERVICE_KEY)
    found: dict[str, Any] = answer["data"]["generateRoutine"]
    assert found["__typename"] == "GenerateRoutineSuccess", answer
    return found["routine"]  # type: ignore[no-any-return]


async def until_ready(web: ServiceProcess, person: int) -> None:
    async with asyncio.timeout(60):
        while (await ask(web, person, wait_s=10))["status"] != "READY":
            await asyncio.sleep(0.1)


async def fetch(cluster: Cluster, sql: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(cluster.database_url)
    try:
        return list(await connection.fetch(sql))
    finally:
        await connection.close()


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
        counts = await fetch(cluster, "select routine_id from events where kind = 'READY'")
        assert sorted(str(row["routine_id"]) for row in counts) == sorted(routine["id"] for routine in routines)
        for worker in workers:
            assert await worker.stop() == 0


async def test_a_worker_that_stops_hands_back_what_it_cannot_finish(cluster: Cluster) -> None:
    await cluster.set_faults(HANG)
    async with cluster.web("--no-worker") as web:
        async with cluster.worker() as worker:
            await ask(web, 1)
            async with asyncio.timeout(20):
                while not await fetch(cluster, "select from routines where attempt = 1"):
                    await asyncio.sleep(0.1)
            started = Clock.monotonic()
            assert await worker.stop() == 0
            assert Clock.monotonic() - started < 10
        (job,) = await fetch(cluster, "select status::text, queue_manager_id from pgqueuer")
        assert (job["status"], job["queue_manager_id"]) == ("queued", None)
        await cluster.set_faults()
        async with cluster.worker():
            await until_ready(web, 1)
        (routine,) = await fetch(cluster, "select attempt from routines")
        assert routine["attempt"] == 2


async def test_a_second_signal_ends_a_worker_at_once(cluster: Cluster) -> None:
    await cluster.set_faults(HANG)
    async with cluster.web("--no-worker") as web, cluster.worker() as worker:
        await ask(web, 1)
        async with asyncio.timeout(20):
            while not await fetch(cluster, "select from routines where attempt = 1"):
                await asyncio.sleep(0.1)
        worker.process.send_signal(signal.SIGTERM)
        await worker.wait_for_line("The worker stops")
        worker.process.send_signal(signal.SIGTERM)
        assert await worker.until_ended(2) != 0


async def test_ten_restarts_ask_sahha_for_nothing_but_the_demand(cluster: Cluster) -> None:
    """Half of them killed, half stopped, with and without work to do."""
    started = Clock.monotonic()
    for turn in range(RESTARTS):
        async with cluster.web(SCHEDULER="on") as service:
            if turn == RESTARTS // 2:
                assert await cluster.calls() == {}
                for person in range(1, 4):
                    await ask(service, person)
            if turn == RESTARTS - 1:
                for person in range(1, 4):
                    await until_ready(service, person)
            elif turn % 2:
                await service.kill()
    assert Clock.monotonic() - started < 180
    (row,) = await fetch(
        cluster,
        "select (select sum(attempt) from routines) "
        "+ (select count(*) from pgqueuer_log where entrypoint = 'SYNC_SAHHA_DATA' and status = 'picked') as reads",
    )
    calls = await cluster.calls()
    assert calls["biomarker"] <= row["reads"]
    assert row["reads"] <= 3 * 2 + RESTARTS
