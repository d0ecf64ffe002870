"""Whatever the schema lets one ask, over real HTTP against the open product: never INTERNAL, never a status that is not meant.

Operations are generated from the schema. Most ids, zones and keys in them are then made real ones, so that what they ask is done
and not only refused. `--hypothesis-profile=thorough` plays 5,000 of each kind.
"""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any
from zlib import crc32

import httpx
import pytest_asyncio
from graphql import DocumentNode, GraphQLSchema, Node, build_schema, print_ast, visit
from graphql.language import ArgumentNode, IntValueNode, ObjectFieldNode, StringValueNode, ValueNode, Visitor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import Mode, from_schema, nodes

from schema.sdl import print_schema
from tests.api.clients import ADMIN_KEY, Api
from tests.api.conftest import running_whole
from tests.api.test_routines import generate

SCHEMA: GraphQLSchema = build_schema(print_schema())
assert SCHEMA.query_type is not None
assert SCHEMA.mutation_type is not None
MEANT: Mapping[str, set[int]] = {
    "BAD_USER_INPUT": {200, 400},
    "GRAPHQL_VALIDATION_FAILED": {200},
    "NOT_FOUND": {200},
    "CURSOR_EXPIRED": {200},
    "HEALTH_DATA_UNAVAILABLE": {200},
    "UNAVAILABLE": {200, 503},
}
"""What an operation with the admin key may come to here, and the statuses that go with it."""
SCALARS = {
    "DateTime": st.datetimes().map(lambda at: nodes.String(f"{at.isoformat(timespec='seconds')}Z"))
    | st.just(nodes.String("2026-03-10T00:00:00-04:00")),
    "Date": st.dates().map(lambda day: nodes.String(day.isoformat())) | st.just(nodes.String("2026-03-11")),
    "LocalTime": st.times().map(lambda at: nodes.String(f"{at:%H:%M}")),
}
LENIENT = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much])


class RealValues(Visitor):
    """Puts one of the values of `known`, by argument, where a generated one would mostly be refused."""

    def __init__(self, known: Mapping[str, tuple[str, ...]]) -> None:
        super().__init__()
        self._known = known

    def enter_argument(self, node: ArgumentNode, *_: object) -> Node | None:
        value = self._value(node.name.value, node.value)
        return value and ArgumentNode(name=node.name, value=value)

    def enter_object_field(self, node: ObjectFieldNode, *_: object) -> Node | None:
        value = self._value(node.name.value, node.value)
        return value and ObjectFieldNode(name=node.name, value=value)

    def _value(self, name: str, value: Node) -> ValueNode | None:
        """`None` leaves the value as it is."""
        if not isinstance(value, StringValueNode | IntValueNode):
            return None
        chance = crc32(value.value.encode("utf-8", "surrogatepass"))
        if name == "waitSeconds":
            return IntValueNode(value="0")
        if name in {"first", "leadMinutes"}:
            return IntValueNode(value=str(chance % 110))
        choices = self._known.get(name, ())
        return StringValueNode(value=choices[chance % len(choices)]) if choices and chance % 5 else None


@pytest_asyncio.fixture
async def product(database_url: str) -> AsyncIterator[tuple[Api, RealValues]]:
    """The service with everything but its bounds on how often, and what is in it."""
    async with running_whole(database_url, person_work_per_h=1_000_000, key_operations_per_s=1_000_000) as api:
        routine = (await generate(api, wait=30))["routine"]
        tasks = [task["id"] for block in routine["timeBlocks"] for task in block["tasks"]]
        known = {
            "userId": ("sandbox-avery", "sandbox-avery", "sandbox-blake", "nobody"),
            "id": (routine["id"], routine["id"], "cleanup_old_data", "check_service_levels"),
            "taskId": tuple(tasks),
            "timezone": ("America/New_York", "UTC", "Pacific/Auckland"),
            "title": ("Standup", "Dinner"),
            "idempotencyKey": ("one", "two", "three"),
        }
        yield api, RealValues(known)


@pytest_asyncio.fixture
async def http(product: tuple[Api, RealValues]) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=product[0].url, headers={"x-api-key": ADMIN_KEY}, timeout=60) as client:
        yield client


@pytest_asyncio.fixture
async def came_to() -> AsyncIterator[Counter[str]]:
    """How many documents were answered and refused: a test in which all are refused would show nothing."""
    counter: Counter[str] = Counter()
    yield counter
    assert counter["answered"] > counter.total() / 3, counter


async def play(http: httpx.AsyncClient, document: str, came_to: Counter[str]) -> None:
    """Every code and status that the document comes to is meant."""
    response = await http.post("/graphql", json={"query": document})
    answer: dict[str, Any] = response.json()
    codes = [error["extensions"]["code"] for error in answer.get("errors", ())]
    for code in codes:
        assert code in MEANT, (answer, document)
        assert response.status_code in MEANT[code], (response.status_code, answer, document)
    assert codes or response.status_code == 200
    came_to["answered" if "data" in answer else "refused"] += 1


@LENIENT
@given(document=from_schema(SCHEMA, fields=SCHEMA.query_type.fields, custom_scalars=SCALARS, print_ast=lambda node: node))
async def test_generated_queries(
    product: tuple[Api, RealValues], http: httpx.AsyncClient, came_to: Counter[str], document: DocumentNode
) -> None:
    await play(http, print_ast(visit(document, product[1])), came_to)


@LENIENT
@given(document=from_schema(SCHEMA, fields=SCHEMA.mutation_type.fields, custom_scalars=SCALARS, print_ast=lambda node: node))
async def test_generated_mutations(
    product: tuple[Api, RealValues], http: httpx.AsyncClient, came_to: Counter[str], document: DocumentNode
) -> None:
    await play(http, print_ast(visit(document, product[1])), came_to)


@LENIENT
@given(document=from_schema(SCHEMA, custom_scalars=SCALARS, mode=Mode.NEGATIVE))
async def test_generated_operations_that_break_the_schema(edge: Api, document: str) -> None:
    """Refused, or at worst stopped where the store would be needed: this service has none."""
    response = await edge.post(document, key=ADMIN_KEY)
    codes = {error["extensions"]["code"] for error in response.json()["errors"]}
    assert codes <= MEANT.keys() | {"GRAPHQL_PARSE_FAILED"}, (codes, document)
