"""Errors as the outside sees them, and the check of values that gives each refusal its path.

- A value that its scalar or enum refuses: BAD_USER_INPUT with `field`, before any resolver runs.
- A `ServiceError`: its code, and whether and when to try again.
- A document that cannot be run: GRAPHQL_VALIDATION_FAILED (syntax: GRAPHQL_PARSE_FAILED).
- Anything else is a bug: masked as INTERNAL with the request id, logged with its traceback. Neither the document nor its
  variables are ever logged: both can hold health values.
"""

import traceback
from collections.abc import Mapping
from typing import Any

import structlog
from graphql import (
    GraphQLError,
    GraphQLInputType,
    GraphQLSchema,
    GraphQLSyntaxError,
    Undefined,
    ValueNode,
    VariableDefinitionNode,
    is_input_type,
    specified_rules,
    type_from_ast,
)
from graphql.language import SKIP, ArgumentNode, Node, VisitorAction
from graphql.utilities.validate_input_value import validate_input_literal, validate_input_value
from graphql.validation import ASTValidationRule, ValuesOfCorrectTypeRule
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from schema.input_paths import path_to_node, path_to_variable
from services.errors import BadUserInput, ServiceError

BAD_USER_INPUT = BadUserInput.code
PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
INTERNAL = "INTERNAL"

CANNOT_RUN = (MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError)

log = structlog.get_logger()


class RefuseValues(ValuesOfCorrectTypeRule):
    """GraphQL's own rule for literals; what it refuses says where, as `InvalidInput.field` does."""

    outermost = ""

    def enter_argument(self, node: ArgumentNode, *_: object) -> None:
        self.outermost = node.name.value

    def enter_variable_definition(self, node: VariableDefinitionNode, *_: object) -> None:
        self.outermost = node.variable.name.value

    def is_valid_value_node(self, node: ValueNode, input_type: GraphQLInputType | None) -> VisitorAction:
        if input_type is not None:
            validate_input_literal(node, input_type, self._refuse, None, None, self.context.hide_suggestions)
        return SKIP

    def _refuse(self, error: GraphQLError, path: list[str | int]) -> None:
        self.report_error(refusal(error, [self.outermost, *path]))


RULES: tuple[type[ASTValidationRule], ...] = tuple(
    RefuseValues if rule is ValuesOfCorrectTypeRule else rule for rule in specified_rules
)


def refusal(error: GraphQLError, path: list[str | int]) -> GraphQLError:
    """The error with code BAD_USER_INPUT and the path of the refused value."""
    return extended(error, code=BAD_USER_INPUT, field=[str(step) for step in path])


def present(
    errors: list[GraphQLError], schema: GraphQLSchema, query: str | None, variables: Mapping[str, Any] | None, request_id: str
) -> list[GraphQLError]:
    """What a caller may see of these errors. Logs the bugs among them."""
    shown: list[GraphQLError] = []
    explained: set[str] = set()
    for error in errors:
        variable = _refused_variable(error)
        if variable is None:
            shown.append(_present_one(error, query, request_id))
        elif variable.variable.name.value not in explained:
            explained.add(variable.variable.name.value)
            shown += _refusals_of(variable, error, schema, query, variables or {})
    return shown


def _present_one(error: GraphQLError, query: str | None, request_id: str) -> GraphQLError:
    original = error.original_error
    if isinstance(original, ServiceError):
        return extended(error, message=original.message, **describe(original))
    if isinstance(error, GraphQLSyntaxError):
        return extended(error, code=PARSE_FAILED)
    if isinstance(original, CANNOT_RUN):
        return extended(error, code=VALIDATION_FAILED)
    if isinstance(original, GraphQLError) and original.nodes:
        # An argument's value that could only be judged at run time, such as null in a variable with a default.
        return refusal(error, path_to_node(query, original.nodes[0]))
    if error.path is None and original is None:
        return extended(error, **{"code": VALIDATION_FAILED, **(error.extensions or {})})
    return _masked(error, request_id)


def describe(error: ServiceError) -> dict[str, Any]:
    """A `ServiceError` as the `extensions` of a GraphQL error."""
    shown: dict[str, Any] = {"code": error.code, "retryable": error.retryable}
    if error.retry_after_ms is not None:
        shown["retryAfterMs"] = error.retry_after_ms
    if isinstance(error, BadUserInput):
        shown["field"] = list(error.field)
    return shown


def extended(error: GraphQLError, *, message: str | None = None, **extensions: Any) -> GraphQLError:  # noqa: ANN401
    """The same error with these extensions; what caused it is left behind."""
    return GraphQLError(
        error.message if message is None else message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=extensions,
    )


def _masked(error: GraphQLError, request_id: str) -> GraphQLError:
    cause = error.original_error or error
    place = ".".join(str(step) for step in error.path or ())
    if isinstance(cause, GraphQLError):
        # Its text quotes the document: the frames have to do.
        log.error("[GRAPHQL] Unexpected error", place=place, stack="".join(traceback.format_tb(cause.__traceback__)))
    else:
        log.error("[GRAPHQL] Unexpected error", place=place, exc_info=cause)
    message = "Something went wrong on our side. Tell us the request id."
    return extended(error, message=message, code=INTERNAL, retryable=True, requestId=request_id)


def _refused_variable(error: GraphQLError) -> VariableDefinitionNode | None:
    node: Node | None = error.nodes[0] if error.nodes else None
    if error.path is None and isinstance(node, VariableDefinitionNode) and isinstance(error.original_error, GraphQLError):
        return node
    return None


def _refusals_of(
    definition: VariableDefinitionNode,
    error: GraphQLError,
    schema: GraphQLSchema,
    query: str | None,
    variables: Mapping[str, Any],
) -> list[GraphQLError]:
    """Judge the variable again, this time with the path of each refused value within it."""
    name = definition.variable.name.value
    value = variables.get(name, Undefined)
    input_type = type_from_ast(schema, definition.type)
    if value is None or value is Undefined or not is_input_type(input_type):
        return [extended(error, code=VALIDATION_FAILED)]
    prefix = path_to_variable(query, name)
    found: list[GraphQLError] = []

    def collect(refused: GraphQLError, path: list[str | int]) -> None:
        located = GraphQLError(refused.message, nodes=[definition])
        found.append(refusal(located, [*prefix, *path]))

    validate_input_value(value, input_type, collect)
    return found or [extended(error, code=VALIDATION_FAILED)]
