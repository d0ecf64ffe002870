"""The printed contract: committed, described, and without a contradiction to what was promised."""

from pathlib import Path

import pytest
from graphql import (
    BreakingChangeType,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    find_breaking_changes,
    is_introspection_type,
    is_specified_scalar_type,
)

from schema.sdl import print_schema

COMMITTED = Path(__file__).parents[2] / "schema" / "schema.graphql"
PROMISED = Path(__file__).parents[3] / "shared" / "docs" / "api.graphql"
NOT_YET = {
    BreakingChangeType.TYPE_REMOVED,
    BreakingChangeType.FIELD_REMOVED,
    BreakingChangeType.ARG_REMOVED,
    BreakingChangeType.VALUE_REMOVED_FROM_ENUM,
    BreakingChangeType.TYPE_REMOVED_FROM_UNION,
}
"""What is promised and not built yet is no contradiction."""
ADDED = {"HeldJob", "RequeueHeldJobSuccess"}
"""Types of fields that were not promised."""


def test_the_committed_schema_is_the_printed_one() -> None:
    assert COMMITTED.read_text() == print_schema(), "run `firstlight print-schema > schema/schema.graphql`"


def test_everything_is_described() -> None:
    missing = [place for type_ in own_types(build_schema(print_schema())) for place in undescribed(type_)]
    assert missing == []


@pytest.mark.skipif(not PROMISED.exists(), reason="the promised contract is not on this machine")
def test_nothing_promised_is_contradicted() -> None:
    promised, ours = build_schema(PROMISED.read_text()), build_schema(print_schema())
    breaking = [change for change in find_breaking_changes(promised, ours) if change.type not in NOT_YET]
    assert [change.description for change in breaking] == []


@pytest.mark.skipif(not PROMISED.exists(), reason="the promised contract is not on this machine")
def test_outputs_are_as_nullable_as_promised() -> None:
    """A field that became non-null is not breaking, and is not what was promised either. More may be told than was promised."""
    promised, ours = build_schema(PROMISED.read_text()), build_schema(print_schema())
    different = []
    for type_ in own_types(ours):
        counterpart = promised.type_map.get(type_.name)
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            if type_.name in ADDED:
                continue
            assert isinstance(counterpart, type(type_)), type_.name
            for name, field in type_.fields.items():
                of_promise = counterpart.fields.get(name)
                if of_promise is not None and str(of_promise.type) != str(field.type):
                    different.append(f"{type_.name}.{name}: {field.type}")
    assert different == []


def own_types(schema: GraphQLSchema) -> list[GraphQLNamedType]:
    return [each for each in schema.type_map.values() if not is_introspection_type(each) and not is_specified_scalar_type(each)]


def undescribed(type_: GraphQLNamedType) -> list[str]:
    found = [] if type_.description else [type_.name]
    if isinstance(type_, GraphQLEnumType):
        found += [f"{type_.name}.{name}" for name, value in type_.values.items() if not value.description]
    if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
        for name, field in type_.fields.items():
            found += [] if field.description else [f"{type_.name}.{name}"]
            for argument_name, argument in getattr(field, "args", {}).items():
                found += [] if argument.description else [f"{type_.name}.{name}({argument_name}:)"]
    return found
