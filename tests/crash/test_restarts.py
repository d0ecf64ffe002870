"""A service that is started over and over does not press Sahha (reliability.md, P14)."""

from pathlib import Path

import pytest

from tests.cluster import ask, open_cluster, until_ready

pytestmark = pytest.mark.crash

PEOPLE = range(1, 4)
READS = """
select (select sum(attempt) from routines)
     + (select count(*) from pgqueuer_log where entrypoint = 'SYNC_SAHHA_DATA' and status = 'picked') as reads
"""


async def test_restarts_in_a_row_ask_sahha_for_nothing_but_the_demand(
    tmp_path: Path, database_url: str, pytestconfig: pytest.Config
) -> None:
    """Half of the processes are killed, half are stopped; first without and then with something to do."""
    restarts = int(pytestconfig.getoption("--restarts"))
    async with open_cluster(tmp_path, database_url) as cluster:
        for turn in range(restarts):
            async with cluster.web(SCHEDULER="on") as service:
                if turn == restarts // 2:
                    assert await cluster.calls() == {}
                    for person in PEOPLE:
                        await ask(service, person)
                if turn == restarts - 1:
                    for person in PEOPLE:
                        await until_ready(service, person)
                elif turn % 2:
                    await service.kill()
        (row,) = await cluster.fetch(READS)
        assert (await cluster.calls())["biomarker"] <= row["reads"] <= 2 * len(PEOPLE) + restarts
