"""A circuit breaker that counts whole reads of several people: no one person can open it for all.

Pure: time and chance are handed in, nothing is awaited, and what happens is told to one listener.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from random import SystemRandom
from typing import Protocol

from services.clock import Clock
from services.errors import CircuitOpen

MOST_READS = 1_000
"""Reads of the window that are remembered; at more than that the newest decide."""


class BreakerState(Enum):
    """CLOSED: everybody may read. OPEN: nobody. HALF_OPEN: a few reads at a time, to see whether it is over."""

    CLOSED = "CLOSED"
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


class Outcome(Enum):
    """How a read ended. NEUTRAL says nothing about the upstream; ABANDONED neither, unless it had been slow by then."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    ABANDONED = "ABANDONED"
    NEUTRAL = "NEUTRAL"


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """The numbers of reliability.md, section 3: resilience4j's and Envoy's, scaled down to our traffic.

    It opens when at least `share` of at least `reads` reads within `window_s` failed or took longer than `slow_s`, and those that
    did are of at least `people` people. It stays open for `open_s`, doubled with every round of probes that fails, at most
    `longest_open_s`, and up to `jitter` of that longer, so that replicas do not probe in step. `probes` reads must succeed.
    """

    window_s: float = 30.0
    reads: int = 10
    people: int = 3
    share: float = 0.5
    slow_s: float = 5.0
    open_s: float = 15.0
    longest_open_s: float = 120.0
    jitter: float = 0.2
    probes: int = 2


class BreakerListener(Protocol):
    def __call__(self, old: BreakerState, new: BreakerState, reason: str) -> None:
        """The state has changed."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """Leave to read. `era` counts the changes of state: a read that ends in another era says nothing about that one."""

    era: int


@dataclass(frozen=True, slots=True)
class _Read:
    ended_at: float
    person: str
    bad: bool


class CircuitBreaker:
    """Every `enter` that returns must be followed by one `leave`."""

    def __init__(
        self,
        policy: BreakerPolicy,
        listener: BreakerListener,
        *,
        monotonic: Callable[[], float] = Clock.monotonic,
        uniform: Callable[[float, float], float] | None = None,
    ) -> None:
        self._policy = policy
        self._listener = listener
        self._monotonic = monotonic
        self._uniform = uniform or SystemRandom().uniform
        self._state = BreakerState.CLOSED
        self._era = 0
        self._reads: deque[_Read] = deque(maxlen=MOST_READS)
        self._open_until = 0.0
        self._failed_rounds = 0
        self._probing = 0
        self._probed = 0

    @property
    def state(self) -> BreakerState:
        return self._state

    @property
    def slow_s(self) -> float:
        return self._policy.slow_s

    def enter(self) -> Ticket:
        """Leave to read. Raises `CircuitOpen` while the circuit is open, or half open with its probes under way."""
        now = self._monotonic()
        if self._state is BreakerState.OPEN:
            if now < self._open_until:
                raise CircuitOpen("reads are stopped", retry_after_s=self._open_until - now)
            self._change(BreakerState.HALF_OPEN, "it is time to probe")
        if self._state is BreakerState.HALF_OPEN:
            if self._probing + self._probed >= self._policy.probes:
                raise CircuitOpen("reads are being probed", retry_after_s=self._policy.slow_s)
            self._probing += 1
        return Ticket(self._era)

    def leave(self, ticket: Ticket, person: str, outcome: Outcome, took_s: float) -> None:
        """How the read ended, and how long the upstream took for it. A read of an earlier era is not counted."""
        if ticket.era != self._era:
            return
        if self._state is BreakerState.HALF_OPEN:
            self._probing -= 1
        bad = self._bad(outcome, took_s)
        if bad is None:
            return
        if self._state is BreakerState.HALF_OPEN:
            self._probe_ended(bad=bad)
            return
        self._reads.append(_Read(self._monotonic(), person, bad))
        if bad and self._too_many_bad():
            self._open("too many reads fail or are slow")

    def open_at_once(self, reason: str) -> None:
        """Opens without counting: no read can succeed. Open already: nothing changes."""
        if self._state is not BreakerState.OPEN:
            self._open(reason)

    def _bad(self, outcome: Outcome, took_s: float) -> bool | None:
        """Whether a read counts as bad; `None`: it does not count."""
        slow = took_s > self._policy.slow_s
        if outcome is Outcome.NEUTRAL or (outcome is Outcome.ABANDONED and not slow):
            return None
        return slow or outcome is Outcome.FAILED

    def _too_many_bad(self) -> bool:
        oldest = self._monotonic() - self._policy.window_s
        while self._reads and self._reads[0].ended_at < oldest:
            self._reads.popleft()
        bad = [read for read in self._reads if read.bad]
        enough = len(self._reads) >= self._policy.reads and len({read.person for read in bad}) >= self._policy.people
        return enough and len(bad) >= self._policy.share * len(self._reads)

    def _probe_ended(self, *, bad: bool) -> None:
        if bad:
            self._open("a probe failed")
            return
        self._probed += 1
        if self._probed >= self._policy.probes:
            self._failed_rounds = 0
            self._reads.clear()
            self._change(BreakerState.CLOSED, "reads succeed again")

    def _open(self, reason: str) -> None:
        if self._state is BreakerState.HALF_OPEN:
            self._failed_rounds += 1
        doubled = self._policy.open_s * 2.0 ** min(self._failed_rounds, 16)
        open_s = min(doubled, self._policy.longest_open_s)
        self._open_until = self._monotonic() + open_s + self._uniform(0, self._policy.jitter * open_s)
        self._change(BreakerState.OPEN, reason)

    def _change(self, new: BreakerState, reason: str) -> None:
        old, self._state = self._state, new
        self._era += 1
        self._probing = self._probed = 0
        self._listener(old, new, reason)
