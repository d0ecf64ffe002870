"""READY against the slower of Sahha and the model, with fixed delays of the stand-ins: `python -m tests.load.speculation`.

In one run: the model alone (Sahha answers at once), the model beside a slow live read of unchanged data, and the same job one
after the other (nothing is stored, so there is nothing to start on). Prints medians in milliseconds and the ratios that count.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import time as clock_time
from itertools import count

import structlog

from services.domain.ids import UserId
from services.domain.outcomes import GenerateRoutineSuccess
from services.domain.routine import Archetype, Planner, Preferences, Routine, RoutineRequest
from services.store.embedded import embedded_postgres
from services.store.migrations import migrate
from tests.load.folder import data_folder
from tests.product import Product, open_product

SAHHA_S = 0.8
FIRST_WORD_S = 0.8
ROUNDS = 9
PLENTY = 10_000_000
PERSON = UserId("sandbox-avery")
SLOW_SAHHA = {"match": "biomarker|score", "kind": "delay", "delay_s": SAHHA_S}


def requests() -> AsyncIterator[RoutineRequest]:
    """Requests that differ from each other, so that no plan is taken over from an earlier one."""

    async def each() -> AsyncIterator[RoutineRequest]:
        for number in count():
            preferences = Preferences(sleep_time=clock_time(22, number % 60), wake_time=clock_time(6, number % 59))
            yield RoutineRequest(PERSON, Archetype.PEAK_PERFORMER, "America/New_York", date=None, preferences=preferences)

    return each()


async def made(product: Product, request: RoutineRequest) -> tuple[float, Routine]:
    """Milliseconds from the call to READY, and the routine."""
    started = time.perf_counter()
    outcome = await product.services.routines.request(request)
    assert isinstance(outcome, GenerateRoutineSuccess)
    await product.services.routines.fulfil(outcome.routine.id)
    took_ms = (time.perf_counter() - started) * 1000
    routine = await product.services.routines.read(outcome.routine.id, request.user_id)
    assert routine is not None
    assert routine.planner is Planner.OPENAI
    return took_ms, routine


async def forget(product: Product) -> None:
    """As for a person who was never read: nothing to start on."""
    async with product.services.database.connection() as connection:
        await connection.execute("truncate biomarkers, latest_biomarkers, scores, latest_scores")


async def nothing(_: Product) -> None:
    """Data stays as it is."""


async def median_ms(
    product: Product, asked: AsyncIterator[RoutineRequest], before: Callable[[Product], Awaitable[None]]
) -> float:
    took = []
    for _ in range(ROUNDS):
        await before(product)
        took.append((await made(product, await anext(asked)))[0])
    return statistics.median(took)


async def measure(database_url: str) -> None:
    asked = requests()
    async with open_product(database_url, model=True, daily_tokens_per_person=PLENTY, daily_tokens=PLENTY) as product:
        for _ in range(2):  # the first of everything is slow
            await made(product, await anext(asked))
        await product.set_model(first_delay_s=FIRST_WORD_S)
        model_ms = await median_ms(product, asked, nothing)
        await product.set_faults(SLOW_SAHHA)
        beside_ms = await median_ms(product, asked, nothing)
        after_ms = await median_ms(product, asked, forget)
    slower_ms = max(SAHHA_S * 1000, model_ms)
    print(f"model alone {model_ms:.0f} ms, Sahha alone {SAHHA_S * 1000:.0f} ms")
    print(
        f"beside each other    {beside_ms:6.0f} ms = {beside_ms / slower_ms:.2f} x max(fetch, model); at most 1.10 is asked for"
    )
    print(f"one after the other  {after_ms:6.0f} ms = {after_ms / slower_ms:.2f} x max(fetch, model)")


async def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with data_folder() as folder:
        async with embedded_postgres(folder) as server:
            await migrate(server.url)
            await measure(server.url)


if __name__ == "__main__":
    asyncio.run(main())
