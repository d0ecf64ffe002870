"""Processes as an operator runs them: two on one PostgreSQL, one of them stopped or killed (reliability.md, P4, P8, T9)."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tests.process import ServiceProcess, service_process

STATUS = "{ schedulerStatus { health leader instanceId jobs { id runs { scheduledAt instanceId detail } } } }"
RUN = 'mutation { runSchedulerJob(id: "check_service_levels") { ... on SchedulerJobSuccess { run { status } } } }'
NO_ZONES = "import sys; sys.modules['tzdata'] = None; from server.cli import app; app(['serve'])"
TAKEN_OVER_S = 30.0


async def status(service: ServiceProcess) -> dict[str, Any]:
    answer = await service.graphql(STATUS, key=service.admin_key)
    shown: dict[str, Any] = answer["data"]["schedulerStatus"]
    return shown


async def until_health(service: ServiceProcess, health: str) -> None:
    async with asyncio.timeout(TAKEN_OVER_S):
        while (await status(service))["health"] != health:
            await asyncio.sleep(0.2)


async def test_the_standby_takes_over_from_a_leader_that_stands_still_and_from_one_that_dies(
    database_url: str, open_folder: Path
) -> None:
    async with (
        service_process(open_folder / "one", DATABASE_URL=database_url, WORKER="off") as one,
        service_process(open_folder / "other", DATABASE_URL=database_url, WORKER="off") as other,
    ):
        await until_health(one, "RUNNING")
        await until_health(other, "STANDBY")
        assert (await other.graphql(RUN, key=other.admin_key))["data"]["runSchedulerJob"]["run"] == {"status": "RUNNING"}

        one.process.send_signal(signal.SIGSTOP)
        await until_health(other, "STALLED")
        await until_health(other, "RUNNING")
        one.process.send_signal(signal.SIGCONT)
        await until_health(one, "STANDBY")

        await other.kill()
        await until_health(one, "RUNNING")
        runs = [run for job in (await status(one))["jobs"] for run in job["runs"]]
        assert len({(run["scheduledAt"], run["detail"]) for run in runs}) == len(runs)


async def test_without_time_zone_data_the_start_is_refused(tmp_path: Path) -> None:
    """T9."""
    refused = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        NO_ZONES,
        env={"PATH": os.environ["PATH"], "PYTHONTZPATH": "", "DATA_DIR": str(tmp_path / "data")},
        cwd=tmp_path,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        _, said = await refused.communicate()
    assert (refused.returncode, said.decode().strip()) == (2, "There is no time zone data: install the tzdata package.")
    assert not (tmp_path / "data").exists()
