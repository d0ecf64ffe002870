"""CPU of one read at the server, three ways on the same rows: `python -m tests.load.reads`.

A page of 156 biomarkers with 10 fields each, and one whole routine: by the ordinary executor, by generated code
(`schema.compiled`), and by an endpoint written by hand (Starlette, asyncpg, orjson). Each server is a process of its own and each
figure its CPU time per request, which holds on a noisy machine. Prints milliseconds and each as a share of the hand-written one.
"""

import asyncio
import os
import socket
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from schema.execution import FirstlightSchema
from server.app import create_app
from server.serve import uvicorn_config
from services.accounts import Keyring
from services.clock import clock_starting_at
from services.config import Settings
from services.domain.ids import UserId
from services.domain.outcomes import GenerateRoutineSuccess
from services.domain.routine import Archetype, RoutineRequest
from services.sahha.client import SahhaAccess
from services.store.database import Database
from services.store.embedded import embedded_postgres
from services.store.migrations import migrate
from tests.product import MORNING, open_product

KEY = "key-of-the-benchmark-run"
PERSON = UserId("sandbox-avery")
WARM_UP, REQUESTS, ROUNDS = 50, 300, 3
TICK = os.sysconf("SC_CLK_TCK")
ROWS = """{ biomarkers(userId: "sandbox-avery", policy: DATABASE, first: 156) { nodes {
  id category type periodicity aggregation value number unit startDateTime endDateTime } } }"""
ROUTINE = """query($id: ID!) { routine(id: $id) { id status date summary timeBlocks { id title energyZone startTime endTime
  purpose tasks { id title description type priority startTime endTime status evidence { kind type value unit } } } } }"""
NODES = """select sahha_id as id, category, type, periodicity, aggregation, value, number, unit, start_at, end_at from biomarkers
  where user_id = $1 order by start_at desc limit 156"""


class Ordinary(FirstlightSchema):
    """The same schema without its generated code."""

    async def _run_compiled(self, *_: Any) -> None:
        return None


def by_hand(database_url: str) -> Starlette:
    """What somebody would write who needs just these two answers."""
    database = Database(database_url)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await database.connect()
        yield
        await database.disconnect()

    async def graphql(request: Request) -> Response:
        asked = orjson.loads(await request.body())
        async with database.connection() as connection:
            if "variables" in asked:
                row = await connection.fetchrow("select * from routines where id = $1", asked["variables"]["id"])
                blocks = row["plan"]["time_blocks"]
                answer: Any = {"routine": {"id": str(row["id"]), "status": row["status"], "timeBlocks": blocks}}
            else:
                answer = {"biomarkers": {"nodes": [dict(row) for row in await connection.fetch(NODES, PERSON)]}}
        return Response(orjson.dumps({"data": answer}), media_type="application/json")

    return Starlette(routes=[Route("/graphql", graphql, methods=["POST"])], lifespan=lifespan)


def app_of(variant: str, database_url: str) -> Starlette:
    if variant == "by hand":
        return by_hand(database_url)
    if variant == "ordinary":
        FirstlightSchema._run_compiled = Ordinary._run_compiled  # type: ignore[assignment,method-assign]
    settings = Settings(_env_file=None, worker="off", scheduler="off")
    return create_app(
        settings,
        clock=clock_starting_at(MORNING),
        keyring=Keyring(KEY, {}),
        sahha=SahhaAccess("http://127.0.0.1:1", "nobody", "nobody"),
        database_url=database_url,
        stopping=asyncio.Event(),
    )


def serve(variant: str, fd: int, database_url: str) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with socket.socket(fileno=fd) as listener:
        uvicorn.Server(uvicorn_config(app_of(variant, database_url))).run(sockets=[listener])


@asynccontextmanager
async def running(variant: str, database_url: str) -> AsyncIterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-m", "tests.load.reads", variant, str(listener.fileno()), database_url]
        process = await asyncio.create_subprocess_exec(*command, pass_fds=[listener.fileno()])
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        yield url, process.pid
    finally:
        process.terminate()
        await process.wait()


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


async def cost_ms(url: str, pid: int, body: dict[str, Any]) -> float:
    """The median of a few rounds of CPU milliseconds per request."""
    async with httpx.AsyncClient(base_url=url, headers={"x-api-key": KEY}, timeout=30) as http:
        for _ in range(WARM_UP):
            answer = await http.post("/graphql", json=body)
            assert answer.status_code == 200, answer.text
            assert "errors" not in answer.json(), answer.text[:300]
        rounds = []
        for _ in range(ROUNDS):
            before = cpu_s(pid)
            for _ in range(REQUESTS):
                await http.post("/graphql", json=body)
            rounds.append((cpu_s(pid) - before) / REQUESTS * 1000)
    return statistics.median(rounds)


async def stored_routine(database_url: str) -> str:
    async with open_product(database_url) as product:
        routines = product.services.routines
        outcome = await routines.request(RoutineRequest(PERSON, Archetype.PEAK_PERFORMER, "America/New_York", date=None))
        assert isinstance(outcome, GenerateRoutineSuccess)
        await routines.fulfil(outcome.routine.id)
        return str(outcome.routine.id)


async def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with tempfile.TemporaryDirectory(prefix="firstlight-load-") as folder:
        Path(folder).chmod(0o711)
        async with embedded_postgres(Path(folder) / "data") as server:
            await migrate(server.url)
            routine_id = await stored_routine(server.url)
            bodies: dict[str, dict[str, Any]] = {
                "156 biomarkers x 10 fields": {"query": ROWS},
                "one routine": {"query": ROUTINE, "variables": {"id": routine_id}},
            }
            costs: dict[tuple[str, str], float] = {}
            for variant in ("by hand", "generated", "ordinary"):
                async with running(variant, server.url) as (url, pid):
                    for name, body in bodies.items():
                        costs[name, variant] = await cost_ms(url, pid, body)
    for name in bodies:
        hand = costs[name, "by hand"]
        print(name)
        for variant in ("by hand", "generated", "ordinary"):
            cost = costs[name, variant]
            print(f"  {variant:10} {cost:6.2f} ms CPU a request, share of by hand {hand / cost:.2f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        serve(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    else:
        asyncio.run(main())
