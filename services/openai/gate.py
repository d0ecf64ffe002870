"""When the model is not asked at all: it fails for several people, or nothing will change until somebody mends it."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from services.breaker import BreakerPolicy, BreakerState, CircuitBreaker, Outcome
from services.clock import Clock
from services.domain.ids import UserId
from services.errors import CircuitOpen, ModelFailed, ModelFailureKind

MODEL_POLICY = BreakerPolicy(window_s=120.0, reads=6, people=3, share=0.5, slow_s=600.0, probes=1)
"""As for Sahha, scaled to calls that take tens of seconds; a slow model is bounded by its deadline, not by the breaker."""
NEEDS_AN_OPERATOR = frozenset({ModelFailureKind.MISCONFIGURED, ModelFailureKind.QUOTA})
PROVIDER_FAILS = NEEDS_AN_OPERATOR | {
    ModelFailureKind.CUT,
    ModelFailureKind.RATE_LIMITED,
    ModelFailureKind.TIMEOUT,
    ModelFailureKind.UNAVAILABLE,
    ModelFailureKind.UNREACHABLE,
}
SAYS_NOTHING = frozenset({ModelFailureKind.BUDGET, ModelFailureKind.BUSY, ModelFailureKind.INTERNAL})

log = structlog.get_logger()


class Gate:
    """Around every call. What an operator has to mend closes it at once and pages, once until the model answers again."""

    def __init__(self, policy: BreakerPolicy = MODEL_POLICY) -> None:
        self._breaker = CircuitBreaker(policy, self._changed)
        self._paged = False

    @property
    def state(self) -> BreakerState:
        return self._breaker.state

    @contextmanager
    def passage(self, user_id: UserId) -> Iterator[None]:
        """The way to one call; what leaves the block is its outcome. Raises `ModelFailed` (PAUSED) when it may not begin."""
        try:
            ticket = self._breaker.enter()
        except CircuitOpen as closed:
            raise ModelFailed(ModelFailureKind.PAUSED, closed.reason, retry_after_s=closed.retry_after_s) from None
        started, outcome = Clock.monotonic(), Outcome.ABANDONED
        try:
            yield
            outcome = Outcome.SUCCEEDED
        except ModelFailed as failure:
            outcome = _outcome(failure)
            self._page(failure)
            raise
        finally:
            self._breaker.leave(ticket, user_id, outcome, Clock.monotonic() - started)
            if outcome is Outcome.SUCCEEDED:
                self._paged = False

    def _page(self, failure: ModelFailed) -> None:
        if failure.kind not in NEEDS_AN_OPERATOR:
            return
        if not self._paged:
            self._paged = True
            log.critical("[OPENAI] No model until this is mended", kind=failure.kind.name, reason=failure.reason)
        self._breaker.open_at_once(failure.kind.name)

    def _changed(self, old: BreakerState, new: BreakerState, reason: str) -> None:
        """Told once when calls stop and once when they go on; the probes between are no news."""
        if old is BreakerState.CLOSED and not self._paged:
            log.warning("[OPENAI] The model is left alone", reason=reason)
        elif new is BreakerState.CLOSED:
            log.info("[OPENAI] The model answers again")


def _outcome(failure: ModelFailed) -> Outcome:
    """An answer that is not what was asked for is an answer: the provider works."""
    if failure.kind in PROVIDER_FAILS:
        return Outcome.FAILED
    return Outcome.NEUTRAL if failure.kind in SAYS_NOTHING else Outcome.SUCCEEDED
