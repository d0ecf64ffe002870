"""`biomarkers` and `scores`: filters, bounds and pages that hold, live and stored."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from services.clock import Clock
from tests.api.clients import Api
from tests.api.conftest import NO_SAHHA, running
from tests.store.records import FIRST, archived, biomarker
from tests.store.records import PERSON as INVENTED

PERSON = "sandbox-avery"
BIOMARKERS = """query($u: ID!, $categories: [String!], $types: [String!], $from: DateTime, $to: DateTime,
                      $policy: ReadPolicy! = LIVE_FIRST, $first: Int! = 200, $after: String) {
    list: biomarkers(userId: $u, categories: $categories, types: $types, from: $from, to: $to, policy: $policy, first: $first,
                     after: $after) {
        edges { cursor node { id } }
        nodes {
            id category type periodicity aggregation value number unit valueUnit valueType startDateTime endDateTime receivedAt
            ageSeconds source
        }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        totalCount source asOf
    }
}"""
SCORES = """query($u: ID!, $types: [String!], $from: DateTime, $to: DateTime, $policy: ReadPolicy! = LIVE_FIRST,
                  $first: Int! = 100, $after: String) {
    list: scores(userId: $u, types: $types, from: $from, to: $to, policy: $policy, first: $first, after: $after) {
        edges { cursor node { id } }
        nodes {
            id type state score scoreDateTime createdAt dataSources receivedAt ageSeconds source
            factors { name value goal score state unit }
        }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        totalCount source asOf
    }
}"""
EACH = pytest.mark.parametrize("query", [BIOMARKERS, SCORES], ids=["biomarkers", "scores"])
START = {BIOMARKERS: "startDateTime", SCORES: "scoreDateTime"}


async def read(api: Api, query: str, **arguments: object) -> dict[str, Any]:
    page: dict[str, Any] = (await api.data(query, {"u": PERSON, **arguments}))["list"]
    return page


async def pages(api: Api, query: str, first: int, **arguments: object) -> AsyncIterator[dict[str, Any]]:
    """One after the other, to the last."""
    after = None
    while True:
        page = await read(api, query, first=first, after=after, **arguments)
        yield page
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]


async def refused(api: Api, query: str, **arguments: object) -> Mapping[str, Any]:
    extensions: dict[str, Any] = (await api.error(query, {"u": PERSON, **arguments}))["extensions"]
    return extensions


@EACH
async def test_the_last_days_come_live_and_newest_first(service: Api, query: str) -> None:
    page = await read(service, query, first=500)
    assert page["source"] == "LIVE"
    assert page["asOf"]
    assert {node["source"] for node in page["nodes"]} == {"LIVE"}
    assert len(page["nodes"]) == page["totalCount"] > 0
    moments = [node[START[query]][:10] for node in page["nodes"]]
    assert moments == sorted(moments, reverse=True)
    assert [edge["node"]["id"] for edge in page["edges"]] == [node["id"] for node in page["nodes"]]
    info = page["pageInfo"]
    assert (info["hasNextPage"], info["hasPreviousPage"]) == (False, False)
    assert (info["startCursor"], info["endCursor"]) == (page["edges"][0]["cursor"], page["edges"][-1]["cursor"])


@EACH
async def test_pages_give_every_row_once(service: Api, query: str) -> None:
    whole = await read(service, query, first=500)
    walked = [page async for page in pages(service, query, 17)]
    assert [node["id"] for page in walked for node in page["nodes"]] == [node["id"] for node in whole["nodes"]]
    assert [page["pageInfo"]["hasPreviousPage"] for page in walked] == [False] + [True] * (len(walked) - 1)
    assert {page["totalCount"] for page in walked} == {whole["totalCount"]}
    assert {page["source"] for page in walked[1:]} == {"DATABASE"}


@EACH
async def test_live_and_stored_tell_the_same_values(service: Api, query: str) -> None:
    live = await read(service, query, first=500)
    stored = await read(service, query, first=500, policy="DATABASE")
    assert (live["source"], stored["source"]) == ("LIVE", "DATABASE")
    assert [without_reading(node) for node in live["nodes"]] == [without_reading(node) for node in stored["nodes"]]


def without_reading(node: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in node.items() if name not in {"source", "ageSeconds", "receivedAt"}}


async def test_categories_and_types_are_filters(service: Api) -> None:
    whole = (await read(service, BIOMARKERS, first=500))["nodes"]
    asleep = await read(service, BIOMARKERS, first=500, categories=["sleep"])
    assert [node["id"] for node in asleep["nodes"]] == [node["id"] for node in whole if node["category"] == "sleep"]
    assert asleep["totalCount"] == len(asleep["nodes"]) > 0
    steps = await read(service, BIOMARKERS, types=["steps", "no_such_type"])
    assert {node["type"] for node in steps["nodes"]} == {"steps"}
    nothing = await read(service, BIOMARKERS, categories=["sleep"], types=["steps"])
    assert (nothing["nodes"], nothing["totalCount"], nothing["pageInfo"]["endCursor"]) == ([], 0, None)
    slept = await read(service, SCORES, types=["sleep"])
    assert {node["type"] for node in slept["nodes"]} == {"sleep"}


@EACH
async def test_an_empty_filter_lets_nothing_through_and_null_everything(service: Api, query: str) -> None:
    assert (await read(service, query, types=[]))["totalCount"] == 0
    whole = await read(service, query, types=None)
    assert whole["totalCount"] > 0


@EACH
async def test_a_span_holds_what_touches_it(service: Api, query: str) -> None:
    whole = await read(service, query, first=500)
    span = {"from": "2026-03-08T00:00:00-04:00", "to": "2026-03-10T00:00:00-04:00"}
    part = await read(service, query, first=500, **span)
    assert 0 < part["totalCount"] < whole["totalCount"]
    assert all(node[START[query]] < span["to"] for node in part["nodes"])
    within = {node["id"] for node in whole["nodes"] if span["from"] <= node[START[query]] < span["to"]}
    assert within <= {node["id"] for node in part["nodes"]}


@EACH
@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"first": 0}, ["first"]),
        ({"first": 501}, ["first"]),
        ({"after": ""}, ["after"]),
        ({"after": "nonsense"}, ["after"]),
        ({"types": ["x"] * 101}, ["types"]),
        ({"types": ["steps", ""]}, ["types", "1"]),
        ({"types": ["a\0b"]}, ["types", "0"]),
        ({"types": ["x" * 101]}, ["types", "0"]),
        ({"from": "0001-01-01T00:00:00+14:00"}, ["from"]),
        ({"to": "9999-12-31T23:59:59-14:00"}, ["to"]),
        ({"from": "2026-03-10T00:00:01Z", "to": "2026-03-10T00:00:00Z"}, ["to"]),
    ],
)
async def test_what_cannot_be_meant_is_refused(edge: Api, query: str, arguments: dict[str, Any], field: list[str]) -> None:
    extensions = await refused(edge, query, **arguments)
    assert (extensions["code"], extensions["field"]) == ("BAD_USER_INPUT", field)


async def test_categories_are_bounded(edge: Api) -> None:
    extensions = await refused(edge, BIOMARKERS, categories=["sleep"] * 101)
    assert (extensions["code"], extensions["field"]) == ("BAD_USER_INPUT", ["categories"])


@EACH
async def test_a_cursor_of_the_other_list_is_refused(service: Api, query: str) -> None:
    other = SCORES if query == BIOMARKERS else BIOMARKERS
    cursor = (await read(service, other, first=1))["pageInfo"]["endCursor"]
    assert (await refused(service, query, after=cursor))["field"] == ["after"]


@EACH
async def test_nobody_is_not_found_and_nothing_is_stored(service: Api, query: str) -> None:
    assert (await refused(service, query, u="nobody-here"))["code"] == "NOT_FOUND"
    empty = await read(service, query, u="nobody-here", policy="DATABASE")
    assert (empty["nodes"], empty["totalCount"], empty["source"], empty["asOf"]) == ([], 0, "DATABASE", None)


@EACH
async def test_without_sahha_and_without_a_copy_there_is_no_list(database_url: str, query: str) -> None:
    async with running(database_url, NO_SAHHA, Clock(), worker="off", scheduler="off") as api:
        extensions = await refused(api, query)
        assert (extensions["code"], extensions["retryable"]) == ("HEALTH_DATA_UNAVAILABLE", True)


@EACH
async def test_a_store_that_is_away_says_so(edge: Api, query: str) -> None:
    assert (await refused(edge, query, policy="DATABASE"))["code"] == "UNAVAILABLE"


async def test_a_value_is_told_in_the_unit_that_it_was_received_in(service: Api) -> None:
    rows = [biomarker(), biomarker(type="sleep_duration", value="7.5", number=450.0, unit="minute", received_unit="hour")]
    await archived(service.services.database, rows, [], FIRST)
    nodes = (await read(service, BIOMARKERS, u=INVENTED, policy="DATABASE"))["nodes"]
    told = {node["type"]: [node[name] for name in ("value", "valueUnit", "number", "unit")] for node in nodes}
    assert told == {"steps": ["8412", "count", 8412.0, "count"], "sleep_duration": ["7.5", "hour", 450.0, "minute"]}
