"""Why something was not done: values of the public schema, never raised.

Problem
├── InvalidInput           the caller can mend the named field
├── NotFound               no such thing, or not the caller's: the same answer
├── QuotaExceeded          too much asked for; `retry_after_ms` says when to come again
├── IdempotencyKeyReused   same key, other input
├── NotCancellable         a routine that is READY or FAILED
├── PlanningFailed         all attempts are used up; a person can ask again
└── HealthDataUnavailable  Sahha fails and nothing is stored
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """The message is safe to show. `retry_after_ms` is set only where waiting that long helps."""

    code: ClassVar[str]
    message: str
    retryable: bool = False
    retry_after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class InvalidInput(Problem):
    """`field` is the path of the public input, as `("input", "preferences", "sleepTime")`."""

    code: ClassVar[str] = "INVALID_INPUT"
    field: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotFound(Problem):
    code: ClassVar[str] = "NOT_FOUND"


@dataclass(frozen=True, slots=True)
class QuotaExceeded(Problem):
    code: ClassVar[str] = "QUOTA_EXCEEDED"


@dataclass(frozen=True, slots=True)
class IdempotencyKeyReused(Problem):
    code: ClassVar[str] = "IDEMPOTENCY_KEY_REUSED"


@dataclass(frozen=True, slots=True)
class NotCancellable(Problem):
    code: ClassVar[str] = "NOT_CANCELLABLE"


@dataclass(frozen=True, slots=True)
class PlanningFailed(Problem):
    code: ClassVar[str] = "PLANNING_FAILED"


@dataclass(frozen=True, slots=True)
class HealthDataUnavailable(Problem):
    code: ClassVar[str] = "HEALTH_DATA_UNAVAILABLE"


FAILURES: dict[str, type[Problem]] = {kind.code: kind for kind in (NotFound, PlanningFailed, HealthDataUnavailable)}
"""The problems that a routine can fail with, by code."""
