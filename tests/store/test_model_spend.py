"""Budgets of the model in a real database: never more than they hold, whoever asks at the same time."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from services.budget import TokenBudget
from services.clock import clock_starting_at
from services.config import Settings
from services.domain.ids import UserId
from services.errors import ModelFailed, ModelFailureKind
from services.store import model_spend, people
from services.store.database import Database

NIGHT = datetime(2026, 3, 18, 23, 59, 30, tzinfo=UTC)
ANNA, BEN = UserId("anna"), UserId("ben")


@pytest_asyncio.fixture
async def known(database: Database) -> AsyncIterator[Database]:
    async with database.transaction() as connection:
        for person in (ANNA, BEN):
            await people.note_asked(connection, person, NIGHT)
    yield database


def budget(database: Database, at: datetime = NIGHT, *, person: int = 1_000, everybody: int = 1_500) -> TokenBudget:
    settings = Settings(_env_file=None, daily_tokens_per_person=person, daily_tokens=everybody)
    return TokenBudget(database, settings, clock_starting_at(at))


async def spent(database: Database, person: UserId, at: datetime = NIGHT) -> tuple[int, int]:
    async with database.connection() as connection:
        return await model_spend.spent(connection, person, at.date())


async def refused(found: TokenBudget, person: UserId, tokens: int) -> ModelFailed:
    with pytest.raises(ModelFailed) as failed:
        await found.reserve(person, tokens)
    assert failed.value.kind is ModelFailureKind.BUDGET
    return failed.value


async def test_what_is_set_aside_counts_until_it_is_settled(known: Database) -> None:
    found = budget(known)
    reserved = await found.reserve(ANNA, 800)
    assert await spent(known, ANNA) == (800, 800)
    await reserved.settle(120)
    assert await spent(known, ANNA) == (120, 120)
    more = await found.reserve(ANNA, 500)
    await more.settle(900)
    assert await spent(known, ANNA) == (1_020, 1_020)


async def test_a_person_s_budget_is_their_own(known: Database) -> None:
    found = budget(known)
    await found.reserve(ANNA, 1_000)
    assert "of this person" in (await refused(found, ANNA, 1)).reason
    await found.reserve(BEN, 500)
    assert await spent(known, BEN) == (500, 1_500)


async def test_what_the_whole_does_not_hold_is_not_counted_for_the_person(known: Database) -> None:
    found = budget(known)
    await found.reserve(ANNA, 1_000)
    assert "of everybody" in (await refused(found, BEN, 600)).reason
    assert await spent(known, BEN) == (0, 1_000)


@pytest.mark.parametrize(("person", "everybody"), [(0, 1_000), (1_000, 0), (5, 5)])
async def test_more_than_a_whole_budget_is_never_let_through(known: Database, person: int, everybody: int) -> None:
    await refused(budget(known, person=person, everybody=everybody), ANNA, 10)
    assert await spent(known, ANNA) == (0, 0)


async def test_a_person_who_is_not_known_or_was_erased_has_none(known: Database) -> None:
    found = budget(known)
    await refused(found, UserId("stranger"), 1)
    reserved = await found.reserve(BEN, 500)
    async with known.transaction() as connection:
        await connection.execute("delete from model_spend where user_id = $1", BEN)
        await connection.execute("delete from people where user_id = $1", BEN)
    await reserved.settle(100)
    assert await spent(known, BEN) == (0, 100)
    await refused(found, BEN, 1)


async def test_many_at_once_never_exceed_it(known: Database) -> None:
    found = budget(known, everybody=10_000)
    outcomes = await asyncio.gather(*(found.reserve(ANNA, 70) for _ in range(9)), return_exceptions=True)
    late = await asyncio.gather(*(found.reserve(ANNA, 70) for _ in range(9)), return_exceptions=True)
    let_through = sum(not isinstance(outcome, BaseException) for outcome in [*outcomes, *late])
    assert let_through == 1_000 // 70
    assert await spent(known, ANNA) == (70 * let_through,) * 2


async def test_a_new_utc_day_begins_anew_and_old_ones_are_forgotten(known: Database) -> None:
    await budget(known).reserve(ANNA, 1_000)
    tomorrow = datetime(2026, 3, 19, 0, 0, 30, tzinfo=UTC)
    await budget(known, tomorrow).reserve(ANNA, 1_000)
    async with known.transaction() as connection:
        assert await model_spend.prune(connection, tomorrow.date(), 100) == 2
    assert await spent(known, ANNA) == (0, 0)
    assert await spent(known, ANNA, tomorrow) == (1_000, 1_000)


async def test_a_call_that_outlasts_midnight_is_settled_on_its_own_day(known: Database) -> None:
    reserved = await budget(known).reserve(ANNA, 1_000)
    await reserved.settle(10)
    assert await spent(known, ANNA) == (10, 10)


async def test_without_the_store_nothing_is_asked_and_nothing_is_lost(known: Database) -> None:
    found = budget(known)
    reserved = await found.reserve(ANNA, 300)
    await known.disconnect()
    assert "store" in (await refused(found, ANNA, 10)).reason
    await reserved.settle(10)
    await known.connect()
    assert await spent(known, ANNA) == (300, 300)
