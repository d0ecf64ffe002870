"""What a machine and an operator do to a process (reliability.md, P5, P7, P9, P12, D1)."""

import asyncio
import os
import resource
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from server.watchdog import watchdog
from services.clock import Clock
from tests.postgres import Postgres
from tests.process import ServiceProcess, service_process

PLAN = """
mutation { generateRoutine(
  input: { userId: "sandbox-avery", archetype: PEAK_PERFORMER, timezone: "America/New_York" }, waitSeconds: 30
) { ... on GenerateRoutineSuccess { routine { status } } } }
"""


async def plans(service: ServiceProcess) -> bool:
    found: dict[str, Any] = (await service.graphql(PLAN))["data"]["generateRoutine"]
    return bool(found["routine"]["status"] == "READY")


async def status_of(url: str) -> int:
    """Of a path that may not be served yet."""
    async with httpx.AsyncClient(timeout=5) as http:
        return (await http.get(url)).status_code


async def until_ready(url: str) -> None:
    async with asyncio.timeout(60):
        while True:
            with suppress(httpx.HTTPError):
                if await status_of(f"{url}/readyz") == 200:
                    return
            await asyncio.sleep(0.05)


async def test_a_service_may_come_before_its_database(open_folder: Path) -> None:
    """Live at once and not ready; ready within 2 s after PostgreSQL is, and migrated then (D1)."""
    postgres = Postgres(open_folder / "postgres")
    try:
        await postgres.start()
        url = postgres.url
        await postgres.stop()
        async with service_process(open_folder / "data", DATABASE_URL=url) as service:
            assert await status_of(f"{service.url}/livez") == 200
            assert await status_of(f"{service.url}/readyz") == 503
            await postgres.start()
            started = Clock.monotonic()
            await until_ready(service.url)
            assert Clock.monotonic() - started < 20
            assert await plans(service)
    finally:
        await postgres.aclose()


async def test_a_loop_that_stands_still_is_told_with_its_place() -> None:
    with structlog.testing.capture_logs() as logs, watchdog(still_after_s=0.2):
        await asyncio.sleep(1.2)
        time.sleep(1.5)  # noqa: ASYNC251 - the fault
        await asyncio.sleep(1.2)
    still, turning = (record for record in logs if "WATCHDOG" in record["event"])
    assert still["log_level"] == "error"
    assert "time.sleep(1.5)" in still["stack"]
    assert turning["stood_s"] >= 0.2


async def test_a_loop_that_turns_is_left_alone() -> None:
    with structlog.testing.capture_logs() as logs, watchdog(still_after_s=0.5):
        await asyncio.sleep(2.5)
    assert not [record for record in logs if "WATCHDOG" in record["event"]]


async def test_without_file_descriptors_it_refuses_and_recovers(tmp_path: Path, database_url: str) -> None:
    """P7: more clients than it may have files open, and afterwards it is as before."""
    limits = {resource.RLIMIT_NOFILE: 128}
    async with service_process(tmp_path / "data", limits=limits, DATABASE_URL=database_url, SCHEDULER="off") as service:
        assert await plans(service)
        host, port = service.url.removeprefix("http://").split(":")
        crowd = []
        for _ in range(200):
            client = socket.socket()
            client.settimeout(1)
            try:
                client.connect((host, int(port)))
            except OSError:
                client.close()
                continue
            crowd.append(client)
        await asyncio.sleep(3)
        assert service.process.returncode is None
        for client in crowd:
            client.close()
        await until_ready(service.url)
        assert await plans(service)


async def test_it_serves_on_when_nobody_reads_what_it_prints(tmp_path: Path, database_url: str) -> None:
    """P12: the reader of its output goes away."""
    async with service_process(tmp_path / "data", DATABASE_URL=database_url, SCHEDULER="off") as service:
        service.stop_reading()
        for _ in range(3):
            assert await plans(service)
        assert await status_of(f"{service.url}/readyz") == 200
        service.process.send_signal(signal.SIGTERM)
        await service.until_ended(15)


async def test_it_serves_on_when_the_disk_of_its_log_is_full(tmp_path: Path, database_url: str) -> None:
    """P12: every line fails, from the first one on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "PORT": str(port), "DATABASE_URL": database_url, "DATA_DIR": str(tmp_path / "data")}
    full = os.open("/dev/full", os.O_WRONLY)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", "serve"), env=environment, cwd=tmp_path, stdout=full, stderr=full
    )
    os.close(full)
    try:
        await until_ready(f"http://127.0.0.1:{port}")
        assert process.returncode is None
    finally:
        process.terminate()
        async with asyncio.timeout(20):
            await process.wait()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"SAHHA_CLIENT_ID": "an-account-nobody-has"}, "SAHHA_CLIENT_SECRET"),
        ({"SAHHA_CLIENT_ID": "<your id>", "SAHHA_CLIENT_SECRET": "x-y-z-secret"}, "SAHHA_CLIENT_ID"),
        ({"SAHHA_CLIENT_ID": "client-7", "SAHHA_CLIENT_SECRET": "x-y-z-secret"}, "ADMIN_API_KEY"),
        ({"ADMIN_API_KEY": "shorty-7"}, "ADMIN_API_KEY"),
        ({"SERVICE_API_KEYS": "name:not-a-hash-7"}, "SERVICE_API_KEYS"),
        ({"PORT": "eighty-7"}, "PORT"),
    ],
)
async def test_a_wrong_setting_keeps_it_from_starting(tmp_path: Path, given: dict[str, str], named: str) -> None:
    """P9: the variable is named, no value is printed."""
    for command in ("serve", "worker"):
        async with service_process(tmp_path / "data", command, until=named, limits=None, **given) as service:
            assert await service.until_ended(15) == 2
            assert not [value for value in given.values() if value in service.output]


async def test_a_worker_without_a_database_of_its_own_says_so(tmp_path: Path) -> None:
    async with service_process(tmp_path / "data", "worker", until="DATABASE_URL is missing") as service:
        assert await service.until_ended(15) == 2
