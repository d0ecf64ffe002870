"""How many sockets and operations there may be, how long, and what ends them: never another caller's."""

import asyncio
import logging
import socket as sockets
import sys
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest
from graphql import get_introspection_query
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from server.sockets import STALLED_S, drop_stalled_peers
from services.clock import Clock
from tests.api.clients import PATIENCE_S, PROTOCOL, SERVICE_KEY, Api, Socket, acknowledged, opened
from tests.api.edge import VIEWER, edge_with, figure, introduce, open_sockets, socket_of, until, works
from tests.tokens import claims, rsa_key, signed, token_of


async def test_the_sixth_socket_of_a_person_is_told_to_come_later() -> None:
    async with edge_with() as api, AsyncExitStack() as stack:
        kept = [await stack.enter_async_context(socket_of(api, "anna")) for _ in range(5)]
        async with opened(api) as sixth:
            await introduce(sixth, token_of("anna"))
            assert await sixth.close_code() == 1013
        async with socket_of(api, "ben") as other, acknowledged(api) as of_service:
            for socket in (*kept, other, of_service):
                await works(socket)
        await kept[0].connection.close()
        await until(lambda: open_sockets(api) == 4)
        async with socket_of(api, "anna") as sixth:
            await works(sixth)
        assert figure(api, "ended_streams_total", ending="too_many") == 1


@pytest.mark.parametrize("limit", [{"streams": 2}, {"streams_per_key": 2}])
async def test_keys_and_the_process_have_bounds_of_their_own(limit: dict[str, Any]) -> None:
    async with edge_with(**limit) as api, acknowledged(api), acknowledged(api):
        async with opened(api) as third:
            with suppress(ConnectionClosed):
                await introduce(third, SERVICE_KEY)
            assert await third.close_code() == 1013
        await until(lambda: open_sockets(api) == 2)


async def test_a_slow_look_at_the_token_counts_as_silence() -> None:
    """The keys of the issuer are asked for and nobody answers."""
    with sockets.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/keys"
        async with edge_with(jwt_secret=None, jwt_jwks_url=url, socket_init_timeout_s=0.5) as api, opened(api) as socket:
            await introduce(socket, signed(claims(), rsa_key(), "RS256", kid="1"))
            assert await socket.close_code() == 4408


async def test_a_token_that_ends_closes_its_socket_with_a_code_that_is_tried_again() -> None:
    async with edge_with() as api, opened(api) as socket, socket_of(api, "anna") as other:
        await introduce(socket, token_of("anna", valid_for_s=2))
        assert (await socket.receive())["type"] == "connection_ack"
        assert await socket.close_code() == 4403
        await works(other)
        assert figure(api, "ended_streams_total", ending="expired") == 1


async def test_a_token_that_is_taken_for_its_leeway_is_taken_until_that_ends() -> None:
    async with edge_with() as api, opened(api) as socket:
        await introduce(socket, token_of("anna", valid_for_s=-57))
        assert (await socket.receive())["type"] == "connection_ack"
        await works(socket)
        assert await socket.close_code() == 4403


async def test_old_age_closes_with_a_code_that_is_tried_again() -> None:
    async with edge_with(stream_life_s=0.5) as api, acknowledged(api) as socket:
        assert await socket.close_code() == 1012


async def test_signs_of_life_are_asked_for() -> None:
    async with edge_with(stream_ping_s=0.2) as api, acknowledged(api) as answering, acknowledged(api) as silent:
        for _ in range(4):
            assert await answering.receive() == {"type": "ping"}
            await answering.send({"type": "pong"})
        assert await silent.close_code() == 1013
        assert figure(api, "ended_streams_total", ending="silent") == 1
        await answering.send({"type": "pong"})
        assert await answering.receive() == {"type": "ping"}


async def test_a_reader_that_stops_is_let_go_and_no_other(caplog: pytest.LogCaptureFixture) -> None:
    with sockets.socket() as small:
        small.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        async with edge_with(stream_send_timeout_s=0.5, socket_messages_per_s=10_000) as api, acknowledged(api) as other:
            small.setblocking(False)
            host, port = api.url.removeprefix("http://").split(":")
            await asyncio.get_running_loop().sock_connect(small, (host, int(port)))
            async with connect(
                f"ws://{host}:{port}/graphql", sock=small, subprotocols=[PROTOCOL], compression=None
            ) as connection:
                slow = Socket(connection)
                await introduce(slow, SERVICE_KEY)
                assert (await slow.receive())["type"] == "connection_ack"
                connection.transport.pause_reading()
                await ask_until_let_go(api, slow)
                await until(lambda: open_sockets(api) == 1)
                await works(other)
                connection.transport.resume_reading()
                assert await slow.close_code() == 1013
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def ask_until_let_go(api: Api, socket: Socket) -> None:
    """Large answers, one after the other, to somebody who takes none of them."""
    query = get_introspection_query()
    async with asyncio.timeout(PATIENCE_S):
        for number in range(10_000):
            if figure(api, "ended_streams_total", ending="slow"):
                return
            await socket.subscribe(str(number), query)
            await asyncio.sleep(0.01)
    raise AssertionError("it takes whatever comes")


async def test_a_flood_of_messages_is_read_at_a_bounded_rate() -> None:
    """As many as a second holds at once, then no more than that a second: the rest waits with the one who sent it."""
    async with edge_with(socket_messages_per_s=50) as api, acknowledged(api) as flooding, acknowledged(api) as other:
        began = Clock.monotonic()
        for _ in range(60):
            await flooding.send({"type": "ping"})
            await flooding.send({"type": "complete", "id": "1"})
        await works(other)
        for _ in range(60):
            assert await flooding.receive() == {"type": "pong"}
        assert Clock.monotonic() - began > 1


async def test_operations_on_a_socket_are_held_to_the_callers_own_rate() -> None:
    async with edge_with(person_operations_per_min=2) as api, socket_of(api, "anna") as socket:
        await works(socket)
        await works(socket)
        await socket.subscribe("1", VIEWER)
        message = await socket.receive()
        assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "RATE_LIMITED")


async def test_text_that_is_no_utf_8_closes_with_1007(edge: Api, caplog: pytest.LogCaptureFixture) -> None:
    async with acknowledged(edge) as socket:
        await socket.connection.send(b'{"type": "ping\xff"}', text=True)
        assert await socket.close_code() == 1007
    assert not caplog.records or all(record.levelno < logging.ERROR for record in caplog.records)


async def test_a_frame_with_reserved_bits_closes_with_1002(edge: Api) -> None:
    async with acknowledged(edge) as socket:
        socket.connection.transport.write(b"\xf1\x80\x00\x00\x00\x00")
        with pytest.raises(ConnectionClosed) as closed:
            await socket.connection.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1002


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own word for it is Linux's")
def test_the_kernel_cuts_off_who_takes_nothing() -> None:
    with sockets.create_server(("127.0.0.1", 0)) as listener:
        drop_stalled_peers(listener)
        with sockets.create_connection(listener.getsockname()), listener.accept()[0] as accepted:
            assert accepted.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_USER_TIMEOUT) == STALLED_S * 1000
