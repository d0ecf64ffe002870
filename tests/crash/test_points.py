"""A worker dies after each of its steps in turn (reliability.md, P2 and O14): the next one ends what it began, once."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.clock import Clock
from services.domain.routine import Archetype
from services.store.migrations import migrate
from tests.cluster import open_cluster
from tests.crash.points import AFTER_THE_MODEL
from tests.faults.asking import request
from tests.postgres import Postgres
from tests.product import Product, open_product

pytestmark = pytest.mark.crash

ROOT = Path(__file__).parents[2]
MOST_STEPS = 400
ANSWER_S = 60
ATTEMPTS = 2
"""That of the worker that dies, and the next one's."""
MOST_ASKED = 2 * ATTEMPTS
"""Each attempt asks the model on warm data, and once more where live data says otherwise."""
TIME_PASSES = "update pgqueuer set heartbeat = heartbeat - interval '1 minute', execute_after = now() where status = 'picked'"
ENDS = "select routine_id, count(*) from events where kind in ('READY', 'FAILED') group by routine_id"
GAPS = """
select count(*) from (select id - row_number() over (partition by user_id order by id) as gap from events) as e where gap <> 0
"""


class Forks:
    """The process that makes workers."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def worker(self, last_step: int) -> int:
        """The exit code of a worker that dies after this step; 0 lives."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{last_step}\n".encode())
        async with asyncio.timeout(ANSWER_S):
            return int(await self._process.stdout.readline())


@asynccontextmanager
async def forks(*urls: str) -> AsyncIterator[Forks]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.crash.points", *urls),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield Forks(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(ANSWER_S):
            await process.wait()


@asynccontextmanager
async def stage(folder: Path, *, model: bool) -> AsyncIterator[tuple[Product, Forks]]:
    """PostgreSQL, Sahha, the model if it is wanted, and the process that makes workers for them."""
    postgres = Postgres(folder / "postgres")
    await postgres.start()
    try:
        await migrate(postgres.url)
        async with (
            open_cluster(folder, postgres.url) as cluster,
            open_product(postgres.url, at=Clock().now(), model=model) as product,
            forks(postgres.url, cluster.standin_url, *([product.model_url] if product.model_url else [])) as workers,
        ):
            yield product, workers
    finally:
        await postgres.aclose()


async def die(workers: Forks, product: Product, step: int) -> bool:
    """A routine whose worker dies after a step, and which the next one ends. False: no worker takes as many steps."""
    # A whole day, and another archetype each time: a plan like the last one would be taken over without asking the model.
    tomorrow = (product.services.clock.now() + timedelta(days=1)).date()
    archetypes = [*Archetype]
    asked = replace(request(f"tap-{step}", archetypes[step % len(archetypes)]), date=tomorrow)
    await product.services.routines.request(asked)
    code = await workers.worker(step)
    async with product.services.database.connection() as connection:
        await connection.execute(TIME_PASSES)
        assert code in {0, -signal.SIGKILL}
        assert await workers.worker(0) == 0
        ends = await connection.fetch(ENDS)
        assert await connection.fetchval("select count(*) from routines") == len(ends)
        assert {row["count"] for row in ends} == {1}
        assert await connection.fetchval("select count(*) from routines where status <> 'READY'") == 0
        assert await connection.fetchval(GAPS) == 0
        await connection.execute("delete from pgqueuer where entrypoint <> 'GENERATE_ROUTINE'")
    return code != 0


@pytest.mark.parametrize("model", [False, True], ids=["rules", "model"])
async def test_a_worker_may_die_after_any_step(
    open_folder: Path, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str], *, model: bool
) -> None:
    stride = int(pytestconfig.getoption("--stride"))
    async with stage(open_folder, model=model) as (product, workers):
        step = 1
        while await die(workers, product, step):
            step += stride
            assert step < MOST_STEPS
        asked = await product.questions() if model else 0
    with capsys.disabled():
        told = f", the model asked {asked} times" if model else ""
        print(f"\n  {step - 1} steps, every {stride}. of them tried{told}")  # noqa: T201
    assert step > stride
    routines = step // stride + 1
    assert not model or routines <= asked <= routines * MOST_ASKED


async def test_a_worker_may_die_between_the_models_answer_and_the_commit(open_folder: Path) -> None:
    async with stage(open_folder, model=True) as (product, workers):
        assert await die(workers, product, AFTER_THE_MODEL)
        assert ATTEMPTS <= await product.questions() <= MOST_ASKED
