"""One key, however often and however badly it is asked (reliability.md, C1 to C3)."""

import asyncio
import json
import random
import socket
import struct
from typing import Any

from tests.api.clients import SERVICE_KEY, Api

MUTATION = """
mutation($input: GenerateRoutineInput!) {
  generateRoutine(input: $input) {
    __typename
    ... on GenerateRoutineSuccess { joined cursor routine { id } }
    ... on Problem { code }
  }
}
"""
RESET = struct.pack("ii", 1, 0)


def given(key: str | None = "tap-1", **changes: object) -> dict[str, object]:
    asked = {"userId": "sandbox-avery", "archetype": "PEAK_PERFORMER", "timezone": "America/New_York", "idempotencyKey": key}
    return {"input": {**asked, **changes}}


async def ask(service: Api, variables: dict[str, object]) -> dict[str, Any]:
    answer: dict[str, Any] = (await service.data(MUTATION, variables))["generateRoutine"]
    return answer


async def insist(service: Api, variables: dict[str, object]) -> dict[str, Any]:
    """As `ask`, by a caller who comes again with the same key when a busy service says that it is worth it."""
    async with asyncio.timeout(60):
        while "errors" in (answer := await service.graphql(MUTATION, variables)):
            assert answer["errors"][0]["extensions"]["retryable"]
            await asyncio.sleep(answer["errors"][0]["extensions"]["retryAfterMs"] / 1000 * random.uniform(1, 2))
    outcome: dict[str, Any] = answer["data"]["generateRoutine"]
    return outcome


async def rows(service: Api, table: str) -> int:
    async with service.services.database.connection() as connection:
        return int(await connection.fetchval(f"select count(*) from {table}"))  # noqa: S608 - our own names


def send_and_reset(url: str, variables: dict[str, object]) -> None:
    """The whole request, and the connection torn down before there can be an answer."""
    host, port = url.removeprefix("http://").split(":")
    body = json.dumps({"query": MUTATION, "variables": variables}).encode()
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"X-Api-Key: {SERVICE_KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as client:
        client.sendall(head.encode() + body)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


async def test_a_client_that_hangs_up_has_its_work_done_once(service: Api) -> None:
    for turn in range(5):
        await asyncio.to_thread(send_and_reset, service.url, given(f"tap-{turn}", archetype="FOUNDATION_BUILDER"))
        first = await ask(service, given(f"tap-{turn}", archetype="FOUNDATION_BUILDER"))
        again = await ask(service, given(f"tap-{turn}", archetype="FOUNDATION_BUILDER"))
        assert (first["routine"], first["cursor"]) == (again["routine"], again["cursor"])
        await service.services.routines.wait(first["routine"]["id"], 20)
    assert await rows(service, "idempotency_keys") == 5


async def test_fifty_calls_at_once_get_one_answer(service: Api) -> None:
    answers = await asyncio.gather(*(insist(service, given()) for _ in range(50)))
    assert len({json.dumps(answer, sort_keys=True) for answer in answers}) == 1
    assert [await rows(service, table) for table in ("routines", "idempotency_keys")] == [1, 1]


async def test_the_same_key_for_something_else_is_refused_and_changes_nothing(service: Api) -> None:
    first = await ask(service, given())
    for changes in (
        {"archetype": "FOUNDATION_BUILDER"},
        {"timezone": "Europe/Berlin"},
        {"preferences": {"wakeTime": "06:00"}},
        {"condition": "SICK"},
    ):
        refused = await ask(service, given(**changes))
        assert (refused["__typename"], refused["code"]) == ("IdempotencyKeyReused", "IDEMPOTENCY_KEY_REUSED")
    assert await rows(service, "routines") == 1
    assert (await ask(service, given()))["routine"] == first["routine"]
