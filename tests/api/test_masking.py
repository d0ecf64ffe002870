"""What a bug looks like from outside, and what it leaves in the log. The schema here has the bugs that ours should not have."""

from collections.abc import AsyncIterator
from typing import Any, cast

import strawberry
from strawberry.types.execution import ExecutionResult
from structlog.testing import capture_logs

from resolvers.context import Context, SchedulerControl
from schema.execution import FirstlightSchema, HoldToRules
from services.container import Services
from services.errors import Unavailable

SECRET = "resting heart rate 48"
CONTEXT = Context(cast("Services", None), cast("SchedulerControl", None), "request-7")


@strawberry.type
class Query:
    @strawberry.field
    def crash(self, note: str = "") -> str:
        raise RuntimeError(f"broken after {len(note)}")

    @strawberry.field
    def wrong_type(self) -> int:
        return cast("int", SECRET)

    @strawberry.field
    def missing(self) -> str:
        return cast("str", None)

    @strawberry.field
    def away(self) -> str:
        raise Unavailable


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def crash_later(self) -> AsyncIterator[int]:
        yield 1
        raise RuntimeError("broken")


SCHEMA = FirstlightSchema(query=Query, subscription=Subscription, extensions=[HoldToRules])
MASKED = {"code": "INTERNAL", "retryable": True, "requestId": "request-7"}


async def run(query: str, variables: dict[str, Any] | None = None) -> tuple[dict[str, Any], list[Any]]:
    with capture_logs() as logs:
        result = await SCHEMA.execute(query, variables, CONTEXT)
    (error,) = result.errors or []
    return dict(error.formatted), list(logs)


async def test_a_crash_is_masked_and_logged_with_its_traceback() -> None:
    error, (record,) = await run("query($n: String!) { crash(note: $n) }", {"n": SECRET})
    assert error["extensions"] == MASKED
    assert "broken" not in error["message"]
    assert record["event"] == "[GRAPHQL] Unexpected error"
    assert record["place"] == "crash"
    assert isinstance(record["exc_info"], RuntimeError)
    assert SECRET not in str(record)


async def test_neither_the_document_nor_a_value_is_logged() -> None:
    for query in (f'{{ crash(note: "{SECRET}") }}', f'{{ wrongType crash: __typename aka: crash(note: "{SECRET}") }}'):
        with capture_logs() as logs:
            result = await SCHEMA.execute(query, None, CONTEXT)
        assert logs
        assert SECRET not in str(logs)
        assert SECRET not in str([error.formatted for error in result.errors or []])


async def test_values_that_break_the_schema_are_masked() -> None:
    for query in ("{ wrongType }", "{ missing }"):
        error, _ = await run(query)
        assert error["extensions"] == MASKED


async def test_a_refusal_of_a_service_is_told_and_not_logged() -> None:
    error, logs = await run("{ away }")
    assert error["extensions"] == {"code": "UNAVAILABLE", "retryable": True, "retryAfterMs": 1000}
    assert logs == []


async def test_a_crash_within_a_subscription_is_masked() -> None:
    with capture_logs() as logs:
        first, last = [result async for result in await SCHEMA.stream("subscription { crashLater }", None, CONTEXT)]
    assert isinstance(first, ExecutionResult)
    assert isinstance(last, ExecutionResult)
    assert first.data == {"crashLater": 1}
    assert [error.extensions for error in last.errors or []] == [MASKED]
    assert [record["event"] for record in logs] == ["[GRAPHQL] Unexpected error"]
