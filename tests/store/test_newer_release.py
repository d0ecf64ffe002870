"""Beside a newer release, which has migrated the database further (reliability.md, P10).

What a release may do in one step: add nullable columns, tables, kinds of jobs and kinds of events. The one before it passes over
all of them.
"""

from collections.abc import AsyncIterator

import pytest

from services.domain.routine import RoutineStatus
from services.domain.routine_events import PlanReadyEvent
from services.store.migrations import pending
from tests.faults.asking import PERSON, acknowledged, count
from tests.product import Product, open_product

NEWER = """
insert into schema_migrations (version, name, sha256) values (9000, '9000_newer.sql', 'x');
alter table routines add column mood text;
alter table events drop constraint events_kind_check;
create table of_a_newer_release (id int);
insert into pgqueuer (priority, status, entrypoint) values (100, 'queued', 'OF_A_NEWER_RELEASE')
"""
EVENT = """
insert into events (user_id, id, kind, routine_id, at)
select user_id, event_seq + 1, 'OF_A_NEWER_RELEASE', $1, now() from people where user_id = $2
"""


@pytest.fixture
async def beside_a_newer_one(database_url: str) -> AsyncIterator[Product]:
    async with open_product(database_url, worker=True) as product:
        async with product.services.database.connection() as connection:
            await connection.execute(NEWER)
        yield product


async def test_it_works_on_and_leaves_alone_what_it_does_not_know(beside_a_newer_one: Product) -> None:
    product = beside_a_newer_one
    async with product.services.database.connection() as connection:
        assert await pending(connection) == []
    routine = (await acknowledged(product, "tap-1")).routine
    assert (await product.services.routines.wait(routine.id, 20)).status is RoutineStatus.READY
    assert await count(product.services.database, "pgqueuer where status = 'queued' and attempts = 0") == 1


async def test_it_passes_over_events_that_it_does_not_know(beside_a_newer_one: Product) -> None:
    product = beside_a_newer_one
    routine = (await acknowledged(product, "tap-1")).routine
    async with product.services.database.transaction() as connection:
        await connection.execute(EVENT, routine.id, PERSON)
        await connection.execute("update people set event_seq = event_seq + 1 where user_id = $1", PERSON)
    told = [event async for event in await product.services.events.progress(routine.id, PERSON, None)]
    assert isinstance(told[-1], PlanReadyEvent)
