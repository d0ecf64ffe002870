"""A client in a process of its own that holds subscribed sockets: `python -m tests.api.holding URL KEY USER COUNT`.

Prints `held` when all of them are open, and at the end the codes with which they were closed. It can be frozen or killed.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.faults.sockets import subscribed

AT_ONCE = 50
HELD = b"held\n"
PONG = json.dumps({"type": "pong"})


async def held(stack: AsyncExitStack, url: str, key: str, user_id: str, count: int) -> AsyncIterator[ClientConnection]:
    """So many sockets, each with a subscription, opened a few at a time."""
    for first in range(0, count, AT_ONCE):
        opening = [stack.enter_async_context(subscribed(url, key, user_id, None)) for _ in range(min(AT_ONCE, count - first))]
        for socket in await asyncio.gather(*opening):
            yield socket


async def close_code(socket: ClientConnection) -> int | None:
    """The code with which the server closes. Until then its pings are answered."""
    try:
        while True:
            if json.loads(await socket.recv())["type"] == "ping":
                await socket.send(PONG)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None


@asynccontextmanager
async def holding(url: str, key: str, user_id: str, count: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """The process, once it holds all its sockets. It ends with the block."""
    arguments = (sys.executable, "-m", "tests.api.holding", url, key, user_id, str(count))
    process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            assert await process.stdout.readline() == HELD
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def main() -> None:
    url, key, user_id, count = sys.argv[1:]
    async with AsyncExitStack() as stack:
        async with asyncio.TaskGroup() as group:
            sockets = held(stack, url, key, user_id, int(count))
            closed = [group.create_task(close_code(socket)) async for socket in sockets]
            print(HELD.decode(), end="", flush=True)  # noqa: T201
        print(json.dumps(Counter(each.result() for each in closed)), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main())
