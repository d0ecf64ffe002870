"""How much one document, and the values that come with it, may ask for (reliability.md, section 3).

All of it is refused before execution with BAD_USER_INPUT; `limit`, `maximum` and `value` in the extensions say which bound, where
it lies and what was found, and `field` where a value is concerned. Counted over the operations of a document together, every
fragment at each of its uses but walked once: the time taken is linear in the text. `schema.cost` prices what passes.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    SelectionSetNode,
)
from graphql.language import ListValueNode, ObjectValueNode

from services.errors import BadUserInput

LONGEST_TEXT = 32_768
"""Characters of a document: a thousand tokens are a fifth of that. What is long belongs into variables."""
HIGHEST_COUNT = 2**31 - 1
"""Fragments within fragments double what they come to: beyond this nobody needs to be told the number."""
MOST_LINES = 2_000
"""Of a document: every error message counts lines from the first one on."""

STARTING_WORK = frozenset({"generateRoutine", "replanRoutine", "refreshSahha", "runSchedulerJob"})
"""Mutations that start work: each at most once in a document, whatever its aliases (reliability.md, section 7.2)."""
INTROSPECTION = frozenset({"__schema", "__type"})
WATCHED = STARTING_WORK | INTROSPECTION


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers; `cost` in units of `schema.cost`."""

    tokens: int = 1_000
    depth: int = 8
    aliases: int = 15
    directives: int = 50
    root_fields: int = 20
    entries: int = 100
    """Of one list, or members of one object, in an argument or a variable."""
    input_depth: int = 8
    """Lists and objects within one another in an argument or a variable. The contract's own inputs have four."""
    cost: int = 50_000


def exceeded(limit: str, value: int | None, maximum: int, message: str, path: Iterable[str] = ()) -> GraphQLError:
    """The refusal; `value` is `None` where counting stopped at the limit."""
    extensions: dict[str, object] = {"code": BadUserInput.code, "limit": limit, "maximum": maximum}
    if value is not None:
        extensions["value"] = value
    steps = list(path)
    if steps:
        extensions["field"] = steps
    return GraphQLError(message, extensions=extensions)


def check_text(text: str) -> GraphQLError | None:
    """Why a document is not even parsed."""
    if len(text) > LONGEST_TEXT:
        return exceeded("length", len(text), LONGEST_TEXT, f"A document may have {LONGEST_TEXT} characters.")
    lines = 1 + text.count("\n") + text.count("\r")
    if lines > MOST_LINES:
        return exceeded("lines", lines, MOST_LINES, f"A document may have {MOST_LINES} lines.")
    return None


def check_variables(
    variables: Mapping[str, object] | None, limits: Limits, locate: Callable[[str], Iterable[str]]
) -> GraphQLError | None:
    """Why these variables are refused; `locate` gives the path of a variable in its document."""
    if not variables:
        return None
    if len(variables) > limits.entries:
        return exceeded("entries", len(variables), limits.entries, f"There may be {limits.entries} variables.")
    for name, value in variables.items():
        if isinstance(value, list | dict) and check_value(value, limits) is not None:
            return check_value(value, limits, tuple(locate(name)))
    return None


def check_value(value: object, limits: Limits, path: tuple[str, ...] = ()) -> GraphQLError | None:
    """Why a value is refused, JSON or written in a document; `path` leads to it."""
    waiting: list[tuple[object, tuple[str, ...], int]] = [(value, path, 1)]
    while waiting:
        held, place, depth = waiting.pop()
        entries = _entries(held)
        if entries is None:
            continue
        where = ".".join(place) or "a value"
        if len(entries) > limits.entries:
            message = f"Lists and objects may have {limits.entries} entries: {where} has {len(entries)}."
            return exceeded("entries", len(entries), limits.entries, message, place)
        if depth > limits.input_depth:
            message = f"Lists and objects may be nested {limits.input_depth} deep: {where} is deeper."
            return exceeded("inputDepth", depth, limits.input_depth, message, place)
        named = entries.items() if isinstance(entries, dict) else enumerate(entries)
        waiting += [(each, (*place, str(key)), depth + 1) for key, each in named]
    return None


def _entries(value: object) -> list[object] | dict[str, object] | tuple[object, ...] | None:
    """What a list or an object holds; `None` for a value that holds nothing."""
    match value:
        case list() | dict():
            return value
        case ListValueNode():
            return value.values
        case ObjectValueNode():
            return {member.name.value: member.value for member in value.fields}
        case _:
            return None


def check_document(document: DocumentNode, limits: Limits, *, introspection: bool) -> GraphQLError | None:
    """Why a document is refused before it is validated."""
    walk = _Walk(document, limits)
    try:
        extent = walk.whole()
    except RecursionError:
        return exceeded("depth", None, limits.depth, "Fragments are nested too deep.")
    if walk.refused_value is not None:
        return walk.refused_value
    for limit, value, maximum, what in (
        ("depth", extent.depth, limits.depth, "Fields may be nested {} deep"),
        ("rootFields", extent.fields, limits.root_fields, "A document may have {} fields at its roots"),
        ("aliases", extent.aliases, limits.aliases, "A document may have {} aliases"),
        ("directives", extent.directives, limits.directives, "A document may have {} directives"),
    ):
        if value > maximum:
            told = min(value, HIGHEST_COUNT)
            return exceeded(limit, told, maximum, f"{what.format(maximum)}: this one has {told}.")
    for name in STARTING_WORK:
        if extent.named[name] > 1:
            return exceeded(name, min(extent.named[name], HIGHEST_COUNT), 1, f"A document may have {name} once.")
    if not introspection and extent.named.keys() & INTROSPECTION:
        return GraphQLError("Introspection is off.", extensions={"code": "FORBIDDEN"})
    return None


@dataclass(slots=True)
class _Extent:
    """What a selection set comes to, fragments included. `fields` and `named` are of its own level, the others of all below."""

    depth: int = 0
    aliases: int = 0
    directives: int = 0
    fields: int = 0
    named: Counter[str] = field(default_factory=Counter)
    """How often each field of `WATCHED` is asked for. Only the roots have them."""

    def add_beside(self, other: "_Extent") -> None:
        self.fields += other.fields
        self.named.update(other.named)
        self.add_within(other, other.depth)

    def add_within(self, other: "_Extent", depth: int) -> None:
        self.depth = max(self.depth, depth)
        self.aliases += other.aliases
        self.directives += other.directives


class _Walk:
    """One walk over a document. `refused_value`: the first value in it that holds too much."""

    def __init__(self, document: DocumentNode, limits: Limits) -> None:
        self._document = document
        self._limits = limits
        self._fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
        self._known: dict[str, _Extent] = {}
        self.refused_value: GraphQLError | None = None

    def whole(self) -> _Extent:
        """Of all operations together. The values of fragments that none of them uses are looked at too."""
        total = _Extent()
        for name in self._fragments:
            self._fragment(name)
        for operation in self._document.definitions:
            if not isinstance(operation, OperationDefinitionNode):
                continue
            found = self._selections(operation.selection_set)
            found.directives += self._directives(operation)
            for variable in operation.variable_definitions or ():
                found.directives += self._directives(variable)
                self._value(variable.variable.name.value, variable.default_value)
            total.add_beside(found)
        return total

    def _selections(self, selected: SelectionSetNode) -> _Extent:
        total = _Extent()
        for node in selected.selections:
            total.directives += self._directives(node)
            if isinstance(node, FieldNode):
                self._field(total, node)
            elif isinstance(node, FragmentSpreadNode):
                total.add_beside(self._fragment(node.name.value))
            elif isinstance(node, InlineFragmentNode):
                total.add_beside(self._selections(node.selection_set))
        return total

    def _field(self, total: _Extent, node: FieldNode) -> None:
        name = node.name.value
        total.fields += 1
        total.aliases += node.alias is not None
        if name in WATCHED:
            total.named[name] += 1
        for argument in node.arguments or ():
            self._value(argument.name.value, argument.value)
        below = self._selections(node.selection_set) if node.selection_set else _Extent()
        # Introspection is as deep as its own rule of the validation lets it be.
        total.add_within(below, 0 if name.startswith("__") else below.depth + 1)

    def _fragment(self, name: str) -> _Extent:
        """Nothing for a fragment within itself and for one that is not there: the validation reports both."""
        if name not in self._known:
            self._known[name] = _Extent()
            if name in self._fragments:
                fragment = self._fragments[name]
                found = self._selections(fragment.selection_set)
                found.directives += self._directives(fragment)
                self._known[name] = found
        return self._known[name]

    def _directives(self, node: Node) -> int:
        """How many a node has."""
        directives = getattr(node, "directives", None) or ()
        for directive in directives:
            for argument in directive.arguments or ():
                self._value(argument.name.value, argument.value)
        return len(directives)

    def _value(self, name: str, value: Node | None) -> None:
        """Look at what is given to an argument or a variable."""
        if self.refused_value is None and isinstance(value, ListValueNode | ObjectValueNode):
            self.refused_value = check_value(value, self._limits, (name,))
