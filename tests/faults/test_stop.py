"""Stopping (reliability.md, P3, C13): what was asked is answered, subscribers are told, and it is over within 10 s."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from services.clock import Clock
from tests.faults.sockets import next_event, subscribed, until_closed
from tests.process import ServiceProcess, children_of, service_process

CLOCK = "2026-03-11T06:40:00-04:00"
STOPPED_WITHIN_S = 10
ARCHETYPES = ("FOUNDATION_BUILDER", "TRANSFORMATION_SEEKER", "SYSTEMATIC_IMPROVER", "PEAK_PERFORMER", "RESILIENCE_REBUILDER")
MUTATION = """
mutation($input: GenerateRoutineInput!, $waitSeconds: Int) {
  generateRoutine(input: $input, waitSeconds: $waitSeconds) {
    __typename
    ... on GenerateRoutineSuccess { cursor routine { id status } }
  }
}
"""


async def ask(service: ServiceProcess, number: int, wait_s: int = 0) -> dict[str, Any]:
    """One of five requests of each of two people, by its own key."""
    given = {
        "userId": ("sandbox-avery", "sandbox-blake")[number % 2],
        "archetype": ARCHETYPES[number % 5],
        "timezone": "America/New_York",
        "idempotencyKey": f"tap-{number}",
    }
    answer = await service.graphql(MUTATION, {"input": given, "waitSeconds": wait_s})
    found: dict[str, Any] = answer["data"]["generateRoutine"]
    assert found["__typename"] == "GenerateRoutineSuccess", answer
    return found


async def until_answered(service: ServiceProcess, number: int) -> dict[str, Any]:
    """The routine of a request once it is final."""
    async with asyncio.timeout(60):
        while (found := await ask(service, number, wait_s=20))["routine"]["status"] != "READY":
            pass
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_answers_what_was_asked_and_loses_nothing(tmp_path: Path, database_url: str, number: signal.Signals) -> None:
    data_dir = tmp_path / "data"
    async with service_process(data_dir, CLOCK=CLOCK, DATABASE_URL=database_url) as service, AsyncExitStack() as stack:
        first = await until_answered(service, 0)
        socket = await stack.enter_async_context(subscribed(service.url, service.service_key, "sandbox-avery", first["cursor"]))
        seen = [await next_event(socket)]
        os.kill(service.standin_pid, signal.SIGSTOP)  # from here on no plan gets its live data
        waiting = [asyncio.ensure_future(ask(service, each, wait_s=60)) for each in range(1, 10)]
        await service.wait_for_line("Acknowledged", after=len(service.lines))
        await asyncio.sleep(0.5)
        started = Clock.monotonic()
        service.process.send_signal(number)
        os.kill(service.standin_pid, signal.SIGCONT)
        answers = await asyncio.gather(*waiting)
        more, code = await until_closed(socket)
        assert code == 1012
        assert await service.until_ended(STOPPED_WITHIN_S + 5) == 0
        assert Clock.monotonic() - started < STOPPED_WITHIN_S

    async with service_process(data_dir, CLOCK=CLOCK, DATABASE_URL=database_url) as service:
        for each, answer in enumerate(answers, start=1):
            assert (await until_answered(service, each))["routine"]["id"] == answer["routine"]["id"]
        averys = {answer["routine"]["id"] for each, answer in enumerate(answers, start=1) if each % 2 == 0}
        seen += more
        async with subscribed(service.url, service.service_key, "sandbox-avery", seen[-1]["id"]) as socket:
            while not averys <= {event["routineId"] for event in seen}:
                seen.append(await next_event(socket))
        assert len({event["routineId"] for event in seen}) == len(seen)


async def test_open_streams_do_not_hold_up_a_stop(tmp_path: Path, database_url: str) -> None:
    """A client that has stopped reading, and one in the middle of sending its request."""
    async with service_process(tmp_path / "data", CLOCK=CLOCK, DATABASE_URL=database_url) as service:
        host, port = service.url.removeprefix("http://").split(":")
        async with subscribed(service.url, service.service_key, "sandbox-avery", None) as socket:
            socket.transport.pause_reading()
            _reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(
                b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
            )
            await writer.drain()
            await asyncio.sleep(0.3)
            started = Clock.monotonic()
            assert await service.stop() == 0
            assert Clock.monotonic() - started < STOPPED_WITHIN_S
            writer.close()


async def test_a_second_signal_ends_it_at_once_and_leaves_nothing(open_folder: Path) -> None:
    data_dir = open_folder / "data"
    async with service_process(data_dir, CLOCK=CLOCK) as service:
        children = children_of(service.process.pid)
        os.kill(service.standin_pid, signal.SIGSTOP)
        acknowledged = await ask(service, 1)
        await asyncio.sleep(0.5)
        service.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.5)
        assert service.process.returncode is None
        started = Clock.monotonic()
        service.process.send_signal(signal.SIGTERM)
        await service.until_ended()
        assert Clock.monotonic() - started < 5
        os.kill(service.standin_pid, signal.SIGCONT)
        async with asyncio.timeout(15):
            while any(Path(f"/proc/{pid}").exists() for pid in children):
                await asyncio.sleep(0.1)
    async with service_process(data_dir, CLOCK=CLOCK) as service:
        assert (await until_answered(service, 1))["routine"]["id"] == acknowledged["routine"]["id"]


async def test_a_signal_during_the_start_ends_it(open_folder: Path) -> None:
    async with service_process(open_folder / "data", until="Embedded PostgreSQL started") as service:
        assert await service.stop() == 0
