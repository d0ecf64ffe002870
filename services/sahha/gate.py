"""Who may ask Sahha now: reads pass a circuit breaker, and whoever was told to wait waits."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import SystemRandom

import structlog

from services.breaker import BreakerPolicy, BreakerState, CircuitBreaker, Outcome
from services.clock import Clock
from services.domain.ids import UserId
from services.errors import CircuitOpen, PersonUnknown, UpstreamError, UpstreamStatus
from services.sahha.transport import WIRE_TIME, WireTime

LONGEST_WAIT_S = 3600.0
"""What Sahha asks us to wait is kept to for at most this long, then asked again: a mistake of theirs may not end the service."""
MOST_WAITING = 1_000
"""People who are remembered as asked to wait; beyond that the one asked first is forgotten."""
CREDENTIAL = "the account credential is rejected"

log = structlog.get_logger()


class SahhaGate:
    """What one process may ask of Sahha, whoever asks."""

    def __init__(self, policy: BreakerPolicy, told: Callable[[BreakerState], None] | None = None) -> None:
        self._breaker = CircuitBreaker(policy, self._changed)
        self._told = told
        self._paged = False
        self._closed_until = 0.0
        self._waiting: dict[UserId, float] = {}

    @property
    def state(self) -> BreakerState:
        return self._breaker.state

    @asynccontextmanager
    async def reading(self, user_id: UserId) -> AsyncIterator[None]:
        """Around one whole read of a person, within one task. Raises `CircuitOpen` when it may not begin.

        What leaves the block is its outcome. An answer about this person alone (403, 404, 410, 429) and a cancellation say
        nothing about Sahha; a read that Sahha took too long for counts as failed, also one that was cancelled for it.
        """
        ticket = self._breaker.enter()
        wire_time = WireTime()
        token = WIRE_TIME.set(wire_time)
        outcome = Outcome.SUCCEEDED
        try:
            yield
        except BaseException as error:
            outcome = outcome_of(error)
            raise
        finally:
            WIRE_TIME.reset(token)
            self._breaker.leave(ticket, user_id, outcome, wire_time.seconds)

    async def turn(self, call: str, user_id: UserId | None, deadline: float) -> None:
        """Returns when this call may be made. `deadline` is a moment of `Clock.monotonic`.

        When the wait that Sahha asked for would outlast the deadline it raises `CircuitOpen` where that was for all calls, and
        the 429 again where it was for this person's.
        """
        while True:
            now = Clock.monotonic()
            for_all_s, for_person_s = self._closed_until - now, self._waiting.get(user_id, 0.0) - now if user_id else 0.0
            wait_s = max(for_all_s, for_person_s)
            if wait_s <= 0:
                return
            # All who wait for the same moment must not come at once.
            pause_s = wait_s + SystemRandom().uniform(0, min(2.0, 0.1 + 0.1 * wait_s))
            if now + pause_s >= deadline and for_all_s > 0:
                raise CircuitOpen(f"{call}: asked to wait", retry_after_s=for_all_s)
            if now + pause_s >= deadline:
                raise UpstreamStatus(f"{call}: asked to wait", status=429, retry_after_s=for_person_s)
            await asyncio.sleep(pause_s)

    def postpone(self, user_id: UserId | None, wait_s: float) -> None:
        """Sahha asked to be left alone about this person, or altogether (`None`), for so long."""
        until = Clock.monotonic() + min(wait_s, LONGEST_WAIT_S)
        if user_id is None:
            self._closed_until = max(self._closed_until, until)
            return
        self._waiting.pop(user_id, None)
        if len(self._waiting) >= MOST_WAITING:
            self._forget_some()
        self._waiting[user_id] = until

    def credential_rejected(self, reason: str) -> None:
        """No call can succeed until the account's credential is mended: the circuit opens at once, and pages once."""
        if not self._paged:
            self._paged = True
            log.critical("[SAHHA] The account credential is rejected: nothing can be read until it is mended", reason=reason)
        self._breaker.open_at_once(CREDENTIAL)

    def _forget_some(self) -> None:
        now = Clock.monotonic()
        for known in [known for known, until in self._waiting.items() if until <= now]:
            del self._waiting[known]
        if len(self._waiting) >= MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]

    def _changed(self, old: BreakerState, new: BreakerState, reason: str) -> None:
        """Told once when reads stop and once when they go on; the probes between are no news."""
        if old is BreakerState.CLOSED and reason != CREDENTIAL:
            log.error("[SAHHA] Reads are stopped", reason=reason)
        if new is BreakerState.CLOSED:
            self._paged = False
            log.info("[SAHHA] Reads go on", reason=reason)
        if self._told is not None:
            self._told(new)


def outcome_of(error: BaseException) -> Outcome:
    """What a read that ended with this error says about Sahha; of several errors the worst counts."""
    if isinstance(error, BaseExceptionGroup):
        found = {outcome_of(each) for each in error.exceptions}
        return next((each for each in (Outcome.FAILED, Outcome.ABANDONED) if each in found), Outcome.NEUTRAL)
    if isinstance(error, asyncio.CancelledError):
        return Outcome.ABANDONED
    if isinstance(error, UpstreamStatus):
        # Any other status is about this call: a bad request, a limit of one person.
        return Outcome.FAILED if error.status >= 500 or error.status == 408 else Outcome.NEUTRAL
    if isinstance(error, CircuitOpen | PersonUnknown):
        return Outcome.NEUTRAL
    return Outcome.FAILED if isinstance(error, UpstreamError | TimeoutError) else Outcome.NEUTRAL
