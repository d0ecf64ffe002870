"""Server-sent events: graphql-sse's distinct connections mode, and what ends a stream."""

import json
import logging
import signal
import socket as sockets
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from tests.api.clients import SERVICE_KEY, Api
from tests.api.conftest import running_whole
from tests.api.edge import VIEWER, edge_with, figure, open_event_streams, socket_of, until
from tests.api.events import EVENT_STREAM, Events, streamed
from tests.api.test_routines import PERSON, WHOLE, generate
from tests.api.test_subscriptions import QUERY as PLAN_READY
from tests.process import service_process
from tests.tokens import token_of

STOPPED_WITHIN_S = 10
ANSWER = {"data": {"viewer": {"subject": "service:tests"}}}


async def code_of(events: Events) -> str:
    """The code of the only error of the next event."""
    event = await events.next()
    assert event is not None
    name, body = event
    assert (name, set(body)) == ("next", {"errors"})
    (error,) = body["errors"]
    code: str = error["extensions"]["code"]
    return code


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_query_is_one_event_and_the_end(edge: Api, method: str) -> None:
    async with streamed(edge, VIEWER, method=method) as events:
        assert events.response.status_code == 200
        assert events.response.headers["content-type"].startswith(EVENT_STREAM)
        assert events.response.headers["cache-control"] == "no-store, no-transform"
        assert events.response.headers["x-accel-buffering"] == "no"
        assert await events.rest() == [("next", ANSWER), ("complete", None)]
    await until(lambda: open_event_streams(edge) == 0)


async def test_events_are_sent_to_whoever_wants_them_most(edge: Api) -> None:
    for accept, answered in (
        (f"{EVENT_STREAM}, application/json;q=0.9", EVENT_STREAM),
        (f"application/json, {EVENT_STREAM}", "application/json"),
        ("*/*", "application/json"),
    ):
        response = await edge.post(VIEWER, headers={"accept": accept})
        assert response.headers["content-type"].startswith(answered)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ('subscription { planReady(userId: "") { id } }', "BAD_USER_INPUT"),
        ('subscription { planReady(userId: "anna") { id } }', "UNAVAILABLE"),
    ],
)
async def test_what_cannot_run_is_told_in_the_stream(edge: Api, query: str, code: str) -> None:
    async with streamed(edge, query) as events:
        event = await events.next()
        assert event is not None
        assert event[1]["errors"][0]["extensions"]["code"] == code
        assert await events.rest() == [("complete", None)]


async def test_what_changes_something_takes_post(edge: Api) -> None:
    mutation = 'mutation { runSchedulerJob(id: "cleanup_old_data") { __typename } }'
    async with streamed(edge, mutation, method="GET") as events:
        assert await code_of(events) == "GRAPHQL_VALIDATION_FAILED"
    async with streamed(edge, mutation) as events:
        event = await events.next()
        assert event is not None
        assert event[1]["errors"][0]["extensions"]["code"] == "FORBIDDEN"


@pytest.mark.parametrize(
    ("status", "key", "content"), [(401, None, b"{}"), (400, SERVICE_KEY, b"{"), (413, SERVICE_KEY, b" " * 200_000)]
)
async def test_a_request_that_is_none_is_refused_in_json(edge: Api, status: int, key: str | None, content: bytes) -> None:
    headers = {"accept": EVENT_STREAM, "content-type": "application/json"}
    response = await edge.request("POST", "/graphql", key=key, headers=headers, content=content)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    assert response.json()["errors"]


async def test_events_come_as_they_happen_and_what_was_missed_comes_first(service: Api) -> None:
    first = await generate(service, wait=30, date="2026-03-12")
    async with streamed(service, PLAN_READY, {"userId": PERSON, "after": first["cursor"]}) as events:
        missed = await events.next()
        await generate(service, date="2026-03-13")
        live = await events.next()
    assert missed is not None
    assert live is not None
    told = [event[1]["data"]["planReady"] for event in (missed, live)]
    assert [event["routine"]["date"] for event in told] == ["2026-03-12", "2026-03-13"]
    async with streamed(service, PLAN_READY, {"userId": PERSON, "after": told[0]["id"]}) as events:
        again = await events.next()
        assert again is not None
        assert again[1]["data"]["planReady"] == told[1]


async def test_a_client_that_leaves_leaves_nothing(service: Api) -> None:
    watchers = service.services.events._watchers
    async with streamed(service, PLAN_READY, {"userId": PERSON, "after": "0"}):
        await until(lambda: PERSON in watchers)
        assert open_event_streams(service) == 1
    await until(lambda: open_event_streams(service) == 0)
    assert PERSON not in watchers


def subscription(person: str) -> str:
    return f'subscription {{ planReady(userId: "{person}", after: "0") {{ id }} }}'


async def test_silence_is_filled_and_old_age_ends_a_stream_without_complete(database_url: str) -> None:
    async with edge_with(database_url, stream_ping_s=0.1, stream_life_s=1) as api:
        async with streamed(api, subscription("anna")) as events:
            assert await events.rest() == []
            assert events.comments > 1
        assert figure(api, "ended_streams_total", ending="old") == 1


async def test_a_token_that_ends_is_told_before_the_end(database_url: str) -> None:
    async with edge_with(database_url) as api:
        async with streamed(api, subscription("anna"), credential=token_of("anna", valid_for_s=2)) as events:
            assert await code_of(events) == "UNAUTHENTICATED"
            assert await events.rest() == [("complete", None)]
        assert open_event_streams(api) == 0


async def test_streams_count_with_the_sockets_of_a_person(database_url: str) -> None:
    async with edge_with(database_url) as api, AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(socket_of(api, "anna"))
        for _ in range(2):
            events = await stack.enter_async_context(streamed(api, subscription("anna"), credential=token_of("anna")))
            assert events.response.status_code == 200
        async with streamed(api, subscription("anna"), credential=token_of("anna")) as refused:
            assert refused.response.status_code == 429
            assert refused.response.headers["retry-after"] == "5"
            body = await refused.response.aread()
            assert b"RATE_LIMITED" in body
        async with streamed(api, VIEWER, credential=token_of("ben")) as events:
            assert (await events.rest())[-1] == ("complete", None)


EVENTS = 600
PILE_UP = """
with routine as (select id, user_id from routines limit 1), seq as (
    update people set event_seq = event_seq + $1 from routine where people.user_id = routine.user_id
    returning people.user_id, event_seq - $1 as last
)
insert into events (user_id, id, kind, routine_id, at)
select seq.user_id, seq.last + number, 'READY', routine.id, now() from seq, routine, generate_series(1, $1::int) as number
"""
WHOLE_PLANS = f'subscription($userId: ID!) {{ planReady(userId: $userId, after: "0") {{ id routine {{ ...Whole }} }} }} {WHOLE}'


async def test_a_reader_that_stops_is_let_go_and_no_other(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Megabytes of events wait for somebody who has asked for them and takes none."""
    async with running_whole(database_url, stream_send_timeout_s=0.5) as service:
        await generate(service, wait=30)
        async with service.services.database.connection() as connection:
            await connection.execute(PILE_UP, EVENTS)
        with sockets.socket() as client:
            client.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
            ask(client, service, WHOLE_PLANS)
            await until(lambda: figure(service, "ended_streams_total", ending="slow") == 1)
            await until(lambda: open_event_streams(service) == 0)
            assert PERSON not in service.services.events._watchers
            async with streamed(service, WHOLE_PLANS, {"userId": PERSON}) as reading:
                for _ in range(EVENTS):
                    assert await reading.next() is not None
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def ask(client: sockets.socket, service: Api, query: str) -> None:
    host, port = service.url.removeprefix("http://").split(":")
    body = json.dumps({"query": query, "variables": {"userId": PERSON}}).encode()
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: {host}\r\nAccept: {EVENT_STREAM}\r\nX-Api-Key: {SERVICE_KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    client.connect((host, int(port)))
    client.sendall(head.encode() + body)


@pytest.mark.xdist_group("processes")
async def test_an_open_stream_does_not_hold_up_a_stop(tmp_path: Path, database_url: str) -> None:
    async with service_process(tmp_path / "data", DATABASE_URL=database_url) as process:
        headers = {"accept": EVENT_STREAM, "x-api-key": process.service_key}
        async with (
            httpx.AsyncClient(timeout=60) as http,
            http.stream("POST", f"{process.url}/graphql", headers=headers, json={"query": subscription("anna")}) as response,
        ):
            events = Events(response, response.aiter_lines())
            process.process.send_signal(signal.SIGTERM)
            assert await events.rest() == []
        assert await process.until_ended(STOPPED_WITHIN_S) == 0
    assert "[error" not in process.output
