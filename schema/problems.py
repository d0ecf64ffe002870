"""Problems: why something was not done, as members of result unions and as the failure of a routine."""

import strawberry

from services.domain import problems


@strawberry.interface(description="Why something was not done.")
class Problem:
    code: str = strawberry.field(description="What kind of problem, in capitals; stable.")
    message: str = strawberry.field(description="For a person to read; may change.")
    retryable: bool = strawberry.field(description="The same call can succeed later.")
    retry_after_ms: int | None = strawberry.field(
        description="Milliseconds after which to try again; null: no such time is known."
    )


@strawberry.type(description="The caller can mend the named field.")
class InvalidInput(Problem):
    field: list[str] = strawberry.field(description="Path of the input that is refused, outermost first.")

    @classmethod
    def is_type_of(cls, obj: object, _info: object) -> bool:
        return isinstance(obj, problems.InvalidInput)


@strawberry.type(description="No such thing, or not the caller's: the same answer.")
class NotFound(Problem):
    @classmethod
    def is_type_of(cls, obj: object, _info: object) -> bool:
        return isinstance(obj, problems.NotFound)


@strawberry.type(description="Too much was asked for; retryAfterMs says when to come again.")
class QuotaExceeded(Problem):
    @classmethod
    def is_type_of(cls, obj: object, _info: object) -> bool:
        return isinstance(obj, problems.QuotaExceeded)


@strawberry.type(description="This idempotency key was used with another input.")
class IdempotencyKeyReused(Problem):
    @classmethod
    def is_type_of(cls, obj: object, _info: object) -> bool:
        return isinstance(obj, problems.IdempotencyKeyReused)


@strawberry.type(description="The routine is READY or FAILED already.")
class NotCancellable(Problem):
    @classmethod
    def is_type_of(cls, obj: object, _info: object) -> bool:
        return isinstance(obj, problems.NotCancellable)


@strawberry.type(description="The plan could not be made after all attempts; a person can ask again.")
class PlanningFailed(Problem):
    @classmethod
    def is_type_of(cls, obj: object, _info: object) -> bool:
        return isinstance(obj, problems.PlanningFailed)


@strawberry.type(description="Sahha fails, and nothing is stored of this person yet.")
class HealthDataUnavailable(Problem):
    @classmethod
    def is_type_of(cls, obj: object, _info: object) -> bool:
        return isinstance(obj, problems.HealthDataUnavailable)


FAILURES = (NotFound, PlanningFailed, HealthDataUnavailable)
"""The problems a routine can fail with: reached through the interface alone, so the schema has to be told of them."""
