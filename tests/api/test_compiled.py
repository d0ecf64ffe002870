"""Generated code against the ordinary executor: the same bytes for any selection, alias, fragment, condition, null and error."""

import itertools
import types
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from random import Random
from typing import Any

import orjson
import pytest
from graphql import GraphQLField, get_named_type, is_abstract_type, is_leaf_type
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strawberry.types.execution import ExecutionResult

from resolvers.context import Context
from schema.documents import Documents
from schema.execution import OperationRules
from schema.limits import Limits
from schema.root import build_schema
from services.accounts import Principal, Scope
from services.domain.health import ReadPolicy
from services.domain.ids import UserId
from services.domain.outcomes import GenerateRoutineSuccess
from services.domain.routine import Archetype, RoutineRequest
from services.errors import Unavailable
from tests.conftest import NewDatabase
from tests.product import open_product

PERSON = UserId("sandbox-avery")
SCHEMA = build_schema(OperationRules(Limits(tokens=50_000, depth=20, aliases=1_000, directives=1_000, cost=1_000_000_000)))
"""With limits that no random document comes near."""
TYPES = SCHEMA._schema.type_map
DEEPEST = 5
FEW = 4
"""Rows of a list: what is compared is how each is told, not how many there are."""
CALLER = Principal("tests", frozenset({Scope.SERVICE, Scope.ADMIN}))
SOMEBODY = Principal("somebody", frozenset(), UserId("sandbox-blake"))
ROUTINE = 'routine(id: "5fd0312c-dbc3-4d5a-94dd-f1ebde075f88")'
SNAPSHOT = 'healthSnapshot(userId: "sandbox-avery", policy: DATABASE)'
ROOTS = {
    ROUTINE: "Routine",
    'routines(userId: "sandbox-avery", first: 5)': "RoutineConnection",
    SNAPSHOT: "HealthSnapshot",
    'biomarkers(userId: "sandbox-avery", first: $first)': "BiomarkerConnection",
    'scores(userId: "sandbox-avery", first: $first)': "ScoreConnection",
    "viewer": "Viewer",
}
VARIABLES = {"$on": "$on: Boolean! = true", "$off": "$off: Boolean! = false", "$first": "$first: Int! = 4"}
CONDITIONS = ("", "", "", " @include(if: true)", " @skip(if: $off)", " @include(if: $on)", " @skip(if: true)")


def answering(value: object) -> Callable[..., Awaitable[object]]:
    async def answer(*_: object, **__: object) -> object:
        if isinstance(value, Exception):
            raise value
        return value

    return answer


@pytest.fixture(scope="module")
async def objects(new_database: NewDatabase) -> AsyncIterator[dict[str, Any]]:
    """What real services give, held still: ages must not tick between two runs."""
    async with new_database() as database_url, open_product(database_url) as product:
        services = product.services
        outcome = await services.routines.request(RoutineRequest(PERSON, Archetype.PEAK_PERFORMER, "America/New_York", date=None))
        assert isinstance(outcome, GenerateRoutineSuccess)
        await services.routines.fulfil(outcome.routine.id)
        snapshot = await services.health_data.snapshot(PERSON, ReadPolicy.DATABASE)
        yield {
            "routine": await services.routines.view(outcome.routine.id, PERSON),
            "routines": await services.routines.page(PERSON, FEW, None),
            "snapshot": replace(snapshot, biomarkers=snapshot.biomarkers[:FEW], scores=snapshot.scores[:FEW]),
            "biomarkers": await services.health_data.biomarkers(PERSON, policy=ReadPolicy.DATABASE, first=FEW),
            "scores": await services.health_data.scores(PERSON, policy=ReadPolicy.DATABASE, first=FEW),
        }


def context_of(objects: dict[str, Any], caller: Principal = CALLER) -> Context:
    routines = types.SimpleNamespace(view=answering(objects["routine"]), page=answering(objects["routines"]))
    health = types.SimpleNamespace(
        snapshot=answering(objects["snapshot"]),
        biomarkers=answering(objects["biomarkers"]),
        scores=answering(objects["scores"]),
    )
    services: Any = types.SimpleNamespace(routines=routines, health_data=health)
    scheduler: Any = None
    return Context(services, scheduler, "request-1", caller)


class Writer:
    """Writes random queries: fields, aliases, both kinds of fragments, conditions, `__typename`."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._numbers = itertools.count()
        self._fragments: list[str] = []

    def query(self) -> str:
        chosen = self._random.sample(sorted(ROOTS), self._random.randint(1, 3))
        fields = [f"r{next(self._numbers)}: {root}{self._condition()} {self._selections(TYPES[ROOTS[root]])}" for root in chosen]
        text = "\n".join([f"{{ {' '.join(fields)} }}", *self._fragments])
        used = ", ".join(definition for name, definition in VARIABLES.items() if name in text)
        return f"query({used}) {text}" if used else text

    def _selections(self, kind: Any, depth: int = 0) -> str:
        fields = getattr(kind, "fields", {})
        usable = [name for name, field in fields.items() if plain(field) and (depth < DEEPEST or leaf(field))]
        chosen = self._random.choices(usable, k=self._random.randint(1, 6)) if usable else []
        parts = [self._field(name, fields[name], depth) for name in chosen]
        if not parts or self._random.random() < 0.4:
            parts.append("__typename")
        if depth < DEEPEST and self._random.random() < 0.25:
            parts.append(self._fragment(kind, depth))
        return "{ " + " ".join(parts) + " }"

    def _field(self, name: str, field: GraphQLField, depth: int) -> str:
        below = "" if leaf(field) else self._selections(get_named_type(field.type), depth + 1)
        alias = f"a{next(self._numbers)}: " if self._random.random() < 0.2 else ""
        return f"{alias}{name}{self._condition()} {below}"

    def _fragment(self, kind: Any, depth: int) -> str:
        possible = SCHEMA._schema.get_possible_types(kind) if is_abstract_type(kind) else [kind]
        concrete = self._random.choice(list(possible))
        selections = self._selections(concrete, depth + 1)
        if self._random.random() < 0.5:
            return f"... on {concrete.name}{self._condition()} {selections}"
        name = f"f{next(self._numbers)}"
        self._fragments.append(f"fragment {name} on {concrete.name} {selections}")
        return f"...{name}{self._condition()}"

    def _condition(self) -> str:
        return self._random.choice(CONDITIONS)


def plain(field: GraphQLField) -> bool:
    return not field.args and bool(getattr(field.resolve, "_is_default", False))


def leaf(field: GraphQLField) -> bool:
    return is_leaf_type(get_named_type(field.type))


def told(result: ExecutionResult) -> bytes:
    return orjson.dumps([result.data, [error.formatted for error in result.errors or ()]])


async def ordinary(query: str, variables: dict[str, Any], context: Context) -> ExecutionResult:
    """The answer to a document that was never seen before; from now on it is known."""
    SCHEMA.documents = Documents()
    return await SCHEMA.execute(query, variables, context)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), on=st.booleans(), off=st.booleans())
async def test_every_selection_gives_the_same_bytes(objects: dict[str, Any], seed: int, on: bool, off: bool) -> None:
    query, variables = Writer(seed).query(), {"on": on, "off": off}
    context = context_of(objects)
    expected = await ordinary(query, variables, context)
    assert not expected.errors
    known = SCHEMA.documents.get(query)
    assert known is not None
    ready = known.compiled(SCHEMA._schema, None, variables)
    assert ready is not None
    code, values = ready
    answer = await code.run(context, None, values)
    assert not answer.errors
    assert orjson.dumps(answer.data) == orjson.dumps(expected.data)


@pytest.mark.parametrize(
    ("broken", "query"),
    [
        ({"routine": None}, f"{{ {ROUTINE} {{ id }} viewer {{ subject }} }}"),
        ({"snapshot": Unavailable()}, f"{{ {SNAPSHOT} {{ userId }} viewer {{ subject }} }}"),
        ({"snapshot": RuntimeError("a secret")}, f"{{ a: {SNAPSHOT} {{ userId }} }}"),
        ({"snapshot": types.SimpleNamespace(user_id=None)}, f"{{ {SNAPSHOT} {{ userId }} }}"),
        ({"snapshot": types.SimpleNamespace(user_id="x", biomarkers=None)}, f"{{ {SNAPSHOT} {{ userId biomarkers {{ id }} }} }}"),
        ({"snapshot": types.SimpleNamespace(state="NOT_A_STATE")}, f"{{ {SNAPSHOT} {{ state }} }}"),
        ({"snapshot": types.SimpleNamespace(as_of="yesterday")}, f"{{ {SNAPSHOT} {{ asOf }} }}"),
    ],
)
async def test_errors_and_values_that_do_not_fit_are_told_alike(
    objects: dict[str, Any], broken: dict[str, Any], query: str
) -> None:
    context = context_of({**objects, **broken})
    expected = await ordinary(query, {}, context)
    known = SCHEMA.documents.get(query)
    assert expected.errors
    assert known is not None
    assert known.compiled(SCHEMA._schema, None, {}) is not None
    assert told(await SCHEMA.execute(query, {}, context)) == told(expected)


@pytest.mark.parametrize("query", [f"{{ {SNAPSHOT} {{ userId }} }}", '{ routines(userId: "sandbox-avery") { nodes { id } } }'])
async def test_nobody_is_shown_what_is_not_theirs(objects: dict[str, Any], query: str) -> None:
    await ordinary(query, {}, context_of(objects))
    known = SCHEMA.documents.get(query)
    assert known is not None
    assert known.compiled(SCHEMA._schema, None, {}) is not None
    generated = await SCHEMA.execute(query, {}, context_of(objects, SOMEBODY))
    assert [(error.extensions or {})["code"] for error in generated.errors or ()] == ["NOT_FOUND"]
    assert told(generated) == told(await ordinary(query, {}, context_of(objects, SOMEBODY)))


@pytest.mark.parametrize("given", [True, False, None])
@pytest.mark.parametrize(
    "query", ["{ viewer { subject @include(if: $on) } }", "{ viewer { subject } ...@skip(if: $on) { __typename } }"]
)
async def test_a_condition_that_is_null_is_told_as_ever(objects: dict[str, Any], query: str, given: bool | None) -> None:
    query, context = "query($on: Boolean = true) " + query, context_of(objects)
    expected = await ordinary(query, {"on": given}, context)
    assert bool(expected.errors) is (given is None)
    for _ in range(2):
        assert told(await SCHEMA.execute(query, {"on": given}, context)) == told(expected)


async def test_a_name_may_be_a_condition_of_one_operation_and_a_list_in_another(objects: dict[str, Any]) -> None:
    query = """query A($x: Boolean!) { viewer @include(if: $x) { subject } }
        query B($x: [String!]) { biomarkers(userId: "sandbox-avery", types: $x) { nodes { id } } }"""
    SCHEMA.documents = Documents()
    first, again = [await SCHEMA.execute(query, {"x": ["steps"]}, context_of(objects), operation_name="B") for _ in range(2)]
    assert not first.errors
    assert told(first) == told(again)


@pytest.mark.parametrize(
    "query", ["{ __schema { queryType { name } } }", "{ schedulerStatus { jobs { runs(first: 1) { id } } } }"]
)
async def test_what_the_compiler_does_not_know_is_left_to_the_executor(objects: dict[str, Any], query: str) -> None:
    await ordinary(query, {}, context_of(objects))
    known = SCHEMA.documents.get(query)
    assert known is not None
    assert known.compiled(SCHEMA._schema, None, {}) is None
