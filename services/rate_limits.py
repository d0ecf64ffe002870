"""How often somebody may ask: a budget for each caller, for work that is begun for a person, and for keys that are not known.

Counted in this process: N replicas let N times as much through. What costs money is counted in the database (`services.budget`).
"""

from enum import Enum

from throttled import MemoryStore, Quota, per_hour, per_min, per_sec
from throttled.rate_limiter import GCRARateLimiter

from services.accounts import Principal
from services.config import Settings
from services.domain.ids import UserId
from services.errors import RateLimited
from services.metrics import Metrics

MOST_COUNTED = 50_000
"""People, keys or addresses that are remembered; of more, those that asked last."""


class Budget(Enum):
    """The value is the metric's label."""

    KEY = "key"
    PERSON = "person"
    WORK = "work"
    UNKNOWN_KEY = "unknown_key"


SPENT = {
    Budget.KEY: "This key asks too often. Wait.",
    Budget.PERSON: "That is too often for one person. Wait.",
    Budget.WORK: "Too much was asked for this person lately. Wait.",
    Budget.UNKNOWN_KEY: "This key is not known, and too many like it came from this address. Wait.",
}


class RateLimits:
    """Every method raises `RateLimited` when the budget is spent, with the time after which it no longer is.

    A budget is refilled evenly and can be spent at once (GCRA), so there is no window at whose end everybody comes back.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        quotas: dict[Budget, Quota] = {
            Budget.KEY: per_sec(settings.key_operations_per_s),
            Budget.PERSON: per_min(settings.person_operations_per_min),
            Budget.WORK: per_hour(settings.person_work_per_h),
            Budget.UNKNOWN_KEY: per_min(settings.unknown_keys_per_min),
        }
        self._limiters = {
            budget: GCRARateLimiter(quota, MemoryStore(options={"MAX_SIZE": MOST_COUNTED})) for budget, quota in quotas.items()
        }
        self._metrics = metrics

    def operation(self, caller: Principal) -> None:
        """One operation, of whatever kind, of this caller."""
        self._spend(Budget.KEY if caller.user_id is None else Budget.PERSON, caller.subject)

    def work(self, person: UserId) -> None:
        """Something that goes on after it was acknowledged, or that asks Sahha: a routine, a refresh."""
        self._spend(Budget.WORK, person)

    def unknown_key(self, address: str) -> None:
        """A key that is not known. Good keys are never counted here, so those who share an address lock nobody out."""
        self._spend(Budget.UNKNOWN_KEY, address)

    def _spend(self, budget: Budget, whose: str) -> None:
        result = self._limiters[budget].limit(whose)
        if result.limited:
            self._metrics.rate_limited.labels(budget.value).inc()
            raise RateLimited(SPENT[budget], retry_after_s=result.state.retry_after)
