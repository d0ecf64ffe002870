"""Hostile text, impossible numbers and noise over real HTTP (reliability.md, I1 to I4 and I7): refused or inert, never 500."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.clients import ADMIN_KEY, SERVICE_KEY, Api
from tests.api.id_places import arguments, document, places
from tests.api.test_values import GENERATE, INPUT

JSON_BODY = {"content-type": "application/json"}
SCORES = "query($user: ID!, $first: Int!, $types: [String!]) { scores(userId: $user, first: $first, types: $types) { source } }"
TEXTS = {"ID", "String"}
CORPUS = {
    "quote": "' or '1'='1",
    "statement": "'; drop table routines; --",
    "dollar": "$1 $$ $(id) ${7*7} {{7*7}} %s %n",
    "like": "%_%",
    "script": "<script>alert(1)</script>",
    "handler": '"><img src=x onerror=alert(1)>',
    "path": "../../../../etc/passwd",
    "header": "a\r\nset-cookie: a=b",
    "json": '", "admin": true, "x": "',
    "graphql": '") { id } } #',
    "log": "\x1b[31mred\x1b[0m",
    "nul": "a\x00b",
    "surrogate": "\ud800",
    "bidi": "\u202eevil\u2066",
    "emoji": "👩🏽‍🚀",
    "marks": "a" + "\u0301" * 60,
    "spaces": " \u200b\ufeff\u00a0",
}
PLAIN = {
    "userId": "sandbox-avery",
    "archetype": "PEAK_PERFORMER",
    "timezone": "UTC",
    "id": "00000000-0000-4000-8000-000000000000",
    "routineId": "00000000-0000-4000-8000-000000000000",
    "taskId": "00000000-0000-4000-8000-000000000000",
    "status": "DONE",
    "title": "Lunch",
    "startTime": "12:00",
    "endTime": "12:30",
}
REQUIRED_ELSEWHERE = {"confirmUserId": "sandbox-blake", "minutes": 1, "userIds": []}
ROWS = """select (select count(*) from routines) + (select count(*) from biomarkers) + (select count(*) from daily_routines)"""
LENIENT = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
SMALL_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@pytest_asyncio.fixture
async def http(edge: Api) -> AsyncIterator[httpx.AsyncClient]:
    """One client for all examples of a test."""
    async with httpx.AsyncClient(base_url=edge.url, headers={"x-api-key": SERVICE_KEY, **JSON_BODY}) as client:
        yield client


def attempts() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each hostile text in each place of the contract that takes text, one at a time."""
    for place in places():
        if place.kind in TEXTS and place.parent in {"Query", "Mutation"}:
            for text in CORPUS.values():
                variables = arguments(place.root, {place.path: [text] if place.listed else text}, PLAIN | REQUIRED_ELSEWHERE)
                yield document(place.root, variables), variables


async def test_hostile_text_is_inert_wherever_it_stands(service: Api) -> None:
    asked = 0
    async with httpx.AsyncClient(base_url=service.url, headers={"x-api-key": ADMIN_KEY}, timeout=60) as http:
        for query, variables in attempts():
            response = await http.post("/graphql", content=as_json({"query": query, "variables": variables}), headers=JSON_BODY)
            assert response.status_code in {200, 400}, (query, variables, response.text)
            assert response.headers["content-type"] == "application/json"
            assert "set-cookie" not in response.headers
            assert "INTERNAL" not in [error["extensions"]["code"] for error in response.json().get("errors", ())], variables
            asked += 1
    assert asked > 20 * len(CORPUS)
    async with service.services.database.connection() as connection:
        assert await connection.fetchval(ROWS) > 0


async def test_text_of_every_script_is_kept_as_it_came_and_measured_in_characters(service: Api) -> None:
    titles = ["👩🏽‍🚀 Flug", "\u202bموعد الأسنان", "Zahn\u200barzt", "a" + "\u0301" * 90, "<b>Lunch</b> & 'tea'"]
    events = [
        {"title": title, "startTime": f"{hour:02}:00", "endTime": f"{hour:02}:20"} for hour, title in enumerate(titles, start=10)
    ]
    user_id = "👩" * 128
    query = """mutation($input: GenerateRoutineInput!) { generateRoutine(input: $input, waitSeconds: 0) {
      __typename ... on InvalidInput { field message } ... on GenerateRoutineSuccess { routine { userId } } } }"""
    given_input = {**INPUT, "userId": user_id, "preferences": {"fixedEvents": events, "goal": "🏃" * 500}}
    outcome = (await service.data(query, {"input": given_input}))["generateRoutine"]
    assert outcome == {"__typename": "GenerateRoutineSuccess", "routine": {"userId": user_id}}
    async with service.services.database.connection() as connection:
        stored = await connection.fetchval("select preferences from routines where user_id = $1", user_id)
    assert [event["title"] for event in stored["fixed_events"]] == titles
    for field, value in (("userId", "👩" * 129), ("userId", "a" + "\u0301" * 10_000)):
        outcome = (await service.data(query, {"input": {**INPUT, field: value}}))["generateRoutine"]
        assert outcome["field"] == ["input", field]
    outcome = (await service.data(query, {"input": {**INPUT, "preferences": {"goal": "🏃" * 501}}}))["generateRoutine"]
    assert outcome["field"] == ["input", "preferences", "goal"]


@pytest.mark.parametrize("number", [2**31, 2**53 + 1, -(2**63), 10**400, 1e308, -0.5])
async def test_a_number_that_no_int_holds_is_named(edge: Api, number: float) -> None:
    query = 'query($n: Int!) { routines(userId: "a", first: $n) { nodes { id } } }'
    response = await edge.request(
        "POST", "/graphql", content=as_json({"query": query, "variables": {"n": number}}), headers=JSON_BODY
    )
    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": ["first"]}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
async def test_what_is_no_json_number_is_no_request(edge: Api, number: str) -> None:
    body = f'{{"query": "{{ viewer {{ subject }} }}", "variables": {{"n": {number}}}}}'.encode()
    response = await edge.request("POST", "/graphql", content=body, headers=JSON_BODY)
    assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (400, "BAD_REQUEST")


@pytest.mark.parametrize("date", ["0001-01-01", "9999-12-31"])
async def test_a_day_that_nobody_can_plan_is_named(service: Api, date: str) -> None:
    query = GENERATE.replace("{ __typename }", "{ ... on InvalidInput { field } }")
    outcome = (await service.data(query, {"input": {**INPUT, "date": date}}))["generateRoutine"]
    assert outcome == {"field": ["input", "date"]}


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z"])
async def test_a_moment_that_no_clock_shows_is_named(edge: Api, moment: str) -> None:
    query = 'query($from: DateTime) { scores(userId: "a", from: $from, policy: DATABASE) { totalCount } }'
    error = await edge.error(query, {"from": moment})
    assert (error["extensions"]["code"], error["extensions"]["field"]) == ("BAD_USER_INPUT", ["from"])


@pytest.mark.parametrize("opening", ["[", '{"a":'])
async def test_nesting_without_end_costs_next_to_nothing(http: httpx.AsyncClient, opening: str) -> None:
    """CPU of the client and the server together, which share this process; the best of three."""
    body = ('{"query": "{ viewer { subject } }", "variables": ' + opening * 25_000)[:125_000].encode()
    costs = []
    for _ in range(3):
        began = time.process_time()
        response = await http.post("/graphql", content=body)
        costs.append(time.process_time() - began)
        assert response.status_code == 400
    assert min(costs) < 0.05


@LENIENT
@given(body=st.binary(max_size=200) | st.binary(max_size=50).map(lambda inner: b'{"query": "' + inner + b'"}'))
async def test_no_bytes_are_a_failure_of_ours(http: httpx.AsyncClient, body: bytes) -> None:
    await assert_refused_or_answered(http, body)


@LENIENT
@given(body=SMALL_JSON)
async def test_no_json_is_a_failure_of_ours(http: httpx.AsyncClient, body: Any) -> None:
    await assert_refused_or_answered(http, as_json(body))


@LENIENT
@given(
    members=st.fixed_dictionaries(
        {
            "query": st.sampled_from(["{ viewer { subject } }", GENERATE, SCORES]) | st.text() | SMALL_JSON,
            "variables": st.fixed_dictionaries({}, optional=dict.fromkeys(["input", "user", "first", "types"], SMALL_JSON))
            | SMALL_JSON,
        },
        optional={"operationName": st.text() | SMALL_JSON, "extensions": SMALL_JSON, "documentId": SMALL_JSON},
    )
)
async def test_no_request_is_a_failure_of_ours(http: httpx.AsyncClient, members: dict[str, Any]) -> None:
    await assert_refused_or_answered(http, as_json(members))


@LENIENT
@given(
    head=st.text(st.characters(codec="ascii", exclude_categories=["Cc"])).map(str.strip),
    query=st.text(st.characters(codec="utf-8")),
)
async def test_no_headers_or_parameters_are_a_failure_of_ours(http: httpx.AsyncClient, head: str, query: str) -> None:
    headers = dict.fromkeys(("accept", "accept-encoding", "x-request-id", "origin", "traceparent"), head)
    for path in ("/graphql", "/livez", "/nowhere"):
        params = {"query": query, "variables": query, "operationName": head}
        response = await http.get(path, params=params, headers=headers)
        assert response.status_code in {200, 400, 404, 406, 431}, response.text


async def assert_refused_or_answered(http: httpx.AsyncClient, body: bytes) -> None:
    """By each URL that takes a body. 503: there is no database behind this service."""
    response = await http.post("/graphql", content=body)
    assert response.status_code in {200, 400, 404, 503}, (body, response.text)
    assert all(error["extensions"]["code"] != "INTERNAL" for error in response.json().get("errors", ())), body
    for path in ("/api/user/anna/routine/generate", "/webhooks/sahha"):
        response = await http.post(path, content=body)
        assert response.status_code in {400, 401, 422, 503}, (path, body, response.text)


def as_json(value: Any) -> bytes:
    """Also half a surrogate pair, NaN and numbers of any size, as a client may send them."""
    return json.dumps(value).encode()
