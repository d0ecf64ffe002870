"""Every input that may be left out, found in the schema: left out, null and empty, and what each of the three comes to."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLNonNull,
    build_schema,
    get_named_type,
    get_nullable_type,
    is_list_type,
    is_required_argument,
    is_required_input_field,
)

from schema.sdl import print_schema
from tests.api.clients import ADMIN_KEY, Api
from tests.api.conftest import running_whole
from tests.conftest import NewDatabase

SCHEMA = build_schema(print_schema())
ABSENT = object()
REQUIRED: dict[str, object] = {
    "userId": "sandbox-avery",
    "archetype": "PEAK_PERFORMER",
    "timezone": "America/New_York",
    "id": "5fd0312c-dbc3-4d5a-94dd-f1ebde075f88",
    "taskId": "task",
    "status": "DONE",
}
EMPTY_IS_REFUSED = {"after", "idempotencyKey"}
"""Text that is looked up: an empty one is a mistake and told as one. All other empty text and lists have a meaning."""


@dataclass(frozen=True)
class Optional:
    """An input that may be left out: a path from a root field down to it."""

    operation: str
    root: str
    path: tuple[str, ...]
    input: GraphQLArgument | GraphQLInputField

    def __str__(self) -> str:
        return ".".join((self.root, *self.path))

    @property
    def nullable(self) -> bool:
        return not isinstance(self.input.type, GraphQLNonNull)

    @property
    def empty(self) -> object:
        """The empty value of its type; `ABSENT` for a type that has none."""
        kind = get_nullable_type(self.input.type)
        if is_list_type(kind):
            return []
        if isinstance(kind, GraphQLInputObjectType):
            return {}
        return "" if getattr(kind, "name", "") in {"String", "ID"} else ABSENT


def optional_inputs() -> Iterator[Optional]:
    for operation, kind in (("query", SCHEMA.query_type), ("mutation", SCHEMA.mutation_type)):
        assert kind is not None
        for root, field in kind.fields.items():
            for name, argument in field.args.items():
                if not is_required_argument(argument):
                    yield Optional(operation, root, (name,), argument)
                yield from within(operation, root, (name,), argument)


def within(operation: str, root: str, path: tuple[str, ...], held: GraphQLArgument | GraphQLInputField) -> Iterator[Optional]:
    """Those below an argument or a member; entries of lists are left to the tests of their own."""
    kind = get_nullable_type(held.type)
    if isinstance(kind, GraphQLInputObjectType):
        for name, member in kind.fields.items():
            if not is_required_input_field(member):
                yield Optional(operation, root, (*path, name), member)
            yield from within(operation, root, (*path, name), member)


INPUTS = list(optional_inputs())


def field_of(each: Optional) -> GraphQLField:
    kind = SCHEMA.query_type if each.operation == "query" else SCHEMA.mutation_type
    assert kind is not None
    field: GraphQLField = kind.fields[each.root]
    return field


def variables_with(each: Optional, value: object) -> dict[str, Any]:
    """What the root field needs, and this input."""
    given: dict[str, Any] = {}
    for name, argument in field_of(each).args.items():
        kind = get_named_type(argument.type)
        if isinstance(kind, GraphQLInputObjectType):
            given[name] = {key: REQUIRED[key] for key in kind.fields if key in REQUIRED}
        elif is_required_argument(argument):
            given[name] = REQUIRED[name]
    place = given
    for step in each.path[:-1]:
        place = place.setdefault(step, {})
    if value is not ABSENT:
        place[each.path[-1]] = value
    return given


async def outcome(api: Api, each: Optional, value: object) -> tuple[Any, ...]:
    """What a call comes to: the kind of its result, or the code and place of its refusal."""
    field = field_of(each)
    variables = variables_with(each, value)
    declared = " ".join(f"${name}: {field.args[name].type}" for name in variables)
    used = " ".join(f"{name}: ${name}" for name in variables)
    members = {kind.name for kind in getattr(get_named_type(field.type), "types", ())}
    below = "{ __typename ... on InvalidInput { field } }" if "InvalidInput" in members else "{ __typename }"
    query = f"{each.operation}({declared}) {{ it: {each.root}({used}) {below} }}"
    response = await api.post(query, variables, key=ADMIN_KEY)
    answer = response.json()
    if "errors" in answer:
        (error,) = answer["errors"]
        return error["extensions"]["code"], error["extensions"].get("field")
    held = answer["data"]["it"]
    return ("null",) if held is None else (held["__typename"], held.get("field"))


@pytest_asyncio.fixture(scope="module")
async def resting(new_database: NewDatabase) -> AsyncIterator[Api]:
    """A service that acknowledges and does no work."""
    async with (
        new_database() as database_url,
        running_whole(database_url, worker="off", scheduler="off", person_work_per_h=10_000) as api,
    ):
        yield api


@pytest.mark.parametrize("each", INPUTS, ids=str)
async def test_absent_null_and_empty(resting: Api, each: Optional) -> None:
    absent = await outcome(resting, each, ABSENT)
    assert absent[0] not in {"BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED", "InvalidInput"}
    null = await outcome(resting, each, None)
    if each.nullable:
        assert null == absent, "null is as good as left out"
    else:
        assert null == ("BAD_USER_INPUT", list(each.path)), "what has a default cannot be null"
    if each.empty is ABSENT:
        return
    empty = await outcome(resting, each, each.empty)
    if each.path[-1] in EMPTY_IS_REFUSED:
        assert empty[0] in {"BAD_USER_INPUT", "InvalidInput", "NotFound"}
    else:
        assert empty[0] == absent[0]
