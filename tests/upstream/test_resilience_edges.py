"""What is between two turns of the loop, and what the retry budget allows beside repetitions."""

import asyncio

from services.resilience import RetryBudget, SingleFlight


async def test_who_asks_in_the_moment_a_call_ends_gets_a_call_of_their_own() -> None:
    flights: SingleFlight[str] = SingleFlight()
    ended = asyncio.get_running_loop().create_future()

    async def first() -> str:
        await asyncio.sleep(0)
        # Whoever waits for this is woken in the loop's next turn, before the call is struck from the list.
        ended.set_result(None)
        return "first"

    async def second() -> str:
        return "second"

    async def late() -> str:
        await ended
        return await flights.run("key", second)

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        results = [group.create_task(late()), group.create_task(flights.run("key", first))]
    assert [task.result() for task in results] == ["second", "first"]
    assert await flights.run("key", second) == "second"
    await flights.aclose()


def test_a_lot_of_calls_fits_twice_and_then_only_as_a_tenth_of_the_demand() -> None:
    now = [0.0]
    budget = RetryBudget(0.1, monotonic=lambda: now[0])
    assert [budget.may_add(9) for _ in range(3)] == [True, True, False]
    for _ in range(270):
        budget.first()
    assert budget.may_add(9)
    assert not budget.may_add(9)
    now[0] = 61
    assert budget.may_repeat()
