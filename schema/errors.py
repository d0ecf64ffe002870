"""Errors as the outside sees them, and the check of values that gives each refusal its path.

- A value that its scalar or enum refuses: BAD_USER_INPUT with `field`, before any resolver runs.
- A document, or a value that comes with it, that asks for too much: BAD_USER_INPUT with `limit` (`schema.limits`).
- A `ServiceError`: its code, and whether and when to try again.
- A document that cannot be run: GRAPHQL_VALIDATION_FAILED (syntax: GRAPHQL_PARSE_FAILED).
- Anything else is a bug: masked as INTERNAL with the request id, logged with its traceback. Neither the document nor its
  variables are ever logged: both can hold health values.
"""

import traceback
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import structlog
from graphql import (
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    Undefined,
    VariableDefinitionNode,
    is_input_type,
    type_from_ast,
)
from graphql.language import Node
from graphql.utilities.validate_input_value import validate_input_value
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from schema.input_paths import ValuePaths
from services.errors import BadUserInput, ServiceError

BAD_USER_INPUT = BadUserInput.code
PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
INTERNAL = "INTERNAL"
INTERNAL_MESSAGE = "Something went wrong on our side. Tell us the request id."
MOST_ERRORS = 20
"""Of a document that cannot be run, or of the values of one variable: each takes time to find and to place."""

CANNOT_RUN = (MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError)

log = structlog.get_logger()


def refusal(error: GraphQLError, path: list[str | int]) -> GraphQLError:
    """The error with code BAD_USER_INPUT and the path of the refused value."""
    return extended(error, code=BAD_USER_INPUT, field=[str(step) for step in path])


def present(
    errors: list[GraphQLError],
    schema: GraphQLSchema,
    query: str | None,
    variables: Mapping[str, Any] | None,
    request_id: str,
    *,
    suggestions: bool,
) -> list[GraphQLError]:
    """What a caller may see of these errors. Logs the bugs among them.

    `suggestions`: refused values may be told what would have been taken.
    """
    shown: list[GraphQLError] = []
    explained: set[str] = set()
    paths = ValuePaths(query)
    for error in errors:
        variable = _refused_variable(error)
        if variable is None:
            shown.append(_present_one(error, paths, request_id))
        elif variable.variable.name.value not in explained and len(explained) < MOST_ERRORS:
            explained.add(variable.variable.name.value)
            found = _refused_values(variable, schema, variables or {}, hide_suggestions=not suggestions)
            prefix = paths.to_variable(variable.variable.name.value)
            shown += [refusal(refused, [*prefix, *path]) for refused, path in found] or [extended(error, code=VALIDATION_FAILED)]
    return shown


def _present_one(error: GraphQLError, paths: ValuePaths, request_id: str) -> GraphQLError:
    original = error.original_error
    if isinstance(original, ServiceError):
        return extended(error, message=original.message, **describe(original))
    if isinstance(error, GraphQLSyntaxError):
        return extended(error, code=PARSE_FAILED)
    if isinstance(original, CANNOT_RUN):
        return extended(error, code=VALIDATION_FAILED)
    if isinstance(original, GraphQLError) and original.nodes:
        # An argument's value that could only be judged at run time, such as null in a variable with a default.
        return refusal(error, paths.to_node(original.nodes[0]))
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


def told(error: ServiceError) -> dict[str, Any]:
    """A `ServiceError` as one of the `errors` of a response that no operation has."""
    return {"message": error.message, "extensions": describe(error)}


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
    return extended(error, message=INTERNAL_MESSAGE, code=INTERNAL, retryable=True, requestId=request_id)


def _refused_variable(error: GraphQLError) -> VariableDefinitionNode | None:
    node: Node | None = error.nodes[0] if error.nodes else None
    if error.path is None and isinstance(node, VariableDefinitionNode) and isinstance(error.original_error, GraphQLError):
        return node
    return None


class _Enough(Exception):
    """As many values are refused as are told."""


def _refused_values(
    definition: VariableDefinitionNode, schema: GraphQLSchema, variables: Mapping[str, Any], *, hide_suggestions: bool
) -> list[tuple[GraphQLError, list[str | int]]]:
    """Judge the variable again, this time with the path of each refused value within it; none for one that is not there."""
    value = variables.get(definition.variable.name.value, Undefined)
    input_type = type_from_ast(schema, definition.type)
    if value is Undefined or not is_input_type(input_type):
        return []
    found: list[tuple[GraphQLError, list[str | int]]] = []

    def collect(refused: GraphQLError, path: list[str | int]) -> None:
        found.append((GraphQLError(refused.message, nodes=[definition]), path))
        if len(found) >= MOST_ERRORS:
            raise _Enough

    with suppress(_Enough):
        validate_input_value(value, input_type, collect, hide_suggestions)
    return found
