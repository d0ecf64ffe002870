"""What an answer can cost, and what it did."""

from typing import Any

import pytest
from graphql import parse

from schema.cost import Pricing, cost_of
from schema.root import build_schema

SCHEMA = build_schema()
CONNECTION = "fragment C on BiomarkerConnection { nodes { ...B } } fragment B on Biomarker { id type }"


def price(query: str, variables: dict[str, Any] | None = None, operation: str | None = None) -> int:
    document = parse(query)
    assert SCHEMA.check(document) == []
    return Pricing(SCHEMA._schema, document).operations()[operation].at(variables)


@pytest.mark.parametrize(
    ("query", "cost"),
    [
        ("{ __typename }", 1),
        ("{ viewer { subject } }", 2 + 1),
        ("{ viewer { scopes } }", 2 + 10),
        ('{ routine(id: "a") { timeBlocks { tasks { id } } } }', 2 + 12 * (2 + 4 * (2 + 1))),
        ('{ biomarkers(userId: "a", first: 7) { totalCount nodes { id type } } }', 2 + 1 + 7 * (2 + 2)),
        ('{ biomarkers(userId: "a") { nodes { id } } }', 2 + 200 * (2 + 1)),
        (
            '{ biomarkers(userId: "a", first: 7) { edges { cursor node { id } } pageInfo { endCursor } } }',
            2 + 7 * (2 + 1 + 2 + 1) + 3,
        ),
        ('{ biomarkers(userId: "a", first: 7) { ...C } } ' + CONNECTION, 2 + 7 * (2 + 2)),
        ('{ biomarkers(userId: "a", first: 99999) { nodes { id } } }', 2 + 500 * (2 + 1)),
        ('{ biomarkers(userId: "a", first: -1) { nodes { id } } }', 2),
        ("{ schedulerStatus { jobs { runs(first: 5) { id } } } }", 2 + 10 * (2 + 5 * (2 + 1))),
        ('subscription { routineProgress(routineId: "a") { id ... on TimeBlockReady { revision } } }', 2 + 1 + 1),
        (
            'mutation { stopDailyRoutine(userId: "a") { ... on NotFound { code } ... on InvalidInput { code field } } }',
            2 + 1 + 1 + 10,
        ),
    ],
)
def test_the_price_of_an_operation(query: str, cost: int) -> None:
    assert price(query) == cost


def test_variables_count_as_they_are_sent() -> None:
    query = 'query($n: Int! = 7) { biomarkers(userId: "a", first: $n) { nodes { ...B } } } fragment B on Biomarker { id type }'
    assert [price(query, given) for given in (None, {}, {"n": 3}, {"n": 500}, {"n": 10**20}, {"n": -5})] == [
        2 + entries * 4 for entries in (7, 7, 3, 500, 500, 0)
    ]
    assert price(query, {"n": "many"}) == 2 + 500 * 4


def test_a_default_of_any_length_is_no_number_of_entries() -> None:
    assert price(f"query($id: ID! = {'1' * 5_000}) {{ routine(id: $id) {{ id }} }}") == 2 + 1


def test_two_pages_within_one_another_multiply() -> None:
    query = "query($n: Int!) { a: schedulerStatus { jobs { runs(first: $n) { id } } } b: viewer { subject } }"
    assert price(query, {"n": 100}) == (2 + 10 * (2 + 100 * 3)) + (2 + 1)


def test_each_operation_has_its_own_price_with_its_own_defaults() -> None:
    fragment = 'fragment F on Query { biomarkers(userId: "a", first: $n) { nodes { id } } }'
    query = f"query A($n: Int = 1) {{ ...F }} query B($n: Int = 9) {{ ...F }} {fragment}"
    assert (price(query, None, "A"), price(query, None, "B")) == (2 + 3, 2 + 27)


def test_an_answer_costs_what_is_in_it() -> None:
    assert cost_of({"viewer": {"subject": "a", "scopes": ["x", "y"], "userId": None}}) == 2 + 1 + 2 + 1
    assert cost_of({"a": {"nodes": [{"id": "1"}, {"id": "2"}], "none": []}, "b": None}) == 2 + 3 + 3 + 0 + 1


def test_a_wait_is_told_from_the_document_and_its_variables() -> None:
    start = 'generateRoutine(input: {userId: "a", archetype: PEAK_PERFORMER, timezone: "UTC"}'
    for text, variables, seconds in (
        (f"mutation {{ {start}) {{ __typename }} }}", {}, 0),
        (f"mutation {{ {start}, waitSeconds: 90) {{ __typename }} }}", {}, 90),
        (f"mutation {{ {start}, waitSeconds: 9000) {{ __typename }} }}", {}, 120),
        (f"mutation($w: Int! = 5) {{ {start}, waitSeconds: $w) {{ __typename }} }}", {}, 5),
        (f"mutation($w: Int! = 5) {{ {start}, waitSeconds: $w) {{ __typename }} }}", {"w": 60}, 60),
        ("{ viewer { subject } }", {}, 0),
    ):
        pricing = Pricing(SCHEMA._schema, parse(text))
        pricing.operations()
        assert pricing.longest_wait.read(variables) == seconds
