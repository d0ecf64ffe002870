"""How an operation is run: the rules it is held to, and what is shown of its errors, over HTTP, WebSocket and SSE alike."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import strawberry
from graphql import DocumentNode, GraphQLError, GraphQLSyntaxError, OperationDefinitionNode, get_operation_ast, parse
from graphql import OperationType as DocumentOperation
from graphql.language.parser import MAX_NESTING_DEPTH
from strawberry.exceptions import MissingQueryError
from strawberry.extensions import SchemaExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.schema.schema import StreamResult
from strawberry.types.execution import ExecutionContext, ExecutionResult, ParseOptions, PreExecutionError
from strawberry.types.graphql import OperationType
from strawberry.utils.aio import aclosing

from schema.compiled import Unexpected
from schema.cost import cost_of
from schema.documents import Documents, KnownDocument, known_document
from schema.errors import VALIDATION_FAILED, present
from schema.input_paths import ValuePaths
from schema.limits import Limits, check_text, check_variables, exceeded
from schema.persisted import PersistedDocuments
from schema.validation import check
from services.errors import Forbidden, Overloaded, Unavailable

DEADLINE_S = 10.0
"""For a query or a mutation (reliability.md, section 3). What a mutation has acknowledged by then stays."""
SUBSCRIPTION = "subscription"
"""A word without which no document holds a subscription."""
PARSING_GIVEN_UP = "Parsing aborted."
"""How graphql-core's message ends where a document has more tokens, or is nested deeper, than it parses."""


@dataclass(frozen=True, slots=True)
class OperationRules:
    """What every operation is held to. `introspection` off: neither `__schema` nor a message tells what there is."""

    limits: Limits = field(default_factory=Limits)
    introspection: bool = True
    deadline_s: float = DEADLINE_S
    persisted: PersistedDocuments = field(default_factory=PersistedDocuments)


class InvalidPersistedDocument(Exception):
    """A persisted document that could not be run; the message names it by its hash."""


class HoldToRules(SchemaExtension):
    """Validates with our rules, each document once, and refuses one of several operations that does not say which to run."""

    known: KnownDocument | None = None

    def on_operation(self) -> Iterator[None]:
        self.execution_context.parse_options = self._schema.parse_options
        yield

    def on_parse(self) -> Iterator[None]:
        self.known = self._schema.documents.get(self.execution_context.query)
        if self.known is not None:
            self.execution_context.graphql_document = self.known.document
        yield

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        document = context.graphql_document
        if document is not None:
            context.pre_execution_errors = self._refusals(document)
        yield

    async def on_execute(self) -> AsyncIterator[None]:
        """Ends the operation at its deadline; of a subscription, its beginning."""
        wait = 0 if self.known is None else self.known.longest_wait.read(self.execution_context.variables or {})
        try:
            async with asyncio.timeout(self._schema.rules.deadline_s + wait):
                yield
        except TimeoutError:
            raise self._schema.out_of_time() from None

    @property
    def _schema(self) -> "FirstlightSchema":
        schema = self.execution_context.schema
        assert isinstance(schema, FirstlightSchema)  # noqa: S101 - the only schema that has this extension
        return schema

    def _refusals(self, document: DocumentNode) -> list[GraphQLError]:
        context = self.execution_context
        operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
        if len(operations) > 1 and context._provided_operation_name is None:  # noqa: SLF001 - no public name for it
            message = "Several operations: say which by operationName."
            return [GraphQLError(message, extensions={"code": VALIDATION_FAILED})]
        if self.known is not None:
            return []
        errors = self._schema.check(document)
        if errors:
            return errors
        self.known = self._schema.learn(context.query or "", document)
        refusal = self._schema.too_much(self.known, context.query, context.operation_name, context.variables)
        return [] if refusal is None else [refusal]


class FirstlightSchema(strawberry.Schema):
    """A schema of which no caller ever sees an error that was not made for them.

    `context_value` is a `resolvers.context.Context`. A query that was run before is run by generated code (`schema.compiled`).
    With `{"cost": true}` among the extensions of a request, those of its answer tell what it could have cost and did cost.
    """

    def __init__(self, *, rules: OperationRules | None = None, **definition: Any) -> None:  # noqa: ANN401 - Strawberry's own
        """Raises `InvalidPersistedDocument`."""
        super().__init__(**definition)
        self.rules = rules or OperationRules()
        self.documents = Documents()
        for name, document in self.rules.persisted.by_hash.items():
            self.documents.keep(document, self._persisted(name, document))

    @property
    def parse_options(self) -> ParseOptions:
        return cast("ParseOptions", {"max_lexical_tokens": self.rules.limits.tokens})

    def check(self, document: DocumentNode, *, introspection: bool | None = None) -> list[GraphQLError]:
        """Why a document is not run, whatever its variables."""
        shown = self.rules.introspection
        allowed = shown if introspection is None else introspection
        return check(self._schema, document, self.rules.limits, introspection=allowed, suggestions=shown)

    def learn(self, query: str, document: DocumentNode) -> KnownDocument:
        """Remember a document that has passed `check`."""
        known = known_document(self._schema, document)
        self.documents.put(query, known)
        return known

    def too_much(
        self, known: KnownDocument, query: str | None, operation_name: str | None, variables: Mapping[str, Any] | None
    ) -> GraphQLError | None:
        """Why an operation of this document is not run with these variables."""
        limits = self.rules.limits
        price = known.prices.get(operation_name)
        cost = 0 if price is None else price.at(variables)
        if cost > limits.cost:
            return exceeded("cost", cost, limits.cost, f"An operation may cost {limits.cost}: this one can cost {cost}.")
        return check_variables(variables, limits, lambda name: map(str, ValuePaths(query).to_variable(name)))

    def out_of_time(self) -> Unavailable:
        """What an operation comes to that takes longer than it may."""
        return Unavailable(f"This took longer than {self.rules.deadline_s:g} s. Try again.")

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
        result: ExecutionResult | None = self._refused(query, operation_name, variable_values)
        if result is None:
            result = await self._run_compiled(query, variable_values, context_value, root_value, operation_name)
        if result is None:
            result = await super().execute(
                query, variable_values, context_value, root_value, operation_name, allowed_operation_types, operation_extensions
            )
        if (operation_extensions or {}).get("cost") is True:
            self._tell_cost(result, query, operation_name, variable_values)
        return self._presented(result, query, variable_values, context_value)

    def _refused(
        self, query: str | None, operation_name: str | None, variables: Mapping[str, Any] | None
    ) -> PreExecutionError | None:
        """What is known to be too much before anything is parsed or coerced."""
        known = self.documents.get(query)
        if known is not None:
            refusal = self.too_much(known, query, operation_name, variables)
        elif self.rules.persisted.only:
            refusal = GraphQLError("", original_error=Forbidden("Only persisted documents are run here."))
        else:
            refusal = check_text(query or "")
        return None if refusal is None else PreExecutionError(None, [refusal])

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
            async with asyncio.timeout(self.rules.deadline_s):
                answer = await code.run(context, root_value, values)
        except Unexpected:
            return None
        except TimeoutError:
            return PreExecutionError(None, [GraphQLError("", original_error=self.out_of_time())])
        return ExecutionResult(answer.data, answer.errors)

    def _tell_cost(
        self, result: ExecutionResult, query: str | None, operation_name: str | None, variables: Mapping[str, Any] | None
    ) -> None:
        """Add what the operation could have cost, what its answer did cost, and what it may cost."""
        known = self.documents.get(query)
        price = None if known is None else known.prices.get(operation_name)
        if price is not None and result.data is not None:
            cost = {"requested": price.at(variables), "answered": cost_of(result.data), "maximum": self.rules.limits.cost}
            result.extensions = {**(result.extensions or {}), "cost": cost}

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
        if not self._subscribes(query or "", operation_name):
            return self._once(
                query, variable_values, context_value, root_value, operation_name, allowed_operation_types, operation_extensions
            )
        refused = self._refused(query, operation_name, variable_values)
        if refused is not None:
            return self._presented_each(_alone(refused), query, variable_values, context_value)
        results = await super().stream(
            query, variable_values, context_value, root_value, operation_name, operation_extensions, allowed_operation_types
        )
        return self._presented_each(results, query, variable_values, context_value)

    def _subscribes(self, query: str, operation_name: str | None) -> bool:
        """Whether the operation is a subscription. One that cannot be told is none: running it says what is wrong with it."""
        if SUBSCRIPTION not in query or check_text(query) is not None:
            return False
        known = self.documents.get(query)
        try:
            document = parse(query, max_lexical_tokens=self.rules.limits.tokens) if known is None else known.document
        except GraphQLError:
            return False
        operation = get_operation_ast(document, operation_name)
        return operation is not None and operation.operation is DocumentOperation.SUBSCRIPTION

    async def _once(
        self,
        query: str | None,
        variables: dict[str, Any] | None,
        context: Any,  # noqa: ANN401
        root_value: Any,  # noqa: ANN401
        operation_name: str | None,
        allowed: Iterable[OperationType] | None,
        extensions: dict[str, Any] | None,
    ) -> AsyncGenerator[ExecutionResult, None]:
        """The one result of a query or a mutation, which has a place among all that are answered until it has its answer."""
        try:
            with context.entered(query or "") as own:
                result = await self.execute(query, variables, own, root_value, operation_name, allowed, extensions)
        except (Overloaded, MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError) as error:
            refusal = PreExecutionError(None, [GraphQLError(_reason(error), original_error=error)])
            result = self._presented(refusal, query, variables, context)
        yield result

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
            errors = [self._limit_of_parsing(error) for error in result.errors]
            suggestions = self.rules.introspection
            result.errors = present(errors, self._schema, query, variables, context.request_id, suggestions=suggestions)
        return result

    def _limit_of_parsing(self, error: GraphQLError) -> GraphQLError:
        """The refusal of a document that was not parsed to its end; any other error as it is."""
        if not isinstance(error, GraphQLSyntaxError) or not error.message.endswith(PARSING_GIVEN_UP):
            return error
        if "tokens" in error.message:
            most = self.rules.limits.tokens
            return exceeded("tokens", None, most, f"A document may have {most} tokens.")
        return exceeded("nesting", None, MAX_NESTING_DEPTH, "This document is nested too deep to be parsed.")

    def _persisted(self, name: str, text: str) -> KnownDocument:
        """A document that may be run at any time from now on. Raises `InvalidPersistedDocument`."""
        problem = check_text(text)
        try:
            document = parse(text, max_lexical_tokens=self.rules.limits.tokens)
        except GraphQLError as error:
            raise InvalidPersistedDocument(f"{name}: {error.message}") from None
        problems = [problem] if problem else self.check(document, introspection=True)
        if not problems:
            known = known_document(self._schema, document)
            problems = [each for operation in known.prices if (each := self.too_much(known, text, operation, None)) is not None]
        if problems:
            raise InvalidPersistedDocument(f"{name}: {problems[0].message}")
        return known

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Nothing: `present` logs, without the document that Strawberry's own log would quote."""


def _reason(error: Exception) -> str:
    """Why an operation was not begun."""
    match error:
        case CannotGetOperationTypeError():
            return error.as_http_error_reason()
        case InvalidOperationTypeError():
            return f"A {error.operation_type.value} is not run here by this method."
        case _:
            return str(error)


async def _alone(result: PreExecutionError) -> AsyncGenerator[PreExecutionError, None]:
    yield result
