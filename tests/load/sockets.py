"""Swarms of sockets at a service in a process of its own: `python -m tests.load.sockets`.

1,000 that say nothing, three times 1,000 subscriptions that are killed, and 500 whose client is frozen. Printed after each: what
is still open, and the memory of the service. Memory is flat when the last swarms add nothing to the first.
"""

import asyncio
import resource
import signal
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
from websockets.asyncio.client import connect

from tests.api.holding import close_code, holding
from tests.faults.sockets import PROTOCOL
from tests.load.folder import data_folder
from tests.process import ServiceProcess, service_process

SOCKETS = 1_000
FROZEN = 500
ROUNDS = 3
PERSON = "sandbox-avery"
FILES = 8_192
PING_S = 5
OPEN = 'firstlight_open_streams{kind="websocket"}'


def memory_mb(service: ServiceProcess) -> float:
    """Resident memory of the service's process."""
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024


async def open_sockets(service: ServiceProcess) -> int:
    async with httpx.AsyncClient() as http:
        figures = (await http.get(f"{service.url}/metrics", headers={"x-api-key": service.admin_key})).text
    return next((int(float(line.split()[-1])) for line in figures.splitlines() if line.startswith(OPEN)), 0)


async def tell(service: ServiceProcess, what: str, most: int) -> None:
    """Waits until nothing is open any more."""
    started = time.perf_counter()
    while (still := await open_sockets(service)) and time.perf_counter() - started < 60:
        await asyncio.sleep(0.05)
    took_s = time.perf_counter() - started
    print(f"{what:45} {most:5} open, {took_s:5.1f} s later {still} open, {memory_mb(service):6.1f} MB", flush=True)


async def say_nothing(service: ServiceProcess) -> None:
    url = f"{service.url.replace('http', 'ws', 1)}/graphql"
    async with AsyncExitStack() as stack:
        sockets = []
        for _ in range(SOCKETS // 50):
            opening = [stack.enter_async_context(connect(url, subprotocols=[PROTOCOL])) for _ in range(50)]
            sockets += await asyncio.gather(*opening)
        most = await open_sockets(service)
        codes = Counter(await asyncio.gather(*map(close_code, sockets)))
    await tell(service, f"say nothing, closed with {dict(codes)}", most)


async def are_killed(service: ServiceProcess) -> None:
    async with holding(service.url, service.service_key, PERSON, SOCKETS) as client:
        most = await open_sockets(service)
        client.kill()
        await client.wait()
    await tell(service, "subscribed, their process killed", most)


async def are_frozen(service: ServiceProcess) -> None:
    async with holding(service.url, service.service_key, PERSON, FROZEN) as client:
        most = await open_sockets(service)
        client.send_signal(signal.SIGSTOP)
        await tell(service, "subscribed, their process frozen", most)


async def main() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    with data_folder() as folder:
        limits = {resource.RLIMIT_NOFILE: FILES}
        async with service_process(folder, limits=limits, STREAM_PING_S=str(PING_S)) as service:
            print(f"{'before':45} {memory_mb(service):40.1f} MB")
            await say_nothing(service)
            for _ in range(ROUNDS):
                await are_killed(service)
            await are_frozen(service)
            await are_killed(service)


if __name__ == "__main__":
    asyncio.run(main())
