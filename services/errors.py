"""What can be raised. Outcomes (`domain.problems`) are values and never raised.

ServiceError                safe to show to a caller: code, retryable, retry_after_ms
├── Unauthenticated         no key, or one that is not known
│   └── TokenExpired        a token that was good and is over: its holder can come back with a new one
├── Forbidden               known, and not allowed
├── BadUserInput            a value that its type refuses; `field` is its path
├── CursorExpired           an `after` older than the events that are kept
├── PersonNotFound          the upstream knows no such person
├── RoutineNotFound         no such routine, or not the caller's
├── RateLimited             the caller asks too often
├── Unavailable             the store cannot be reached or is too busy
│   └── Overloaded          as many operations as can be are being answered
└── HealthDataUnavailableError   a read: Sahha fails and nothing is stored
UpstreamError               inside services only; turned into an outcome or a stored answer
├── UpstreamUnreachable     no connection, or it broke
├── UpstreamTimeout         no whole answer within the deadline
├── UpstreamStatus          an answer with a status that means failure (429 and 5xx among them)
├── UpstreamMalformed       an answer that is not what the contract says
│   └── ProfileMismatch     the profile that came is another person's: nothing of this read can be trusted
├── CircuitOpen             not asked: the upstream fails for many, or wants to be left alone for a while
├── CredentialRejected      our own account credential is not accepted
├── PersonUnknown           the upstream does not know this person (403, 404)
│   └── PersonRemoved       it did, and their profile was deleted there (410)
└── ModelFailed             the model wrote nothing, or not all: `kind` says why, in words safe to show

Anything else is a bug: masked for the caller, logged with its traceback and request id.
"""

from enum import Enum
from math import ceil


class ServiceError(Exception):
    """The message is safe to show."""

    code = "INTERNAL"
    http_status = 500

    def __init__(self, message: str, *, retryable: bool = False, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.retryable = retryable
        self.retry_after_ms = retry_after_ms


class Unauthenticated(ServiceError):
    code = "UNAUTHENTICATED"
    http_status = 401


class TokenExpired(Unauthenticated):
    def __init__(self) -> None:
        super().__init__("This token has expired.")


class Forbidden(ServiceError):
    code = "FORBIDDEN"
    http_status = 403


class BadUserInput(ServiceError):
    code = "BAD_USER_INPUT"
    http_status = 400

    def __init__(self, message: str, field: tuple[str, ...]) -> None:
        super().__init__(message)
        self.field = field


class CursorExpired(ServiceError):
    code = "CURSOR_EXPIRED"
    http_status = 410


class Unavailable(ServiceError):
    code = "UNAVAILABLE"
    http_status = 503

    def __init__(self, message: str = "The service cannot reach its store. Try again.") -> None:
        super().__init__(message, retryable=True, retry_after_ms=1000)


class Overloaded(Unavailable):
    def __init__(self) -> None:
        super().__init__("The service is busy. Try again.")


class RateLimited(ServiceError):
    code = "RATE_LIMITED"
    http_status = 429

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message, retryable=True, retry_after_ms=ceil(retry_after_s * 1000))


class HealthDataUnavailableError(ServiceError):
    code = "HEALTH_DATA_UNAVAILABLE"
    http_status = 503

    def __init__(self, message: str = "Sahha cannot be read at the moment, and nothing is stored of this person yet.") -> None:
        super().__init__(message, retryable=True, retry_after_ms=30_000)


class PersonNotFound(ServiceError):
    code = "NOT_FOUND"
    http_status = 404


class RoutineNotFound(ServiceError):
    code = "NOT_FOUND"
    http_status = 404

    def __init__(self, message: str = "There is no such routine.") -> None:
        super().__init__(message)


class UpstreamError(Exception):
    """`reason` is short, holds no value of a person, and is what the log line says."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UpstreamUnreachable(UpstreamError):
    pass


class UpstreamTimeout(UpstreamError):
    pass


class UpstreamStatus(UpstreamError):
    def __init__(self, reason: str, *, status: int, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.retry_after_s = retry_after_s


class UpstreamMalformed(UpstreamError):
    pass


class ProfileMismatch(UpstreamMalformed):
    pass


class CircuitOpen(UpstreamError):
    """`retry_after_s`: seconds after which it is worth coming again."""

    def __init__(self, reason: str, *, retry_after_s: float) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class CredentialRejected(UpstreamError):
    pass


class PersonUnknown(UpstreamError):
    pass


class PersonRemoved(PersonUnknown):
    pass


class ModelFailureKind(Enum):
    """Why the model's words are not in a plan, or not all of them; the value ends the sentence that a person is told."""

    RATE_LIMITED = "the model's provider asked for fewer calls"
    QUOTA = "the model account has no credit left"
    REFUSED = "the model refused to write it"
    TRUNCATED = "the model's answer was cut off at its length limit"
    MALFORMED = "the model's answer was not what was asked for"
    RUNAWAY = "the model's answer went on without end"
    CUT = "the connection to the model broke"
    TIMEOUT = "the model took too long"
    UNREACHABLE = "the model could not be reached"
    UNAVAILABLE = "the model's provider had a failure of its own"
    MISCONFIGURED = "the model is not set up correctly"
    CONTENT_FILTER = "the provider's content filter stopped the answer"
    BUDGET = "today's budget for the model is used up"
    BUSY = "too many plans were being written at the same time"
    PAUSED = "the model failed shortly before and is left alone for a while"
    INTERNAL = "writing it failed for a reason of our own"


class ModelFailed(UpstreamError):
    """`retry_after_s` is what the provider asked for. `sent`: the model may have begun to write, and that may be charged for."""

    def __init__(self, kind: ModelFailureKind, reason: str, *, retry_after_s: float | None = None, sent: bool = False) -> None:
        super().__init__(reason)
        self.kind = kind
        self.retry_after_s = retry_after_s
        self.sent = sent
