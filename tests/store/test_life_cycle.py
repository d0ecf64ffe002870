"""The life of routines against a small model: requests, attempts, takeovers, cancellations and lost jobs in any order.

Every step is the product's own: its services, its statements, a real PostgreSQL and the stand-in.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from services.domain.ids import RoutineId, UserId
from services.domain.outcomes import CancelRoutineSuccess, GenerateRoutineSuccess
from services.domain.problems import IdempotencyKeyReused, NotCancellable, PlanningFailed
from services.domain.routine import Archetype, RoutineRequest, RoutineStatus
from services.fulfilment import TakenOver
from services.store import queue
from services.store import routines as store
from tests.product import Product, open_product

PEOPLE = ("sandbox-casey", "sandbox-avery")
KEYS = (None, "tap-1", "tap-2")
VARIANTS = (Archetype.PEAK_PERFORMER, Archetype.FOUNDATION_BUILDER)
TABLES = ("routine_tasks", "idempotency_keys", "events", "pgqueuer", "pgqueuer_log", "routines")
OPEN, READY, FAILED, CANCELLED = "open", "READY", "FAILED", "CANCELLED"
EVENTS = "select user_id, id, routine_id, coalesce(payload ->> 'status', kind) as what from events order by user_id, id"
UNHURRIED = hypothesis_settings(max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
UNSHRUNK = hypothesis_settings(UNHURRIED, max_examples=200, phases=[Phase.generate], report_multiple_bugs=False, database=None)


@dataclass
class Known:
    """What the model knows of a routine. `job`: something in the queue stands for it."""

    person: str
    variant: Archetype
    status: str = OPEN
    attempt: int = 0
    job: bool = True


@dataclass
class Model:
    routines: dict[RoutineId, Known] = field(default_factory=dict)
    keys: dict[tuple[str, str], RoutineId] = field(default_factory=dict)
    newest: dict[str, RoutineId] = field(default_factory=dict)

    def running(self, person: str, variant: Archetype) -> RoutineId | None:
        alike = (number for number, each in self.routines.items() if (each.person, each.variant) == (person, variant))
        return next((number for number in alike if self.routines[number].status == OPEN), None)

    def holds(self, routine_id: RoutineId, attempt: int) -> bool:
        known = self.routines[routine_id]
        return known.status == OPEN and known.attempt == attempt


class World:
    """One product for all examples, on a loop of its own."""

    def __init__(self, database_url: str) -> None:
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._open = AsyncExitStack()
        self.product: Product = self._runner.run(self._open.enter_async_context(open_product(database_url)))

    def run(self, work: Any) -> Any:
        return self._runner.run(work)

    def close(self) -> None:
        self._runner.run(self._open.aclose())
        self._runner.close()


class LifeCycle(RuleBasedStateMachine):
    world: World

    routines: Bundle[RoutineId] = Bundle("routines")
    attempts: Bundle[store.Attempt] = Bundle("attempts")

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.services = self.world.product.services

    @initialize()
    def empty(self) -> None:
        self.world.run(self._empty())

    @rule(target=routines, person=st.sampled_from(PEOPLE), key=st.sampled_from(KEYS), variant=st.sampled_from(VARIANTS))
    def acknowledge(self, person: str, key: str | None, variant: Archetype) -> Any:
        """Also the retry with a key, and the join of an identical request."""
        request = RoutineRequest(UserId(person), variant, "America/New_York", None, idempotency_key=key)
        outcome = self.world.run(self.services.routines.request(request))
        earlier = self.model.keys.get((person, key)) if key else None
        if earlier is not None and self.model.routines[earlier].variant is not variant:
            assert isinstance(outcome, IdempotencyKeyReused)
            return multiple()
        assert isinstance(outcome, GenerateRoutineSuccess)
        running = self.model.running(person, variant)
        expected = earlier or running
        if expected is None:
            assert outcome.routine.id not in self.model.routines
            self.model.routines[outcome.routine.id] = Known(person, variant)
        else:
            assert outcome.routine.id == expected
        assert outcome.joined is (earlier is None and running is not None)
        if key:
            self.model.keys[person, key] = outcome.routine.id
        return outcome.routine.id

    @rule(target=attempts, routine_id=routines)
    def take(self, routine_id: RoutineId) -> Any:
        """The first attempt, or one that takes over from another."""
        attempt = self.world.run(self._take(routine_id))
        known = self.model.routines[routine_id]
        assert (attempt is None) is (known.status != OPEN)
        if attempt is None:
            return multiple()
        known.attempt += 1
        assert attempt.number == known.attempt
        return attempt

    @rule(attempt=consumes(attempts))
    def finish(self, attempt: store.Attempt) -> None:
        """A whole attempt, from its draft to its end."""
        if self._end(attempt, READY, self.services.routines._fulfilment.make(attempt)):
            self.model.newest[attempt.routine.user_id] = attempt.routine.id

    @rule(attempt=consumes(attempts))
    def fail(self, attempt: store.Attempt) -> None:
        self._end(attempt, FAILED, self.services.routines._fulfilment.fail(attempt, PlanningFailed("As the model wants it.")))

    @rule(routine_id=routines)
    def cancel(self, routine_id: RoutineId) -> None:
        outcome = self.world.run(self.services.routines.cancel(routine_id, None))
        known = self.model.routines[routine_id]
        assert isinstance(outcome, NotCancellable if known.status in {READY, FAILED} else CancelRoutineSuccess)
        if known.status == OPEN:
            known.status, known.job = CANCELLED, False

    @rule(routine_id=routines)
    def lose_the_job(self, routine_id: RoutineId) -> None:
        self.world.run(self._execute("delete from pgqueuer where dedupe_key = $1", f"routine:{routine_id}"))
        self.model.routines[routine_id].job = False

    @rule()
    def sweep(self) -> None:
        orphans = [each for each in self.model.routines.values() if each.status == OPEN and not each.job]
        assert self.world.run(self._sweep()) == len(orphans)
        for each in orphans:
            each.job = True

    @invariant()
    def tables_agree(self) -> None:
        rows = self.world.run(self._fetch("select id, status, attempt, superseded_by from routines"))
        found = {RoutineId(row["id"]): row for row in rows}
        assert found.keys() == self.model.routines.keys()
        for routine_id, known in self.model.routines.items():
            row = found[routine_id]
            status = OPEN if not RoutineStatus(row["status"]).final else row["status"]
            assert (status, row["attempt"]) == (known.status, known.attempt)
        current = {row["id"] for row in rows if row["status"] == READY and row["superseded_by"] is None}
        assert current == set(self.model.newest.values())
        jobs = self.world.run(self._fetch("select dedupe_key from pgqueuer where dedupe_key like 'routine:%'"))
        expected = sorted(f"routine:{each}" for each, known in self.model.routines.items() if known.job)
        assert sorted(row["dedupe_key"] for row in jobs) == expected

    @invariant()
    def each_end_is_told_once(self) -> None:
        rows = self.world.run(self._fetch(EVENTS))
        for person in PEOPLE:
            ids = [row["id"] for row in rows if row["user_id"] == person]
            assert ids == list(range(ids[0], ids[-1] + 1)) if ids else True
        told = sorted((str(row["routine_id"]), row["what"]) for row in rows if row["what"] in {READY, FAILED, CANCELLED})
        ended = sorted((str(each), known.status) for each, known in self.model.routines.items() if known.status != OPEN)
        assert told == ended

    def _end(self, attempt: store.Attempt, status: str, work: Coroutine[Any, Any, None]) -> bool:
        """Whether the attempt was the one to end its routine."""
        holds = self.model.holds(attempt.routine.id, attempt.number)
        try:
            self.world.run(work)
        except TakenOver:
            assert not holds
            return False
        assert holds
        self.model.routines[attempt.routine.id].status = status
        return True

    async def _empty(self) -> None:
        for table in TABLES:
            await self._execute(f"delete from {table}")  # noqa: S608 - our own names

    async def _take(self, routine_id: RoutineId) -> store.Attempt | None:
        async with self.services.database.connection() as connection:
            return await store.take(connection, routine_id, self.services.clock.now())

    async def _sweep(self) -> int:
        async with self.services.database.transaction() as connection:
            return await queue.requeue_orphans(connection, self.services.clock.now() + timedelta(minutes=1), 100)

    async def _execute(self, sql: str, *arguments: object) -> None:
        async with self.services.database.connection() as connection:
            await connection.execute(sql, *arguments)

    async def _fetch(self, sql: str) -> list[asyncpg.Record]:
        async with self.services.database.connection() as connection:
            return list(await connection.fetch(sql))


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    opened = World(database_url)
    yield opened
    opened.close()


def test_the_life_of_routines_is_as_the_model_says(world: World) -> None:
    LifeCycle.world = world
    run_state_machine_as_test(LifeCycle, settings=UNHURRIED)


def test_the_model_notices_a_missing_fence(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "FENCE", "select from routines where id = $1 and $2::int > 0 for update")
    monkeypatch.setattr(store, "READY", store.READY.replace("and attempt = $2", "and $2::int > 0"))
    LifeCycle.world = world
    with pytest.raises(AssertionError):
        run_state_machine_as_test(LifeCycle, settings=UNSHRUNK)
