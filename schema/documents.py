"""Documents that were seen before: parsed and validated once, compiled once for each way in which they are run."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import DocumentNode, GraphQLError, GraphQLSchema, get_operation_ast
from graphql.execution.values import VariableValues, get_variable_values

from schema.compiled import CompiledOperation, NotCompilable, compile_operation, condition_variables
from schema.cost import Amount, Price, Pricing

MOST_DOCUMENTS = 256
"""A parsed document of a thousand tokens takes a third of a megabyte."""
LONGEST_DOCUMENT = 16_384
"""Characters. A longer one is run and not kept: an app's own operations are shorter."""
MOST_VARIANTS = 16
"""Of one document: operations by name, and by the values of the conditions in them."""


@dataclass(slots=True)
class KnownDocument:
    """A document that passed validation."""

    document: DocumentNode
    conditions: tuple[str, ...]
    prices: Mapping[str | None, Price]
    longest_wait: Amount
    """Seconds that a mutation of it asks to be kept waiting, beside the time that every operation has."""
    variants: dict[tuple[object, ...], CompiledOperation | None] = field(default_factory=dict)

    def compiled(
        self, schema: GraphQLSchema, operation_name: str | None, variables: Mapping[str, Any]
    ) -> tuple[CompiledOperation, VariableValues] | None:
        """The code of an operation and its coerced variables; `None` where the ordinary executor has to run it."""
        operation = get_operation_ast(self.document, operation_name)
        if operation is None:
            return None
        # One error is enough: the ordinary executor tells them.
        values = get_variable_values(schema, operation.variable_definitions or (), dict(variables), 1, hide_suggestions=True)
        if isinstance(values, list):
            return None
        # A variable of this name may be anything in an operation whose conditions do not read it.
        decided = (values.coerced.get(name) for name in self.conditions)
        variant = (operation_name, *(value if isinstance(value, bool) else None for value in decided))
        if variant not in self.variants:
            if len(self.variants) >= MOST_VARIANTS:
                return None
            try:
                self.variants[variant] = compile_operation(schema, self.document, operation, values)
            except (NotCompilable, GraphQLError):  # the latter for a condition that is null: the ordinary executor tells it
                self.variants[variant] = None
        code = self.variants[variant]
        return None if code is None else (code, values)


def known_document(schema: GraphQLSchema, document: DocumentNode) -> KnownDocument:
    """A document that has just passed validation, priced."""
    pricing = Pricing(schema, document)
    return KnownDocument(document, condition_variables(document), pricing.operations(), pricing.longest_wait)


class Documents:
    """The documents of one schema that were used last, and for good those that are persisted."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, KnownDocument] = OrderedDict()
        self._kept: dict[str, KnownDocument] = {}

    def get(self, query: str | None) -> KnownDocument | None:
        known = self._known.get(query or "")
        if known is None:
            return self._kept.get(query or "")
        self._known.move_to_end(query or "")
        return known

    def put(self, query: str, known: KnownDocument) -> None:
        """Remember a document."""
        if len(query) > LONGEST_DOCUMENT:
            return
        self._known[query] = known
        if len(self._known) > MOST_DOCUMENTS:
            self._known.popitem(last=False)

    def keep(self, query: str, known: KnownDocument) -> None:
        """Remember a document for as long as the schema is there."""
        self._kept[query] = known
