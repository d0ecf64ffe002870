"""How an upstream is called: one call for many who ask, and a bounded number of attempts, for each call and in all."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from enum import Enum
from random import SystemRandom
from typing import Any, Generic, TypeVar

import structlog

from services.clock import Clock
from services.errors import UpstreamError, UpstreamStatus, UpstreamTimeout, UpstreamUnreachable

log = structlog.get_logger()

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """One running call per key, however many ask for it; whoever asks while it runs gets its result or its error.

    The call belongs to nobody in particular: it goes on when the one who asked first is cancelled. It must bring a deadline of
    its own.
    """

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[T]] = {}

    async def run(self, key: str, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of the running call of this key; `call` is started if there is none."""
        task = self._running.get(key)
        # A call that has ended stays listed until the loop's next turn: whoever asks by then wants a new one.
        if task is None or task.done():
            task = asyncio.create_task(call(), name=f"single flight: {key}")
            self._running[key] = task
            task.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """Cancels what still runs and waits for its end."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _landed(self, key: str, task: asyncio.Task[T]) -> None:
        if self._running.get(key) is task:
            del self._running[key]
        if not task.cancelled():
            # Everyone who asked may be gone: an error that nobody reads is not a bug to be reported by the loop.
            task.exception()


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`attempts` in all. Before the n-th repetition a pause of 0 to `base_s` x 2^(n-1) seconds, at most `cap_s` (full jitter)."""

    attempts: int = 3
    base_s: float = 0.2
    cap_s: float = 5.0

    def pause_s(self, failures: int, error: UpstreamError) -> float:
        """Seconds to wait after so many failures: never less than the upstream asked for."""
        jitter = SystemRandom().uniform(0, min(self.cap_s, self.base_s * 2 ** (failures - 1)))
        asked = error.retry_after_s if isinstance(error, UpstreamStatus) else None
        return jitter + (asked or 0)


class Attempt(Enum):
    """What became of an attempt at a call. WITHHELD: a repetition that the budget did not allow."""

    FIRST = "first"
    REPEATED = "repeated"
    WITHHELD = "withheld"


def uncounted(_attempt: Attempt) -> None:
    """For callers without figures."""


FREE_LOTS = 2
"""So that somebody who asks alone is answered in part, and again right after, whatever share a lot is of so few calls."""


class RetryBudget:
    """Keeps the repetitions of all calls to an upstream within a share of its first attempts, over the last minute.

    A share of 10 % lets an outage grow the load by a tenth instead of threefold (SRE book, "Handling overload"). So that a quiet
    service can repeat at all, one repetition for every 10 s of the window is free: 6 in a minute, in whatever order.
    """

    def __init__(
        self,
        share: float,
        count: Callable[[Attempt], None] = uncounted,
        *,
        window_s: float = 60.0,
        free_every_s: float = 10.0,
        monotonic: Callable[[], float] = Clock.monotonic,
    ) -> None:
        self._share = share
        self._count = count
        self._window_s = window_s
        self._free = int(window_s / free_every_s)
        self._monotonic = monotonic
        self._seconds: deque[_Second] = deque()
        self._firsts = 0
        self._repeats = 0

    def first(self) -> None:
        """A call is made for the first time."""
        self._second().firsts += 1
        self._firsts += 1
        self._count(Attempt.FIRST)

    def may_repeat(self) -> bool:
        """Whether one more repetition fits the budget, which it is then taken from."""
        taken = self._take(1, self._free)
        self._count(Attempt.REPEATED if taken else Attempt.WITHHELD)
        return taken

    def may_add(self, calls: int) -> bool:
        """Whether so many calls, which a failure makes necessary beside those asked for, fit the budget; it is then charged.

        Two such lots in a window are free, beside the free repetitions.
        """
        return self._take(calls, self._free + FREE_LOTS * calls)

    def _take(self, calls: int, free: int) -> bool:
        second = self._second()
        if self._repeats + calls > max(free, int(self._share * self._firsts)):
            return False
        second.repeats += calls
        self._repeats += calls
        return True

    def _second(self) -> "_Second":
        """The entry of the running second; those that have left the window are forgotten."""
        now = int(self._monotonic())
        while self._seconds and self._seconds[0].at <= now - self._window_s:
            gone = self._seconds.popleft()
            self._firsts -= gone.firsts
            self._repeats -= gone.repeats
        if not self._seconds or self._seconds[-1].at != now:
            self._seconds.append(_Second(now))
        return self._seconds[-1]


@dataclass(slots=True)
class _Second:
    at: int
    firsts: int = 0
    repeats: int = 0


def is_transient(error: UpstreamError) -> bool:
    """Whether the same call can be expected to succeed a moment later."""
    if isinstance(error, UpstreamStatus):
        return error.status in {408, 429} or error.status >= 500
    return isinstance(error, UpstreamUnreachable | UpstreamTimeout)


async def with_retries(
    call: Callable[[], Awaitable[T]], *, policy: RetryPolicy, budget: RetryBudget, deadline: float, what: str
) -> T:
    """The result of an idempotent `call`, repeated while its failures are transient and the budget of its upstream allows.

    `deadline` is a moment of `Clock.monotonic`. A pause that would outlast it is not begun: the error is raised at once, with
    what the upstream said about when to come again.
    """
    budget.first()
    for failures in range(1, policy.attempts):
        try:
            return await call()
        except UpstreamError as error:
            pause_s = policy.pause_s(failures, error)
            if not is_transient(error) or Clock.monotonic() + pause_s >= deadline or not budget.may_repeat():
                raise
            log.info("[UPSTREAM] Trying again", call=what, reason=error.reason, failures=failures, pause_s=round(pause_s, 3))
        await asyncio.sleep(pause_s)
    return await call()
