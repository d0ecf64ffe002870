"""How many people a second the refresh job reads, beside what the upstream's latency allows: `python -m tests.load.refresh`.

A cheap Sahha on loopback answers each call after a fixed latency. A whole read is three calls, so the limit is a third of the
calls that may run at once, by that latency. The stand-in, the service and PostgreSQL share the machine: where it has few cores,
they and not the latency are the bound.
"""

import asyncio
import time

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from server.standins.serving import serve_standin
from services.store.embedded import embedded_postgres
from services.store.migrations import migrate
from tests.jobs.warm import cheap_sahha
from tests.load.folder import data_folder
from tests.product import MORNING, open_product

PEOPLE = 600
LATENCIES_S = (0.08, 0.3)
CONCURRENCY = 20
MADE = "insert into people (user_id, last_asked_at, sync_queued_at) select 'person-' || n, $1, $1 from generate_series(1, $2) n"


def slowly(app: ASGIApp, latency_s: float) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await asyncio.sleep(latency_s)
        await app(scope, receive, send)

    return answer


async def measure(database_url: str, latency_s: float) -> None:
    async with (
        serve_standin(slowly(cheap_sahha(set()), latency_s)) as url,
        open_product(database_url, sahha_url=url, sahha_concurrency=CONCURRENCY, sahha_refresh_per_s=10_000) as product,
    ):
        async with product.services.database.connection() as connection:
            await connection.execute("delete from people")
            await connection.execute(MADE, MORNING, PEOPLE)
        started = time.perf_counter()
        line = await product.services.health_data.refresh_active(in_full=True)
        rate = PEOPLE / (time.perf_counter() - started)
    limit = CONCURRENCY / 3 / latency_s
    print(f"latency {latency_s * 1000:4.0f} ms: {rate:6.1f} people/s, limit {limit:6.1f}, ratio {rate / limit:.2f}   ({line})")


async def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with data_folder() as folder:
        async with embedded_postgres(folder) as server:
            await migrate(server.url)
            for latency_s in LATENCIES_S:
                await measure(server.url, latency_s)


if __name__ == "__main__":
    asyncio.run(main())
