"""CPU of one read at the server, three ways on the same rows: `python -m tests.load.reads`.

A page of 156 biomarkers with 10 fields each, of a random person, and one random routine of 5 blocks with 4 tasks each: by stock
Strawberry (its own ASGI application, nothing cached), by this service, and by an endpoint written by hand for just these two
answers (Starlette, asyncpg, orjson). All three check the caller's key and give the same JSON, which is compared before anything
is measured. Each is a process of its own, and each figure the CPU time of that process per request, which holds on a noisy
machine: all are asked in turns. Prints milliseconds, and each as a share of what the one by hand does with a second of CPU.
"""

import asyncio
import hashlib
import hmac
import random
import re
import socket
import statistics
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta, timezone
from functools import cache
from typing import Any, Self

import asyncpg
import orjson
import strawberry
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.schema.config import StrawberryConfig

from resolvers.context import Context
from schema.event_types import EVENTS
from schema.problems import FAILURES
from schema.root import Mutation, Query, Subscription
from schema.scalars import SCALARS
from server.app import create_app
from server.serve import uvicorn_config
from services.accounts import Keyring
from services.clock import clock_starting_at
from services.config import Settings
from services.container import open_services
from services.domain.health import ReadPolicy
from services.domain.ids import UserId
from services.domain.outcomes import GenerateRoutineSuccess
from services.domain.routine import Archetype, RoutineRequest
from services.sahha.client import SahhaAccess
from services.store.embedded import embedded_postgres
from services.store.migrations import migrate
from tests.load.folder import data_folder
from tests.product import MORNING, open_product

KEY = "key-of-the-benchmark-run"
SAHHA = SahhaAccess("http://127.0.0.1:1", "nobody", "nobody")
MODEL = UserId("sandbox-avery")
"""Whose rows all people of the run have, with figures of their own."""
PEOPLE = 300
BLOCKS, TASKS = 5, 4
CONNECTIONS = 4
WARM_UP, REQUESTS, ROUNDS = 100, 300, 7
BY_HAND, OURS, STOCK = "by hand", "this service", "stock Strawberry"

BIOMARKERS = """query($of: ID!) { biomarkers(userId: $of, policy: DATABASE, first: 156) { nodes {
  id category type periodicity aggregation value number unit startDateTime endDateTime } } }"""
ROUTINE = """query($of: ID!) { routine(id: $of) { id status date summary timeBlocks { id title energyZone startTime endTime
  purpose tasks { id title description type priority startTime endTime status evidence { kind type value unit } } } } }"""


# Written by hand

NODES = """select sahha_id, category, type, periodicity, aggregation, value, number, unit, start_at, start_offset_s, end_at,
  end_offset_s from biomarkers where user_id = $1 order by start_at desc, category, type, grain limit 156"""
PLAN = "select id, status, local_date, plan from routines where id = $1"
offset = cache(lambda seconds: timezone(timedelta(seconds=seconds)))


def node(row: asyncpg.Record) -> dict[str, Any]:
    identity, category, kind, periodicity, aggregation, value, number, unit, start, start_offset, end, end_offset = row
    return {
        "id": identity,
        "category": category,
        "type": kind,
        "periodicity": periodicity,
        "aggregation": aggregation,
        "value": value,
        "number": number,
        "unit": unit,
        "startDateTime": start.astimezone(offset(start_offset)),
        "endDateTime": end.astimezone(offset(end_offset)),
    }


def time_block(block: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": block["id"],
        "title": block["title"],
        "energyZone": block["energy_zone"],
        "startTime": block["start_time"],
        "endTime": block["end_time"],
        "purpose": block["purpose"],
        "tasks": [task(each) for each in block["tasks"]],
    }


def task(stored: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": stored["id"],
        "title": stored["title"],
        "description": stored["description"],
        "type": stored["type"],
        "priority": stored["priority"],
        "startTime": stored["start_time"],
        "endTime": stored["end_time"],
        "status": stored["status"],
        "evidence": [
            {"kind": each["kind"], "type": each["type"], "value": each["value"], "unit": each["unit"]}
            for each in stored["evidence"]
        ],
    }


def by_hand(database_url: str) -> Starlette:
    """What somebody would write who needs just these two answers."""
    digest = hashlib.sha256(KEY.encode()).digest()

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with asyncpg.create_pool(database_url) as pool:
            yield {"pool": pool}

    async def graphql(request: Request) -> Response:
        presented = hashlib.sha256(request.headers.get("x-api-key", "").encode()).digest()
        if not hmac.compare_digest(presented, digest):
            return Response(status_code=401)
        asked = orjson.loads(await request.body())
        wanted = asked["variables"]["of"]
        if "biomarkers" in asked["query"]:
            data: dict[str, Any] = {"biomarkers": {"nodes": [node(row) for row in await request.state.pool.fetch(NODES, wanted)]}}
        else:
            row = await request.state.pool.fetchrow(PLAN, wanted)
            plan = orjson.loads(row["plan"])
            blocks = [time_block(block) for block in plan["time_blocks"]]
            data = {
                "routine": {
                    "id": str(row["id"]),
                    "status": row["status"],
                    "date": row["local_date"],
                    "summary": plan["summary"],
                    "timeBlocks": blocks,
                }
            }
        return Response(orjson.dumps({"data": data}), media_type="application/json")

    return Starlette(routes=[Route("/graphql", graphql, methods=["POST"])], lifespan=lifespan)


# Stock Strawberry


class StockEndpoint(GraphQL[Context, None]):
    """Strawberry as it comes, with the resolvers of this service."""

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:  # noqa: ARG002
        state = request.state
        principal = state.keyring.authenticate(request.headers.get("x-api-key", ""))
        return Context(state.services, state.scheduler, "", principal)


def stock(database_url: str) -> Starlette:
    schema = strawberry.Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[*FAILURES, *EVENTS],
        config=StrawberryConfig(scalar_map=SCALARS),
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, Any]]:
        clock = clock_starting_at(MORNING)
        async with open_services(settings(), clock=clock, sahha=SAHHA, database_url=database_url) as services:
            yield {"services": services, "scheduler": None, "keyring": keyring()}

    return Starlette(routes=[Route("/graphql", StockEndpoint(schema))], lifespan=lifespan)


# The servers


def keyring() -> Keyring:
    return Keyring("nobody's", {"app": hashlib.sha256(KEY.encode()).hexdigest()})


def settings() -> Settings:
    return Settings(_env_file=None, worker="off", scheduler="off", key_operations_per_s=100_000)


def app_of(variant: str, database_url: str) -> Starlette:
    if variant == BY_HAND:
        return by_hand(database_url)
    if variant == STOCK:
        return stock(database_url)
    return create_app(
        settings(),
        clock=clock_starting_at(MORNING),
        keyring=keyring(),
        sahha=SAHHA,
        database_url=database_url,
        stopping=asyncio.Event(),
    )


def serve(variant: str, fd: int, database_url: str) -> None:
    quietly()
    with socket.socket(fileno=fd) as listener:
        uvicorn.Server(uvicorn_config(app_of(variant, database_url))).run(sockets=[listener])


def quietly() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))


class Line:
    """A kept-alive connection of the cheapest client that there can be: the server is what is measured."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, body: bytes) -> bytes:
        """The body of the answer, which has to be a 200."""
        self._writer.write(
            b"POST /graphql HTTP/1.1\r\nhost: localhost\r\naccept: application/json\r\ncontent-type: application/json\r\n"
            b"x-api-key: %b\r\ncontent-length: %d\r\n\r\n%b" % (KEY.encode(), len(body), body)
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        assert length, head
        answer = await self._reader.readexactly(int(length[1]))
        assert head.startswith(b"HTTP/1.1 200"), answer
        return answer


@dataclass(frozen=True, slots=True)
class Served:
    """One variant in a process of its own."""

    pid: int
    lines: tuple[Line, ...]

    @classmethod
    @asynccontextmanager
    async def running(cls, variant: str, database_url: str) -> AsyncIterator[Self]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            command = [sys.executable, "-m", "tests.load.reads", variant, str(listener.fileno()), database_url]
            process = await asyncio.create_subprocess_exec(*command, pass_fds=[listener.fileno()])
            address = listener.getsockname()
        try:
            yield cls(process.pid, tuple([Line(*await asyncio.open_connection(*address)) for _ in range(CONNECTIONS)]))
        finally:
            process.terminate()
            await process.wait()

    def cpu_s(self) -> float:
        """CPU time of the process so far (the number of its clock as `clock_getcpuclockid` makes it on Linux)."""
        return time.clock_gettime((~self.pid << 3) | 2)

    async def answers(self, bodies: Sequence[bytes]) -> None:
        """Asks for all of these, a few at a time."""
        waiting = iter(bodies)

        async def ask_on(line: Line) -> None:
            for body in waiting:
                await line.ask(body)

        async with asyncio.TaskGroup() as group:
            for line in self.lines:
                group.create_task(ask_on(line))

    async def cost_ms(self, bodies: Sequence[bytes]) -> float:
        """CPU milliseconds for each of these requests."""
        before = self.cpu_s()
        await self.answers(bodies)
        return (self.cpu_s() - before) / len(bodies) * 1000


# The rows

PEOPLE_LIKE = """
insert into people select copy.* from people model, generate_series(1, $2) n,
    jsonb_populate_record(model, jsonb_build_object('user_id', 'person-' || n)) copy
where model.user_id = $1
"""
BIOMARKERS_LIKE = """
insert into biomarkers select copy.* from biomarkers model, generate_series(1, $2) n,
    jsonb_populate_record(model, jsonb_build_object(
        'user_id', 'person-' || n, 'sahha_id', gen_random_uuid(), 'number', number + n,
        'value', coalesce((number + n)::text, value))) copy
where model.user_id = $1 and model.day > (select max(day) - 7 from biomarkers)
"""
ROUTINES_LIKE = """
insert into routines select copy.* from routines model, generate_series(1, $2) n,
    jsonb_populate_record(model, jsonb_build_object(
        'id', gen_random_uuid(), 'user_id', 'person-' || n, 'plan', $3::text::jsonb)) copy
where model.user_id = $1 returning id::text
"""


async def seed(database_url: str) -> dict[str, list[bytes]]:
    """Rows of one person of the stand-in and of many like them; the requests for them."""
    async with open_product(database_url) as product:
        services = product.services
        await services.health_data.biomarkers(MODEL, policy=ReadPolicy.LIVE_FIRST)
        outcome = await services.routines.request(RoutineRequest(MODEL, Archetype.PEAK_PERFORMER, "America/New_York", date=None))
        assert isinstance(outcome, GenerateRoutineSuccess)
        await services.routines.fulfil(outcome.routine.id)
    connection = await asyncpg.connect(database_url)
    plan = orjson.loads(await connection.fetchval("select plan from routines"))
    for block in plan["time_blocks"]:
        block["tasks"] = (block["tasks"] * TASKS)[:TASKS]
    assert len(plan["time_blocks"]) == BLOCKS
    await connection.execute(PEOPLE_LIKE, MODEL, PEOPLE)
    await connection.execute(BIOMARKERS_LIKE, MODEL, PEOPLE)
    routines = [row["id"] for row in await connection.fetch(ROUTINES_LIKE, MODEL, PEOPLE, orjson.dumps(plan).decode())]
    await connection.execute("analyze")
    await connection.close()
    return {
        "156 biomarkers x 10 fields of a random person": bodies(BIOMARKERS, [f"person-{n + 1}" for n in range(PEOPLE)]),
        f"a random routine of {BLOCKS} blocks x {TASKS} tasks": bodies(ROUTINE, routines),
    }


def bodies(query: str, ids: Sequence[str]) -> list[bytes]:
    return [orjson.dumps({"query": query, "variables": {"of": each}}) for each in ids]


async def compare(served: dict[str, Served], requests: Sequence[bytes]) -> None:
    """All variants give the same JSON."""
    for body in requests[:20]:
        expected, *others = [orjson.loads(await each.lines[0].ask(body)) for each in served.values()]
        assert expected["data"], expected
        assert all(other == expected for other in others), "the variants do not answer alike"


async def measure(served: dict[str, Served], asked: Sequence[bytes]) -> Iterator[tuple[str, float]]:
    """The median cost of a few rounds, in CPU milliseconds a request."""
    costs: dict[str, list[float]] = {variant: [] for variant in served}
    for each in served.values():
        await each.answers(random.choices(asked, k=WARM_UP))
    for _ in range(ROUNDS):
        for variant, each in served.items():
            costs[variant].append(await each.cost_ms(random.choices(asked, k=REQUESTS)))
    return ((variant, statistics.median(rounds)) for variant, rounds in costs.items())


async def main() -> None:
    quietly()
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(embedded_postgres(stack.enter_context(data_folder())))
        await migrate(server.url)
        requests = await seed(server.url)
        served = {
            variant: await stack.enter_async_context(Served.running(variant, server.url)) for variant in (BY_HAND, OURS, STOCK)
        }
        for name, asked in requests.items():
            await compare(served, asked)
            costs = dict(await measure(served, asked))
            print(f"\n{name}: CPU a request, and as a share of by hand")
            for variant, cost in costs.items():
                print(f"  {variant:18}{cost:6.2f} ms   {costs[BY_HAND] / cost:.2f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        serve(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    else:
        asyncio.run(main())
