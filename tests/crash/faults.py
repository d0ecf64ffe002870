"""What happens to the processes and their database: a script each, drawn from a seed."""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress

import asyncpg

from services.clock import Clock
from tests.crash.stage import HEARTBEAT_TIMEOUT_S, Slot, Stage

Script = Callable[[Stage, random.Random], Awaitable[int]]
"""Plays its faults and gives their number."""
FROZEN_S = 2.25 * HEARTBEAT_TIMEOUT_S
AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What a connection attempt ends in while PostgreSQL is gone, or busy with coming back."""
SESSIONS = """
select pid from pg_stat_activity where application_name like 'firstlight%' and datname = current_database()
"""


def kills(cycles: int, *, workers: bool = True) -> Script:
    """SIGKILL to a web process, a worker, or one of each, after 0.3 to 1.3 s of work; each is started again at once."""

    async def script(stage: Stage, chance: random.Random) -> int:
        for _ in range(cycles):
            await asyncio.sleep(chance.uniform(0.3, 1.3))
            web, worker = chance.choice(stage.webs), chance.choice(stage.workers)
            victims = chance.choice([[web], [worker], [web, worker]]) if workers else [web]
            with stage.fault():
                await asyncio.gather(*(victim.replace() for victim in victims))
        return cycles

    return script


def zombies(cycles: int) -> Script:
    """A worker stands still until others have taken its jobs over, and then goes on where it was."""

    async def script(stage: Stage, chance: random.Random) -> int:
        for _ in range(cycles):
            await asyncio.sleep(chance.uniform(0.3, 1.3))
            with stage.fault():
                await freeze(chance.choice(stage.workers))
        return cycles

    return script


async def freeze(slot: Slot) -> None:
    slot.send(signal.SIGSTOP)
    try:
        await asyncio.sleep(FROZEN_S)
    finally:
        slot.send(signal.SIGCONT)


def database(seconds: float) -> Script:
    """PostgreSQL ends every few seconds, mostly as in a crash, and is away for up to 2 s; between that a backend is killed."""

    async def script(stage: Stage, chance: random.Random) -> int:
        faults = 0
        deadline = Clock.monotonic() + seconds
        while Clock.monotonic() < deadline:
            await asyncio.sleep(chance.uniform(1.5, 5))
            with stage.fault():
                await (restart if chance.random() < 0.7 else kill_a_backend)(stage, chance)
            faults += 1
        return faults

    return script


async def restart(stage: Stage, chance: random.Random) -> None:
    await stage.postgres.stop(chance.choice([signal.SIGQUIT, signal.SIGQUIT, signal.SIGKILL, signal.SIGINT]))
    await asyncio.sleep(chance.choice([0, 0, chance.uniform(0, 2)]))
    await stage.postgres.start()


async def kill_a_backend(stage: Stage, chance: random.Random) -> None:
    """SIGKILL to one session: PostgreSQL ends all of them then, and recovers. Nothing where it is still busy recovering."""
    with suppress(*AWAY):
        connection = await asyncpg.connect(stage.postgres.url, timeout=5)
        try:
            pids = [row["pid"] for row in await connection.fetch(SESSIONS)]
        finally:
            connection.terminate()
        if pids:
            os.kill(chance.choice(pids), signal.SIGKILL)


def everything(seconds: float) -> Script:
    """All of it, one thing after the other in any order, some of it at once."""

    async def script(stage: Stage, chance: random.Random) -> int:
        faults = 0
        deadline = Clock.monotonic() + seconds
        while Clock.monotonic() < deadline:
            await asyncio.sleep(chance.uniform(0.3, 2))
            chosen = chance.sample(["web", "worker", "frozen", "restart", "backend"], chance.choice([1, 1, 2]))
            frozen, killed = chance.sample(stage.workers, 2)
            with stage.fault():
                async with asyncio.TaskGroup() as group:
                    for fault in chosen:
                        match fault:
                            case "web":
                                group.create_task(chance.choice(stage.webs).replace())
                            case "worker":
                                group.create_task(killed.replace())
                            case "frozen":
                                group.create_task(freeze(frozen))
                            case "restart":
                                group.create_task(restart(stage, chance))
                            case _ if "restart" not in chosen:
                                group.create_task(kill_a_backend(stage, chance))
            faults += len(chosen)
        return faults

    return script
