"""The client: it asks until it is answered, and writes down on disk what it was told before it believes it."""

import asyncio
import json
import os
import random
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from websockets.exceptions import WebSocketException

from tests.cluster import SERVICE_KEY
from tests.crash.stage import Stage
from tests.faults.sockets import next_event, subscribed

PEOPLE = 12
CALLERS = 4
UNDER_WAY = 10
"""More unfinished routines than this are not asked for: what is measured is faults, not a queue."""
ANSWER_S = 4.0
ARCHETYPES = ("FOUNDATION_BUILDER", "TRANSFORMATION_SEEKER", "SYSTEMATIC_IMPROVER", "PEAK_PERFORMER", "CONNECTED_EXPLORER")
UNFINISHED = "select count(*) from routines where status in ('QUEUED', 'FETCHING', 'PLANNING')"
MUTATION = """
mutation($input: GenerateRoutineInput!) {
  generateRoutine(input: $input) { __typename ... on GenerateRoutineSuccess { cursor routine { id } } }
}
"""
CANCELLATION = "mutation($id: ID!) { cancelRoutine(id: $id) { __typename } }"


@dataclass(frozen=True)
class Acknowledgement:
    """What the client was told, and for which question."""

    key: str
    user_id: str
    archetype: str
    routine_id: str
    cursor: str


@dataclass(frozen=True)
class Cancellation:
    """The routine that the client was told is called off."""

    cancelled_id: str


class Ledger:
    """Everything that the client was promised, on the disk before it counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, told: Acknowledgement | Cancellation) -> None:
        os.write(self._descriptor, json.dumps(asdict(told)).encode() + b"\n")
        os.fsync(self._descriptor)

    def read(self) -> tuple[list[Acknowledgement], set[str]]:
        """The acknowledgements, and the ids of the routines that were called off."""
        lines = [json.loads(line) for line in self._path.read_text("utf-8").splitlines()]
        told = [Acknowledgement(**line) for line in lines if "cancelled_id" not in line]
        return told, {line["cancelled_id"] for line in lines if "cancelled_id" in line}

    def close(self) -> None:
        os.close(self._descriptor)


@dataclass
class Client:
    """Callers and subscribers at the web processes of a stage.

    `broken`: promises that were broken in their own sight; `heard`: the event ids that each person's subscriber was given.
    """

    stage: Stage
    ledger: Ledger
    chance: random.Random
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    under_way: int = 0
    told: list[Acknowledgement] = field(default_factory=list)
    heard: dict[str, list[int]] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    _keys: int = 0

    async def watch_backlog(self) -> None:
        """Know how many routines are unfinished, as far as the database can be asked."""
        while True:
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
                connection = await asyncpg.connect(self.stage.postgres.url, timeout=2, command_timeout=2)
                try:
                    while True:
                        self.under_way = await connection.fetchval(UNFINISHED)
                        await asyncio.sleep(0.2)
                finally:
                    connection.terminate()
            await asyncio.sleep(0.2)

    async def call(self) -> None:
        """Ask for one routine after the other, and now and then for one again; ends when the last question was answered."""
        async with httpx.AsyncClient(timeout=ANSWER_S, headers={"x-api-key": SERVICE_KEY}) as http:
            while not self.stopping.is_set():
                if self.told and self.chance.random() < 0.15:
                    await self._ask_again(http, self.chance.choice(self.told))
                elif self.under_way < UNDER_WAY:
                    await self._ask_anew(http)
                await asyncio.sleep(self.chance.uniform(0, 0.15))

    async def subscribe(self, person: int) -> None:
        """Follow a person's routines over any number of broken connections, from the last event seen."""
        user_id = f"generated-{person:05}"
        heard = self.heard.setdefault(user_id, [])
        while True:
            with suppress(OSError, WebSocketException, TimeoutError, AssertionError, KeyError):
                after = str(heard[-1]) if heard else "0"
                async with subscribed(self.chance.choice(self.stage.urls), SERVICE_KEY, user_id, after) as socket:
                    while True:
                        heard.append(int((await next_event(socket))["id"]))
            await asyncio.sleep(0.1)

    async def _ask_anew(self, http: httpx.AsyncClient) -> None:
        self._keys += 1
        key, user_id = f"tap-{self._keys}", f"generated-{self.chance.randint(1, PEOPLE):05}"
        archetype = self.chance.choice(ARCHETYPES)
        routine_id, cursor = await self._answer(http, key, user_id, archetype)
        told = Acknowledgement(key, user_id, archetype, routine_id, cursor)
        self.ledger.write(told)
        self.told.append(told)
        if self.chance.random() < 0.1:
            await self._cancel(http, routine_id)

    async def _cancel(self, http: httpx.AsyncClient, routine_id: str) -> None:
        """Call a routine off that may be final by now."""
        found = await self._post(http, CANCELLATION, {"id": routine_id}, "cancelRoutine")
        if found["__typename"] == "CancelRoutineSuccess":
            self.ledger.write(Cancellation(routine_id))
        elif found["__typename"] != "NotCancellable":
            self.broken.append(f"lost: {routine_id} cannot be called off, {found['__typename']}")

    async def _ask_again(self, http: httpx.AsyncClient, told: Acknowledgement) -> None:
        answer = await self._answer(http, told.key, told.user_id, told.archetype)
        if answer != (told.routine_id, told.cursor):
            self.broken.append(f"another answer to the same key: {told.key}")

    async def _answer(self, http: httpx.AsyncClient, key: str, user_id: str, archetype: str) -> tuple[str, str]:
        """The routine and the cursor of a key."""
        given = {"userId": user_id, "archetype": archetype, "timezone": "UTC", "idempotencyKey": key}
        found = await self._post(http, MUTATION, {"input": given}, "generateRoutine")
        assert found["__typename"] == "GenerateRoutineSuccess", f"{found} to {key}"  # nobody asks with other input
        return found["routine"]["id"], found["cursor"]

    async def _post(self, http: httpx.AsyncClient, query: str, variables: dict[str, Any], name: str) -> dict[str, Any]:
        """The outcome of a mutation, asked for at any of the web processes until it comes."""
        while True:
            url = self.chance.choice(self.stage.urls)
            with suppress(httpx.HTTPError, ValueError):
                response = await http.post(f"{url}/graphql", json={"query": query, "variables": variables})
                found: dict[str, Any] | None = (response.json().get("data") or {}).get(name)
                if found is not None:
                    return found
            await asyncio.sleep(self.chance.uniform(0.05, 0.3))
