"""How an upstream is called: one call for many who ask, and a bounded number of attempts."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
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
        if task is None:
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


def is_transient(error: UpstreamError) -> bool:
    """Whether the same call can be expected to succeed a moment later."""
    if isinstance(error, UpstreamStatus):
        return error.status in {408, 429} or error.status >= 500
    return isinstance(error, UpstreamUnreachable | UpstreamTimeout)


async def with_retries(call: Callable[[], Awaitable[T]], *, policy: RetryPolicy, deadline: float, what: str) -> T:
    """The result of an idempotent `call`, repeated while its failures are transient.

    `deadline` is a moment of `Clock.monotonic`. A pause that would outlast it is not begun: the error is raised at once, with
    what the upstream said about when to come again.
    """
    for failures in range(1, policy.attempts):
        try:
            return await call()
        except UpstreamError as error:
            pause_s = policy.pause_s(failures, error)
            if not is_transient(error) or Clock.monotonic() + pause_s >= deadline:
                raise
            log.info("[UPSTREAM] Trying again", call=what, reason=error.reason, failures=failures, pause_s=round(pause_s, 3))
        await asyncio.sleep(pause_s)
    return await call()
