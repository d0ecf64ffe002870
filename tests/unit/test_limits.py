"""What one document may ask for: refused before anything runs, told which limit, and found out in no time."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import pytest
from graphql import get_introspection_query, parse

from resolvers.context import Context, SchedulerControl
from schema.documents import Documents
from schema.execution import FirstlightSchema, OperationRules
from schema.limits import LONGEST_TEXT, MOST_LINES, STARTING_WORK, Limits, check_document
from schema.root import build_schema
from services.container import Services

SCHEMA = build_schema()
NOBODY = Context(cast("Services", None), cast("SchedulerControl", None), "request-1")
"""Without a caller every resolver of ours refuses at once: what runs is told from what was refused before."""
CPU_S = 0.05
GENERATE = "mutation($i: GenerateRoutineInput!) { generateRoutine(input: $i) { __typename } }"
INPUT = {"userId": "a", "archetype": "PEAK_PERFORMER", "timezone": "UTC"}
INTROSPECTION = get_introspection_query(
    specified_by_url=True, directive_is_repeatable=True, schema_description=True, input_value_deprecation=True, one_of=True
)


async def refusal(query: str, variables: dict[str, Any] | None = None, schema: FirstlightSchema = SCHEMA) -> dict[str, Any]:
    """The extensions of the first error."""
    result = await schema.execute(query, variables, NOBODY)
    assert result.errors, query[:200]
    return dict(result.errors[0].extensions or {})


def bomb(levels: int, body: str = "...F{} ...F{}") -> str:
    chain = "".join(f" fragment F{level} on Routine {{ {body.format(level + 1, level + 1)} }}" for level in range(levels))
    return f'{{ routine(id: "a") {{ ...F0 }} }}{chain} fragment F{levels} on Routine {{ id }}'


def preferences(value: object) -> dict[str, Any]:
    return {"i": {**INPUT, "preferences": {"fixedEvents": value}}}


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


def viewer(*fields: str) -> str:
    return f"{{ viewer {{ {' '.join(fields)} }} }}"


def types(value: str) -> str:
    return f'{{ biomarkers(userId: "a", types: {value}) {{ source }} }}'


def circles(fragments: int) -> str:
    spreads = " ".join(f"...F{number}" for number in range(fragments))
    return " ".join(f"fragment F{number} on Viewer {{ {spreads} }}" for number in range(fragments)) + viewer("...F0")


MEMBERS = " ".join(f"a{number}: 1" for number in range(320))
STOP = 'a{}: stopDailyRoutine(userId: "a") {{ __typename }}'
HOSTILE: dict[str, tuple[str, dict[str, Any] | None, str | None]] = {
    "a bomb of 20 levels": (bomb(20), None, "cost"),
    "a bomb of 60 levels": (bomb(60), None, "cost"),
    "a bomb of aliases": (bomb(30, "a{}: id ...F{}"), None, "aliases"),
    "equal fields": (viewer("subject " * 990), None, "comparisons"),
    "equal fields in fragments": (viewer("... { subject } " * 240), None, "comparisons"),
    "fields at the root": (f"{{ {'viewer { subject } ' * 240} }}", None, "rootFields"),
    "type names": (f"{{ {'__typename ' * 990} }}", None, "rootFields"),
    "aliases": (viewer(*(f"a{number}: subject" for number in range(330))), None, "aliases"),
    "mutations": ("mutation {" + "".join(STOP.format(number) for number in range(90)) + "}", None, "rootFields"),
    "1,000 mutations": ("mutation {" + "".join(STOP.format(number) for number in range(1000)) + "}", None, "length"),
    "directives": (viewer("subject " + "@a " * 490), None, "directives"),
    "too many tokens": (viewer("subject " * 1000), None, "tokens"),
    "a deep list": (types("[" * 190 + "]" * 190), None, "inputDepth"),
    "a list too deep to parse": (types("[" * 480 + "]" * 480), None, "nesting"),
    "a long list": (types(f"[{'1 ' * 980}]"), None, "entries"),
    "a wide object": (f"mutation {{ generateRoutine(input: {{{MEMBERS}}}) {{ __typename }} }}", None, "entries"),
    "comments": (viewer("subject") + "#\n" * 16_000, None, "lines"),
    "one comment": (viewer("subject") + "#" + "x" * 128_000, None, "length"),
    "blank lines": ("\n" * 30_000 + viewer(*(f"x{number}" for number in range(300))), None, "lines"),
    "a long string": (f'{{ routine(id: "{"x" * 100_000}") {{ id }} }}', None, "length"),
    "unknown fields": (viewer(*(f"subjec{number}" for number in range(900))), None, None),
    "unused variables": (f"query({' '.join(f'$a{number}: Int' for number in range(240))}) {viewer('subject')}", None, None),
    "fragments in circles": (circles(14), None, None),
    "a list of 101": (GENERATE, preferences([1] * 101), "entries"),
    "a list of 1,000,000": (GENERATE, preferences([1] * 1_000_000), "entries"),
    "a deep variable": (GENERATE, preferences(nested(900)), "inputDepth"),
    "10,000 variables": (GENERATE, {f"v{number}": 1 for number in range(10_000)}, "entries"),
    "10,000 unknown members": (GENERATE, {"i": {f"v{number}": 1 for number in range(10_000)}}, "entries"),
    "a square of unknown members": (GENERATE, preferences([{f"k{number}": 1 for number in range(100)}] * 100), None),
}


@pytest.mark.parametrize(("query", "variables", "limit"), HOSTILE.values(), ids=HOSTILE)
async def test_what_is_hostile_is_refused_in_no_time(query: str, variables: dict[str, Any] | None, limit: str | None) -> None:
    fresh: list[float] = []
    again: list[float] = []
    for _ in range(4):
        SCHEMA.documents = Documents()
        for taken in (fresh, again):
            began = time.process_time()
            extensions = await refusal(query, variables)
            taken.append(time.process_time() - began)
    assert extensions["code"] == ("BAD_USER_INPUT" if limit or variables else "GRAPHQL_VALIDATION_FAILED")
    assert extensions.get("limit") == limit
    assert extensions.get("value", 0) < 2**31, "an Int of GraphQL holds it"
    assert max(min(fresh), min(again)) < CPU_S


@pytest.mark.parametrize(
    ("limit", "query_of", "most"),
    [
        ("depth", lambda n: "{ viewer " + "{ a " * (n - 1) + "}" * (n - 1) + " }", 8),
        ("aliases", lambda n: "{ viewer { " + " ".join(f"a{i}: subject" for i in range(n)) + " } }", 15),
        ("directives", lambda n: "{ viewer { subject " + "@skip(if: true) " * n + "} }", 50),
        ("rootFields", lambda n: "{ " + "viewer { subject } " * n + "}", 20),
        ("entries", lambda n: '{ scores(userId: "a", types: [' + '"x" ' * n + "]) { source } }", 100),
        ("inputDepth", lambda n: '{ scores(userId: "a", types: ' + "[" * n + "]" * n + ") { source } }", 8),
    ],
)
def test_each_limit_lies_where_it_is_said(limit: str, query_of: Callable[[int], str], most: int) -> None:
    assert check_document(parse(query_of(most)), Limits(), introspection=True) is None
    error = check_document(parse(query_of(most + 1)), Limits(), introspection=True)
    assert error is not None
    told = error.extensions or {}
    assert (told["code"], told["limit"], told["maximum"], told["value"]) == ("BAD_USER_INPUT", limit, most, most + 1)
    assert str(most) in error.message


def test_fragments_count_wherever_they_are_used_and_operations_together() -> None:
    fragment = "fragment F on Viewer { a: subject b: subject c: subject d: subject }"
    once = "query {} {{ viewer {{ ...F }} }}"
    alike = " ".join(once.format(f"Q{n}") for n in range(3)) + fragment
    assert check_document(parse(alike), Limits(), introspection=True) is None
    error = check_document(parse(once.format("Q3") + alike), Limits(), introspection=True)
    assert (error and (error.extensions or {})["value"]) == 16


def test_values_in_fragments_defaults_and_directives_are_looked_at() -> None:
    long = "[" + "1 " * 101 + "]"
    for text in (
        f"{{ viewer {{ subject }} }} fragment Unused on Viewer {{ subject(a: {long}) }}",
        f"query($a: [Int] = {long}) {{ viewer {{ subject }} }}",
        f"query($a: Int @b(c: {long})) {{ viewer {{ subject }} }}",
        f"{{ viewer {{ ... @b(c: {long}) {{ subject }} }} }}",
    ):
        error = check_document(parse(text), Limits(), introspection=True)
        assert error is not None, text
        assert (error.extensions or {})["limit"] == "entries"


@pytest.mark.parametrize("name", sorted(STARTING_WORK))
def test_work_is_started_once_a_document(name: str) -> None:
    call = f"{{}}: {name}(x: 1) {{{{ __typename }}}}"
    one = f"mutation {{ {call.format('a')} }}"
    assert check_document(parse(one), Limits(), introspection=True) is None
    for text in (
        f"mutation {{ {call.format('a')} {call.format('b')} }}",
        f"mutation {{ ...F {call.format('b')} }} fragment F on Mutation {{ {call.format('a')} }}",
        f"mutation A {{ {call.format('a')} }} mutation B {{ {call.format('a')} }}",
        f"mutation {{ ...F ...F }} fragment F on Mutation {{ {call.format('a')} }}",
    ):
        error = check_document(parse(text), Limits(), introspection=True)
        assert error is not None, text
        assert (error.extensions or {})["limit"] == name


async def test_a_standard_introspection_query_passes_all_of_them() -> None:
    result = await SCHEMA.execute(INTROSPECTION, None, NOBODY)
    assert result.errors is None


async def test_introspection_off_says_nothing_but_the_type_of_a_thing() -> None:
    closed = build_schema(OperationRules(introspection=False))
    for query in (
        INTROSPECTION,
        '{ __type(name: "Query") { name } }',
        "{ ...F } fragment F on Query { __schema { description } }",
    ):
        assert await refusal(query, schema=closed) == {"code": "FORBIDDEN"}
    result = await closed.execute("{ __typename }", None, NOBODY)
    assert result.data == {"__typename": "Query"}


TYPOS: list[tuple[str, dict[str, Any] | None]] = [
    ("{ viewe { subject } }", None),
    ("{ viewer { subjec } }", None),
    ("{ viewer { subject @skp(if: true) } }", None),
    ('{ routines(userI: "a") { nodes { id } } }', None),
    ('{ healthSnapshot(userId: "a", policy: DATABAS) { state } }', None),
    ("{ viewer { ... on Viewr { subject } } }", None),
    ("query($a: Archetyp) { viewer { subject } }", None),
    ('mutation { generateRoutine(input: {userI: "a"}) { __typename } }', None),
    ('query($p: ReadPolicy!) { healthSnapshot(userId: "a", policy: $p) { state } }', {"p": "DATABAS"}),
    (GENERATE, {"i": {**INPUT, "timezon": "UTC"}}),
    (GENERATE, {"i": {**INPUT, "archetype": "PEAK_PERFORMR"}}),
    ('mutation { generateRoutine(input: {userId: "a", archetype: PEAK_PERFORMR, timezone: "UTC"}) { __typename } }', None),
]


@pytest.mark.parametrize(("query", "variables"), TYPOS, ids=range(len(TYPOS)))
async def test_a_typo_is_not_helped_where_introspection_is_off(query: str, variables: dict[str, Any] | None) -> None:
    closed = build_schema(OperationRules(introspection=False))
    result = await closed.execute(query, variables, NOBODY)
    assert result.errors
    assert not any("mean" in error.message for error in result.errors)


async def test_suggestions_are_made_where_introspection_is_on() -> None:
    for query, variables in (TYPOS[1], TYPOS[9]):
        result = await SCHEMA.execute(query, variables, NOBODY)
        assert any("Did you mean" in error.message for error in result.errors or [])


async def test_a_document_that_is_known_is_held_to_its_variables_on_every_run() -> None:
    query = 'query($n: Int!, $t: [String!]) { scores(userId: "a", first: $n, types: $t) { nodes { factors { name value } } } }'
    tight = build_schema(OperationRules(limits=replace(Limits(), cost=4_000)))
    for _ in range(3):
        assert (await refusal(query, {"n": 10}, tight))["code"] == "UNAUTHENTICATED"
        assert (await refusal(query, {"n": 400}, tight))["limit"] == "cost"
        assert (await refusal(query, {"n": 10, "t": ["x"] * 101}, tight))["field"] == ["types"]
    assert tight.documents.get(query) is not None


async def test_a_document_that_is_none_is_told_whatever_its_variables() -> None:
    assert await refusal("{ nonsense", {"v": [1] * 101}) == {"code": "GRAPHQL_PARSE_FAILED"}
    assert await refusal("{ nonsense }", {"v": [1] * 101}) == {"code": "GRAPHQL_VALIDATION_FAILED"}
    assert (await refusal("{ viewer { subject } }", {"v": [1] * 101}))["field"] == ["v"]


async def test_lines_and_characters_have_a_bound_of_their_own() -> None:
    assert (await refusal("\n" * MOST_LINES + "{ viewer { subject } }"))["limit"] == "lines"
    assert (await refusal(" " * LONGEST_TEXT + "{ viewer { subject } }"))["limit"] == "length"
