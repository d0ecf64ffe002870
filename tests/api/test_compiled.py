"""Generated code against the ordinary executor: the same bytes for every selection, alias, condition, null and error."""

import types
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import orjson
import pytest
from graphql import (
    GraphQLField,
    GraphQLObjectType,
    get_named_type,
    is_abstract_type,
    is_object_type,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strawberry.types.execution import ExecutionResult

from resolvers.context import Context
from schema.compiled import NotCompilable
from schema.execution import FirstlightSchema
from schema.root import build_schema
from services.accounts import Principal, Scope
from services.domain.health import ReadPolicy
from services.domain.ids import UserId
from services.domain.outcomes import GenerateRoutineSuccess
from services.domain.routine import Archetype, RoutineRequest
from services.errors import Unavailable
from tests.conftest import at_database
from tests.product import open_product

PERSON = UserId("sandbox-avery")
SCHEMA = build_schema()
DEEPEST = 5
CALLER = Principal("tests", frozenset({Scope.SERVICE, Scope.ADMIN}))


def answering(value: object) -> Callable[..., Awaitable[object]]:
    async def answer(*_: object, **__: object) -> object:
        if isinstance(value, Exception):
            raise value
        return value

    return answer


@pytest.fixture(scope="module")
async def objects(server_url: str, template: str, admin: Any, database_names: Iterator[str]) -> AsyncIterator[dict[str, Any]]:
    """What real services give, held still: ages must not tick between two runs."""
    name = next(database_names)
    await admin.execute(f"create database {name} template {template} strategy file_copy")
    async with open_product(at_database(server_url, name)) as product:
        services = product.services
        outcome = await services.routines.request(RoutineRequest(PERSON, Archetype.PEAK_PERFORMER, "America/New_York", date=None))
        assert isinstance(outcome, GenerateRoutineSuccess)
        await services.routines.fulfil(outcome.routine.id)
        yield {
            "routine": await services.routines.read(outcome.routine.id, PERSON),
            "routines": await services.routines.page(PERSON, 5, None),
            "snapshot": await services.health_data.snapshot(PERSON, ReadPolicy.DATABASE),
            "biomarkers": await services.health_data.biomarkers(PERSON, policy=ReadPolicy.DATABASE, first=20),
            "scores": await services.health_data.scores(PERSON, policy=ReadPolicy.DATABASE, first=20),
        }
    await admin.execute(f"drop database {name} with (force)")


def context_of(objects: dict[str, Any]) -> Context:
    routines = types.SimpleNamespace(read=answering(objects["routine"]), page=answering(objects["routines"]))
    health = types.SimpleNamespace(
        snapshot=answering(objects["snapshot"]),
        biomarkers=answering(objects["biomarkers"]),
        scores=answering(objects["scores"]),
    )
    services: Any = types.SimpleNamespace(routines=routines, health_data=health)
    scheduler: Any = None
    return Context(services, scheduler, "request-1", CALLER)


def compilable(field: GraphQLField) -> bool:
    return not field.args and bool(getattr(field.resolve, "_is_default", False))


def selections(kind: Any, depth: int = 0) -> st.SearchStrategy[str]:
    """Selection sets of a type: fields, aliases, inline fragments, conditions, `__typename`."""
    parents = SCHEMA._schema.get_possible_types(kind) if is_abstract_type(kind) else [kind]
    fields = kind.fields if hasattr(kind, "fields") else {}
    usable = [name for name, field in fields.items() if compilable(field) and (depth < DEEPEST or leaf(field))]

    @st.composite
    def build(draw: st.DrawFn) -> str:
        chosen = draw(st.lists(st.sampled_from(usable), min_size=1, max_size=6)) if usable else []
        parts = [draw(field_text(name, fields[name], depth)) for name in chosen]
        if draw(st.booleans()) or not parts:
            parts.append("__typename")
        if draw(st.integers(0, 4)) == 0 and depth < DEEPEST:
            concrete = draw(st.sampled_from(list(parents)))
            parts.append(f"... on {concrete.name} {draw(selections(concrete, depth + 1))}")
        return "{ " + " ".join(parts) + " }"

    return build()


def leaf(field: GraphQLField) -> bool:
    named = get_named_type(field.type)
    return not (is_object_type(named) or is_abstract_type(named))


def field_text(name: str, field: GraphQLField, depth: int) -> st.SearchStrategy[str]:
    @st.composite
    def build(draw: st.DrawFn) -> str:
        below = "" if leaf(field) else draw(selections(get_named_type(field.type), depth + 1))
        alias = draw(st.sampled_from(["", "", "", f"{name}_{depth}_{'x' if leaf(field) else abs(hash(below)) % 10**6}: "]))
        condition = draw(
            st.sampled_from(["", "", "", " @include(if: true)", " @skip(if: $off)", " @include(if: $on)", " @skip(if: true)"])
        )
        return f"{alias}{name}{condition} {below}"

    return build()


ROOTS = {
    "routine": ('routine(id: "5fd0312c-dbc3-4d5a-94dd-f1ebde075f88")', "Routine"),
    "routines": ('routines(userId: "sandbox-avery")', "RoutineConnection"),
    "healthSnapshot": ('healthSnapshot(userId: "sandbox-avery", policy: DATABASE)', "HealthSnapshot"),
    "biomarkers": ('biomarkers(userId: "sandbox-avery", first: $first)', "BiomarkerConnection"),
    "scores": ('scores(userId: "sandbox-avery")', "ScoreConnection"),
    "viewer": ("viewer", "Viewer"),
}


@st.composite
def operations(draw: st.DrawFn) -> str:
    chosen = draw(st.lists(st.sampled_from(sorted(ROOTS)), min_size=1, max_size=3, unique=True))
    parts = []
    for root in chosen:
        call, kind = ROOTS[root]
        named = SCHEMA._schema.type_map[kind]
        assert isinstance(named, GraphQLObjectType)
        parts.append(f"r_{root}: {call} {draw(selections(named))}")
    return "query($on: Boolean = true, $off: Boolean = false, $first: Int! = 20) { " + " ".join(parts) + " }"


def told(result: ExecutionResult) -> bytes:
    errors = [error.formatted for error in result.errors or ()]
    return orjson.dumps([result.data, errors])


async def both(query: str, variables: dict[str, Any], context: Context) -> tuple[bytes, bytes, bool]:
    """The answers of the ordinary executor and of a schema that has seen the document, and whether code was generated."""
    fresh: FirstlightSchema = build_schema_once()
    fresh.documents._known.clear()
    ordinary = await fresh.execute(query, variables, context)
    known = fresh.documents.get(query)
    assert known is not None or ordinary.errors
    ready = known is not None and known.compiled(fresh._schema, None, variables) is not None
    return told(ordinary), told(await fresh.execute(query, variables, context)), ready


def build_schema_once() -> FirstlightSchema:
    return SCHEMA


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(query=operations(), on=st.booleans(), off=st.booleans())
async def test_every_selection_gives_the_same_bytes(objects: dict[str, Any], query: str, on: bool, off: bool) -> None:
    ordinary, generated, ready = await both(query, {"on": on, "off": off, "first": 20}, context_of(objects))
    assert generated == ordinary
    assert ready or b"errors" in ordinary or b"message" in ordinary


@pytest.mark.parametrize(
    ("broken", "query"),
    [
        ({"routine": None}, '{ routine(id: "5fd0312c-dbc3-4d5a-94dd-f1ebde075f88") { id } viewer { subject } }'),
        ({"snapshot": Unavailable()}, '{ healthSnapshot(userId: "sandbox-avery") { userId } viewer { subject } }'),
        ({"snapshot": RuntimeError("a secret")}, '{ a: healthSnapshot(userId: "sandbox-avery") { userId } }'),
        ({"snapshot": types.SimpleNamespace(user_id=None)}, '{ healthSnapshot(userId: "sandbox-avery") { userId } }'),
        (
            {"snapshot": types.SimpleNamespace(user_id="x", biomarkers=None)},
            '{ healthSnapshot(userId: "s") { userId biomarkers { id } } }',
        ),
        ({"snapshot": types.SimpleNamespace(state="NOT_A_STATE")}, '{ healthSnapshot(userId: "s") { state } }'),
    ],
)
async def test_errors_and_values_that_do_not_fit_are_told_alike(
    objects: dict[str, Any], broken: dict[str, Any], query: str
) -> None:
    ordinary, generated, _ = await both(query, {}, context_of({**objects, **broken}))
    assert generated == ordinary


@pytest.mark.parametrize(
    "query",
    ["{ __schema { queryType { name } } }", "{ schedulerStatus { jobs { runs(first: 1) { id } } } }"],
)
async def test_what_the_compiler_does_not_know_is_left_to_the_executor(query: str) -> None:
    known = SCHEMA.documents
    await SCHEMA.execute(query, {}, Context(types.SimpleNamespace(), None, "r", CALLER))  # type: ignore[arg-type]
    found = known.get(query)
    assert found is not None
    assert found.compiled(SCHEMA._schema, None, {}) is None


def test_a_refusal_to_compile_is_an_exception_of_its_own() -> None:
    assert issubclass(NotCompilable, Exception)
