"""How an operation is run: the rules it is held to, and what is shown of its errors, over HTTP and WebSocket alike."""

from collections.abc import AsyncGenerator, Iterable, Iterator
from functools import cached_property
from typing import Any

import strawberry
from graphql import GraphQLError, OperationDefinitionNode
from strawberry.extensions import SchemaExtension
from strawberry.schema.schema import StreamResult
from strawberry.types.execution import ExecutionContext, ExecutionResult
from strawberry.types.graphql import OperationType
from strawberry.utils.aio import aclosing

from schema.compiled import Unexpected
from schema.documents import Documents, KnownDocument
from schema.errors import RULES, VALIDATION_FAILED, present


class HoldToRules(SchemaExtension):
    """Validates with our rules, each document once, and refuses one of several operations that does not say which to run."""

    known: KnownDocument | None = None

    def on_operation(self) -> Iterator[None]:
        self.execution_context.validation_rules = RULES
        yield

    def on_parse(self) -> Iterator[None]:
        self.known = self._documents.get(self.execution_context.query)
        if self.known is not None:
            self.execution_context.graphql_document = self.known.document
        yield

    @property
    def _documents(self) -> Documents:
        schema = self.execution_context.schema
        assert isinstance(schema, FirstlightSchema)  # noqa: S101 - the only schema that has this extension
        return schema.documents

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        if self.known is not None:
            context.pre_execution_errors = []
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
        if self.known is None and not context.pre_execution_errors and context.query and context.graphql_document:
            self._documents.put(context.query, context.graphql_document)


class FirstlightSchema(strawberry.Schema):
    """A schema of which no caller ever sees an error that was not made for them.

    `context_value` is a `resolvers.context.Context`. A query that was run before is run by generated code (`schema.compiled`).
    """

    @cached_property
    def documents(self) -> Documents:
        """What this schema has seen."""
        return Documents()

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
        result = await self._run_compiled(query, variable_values, context_value, root_value, operation_name)
        if result is None:
            result = await super().execute(
                query, variable_values, context_value, root_value, operation_name, allowed_operation_types, operation_extensions
            )
        return self._presented(result, query, variable_values, context_value)

    async def _run_compiled(
        self,
        query: str | None,
        variables: dict[str, Any] | None,
        context: Any,  # noqa: ANN401
        root_value: Any,  # noqa: ANN401
        operation_name: str | None,
    ) -> ExecutionResult | None:
        """The result by generated code; `None` where the ordinary executor has to run the operation."""
        known = self.documents.get(query)
        ready = None if known is None else known.compiled(self._schema, operation_name, variables or {})
        if ready is None:
            return None
        code, values = ready
        try:
            answer = await code.run(context, root_value, values)
        except Unexpected:
            return None
        return ExecutionResult(answer.data, answer.errors)

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
