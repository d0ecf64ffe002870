"""What an answer can cost, told from the document and its variables before it is run.

A leaf costs 1 and an object 2. A list costs its entries as often as there can be any: `first` times in a connection and wherever
else `first` is an argument, otherwise the usual number of `USUAL_ENTRIES`. A selection on a union or an interface costs what all
its branches cost together. A document is priced once; what its variables decide is filled in on each run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
)

from resolvers.arguments import RECORD_PAGE_LIMIT, WAIT_LIMIT_S
from schema.limits import HIGHEST_COUNT

LEAF = 1
OBJECT = 2
LONGEST_INT = len("-2147483648")
"""Characters; a longer default is of a variable that is no Int."""
PAGE_ARGUMENT = "first"
WAIT_ARGUMENT = "waitSeconds"
PAGE_FIELDS = frozenset({"edges", "nodes"})
"""Of a connection: as long as the `first` of the field that gave it."""
OTHERWISE = 10
USUAL_ENTRIES: Mapping[tuple[str, str], int] = MappingProxyType(
    {
        ("Routine", "timeBlocks"): 12,
        ("Routine", "checks"): 40,
        ("TimeBlock", "tasks"): 4,
        ("RoutineTask", "evidence"): 3,
        ("HealthSnapshot", "biomarkers"): 200,
        ("Score", "factors"): 6,
        ("__Schema", "types"): 90,
        ("__Type", "fields"): 3,
        ("__Type", "interfaces"): 1,
        ("__Type", "possibleTypes"): 1,
        ("__Type", "enumValues"): 2,
        ("__Type", "inputFields"): 1,
        ("__Field", "args"): 1,
        ("__Directive", "args"): 1,
    }
)
"""Entries of lists that no argument bounds, as they are in a long day and in this schema."""


class Amount(NamedTuple):
    """A whole number in an argument: that of a variable, or `value`, which is also the variable's default."""

    value: int
    most: int
    """A resolver refuses what is beyond."""
    variable: str = ""

    def read(self, variables: Mapping[str, Any]) -> int:
        given = variables.get(self.variable, self.value)
        return min(max(given, 0), self.most) if type(given) is int else self.most


ONCE = Amount(1, 1)
NEVER = Amount(0, 0)
Terms: TypeAlias = dict[tuple[Amount, ...], int]
"""A sum: each number times the product of its amounts, which are those of variables."""


@dataclass(frozen=True, slots=True)
class Price:
    """Of one operation."""

    fixed: int
    by_variable: tuple[tuple[tuple[Amount, ...], int], ...]

    def at(self, variables: Mapping[str, Any] | None) -> int:
        """What the answer can cost with these variables, as far as it matters."""
        cost = self.fixed
        for amounts, times in self.by_variable:
            cost += times * prod(amount.read(variables or {}) for amount in amounts)
        return min(cost, HIGHEST_COUNT)


def cost_of(data: object) -> int:
    """What an answer did cost, by the same weights."""
    if isinstance(data, dict):
        return sum((OBJECT if isinstance(value, dict) else 0) + cost_of(value) for value in data.values())
    if isinstance(data, list):
        return sum((OBJECT if isinstance(value, dict) else 0) + cost_of(value) for value in data)
    return LEAF


class Pricing:
    """A walk over a document, every fragment once for each operation.

    A selection set comes to two sums: its own, and that of the entries of the connection that it is selected on, which only the
    field above can multiply.
    """

    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self._schema = schema
        self._fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
        self._known: dict[str, tuple[Terms, Terms]] = {}
        self._defaults: dict[str, int] = {}
        self._operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
        self.longest_wait = NEVER

    def operations(self) -> Mapping[str | None, Price]:
        """The price of each operation of a valid document, by name; `None` stands for the only one."""
        prices = {node.name.value if node.name else None: self._operation(node) for node in self._operations}
        if len(self._operations) == 1:
            prices[None] = next(iter(prices.values()))
        return prices

    def _operation(self, node: OperationDefinitionNode) -> Price:
        self._known.clear()
        self._defaults = {
            variable.variable.name.value: int(variable.default_value.value)
            for variable in node.variable_definitions or ()
            if isinstance(variable.default_value, IntValueNode) and len(variable.default_value.value) <= LONGEST_INT
        }
        root = self._schema.get_root_type(node.operation)
        terms = self._selections(node.selection_set, root)[0] if root else {}
        fixed = terms.pop((), 0)
        return Price(fixed, tuple(terms.items()))

    def _selections(self, selected: SelectionSetNode, parent: GraphQLNamedType) -> tuple[Terms, Terms]:
        own: Terms = {}
        entries: Terms = {}
        for node in selected.selections:
            if isinstance(node, FieldNode):
                self._field(node, parent, own, entries)
                continue
            if isinstance(node, FragmentSpreadNode):
                found = self._fragment(node.name.value)
            elif isinstance(node, InlineFragmentNode):
                found = self._selections(node.selection_set, self._condition(node) or parent)
            _add(own, found[0])
            _add(entries, found[1])
        return own, entries

    def _field(self, node: FieldNode, parent: GraphQLNamedType, own: Terms, entries: Terms) -> None:
        """Add what a field costs to the sum that it belongs to."""
        name = node.name.value
        definition: GraphQLField | None = self._schema.get_field(parent, name)  # type: ignore[arg-type]
        if definition is None:
            return
        if WAIT_ARGUMENT in definition.args:
            self.longest_wait = self._amount(node, definition, WAIT_ARGUMENT, WAIT_LIMIT_S)
        cost = self._one(node, get_named_type(definition.type), definition)
        if not is_list_type(get_nullable_type(definition.type)):
            _add(own, cost)
        elif PAGE_ARGUMENT in definition.args:
            _add(own, cost, self._page(node, definition))
        elif name in PAGE_FIELDS:
            _add(entries, cost)
        else:
            _add(own, cost, _constant(USUAL_ENTRIES.get((parent.name, name), OTHERWISE)))

    def _one(self, node: FieldNode, output: GraphQLNamedType, definition: GraphQLField) -> Terms:
        """One value of a field."""
        if not is_composite_type(output) or node.selection_set is None:
            return {(): LEAF}
        own, entries = self._selections(node.selection_set, output)
        cost: Terms = {(): OBJECT}
        _add(cost, own)
        _add(cost, entries, self._page(node, definition))
        return cost

    def _page(self, node: FieldNode, definition: GraphQLField) -> Amount:
        if PAGE_ARGUMENT not in definition.args:
            return _constant(OTHERWISE)
        return self._amount(node, definition, PAGE_ARGUMENT, RECORD_PAGE_LIMIT)

    def _amount(self, node: FieldNode, definition: GraphQLField, name: str, most: int) -> Amount:
        """What an argument of a field says."""
        default = definition.args[name].default_value
        usual = default if type(default) is int else most
        for given in node.arguments or ():
            if given.name.value == name and isinstance(given.value, IntValueNode):
                return Amount(min(max(int(given.value.value), 0), most), most)
            if given.name.value == name and isinstance(given.value, VariableNode):
                variable = given.value.name.value
                return Amount(self._defaults.get(variable, usual), most, variable)
        return Amount(usual, most)

    def _fragment(self, name: str) -> tuple[Terms, Terms]:
        if name not in self._known:
            node = self._fragments[name]
            parent = self._condition(node)
            self._known[name] = self._selections(node.selection_set, parent) if parent else ({}, {})
        return self._known[name]

    def _condition(self, node: InlineFragmentNode | FragmentDefinitionNode) -> GraphQLNamedType | None:
        return self._schema.get_type(node.type_condition.name.value) if node.type_condition else None


def _constant(value: int) -> Amount:
    return Amount(value, value)


def _add(total: Terms, terms: Terms, times: Amount = ONCE) -> None:
    """Add so many times what `terms` come to."""
    for amounts, number in terms.items():
        if times.variable:
            key, added = tuple(sorted((*amounts, times))), number
        else:
            key, added = amounts, number * times.value
        total[key] = total.get(key, 0) + added
