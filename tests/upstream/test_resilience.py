"""Retry budget and circuit breaker by a clock of their own: what is counted, when it opens, how it closes."""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.breaker import BreakerPolicy, BreakerState, CircuitBreaker, Outcome
from services.errors import CircuitOpen, UpstreamUnreachable
from services.resilience import Attempt, RetryBudget, RetryPolicy, with_retries
from tests.upstream.conftest import UNHURRIED


@dataclass
class Hands:
    """A clock that is moved by hand."""

    at: float = 1000.0

    def __call__(self) -> float:
        return self.at


@dataclass
class Rig:
    """A breaker, its clock and everything that it told."""

    policy: BreakerPolicy = field(default_factory=BreakerPolicy)
    clock: Hands = field(default_factory=Hands)
    told: list[tuple[BreakerState, BreakerState]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.breaker = CircuitBreaker(
            self.policy, lambda old, new, _: self.told.append((old, new)), monotonic=self.clock, uniform=lambda _, most: most / 2
        )

    def read(self, person: str, outcome: Outcome = Outcome.FAILED, took_s: float = 0.1) -> None:
        self.breaker.leave(self.breaker.enter(), person, outcome, took_s)

    def fail(self, reads: int, people: int) -> None:
        for number in range(reads):
            self.read(f"person {number % people}")

    def opened(self) -> "Rig":
        self.fail(10, 3)
        assert self.state() is BreakerState.OPEN
        return self

    def state(self) -> BreakerState:
        return self.breaker.state


def test_ten_failed_reads_of_three_people_open_it() -> None:
    rig = Rig()
    rig.fail(9, 3)
    assert rig.state() is BreakerState.CLOSED
    rig.read("person 0")
    assert rig.state() is BreakerState.OPEN
    with pytest.raises(CircuitOpen) as caught:
        rig.breaker.enter()
    assert caught.value.retry_after_s == pytest.approx(16.5)


@pytest.mark.parametrize("people", [1, 2])
def test_few_people_open_it_for_nobody(people: int) -> None:
    rig = Rig()
    rig.fail(500, people)
    assert rig.state() is BreakerState.CLOSED


def test_one_person_s_failures_among_others_successes_open_nothing() -> None:
    rig = Rig()
    for number in range(5):
        rig.read(f"well {number}", Outcome.SUCCEEDED)
    rig.fail(50, 1)
    assert rig.state() is BreakerState.CLOSED


def test_less_than_half_failed_is_borne() -> None:
    rig = Rig()
    for number in range(100):
        rig.read(f"person {number % 7}", Outcome.FAILED if number % 5 > 2 else Outcome.SUCCEEDED)
    assert rig.state() is BreakerState.CLOSED


def test_slow_reads_count_as_failed() -> None:
    rig = Rig()
    for number in range(10):
        rig.read(f"person {number}", Outcome.SUCCEEDED, took_s=5.1)
    assert rig.state() is BreakerState.OPEN


def test_only_the_window_counts() -> None:
    rig = Rig()
    rig.fail(9, 3)
    rig.clock.at += 31
    rig.fail(9, 3)
    assert rig.state() is BreakerState.CLOSED


@pytest.mark.parametrize(("outcome", "took_s"), [(Outcome.NEUTRAL, 0.1), (Outcome.NEUTRAL, 9.0), (Outcome.ABANDONED, 0.1)])
def test_what_says_nothing_of_the_upstream_is_not_counted(outcome: Outcome, took_s: float) -> None:
    rig = Rig()
    for number in range(100):
        rig.read(f"person {number}", outcome, took_s)
    assert rig.state() is BreakerState.CLOSED
    rig.fail(9, 3)
    assert rig.state() is BreakerState.CLOSED


def test_reads_given_up_after_a_long_wait_are_slow_ones() -> None:
    rig = Rig()
    for number in range(10):
        rig.read(f"person {number}", Outcome.ABANDONED, took_s=6.0)
    assert rig.state() is BreakerState.OPEN


def test_two_probes_close_it_and_no_third_is_admitted() -> None:
    rig = Rig().opened()
    rig.clock.at += 17
    first, second = rig.breaker.enter(), rig.breaker.enter()
    with pytest.raises(CircuitOpen):
        rig.breaker.enter()
    rig.breaker.leave(first, "a", Outcome.SUCCEEDED, 0.1)
    assert rig.state() is BreakerState.HALF_OPEN
    with pytest.raises(CircuitOpen):
        rig.breaker.enter()
    rig.breaker.leave(second, "b", Outcome.SUCCEEDED, 0.1)
    assert [new for _, new in rig.told] == [BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED]
    rig.fail(9, 3)
    assert rig.state() is BreakerState.CLOSED


@pytest.mark.parametrize("outcome", [Outcome.NEUTRAL, Outcome.ABANDONED])
def test_a_probe_that_says_nothing_gives_its_place_back(outcome: Outcome) -> None:
    rig = Rig().opened()
    rig.clock.at += 17
    for _ in range(10):
        rig.read("somebody", outcome)
    assert rig.state() is BreakerState.HALF_OPEN
    rig.read("a", Outcome.SUCCEEDED)
    rig.read("b", Outcome.SUCCEEDED)
    assert rig.state() is BreakerState.CLOSED


def test_each_failed_round_of_probes_doubles_the_time_up_to_two_minutes() -> None:
    rig = Rig().opened()
    waits = []
    for _ in range(6):
        with pytest.raises(CircuitOpen) as caught:
            rig.breaker.enter()
        waits.append(caught.value.retry_after_s)
        rig.clock.at += caught.value.retry_after_s
        rig.read("a probe")
    assert waits == pytest.approx([16.5, 33.0, 66.0, 132.0, 132.0, 132.0])
    rig.clock.at += 132
    rig.read("a", Outcome.SUCCEEDED)
    rig.read("b", Outcome.SUCCEEDED)
    rig.opened()
    with pytest.raises(CircuitOpen) as caught:
        rig.breaker.enter()
    assert caught.value.retry_after_s == pytest.approx(16.5)


def test_a_read_of_an_earlier_era_decides_nothing() -> None:
    rig = Rig()
    early = rig.breaker.enter()
    rig.opened()
    rig.clock.at += 17
    probe = rig.breaker.enter()
    rig.breaker.leave(early, "early", Outcome.FAILED, 0.1)
    assert rig.state() is BreakerState.HALF_OPEN
    rig.breaker.leave(probe, "a", Outcome.SUCCEEDED, 0.1)
    rig.read("b", Outcome.SUCCEEDED)
    assert rig.state() is BreakerState.CLOSED


def test_it_opens_at_once_when_told_to_and_probes_as_ever() -> None:
    rig = Rig()
    rig.breaker.open_at_once("rejected")
    rig.breaker.open_at_once("rejected again")
    assert [new for _, new in rig.told] == [BreakerState.OPEN]
    rig.clock.at += 17
    rig.breaker.enter()
    rig.breaker.open_at_once("still rejected")
    with pytest.raises(CircuitOpen) as caught:
        rig.breaker.enter()
    assert caught.value.retry_after_s == pytest.approx(33.0)


steps = st.lists(
    st.tuples(st.sampled_from(list(Outcome)), st.sampled_from("abcde"), st.floats(0, 8), st.floats(0, 40)), max_size=200
)


@UNHURRIED
@given(steps)
def test_it_never_locks_up_and_never_admits_more_than_two_probes(story: list[tuple[Outcome, str, float, float]]) -> None:
    rig = Rig()
    under_way = []
    probes: Counter[int] = Counter()
    for outcome, person, took_s, pause_s in story:
        rig.clock.at += pause_s
        with suppress(CircuitOpen):
            ticket = rig.breaker.enter()
            under_way.append((ticket, person))
            probes[ticket.era] += rig.state() is BreakerState.HALF_OPEN
        assert all(probes[era] <= 2 for era in {ticket.era for ticket, _ in under_way})
        if under_way and took_s < 6:
            ticket, whose = under_way.pop(0)
            rig.breaker.leave(ticket, whose, outcome, took_s)
            probes[ticket.era] -= probes[ticket.era] > 0
    for ticket, person in under_way:
        rig.breaker.leave(ticket, person, Outcome.NEUTRAL, 0.0)
    rig.clock.at += 145
    rig.read("a", Outcome.SUCCEEDED)
    rig.read("b", Outcome.SUCCEEDED)
    assert rig.state() is BreakerState.CLOSED


def spend(budget: RetryBudget, asked: int) -> int:
    return sum(budget.may_repeat() for _ in range(asked))


def test_a_quiet_service_may_repeat_six_times_a_minute() -> None:
    clock = Hands()
    budget = RetryBudget(0.1, monotonic=clock)
    assert spend(budget, 10) == 6
    clock.at += 59
    assert spend(budget, 10) == 0
    clock.at += 2
    assert spend(budget, 10) == 6


def test_a_busy_one_a_tenth_of_its_calls() -> None:
    clock = Hands()
    counted: list[Attempt] = []
    budget = RetryBudget(0.1, counted.append, monotonic=clock)
    for _ in range(500):
        budget.first()
    assert spend(budget, 100) == 50
    assert [counted.count(each) for each in Attempt] == [500, 50, 50]


@UNHURRIED
@given(st.lists(st.tuples(st.floats(0, 20), st.integers(0, 60), st.integers(0, 60)), max_size=60))
def test_no_minute_holds_more_repetitions_than_its_share(story: list[tuple[float, int, int]]) -> None:
    clock = Hands()
    budget = RetryBudget(0.1, monotonic=clock)
    firsts: list[float] = []
    repeats: list[float] = []
    for pause_s, calls, asked in story:
        clock.at += pause_s
        for _ in range(calls):
            budget.first()
        firsts += [clock.at] * calls
        repeats += [clock.at] * spend(budget, asked)
        within = [sum(clock.at - 59 < at for at in moments) for moments in (repeats, firsts)]
        demand = sum(clock.at - 61 <= at for at in firsts)
        assert within[0] <= max(6, 0.1 * demand)


async def test_without_budget_the_first_failure_is_the_last() -> None:
    budget = RetryBudget(0.0, free_every_s=1e9)
    calls = 0

    async def fail() -> None:
        nonlocal calls
        calls += 1
        raise UpstreamUnreachable("down")

    with pytest.raises(UpstreamUnreachable):
        await with_retries(fail, policy=RetryPolicy(), budget=budget, deadline=float("inf"), what="a call")
    assert calls == 1
