"""A connection that dies during COMMIT (reliability.md, D14): nobody can know how it ended, and asking again tells."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from services.domain.outcomes import CancelRoutineSuccess
from services.domain.routine import RoutineStatus
from services.errors import Unavailable
from services.store.database import Database
from tests.faults.asking import PERSON, acknowledged, count, request
from tests.faults.proxy import Cut, Network, network_to
from tests.product import Product, open_product


@pytest.fixture
async def cut_off(database_url: str) -> AsyncIterator[tuple[Network, Product, Database]]:
    """Services at the far end of a network that can break, and the same database close by."""
    async with AsyncExitStack() as stack:
        network, far = await stack.enter_async_context(network_to(database_url))
        product = await stack.enter_async_context(open_product(far))
        yield network, product, await stack.enter_async_context(Database.opened(database_url))


@pytest.mark.parametrize(("cut", "committed"), [(Cut.BEFORE_COMMIT, 0), (Cut.AFTER_COMMIT, 1)])
async def test_the_same_key_tells_whether_a_request_was_acknowledged(
    cut_off: tuple[Network, Product, Database], cut: Cut, committed: int
) -> None:
    network, product, database = cut_off
    network.cut = cut
    with pytest.raises(Unavailable) as unknown:
        await product.services.routines.request(request("tap-1"))
    assert unknown.value.retryable
    assert [await count(database, table) for table in ("routines", "pgqueuer", "idempotency_keys")] == [committed] * 3

    first = await acknowledged(product, "tap-1")
    again = await acknowledged(product, "tap-1")
    assert (again.routine.id, again.cursor, first.joined) == (first.routine.id, first.cursor, False)
    assert [await count(database, table) for table in ("routines", "pgqueuer", "idempotency_keys")] == [1, 1, 1]


@pytest.mark.parametrize("cut", list(Cut))
async def test_a_request_without_a_key_joins_what_was_acknowledged(cut_off: tuple[Network, Product, Database], cut: Cut) -> None:
    network, product, database = cut_off
    network.cut = cut
    with pytest.raises(Unavailable):
        await product.services.routines.request(request(None))
    again = await acknowledged(product, None)
    assert again.joined is (cut is Cut.AFTER_COMMIT)
    assert await count(database, "routines") == 1


@pytest.mark.parametrize("cut", list(Cut))
async def test_each_commit_of_an_attempt_may_be_lost(cut_off: tuple[Network, Product, Database], cut: Cut) -> None:
    network, product, database = cut_off
    lost = 0
    for spared in range(20):
        routine = (await acknowledged(product, None)).routine
        network.cut, network.spared = cut, spared
        try:
            await product.services.routines.fulfil(routine.id)
        except Unavailable:
            lost += 1
        struck, network.cut = network.cut is None, None
        assert await product.services.routines.fulfil(routine.id) is None
        found = await product.services.routines.read(routine.id, PERSON)
        assert found is not None
        assert found.status is RoutineStatus.READY
        assert await count(database, f"events where routine_id = '{routine.id}' and kind = 'READY'") == 1
        if not struck:
            break
    else:
        pytest.fail("an attempt has more commits than were tried")
    assert lost >= 1


@pytest.mark.parametrize("cut", list(Cut))
async def test_a_cancellation_is_asked_for_again(cut_off: tuple[Network, Product, Database], cut: Cut) -> None:
    network, product, database = cut_off
    routine = (await acknowledged(product, "tap-1")).routine
    network.cut = cut
    with pytest.raises(Unavailable):
        await product.services.routines.cancel(routine.id, PERSON)
    assert isinstance(await product.services.routines.cancel(routine.id, PERSON), CancelRoutineSuccess)
    assert await count(database, "events where payload ->> 'status' = 'CANCELLED'") == 1
    assert await count(database, "pgqueuer") == 0
