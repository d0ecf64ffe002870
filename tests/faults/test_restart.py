"""What a caller was told survives the process (reliability.md, P1, C1, C13): kill -9, start again, and it is there, once."""

import asyncio
import json
from pathlib import Path
from typing import Any

import websockets

from tests.process import ServiceProcess, children_of, service_process

CLOCK = "2026-03-11T06:40:00-04:00"
REQUEST = """
mutation($input: GenerateRoutineInput!) {
  generateRoutine(input: $input) {
    __typename
    ... on GenerateRoutineSuccess { joined cursor routine { id status } }
    ... on Problem { code message }
  }
}
"""
SUBSCRIPTION = (
    'subscription($after: ID) { planReady(userId: "sandbox-avery", after: $after) { id routineId routine { status } } }'
)
INPUT = {
    "userId": "sandbox-avery",
    "archetype": "PEAK_PERFORMER",
    "timezone": "America/New_York",
    "idempotencyKey": "the-only-one",
}


async def next_event(service: ServiceProcess, after: str) -> dict[str, Any]:
    """The first event after a cursor, over graphql-transport-ws."""
    url = f"{service.url.replace('http', 'ws', 1)}/graphql"
    async with websockets.connect(url, subprotocols=[websockets.Subprotocol("graphql-transport-ws")]) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": {"x-api-key": service.service_key}}))
        assert json.loads(await socket.recv())["type"] == "connection_ack"
        payload = {"query": SUBSCRIPTION, "variables": {"after": after}}
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        async with asyncio.timeout(30):
            while True:
                message = json.loads(await socket.recv())
                if message["type"] == "next":
                    event: dict[str, Any] = message["payload"]["data"]["planReady"]
                    return event


async def test_an_acknowledged_routine_survives_kill_9(open_folder: Path) -> None:
    data_dir = open_folder / "data"
    async with service_process(data_dir, CLOCK=CLOCK, WORKER="off") as service:
        acknowledged = (await service.graphql(REQUEST, {"input": INPUT}))["data"]["generateRoutine"]
        await service.kill()
    routine_id, cursor = acknowledged["routine"]["id"], acknowledged["cursor"]

    async with service_process(data_dir, CLOCK=CLOCK) as service:
        event = await next_event(service, after=cursor)
        assert (event["routineId"], event["routine"]["status"]) == (routine_id, "READY")
        again = (await service.graphql(REQUEST, {"input": INPUT}))["data"]["generateRoutine"]
        assert (again["routine"]["id"], again["cursor"], again["joined"]) == (routine_id, cursor, False)
        page = await service.graphql('{ routines(userId: "sandbox-avery") { nodes { id status } } }')
        assert page["data"]["routines"]["nodes"] == [{"id": routine_id, "status": "READY"}]


async def test_a_killed_process_leaves_nothing_that_keeps_the_next_from_starting(open_folder: Path) -> None:
    data_dir = open_folder / "data"
    for _ in range(2):
        async with service_process(data_dir, CLOCK=CLOCK) as service:
            children = children_of(service.process.pid)
            await service.kill()
    async with asyncio.timeout(15):
        while any(Path(f"/proc/{pid}").exists() for pid in children):
            await asyncio.sleep(0.1)
