"""Requests of the fault tests, and what the tables say of them."""

from services.domain.ids import UserId
from services.domain.outcomes import GenerateRoutineSuccess
from services.domain.routine import Archetype, RoutineRequest
from services.store.database import Database
from tests.product import Product

PERSON = UserId("sandbox-avery")


def request(key: str | None, archetype: Archetype = Archetype.PEAK_PERFORMER, person: str = PERSON) -> RoutineRequest:
    return RoutineRequest(UserId(person), archetype, "America/New_York", None, idempotency_key=key)


async def acknowledged(
    product: Product, key: str | None, archetype: Archetype = Archetype.PEAK_PERFORMER
) -> GenerateRoutineSuccess:
    outcome = await product.services.routines.request(request(key, archetype))
    assert isinstance(outcome, GenerateRoutineSuccess)
    return outcome


async def count(database: Database, what: str) -> int:
    """Rows of `what`: a table, with a condition if need be."""
    async with database.connection() as connection:
        return int(await connection.fetchval(f"select count(*) from {what}"))  # noqa: S608 - the tests' own words
