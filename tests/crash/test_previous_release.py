"""The release before this one on the tables of this one, both at work (reliability.md, P10).

There is no earlier release yet, so this is skipped. From the second release on: install the one before into an environment of its
own and run `make crash ARGS="--previous PATH/bin/firstlight -k previous"`.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.cluster import Cluster, ask, open_cluster, until_ready

pytestmark = pytest.mark.crash


@asynccontextmanager
async def previous_worker(program: str, cluster: Cluster) -> AsyncIterator[None]:
    environment = {**os.environ, **cluster.settings(DATA_DIR=str(cluster.folder / "previous"))}
    process = await asyncio.create_subprocess_exec(program, "worker", env=environment, cwd=cluster.folder)
    try:
        yield
        assert process.returncode is None
    finally:
        process.terminate()
        async with asyncio.timeout(20):
            await process.wait()


async def test_the_previous_release_works_on_the_new_tables(
    tmp_path: Path, database_url: str, pytestconfig: pytest.Config
) -> None:
    program = pytestconfig.getoption("--previous")
    if program is None:
        pytest.skip("no earlier release was given")
    async with open_cluster(tmp_path, database_url) as cluster, cluster.web("--no-worker") as web:
        async with previous_worker(program, cluster):
            for person in range(1, 6):
                await until_ready(web, person)
        async with cluster.worker(), previous_worker(program, cluster):
            for person in range(6, 16):
                await ask(web, person)
            for person in range(6, 16):
                await until_ready(web, person)
