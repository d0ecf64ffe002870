"""Plans that follow the day: news of the data, looked at by a durable job, plans the rest of the day again."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from services.domain.health import DataState
from services.domain.ids import UserId
from services.domain.outcomes import GenerateRoutineSuccess
from services.domain.routine import Archetype, Routine, RoutineRequest, RoutineStatus
from services.replanning import AT_MOST_EVERY, SETTLING
from tests.product import Product, open_product

PERSON = UserId("sandbox-avery")
MIDDAY = datetime.fromisoformat("2026-03-11T12:00:00-04:00")
REQUEST = RoutineRequest(PERSON, Archetype.TRANSFORMATION_SEEKER, "America/New_York", date=MIDDAY.date(), auto_replan=True)


@pytest.fixture
async def product(database_url: str) -> AsyncIterator[Product]:
    async with open_product(database_url, at=MIDDAY) as opened:
        yield opened


async def made(product: Product, request: RoutineRequest = REQUEST) -> Routine:
    outcome = await product.services.routines.request(request)
    assert isinstance(outcome, GenerateRoutineSuccess)
    await product.services.routines.fulfil(outcome.routine.id)
    return await found(product, outcome.routine)


async def found(product: Product, routine: Routine) -> Routine:
    again = await product.services.routines.read(routine.id, routine.user_id)
    assert again is not None
    assert again.status is RoutineStatus.READY
    return again


async def newest(product: Product) -> Routine:
    page = await product.services.routines.page(PERSON, 1, None)
    return page.items[0]


async def queued(product: Product, kind: str) -> int:
    async with product.services.database.connection() as connection:
        return int(await connection.fetchval("select count(*) from pgqueuer where entrypoint = $1", kind))


async def tell(product: Product, statement: str) -> None:
    """Change what is stored, as a sync of the device would."""
    async with product.services.database.transaction() as connection:
        await connection.execute(statement)
        await product.services.replanning.note_news(connection, PERSON, product.services.clock.now())


BAD_DAY = """
update scores set score = 0.12, state = 'minimal' where type in ('readiness', 'sleep')
"""


async def test_news_of_a_person_without_such_a_plan_is_nobodys_job(product: Product) -> None:
    await made(product, replace(REQUEST, auto_replan=False))
    await tell(product, "select 1")
    assert await queued(product, "FOLLOW_NEWS") == 0


async def test_news_is_looked_at_once_however_often_it_comes(product: Product) -> None:
    await made(product)
    for _ in range(5):
        await tell(product, "select 1")
    assert await queued(product, "FOLLOW_NEWS") == 1


async def test_readings_that_change_the_picture_plan_the_rest_of_the_day_again(product: Product) -> None:
    first = await made(product)
    async with product.services.database.connection() as connection:
        await connection.execute("update routines set ready_at = ready_at - interval '1 hour'")
    await tell(product, BAD_DAY)
    await product.services.replanning.follow(PERSON)
    queued_routine = await newest(product)
    assert (queued_routine.replan_of, queued_routine.replan_trigger) == (first.id, "READINGS")


async def test_news_that_changes_nothing_disturbs_nobody(product: Product) -> None:
    first = await made(product)
    async with product.services.database.connection() as connection:
        await connection.execute("update routines set ready_at = ready_at - interval '1 hour'")
    await product.services.replanning.follow(PERSON)
    assert (await newest(product)).id == first.id


async def test_a_day_does_not_turn_around_all_the_time(product: Product) -> None:
    first = await made(product)
    await tell(product, BAD_DAY)
    await product.services.replanning.follow(PERSON)
    assert (await newest(product)).id == first.id


async def test_a_night_that_becomes_whole_plans_the_careful_day_again(product: Product) -> None:
    first = await made(product, replace(REQUEST, auto_replan=False))
    async with product.services.database.connection() as connection:
        await connection.execute("""update routines set health_data = jsonb_set(health_data, '{state}', '"SYNCING"')""")
    await tell(product, "select 1")
    assert await queued(product, "FOLLOW_NEWS") == 1
    await product.services.replanning.follow(PERSON)
    again = await newest(product)
    assert again.replan_of == first.id
    await product.services.routines.fulfil(again.id)
    whole = await found(product, again)
    assert whole.health_data is not None
    assert whole.health_data.state is not DataState.SYNCING
    assert whole.supersedes == first.id


async def test_the_worker_follows_the_news(database_url: str) -> None:
    async with open_product(database_url, at=MIDDAY, worker=True) as product:
        outcome = await product.services.routines.request(REQUEST)
        assert isinstance(outcome, GenerateRoutineSuccess)
        await product.services.routines.wait(outcome.routine.id, 20)
        async with product.services.database.connection() as connection:
            await connection.execute("update routines set ready_at = ready_at - interval '1 hour'")
        await tell(product, BAD_DAY)
        async with product.services.database.connection() as connection:
            await connection.execute("update pgqueuer set execute_after = now() where entrypoint = 'FOLLOW_NEWS'")
        async with asyncio.timeout(20):
            while (await newest(product)).id == outcome.routine.id:
                await asyncio.sleep(0.05)


def test_the_delay_is_shorter_than_the_pause_between_plans() -> None:
    assert timedelta(0) < SETTLING < AT_MOST_EVERY
