"""How an operation is run: the rules it is held to, and what is shown of its errors, over HTTP and WebSocket alike."""

from collections.abc import AsyncGenerator, Iterable, Iterator
from typing import Any

import strawberry
from graphql import GraphQLError, OperationDefinitionNode
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import StreamResult
from strawberry.types.execution import ExecutionContext, ExecutionResult
from strawberry.types.graphql import OperationType
from strawberry.utils.aio import aclosing

from schema.errors import RULES, VALIDATION_FAILED, present


class HoldToRules(SchemaExtension):
    """Validates with our rules, and refuses a document of several operations that does not say which to run."""

    def on_operation(self) -> Iterator[None]:
        self.execution_context.validation_rules = RULES
        yield

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        operations = [
            node
            for node in (context.graphql_document.definitions if context.graphql_document else ())
            if isinstance(node, OperationDefinitionNode)
        ]
        if len(operations) > 1 and context._provided_operation_name is None:  # noqa: SLF001 - no public name for it
            context.pre_execution_errors = [
                GraphQLError("Several operations: say which by operationName.", extensions={"code": VALIDATION_FAILED})
            ]
        yield


class FirstlightSchema(strawberry.Schema):
    """A schema of which no caller ever sees an error that was not made for them.

    `context_value` is a `resolvers.context.Context`.
    """

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,  # noqa: ANN401 - Strawberry's signature
        root_value: Any | None = None,  # noqa: ANN401
        operation_name: str | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        result = await super().execute(
            query, variable_values, context_value, root_value, operation_name, allowed_operation_types, operation_extensions
        )
        return self._presented(result, query, variable_values, context_value)

    async def stream(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,  # noqa: ANN401
        root_value: Any | None = None,  # noqa: ANN401
        operation_name: str | None = None,
        operation_extensions: dict[str, Any] | None = None,
        allowed_operation_types: Iterable[OperationType] | None = None,
    ) -> StreamResult:
        results = await super().stream(
            query, variable_values, context_value, root_value, operation_name, operation_extensions, allowed_operation_types
        )
        return self._presented_each(results, query, variable_values, context_value)

    async def _presented_each(
        self,
        results: StreamResult,
        query: str | None,
        variables: dict[str, Any] | None,
        context: Any,  # noqa: ANN401
    ) -> AsyncGenerator[Any, None]:
        async with aclosing(results):
            async for result in results:
                yield self._presented(result, query, variables, context) if isinstance(result, ExecutionResult) else result

    def _presented(
        self,
        result: ExecutionResult,
        query: str | None,
        variables: dict[str, Any] | None,
        context: Any,  # noqa: ANN401
    ) -> ExecutionResult:
        if result.errors:
            result.errors = present(result.errors, self._schema, query, variables, context.request_id)
        return result

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Nothing: `present` logs, without the document that Strawberry's own log would quote."""
