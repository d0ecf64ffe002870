"""The weeks before the week: what a plan compares with, stored by a sync that no plan waits for, and counted nowhere."""

from collections.abc import AsyncIterator

import pytest

from services.domain.ids import UserId
from services.domain.outcomes import GenerateRoutineSuccess
from services.domain.routine import Archetype, Routine, RoutineRequest
from tests.product import MORNING, Product, open_product

PERSON = UserId("sandbox-avery")
REQUEST = RoutineRequest(PERSON, Archetype.PEAK_PERFORMER, "America/New_York", date=None)
ANOTHER_LEVEL = """
update biomarkers set value = (number * 2)::text, number = number * 2
where user_id = $1 and type like 'heart_rate_variability%' and day < $2::date - 6
"""


@pytest.fixture
async def product(database_url: str) -> AsyncIterator[Product]:
    async with open_product(database_url) as opened:
        yield opened


async def made(product: Product) -> Routine:
    outcome = await product.services.routines.request(REQUEST)
    assert isinstance(outcome, GenerateRoutineSuccess)
    await product.services.routines.fulfil(outcome.routine.id)
    routine = await product.services.routines.read(outcome.routine.id, PERSON)
    assert routine is not None
    return routine


def on_variability(routine: Routine) -> str:
    [check] = [check for check in routine.checks if check.rule == "ex.hrv"]
    return check.detail


async def test_a_plan_compares_with_the_three_weeks_before_and_counts_the_week(product: Product) -> None:
    alone = await made(product)
    await product.services.health_data.sync(PERSON)
    async with product.services.database.connection() as connection:
        await connection.execute(ANOTHER_LEVEL, PERSON, MORNING.date())
    compared = await made(product)
    assert on_variability(alone) == "Neither readiness nor heart rate variability calls for an easy day."
    assert on_variability(compared).startswith("Against your own earlier days,")
    assert "heart rate variability" in on_variability(compared)
    assert alone.health_data is not None
    assert compared.health_data is not None
    assert (compared.health_data.biomarkers, compared.health_data.scores) == (
        alone.health_data.biomarkers,
        alone.health_data.scores,
    )


async def test_what_is_compared_with_is_never_evidence(product: Product) -> None:
    await product.services.health_data.sync(PERSON)
    routine = await made(product)
    cited = [item for block in routine.time_blocks for task in block.tasks for item in task.evidence]
    assert cited
    assert all((MORNING - item.measured_at).days < 7 for item in cited)
