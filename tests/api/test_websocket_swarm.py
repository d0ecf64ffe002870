"""Many sockets that say nothing, break or freeze: nothing of them is left behind, and others notice nothing (C6)."""

import asyncio
import json
import signal
from contextlib import AsyncExitStack

from tests.api.clients import SERVICE_KEY, Api, acknowledged, opened
from tests.api.edge import edge_with, figure, open_sockets, until, works
from tests.api.holding import held, holding

SILENT = 150
BROKEN = 100
FROZEN = 30
PERSON = "anna"


def watching(api: Api) -> bool:
    return PERSON in api.services.events._watchers


async def test_sockets_that_say_nothing_are_closed_and_others_work() -> None:
    async with edge_with(socket_init_timeout_s=1) as api, acknowledged(api) as other, AsyncExitStack() as stack:
        silent = [await stack.enter_async_context(opened(api)) for _ in range(SILENT)]
        await works(other)
        codes = await asyncio.gather(*(socket.close_code() for socket in silent))
        assert set(codes) == {4408}
        await works(other)
        await until(lambda: open_sockets(api) == 1)
        assert figure(api, "ended_streams_total", ending="no_init") == SILENT


async def test_sockets_that_break_leave_nothing(database_url: str) -> None:
    async with edge_with(database_url) as api, AsyncExitStack() as stack:
        sockets = [socket async for socket in held(stack, api.url, SERVICE_KEY, PERSON, BROKEN)]
        await until(lambda: watching(api) and open_sockets(api) == BROKEN)
        for socket in sockets:
            socket.transport.abort()
        await until(lambda: open_sockets(api) == 0)
        assert not watching(api)


async def test_sockets_of_a_frozen_client_are_given_up_and_it_can_come_back(database_url: str) -> None:
    async with edge_with(database_url, stream_ping_s=2) as api, holding(api.url, SERVICE_KEY, PERSON, FROZEN) as client:
        await until(lambda: watching(api) and open_sockets(api) == FROZEN)
        client.send_signal(signal.SIGSTOP)
        await until(lambda: open_sockets(api) == 0)
        assert not watching(api)
        client.send_signal(signal.SIGCONT)
        assert client.stdout is not None
        async with asyncio.timeout(30):
            assert json.loads(await client.stdout.readline()) == {"1013": FROZEN}
