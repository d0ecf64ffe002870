"""Documents that were seen before: parsed and validated once, compiled once for each way in which they are run."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import DocumentNode, GraphQLSchema, get_operation_ast
from graphql.execution.values import VariableValues, get_variable_values

from schema.compiled import CompiledOperation, NotCompilable, compile_operation, condition_variables

MOST_DOCUMENTS = 512
LONGEST_DOCUMENT = 16_384
"""Characters. A longer one is run and not kept: an app's own operations are shorter."""
MOST_VARIANTS = 16
"""Of one document: operations by name, and by the values of the conditions in them."""


@dataclass(slots=True)
class KnownDocument:
    """A document that passed validation."""

    document: DocumentNode
    conditions: tuple[str, ...]
    variants: dict[tuple[object, ...], CompiledOperation | None] = field(default_factory=dict)

    def compiled(
        self, schema: GraphQLSchema, operation_name: str | None, variables: Mapping[str, Any]
    ) -> tuple[CompiledOperation, VariableValues] | None:
        """The code of an operation and its coerced variables; `None` where the ordinary executor has to run it."""
        operation = get_operation_ast(self.document, operation_name)
        if operation is None:
            return None
        values = get_variable_values(schema, operation.variable_definitions or (), dict(variables))
        if isinstance(values, list):
            return None
        variant = (operation_name, *(values.coerced.get(name) for name in self.conditions))
        if variant not in self.variants:
            if len(self.variants) >= MOST_VARIANTS:
                return None
            try:
                self.variants[variant] = compile_operation(schema, self.document, operation, values)
            except NotCompilable:
                self.variants[variant] = None
        code = self.variants[variant]
        return None if code is None else (code, values)


class Documents:
    """The documents of one schema that were used last."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, KnownDocument] = OrderedDict()

    def get(self, query: str | None) -> KnownDocument | None:
        known = self._known.get(query or "")
        if known is not None:
            self._known.move_to_end(query or "")
        return known

    def put(self, query: str, document: DocumentNode) -> None:
        """Remember a document that passed validation."""
        if len(query) > LONGEST_DOCUMENT:
            return
        self._known[query] = KnownDocument(document, condition_variables(document))
        if len(self._known) > MOST_DOCUMENTS:
            self._known.popitem(last=False)
