"""The contract read for the sweep: every place that takes a value, every field that gives an id, and documents that use them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_required_argument,
    is_required_input_field,
)

from schema.root import build_schema

SCALARS_OF_VALUES = frozenset({"ID", "String", "Int", "Float"})
"""What can name something. Instants, days, times of day, enums and booleans cannot."""
DEEPEST = 7
OPERATIONS = {"Query": "query", "Mutation": "mutation", "Subscription": "subscription"}

CONTRACT: GraphQLSchema = build_schema()._schema


@dataclass(frozen=True)
class Place:
    """Where a caller can put a value: an argument of a field, or a member of an input below one."""

    parent: str
    field: str
    path: tuple[str, ...]
    kind: str
    listed: bool

    def __str__(self) -> str:
        return f"{self.parent}.{self.field}({'.'.join(self.path)})"

    @property
    def root(self) -> str:
        return f"{self.parent}.{self.field}"


@cache
def places() -> list[Place]:
    """Every place of the contract whose type can name something."""
    found = [
        place
        for parent in _composites()
        for name, field in parent.fields.items()
        for argument, described in field.args.items()
        for place in _places_below(parent.name, name, (argument,), described)
    ]
    return [place for place in found if place.kind in SCALARS_OF_VALUES]


@cache
def id_fields() -> set[str]:
    """Every field of an object whose value is an id, as Type.field."""
    return {
        f"{parent.name}.{name}"
        for parent in _composites()
        for name, field in parent.fields.items()
        if isinstance(parent, GraphQLObjectType) and get_named_type(field.type).name == "ID"
    }


@cache
def root_fields() -> dict[str, GraphQLField]:
    """Those of queries, mutations and subscriptions, as Type.field."""
    return {f"{parent}.{name}": field for parent in OPERATIONS for name, field in _object(parent).fields.items()}


def is_for_admins(root: str) -> bool:
    return (root_fields()[root].description or "").startswith("Admin.")


def arguments(root: str, given: Mapping[tuple[str, ...], Any], plain: Mapping[str, Any]) -> dict[str, Any]:
    """Variables for one field: what is required, taken from `given` by path or from `plain` by name, and all else in `given`."""
    made = {}
    for name, argument in root_fields()[root].args.items():
        value = _value((name,), argument, given, plain)
        if value is not None:
            made[name] = value
    return made


def document(root: str, variables: Mapping[str, Any]) -> str:
    """An operation that asks one field for everything below it."""
    declared = ", ".join(f"${each}: {root_fields()[root].args[each].type}" for each in variables)
    asked = selected(root, {each: f"${each}" for each in variables})
    return f"{OPERATIONS[root.partition('.')[0]]}{f'({declared})' if declared else ''} {{ {asked} }}"


def selected(root: str, values: Mapping[str, str], alias: str = "") -> str:
    """One field with its arguments and everything below it."""
    given = ", ".join(f"{name}: {value}" for name, value in values.items())
    below = _selection(root_fields()[root].type, 1, ())
    return f"{alias}{': ' if alias else ''}{root.partition('.')[2]}{f'({given})' if given else ''} {below}"


def _selection(kind: GraphQLOutputType, depth: int, above: tuple[str, ...]) -> str:
    named = get_named_type(kind)
    if is_leaf_type(named):
        return ""
    if isinstance(named, GraphQLUnionType | GraphQLInterfaceType):
        members = " ".join(f"... on {each.name} {_selection(each, depth, above)}" for each in CONTRACT.get_possible_types(named))
        return f"{{ __typename {members} }}"
    assert isinstance(named, GraphQLObjectType)
    return f"{{ __typename {' '.join(_below(named, depth, (*above, named.name)))} }}"


def _below(parent: GraphQLObjectType, depth: int, above: tuple[str, ...]) -> Iterator[str]:
    for name, field in parent.fields.items():
        named = get_named_type(field.type)
        again = named.name in above or (name == "node" and parent.name.endswith("Edge"))
        if is_leaf_type(named):
            yield name
        elif depth < DEEPEST and not again:
            yield f"{name} {_selection(field.type, depth + 1, above)}"


def _composites() -> list[GraphQLObjectType | GraphQLInterfaceType]:
    kinds = CONTRACT.type_map.values()
    return [
        kind for kind in kinds if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType) and not kind.name.startswith("__")
    ]


def _object(name: str) -> GraphQLObjectType:
    found = CONTRACT.type_map[name]
    assert isinstance(found, GraphQLObjectType)
    return found


def _places_below(
    parent: str, field: str, path: tuple[str, ...], described: GraphQLArgument | GraphQLInputField
) -> Iterator[Place]:
    named = get_named_type(described.type)
    if isinstance(named, GraphQLInputObjectType):
        for name, member in named.fields.items():
            yield from _places_below(parent, field, (*path, name), member)
    else:
        bare = described.type.of_type if is_non_null_type(described.type) else described.type
        yield Place(parent, field, path, named.name, isinstance(bare, GraphQLList))


def _value(
    path: tuple[str, ...],
    described: GraphQLArgument | GraphQLInputField,
    given: Mapping[tuple[str, ...], Any],
    plain: Mapping[str, Any],
) -> Any:
    """`None`: to be left out."""
    if path in given:
        return given[path]
    required = is_required_argument(described) if isinstance(described, GraphQLArgument) else is_required_input_field(described)
    wanted = required or path[-1] in plain or any(each[: len(path)] == path for each in given)
    if not wanted:
        return None
    named = get_named_type(described.type)
    if isinstance(named, GraphQLInputObjectType):
        members = {name: _value((*path, name), member, given, plain) for name, member in named.fields.items()}
        made = {name: value for name, value in members.items() if value is not None}
        return [made] if is_list_type(described.type) else made
    return plain[path[-1]]
