"""Values that are refused: where, with which code, and never with a stack trace."""

from typing import Any

import pytest

from tests.api.clients import ADMIN_KEY, Api

GENERATE = "mutation($input: GenerateRoutineInput!) { generateRoutine(input: $input) { __typename } }"
INPUT = {"userId": "anna", "archetype": "PEAK_PERFORMER", "timezone": "UTC"}
JSON_BODY = {"content-type": "application/json"}


@pytest.mark.parametrize("wake_time", ["25:00", "7:00", "07:00:00", "07:60", "24:00", " 07:00", "٠٧:٠٠", "", 7, True, ["07:00"]])
async def test_a_variable_that_its_scalar_refuses(edge: Api, wake_time: object) -> None:
    response = await edge.post(GENERATE, {"input": {**INPUT, "preferences": {"wakeTime": wake_time}}})
    assert_refused(response.status_code, response.json(), ["input", "preferences", "wakeTime"])


async def test_a_literal_that_its_scalar_refuses(edge: Api) -> None:
    query = """mutation { generateRoutine(input: {
        userId: "anna", archetype: PEAK_PERFORMER, timezone: "UTC", preferences: {wakeTime: "25:00"}
    }) { __typename } }"""
    response = await edge.post(query)
    assert_refused(response.status_code, response.json(), ["input", "preferences", "wakeTime"])


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
async def test_an_unknown_archetype(edge: Api, accept: str) -> None:
    response = await edge.post(GENERATE, {"input": {**INPUT, "archetype": "COUCH_POTATO"}}, headers={"accept": accept})
    assert_refused(response.status_code, response.json(), ["input", "archetype"])
    literal = 'mutation { generateRoutine(input: {userId: "a", archetype: COUCH_POTATO, timezone: "UTC"}) { __typename } }'
    response = await edge.post(literal, headers={"accept": accept})
    assert_refused(response.status_code, response.json(), ["input", "archetype"])


@pytest.mark.parametrize("date", ["2025-7-1", "2025-02-30", "20250701", "2025-07-01T00:00:00Z", "+2025-07-01", 20250701])
async def test_a_date_that_is_none(edge: Api, date: object) -> None:
    response = await edge.post(GENERATE, {"input": {**INPUT, "date": date}})
    assert_refused(response.status_code, response.json(), ["input", "date"])


async def test_a_refusal_in_a_list_names_the_place(edge: Api) -> None:
    events = [{"title": "a", "startTime": "09:00", "endTime": "10:00"}, {"title": "b", "startTime": "9", "endTime": "10:00"}]
    response = await edge.post(GENERATE, {"input": {**INPUT, "preferences": {"fixedEvents": events}}})
    assert_refused(response.status_code, response.json(), ["input", "preferences", "fixedEvents", "1", "startTime"])


async def test_a_variable_within_a_literal_is_named_by_where_it_stands(edge: Api) -> None:
    query = """mutation($w: LocalTime) { generateRoutine(input: {
        userId: "anna", archetype: PEAK_PERFORMER, timezone: "UTC", preferences: {wakeTime: $w}
    }) { __typename } }"""
    response = await edge.post(query, {"w": "25:00"})
    assert_refused(response.status_code, response.json(), ["input", "preferences", "wakeTime"])


async def test_every_refused_value_of_a_variable_is_named(edge: Api) -> None:
    preferences = {"wakeTime": "25:00", "sleepTime": "7"}
    errors = (await edge.graphql(GENERATE, {"input": {**INPUT, "date": "soon", "preferences": preferences}}))["errors"]
    assert {error["extensions"]["field"][-1] for error in errors} == {"wakeTime", "sleepTime", "date"}


async def test_a_member_that_is_unknown_or_missing(edge: Api) -> None:
    response = await edge.post(GENERATE, {"input": {**INPUT, "conditon": "SICK"}})
    assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (400, "BAD_USER_INPUT")
    response = await edge.post(GENERATE, {"input": {"userId": "anna", "timezone": "UTC"}})
    assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (400, "BAD_USER_INPUT")


@pytest.mark.parametrize("condition", ["FINE", "sick", "", 1, None, ["SICK"]])
async def test_a_condition_that_is_none(edge: Api, condition: object) -> None:
    response = await edge.post(GENERATE, {"input": {**INPUT, "condition": condition}})
    assert_refused(response.status_code, response.json(), ["input", "condition"])


@pytest.mark.parametrize("auto_replan", ["true", 1, None])
async def test_a_switch_is_true_or_false(edge: Api, auto_replan: object) -> None:
    response = await edge.post(GENERATE, {"input": {**INPUT, "autoReplan": auto_replan}})
    assert_refused(response.status_code, response.json(), ["input", "autoReplan"])


async def test_a_kind_of_task_that_is_none(edge: Api) -> None:
    preferences = {"avoidTaskTypes": ["WORK", "PLAY"]}
    response = await edge.post(GENERATE, {"input": {**INPUT, "preferences": preferences}})
    assert_refused(response.status_code, response.json(), ["input", "preferences", "avoidTaskTypes", "1"])


async def test_a_required_variable_that_is_left_out(edge: Api) -> None:
    error = await edge.error("query($id: ID!) { routine(id: $id) { id } }")
    assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


async def test_null_in_a_variable_with_a_default(edge: Api) -> None:
    error = await edge.error('query($n: Int = 5) { routines(userId: "a", first: $n) { nodes { id } } }', {"n": None})
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": ["first"]}


@pytest.mark.parametrize("wait", [-1, 121])
async def test_wait_seconds_out_of_bounds(edge: Api, wait: int) -> None:
    query = "mutation($i: GenerateRoutineInput!, $w: Int!) { generateRoutine(input: $i, waitSeconds: $w) { __typename } }"
    error = await edge.error(query, {"i": INPUT, "w": wait})
    assert_bad_input(error, "waitSeconds")


@pytest.mark.parametrize("first", [0, -1, 101])
async def test_first_out_of_bounds(edge: Api, first: int) -> None:
    error = await edge.error('query($n: Int!) { routines(userId: "a", first: $n) { nodes { id } } }', {"n": first})
    assert_bad_input(error, "first")


@pytest.mark.parametrize("first", [2**31, 1.5, "20", True])
async def test_first_that_is_no_int(edge: Api, first: object) -> None:
    response = await edge.post('query($n: Int!) { routines(userId: "a", first: $n) { nodes { id } } }', {"n": first})
    assert_refused(response.status_code, response.json(), ["first"])


ID_ARGUMENTS = {
    "userId": [
        "query($v: ID!) { routines(userId: $v) { nodes { id } } }",
        "query($v: ID!) { healthSnapshot(userId: $v) { state } }",
        "query($v: ID!) { biomarkers(userId: $v) { totalCount } }",
        "query($v: ID!) { scores(userId: $v) { totalCount } }",
        "mutation($v: ID!) { refreshSahha(userId: $v) { __typename } }",
    ],
    "id": [
        "query($v: ID!) { routine(id: $v) { id } }",
        "mutation($v: ID!) { runSchedulerJob(id: $v) { __typename } }",
        "mutation($v: ID!) { replanRoutine(id: $v) { __typename } }",
    ],
    "taskId": ["mutation($v: ID!) { setTaskStatus(taskId: $v, status: DONE) { __typename } }"],
    "after": ['query($v: String!) { routines(userId: "a", after: $v) { nodes { id } } }'],
}


@pytest.mark.parametrize(
    "value", ['"a\\u0000b"', '"\\ud800"', '"\\udc00x"', '""', '"' + "x" * 3000 + '"'], ids=["nul", "high", "low", "empty", "long"]
)
@pytest.mark.parametrize(("field", "query"), [(field, query) for field, queries in ID_ARGUMENTS.items() for query in queries])
async def test_text_that_no_store_holds(edge: Api, field: str, query: str, value: str) -> None:
    body = f'{{"query": "{query}", "variables": {{"v": {value}}}}}'.replace('userId: "a"', 'userId: \\"a\\"').encode()
    response = await edge.request("POST", "/graphql", content=body, headers=JSON_BODY, key=ADMIN_KEY)
    (error,) = response.json()["errors"]
    assert_bad_input(error, field)


@pytest.mark.parametrize("value", ["nonsense", "00000000-0000-0000-0000-00000000000", "{00000000-0000-4000-8000-000000000000}"])
async def test_an_id_that_no_routine_can_have_is_not_found(edge: Api, value: str) -> None:
    answer = await edge.graphql("query($v: ID!) { routine(id: $v) { id } }", {"v": value})
    assert answer["data"] == {"routine": None}
    assert answer["errors"][0]["extensions"]["code"] == "NOT_FOUND"


async def test_half_a_surrogate_pair_comes_back_as_it_came(edge: Api) -> None:
    query = 'query($v: ReadPolicy!) { healthSnapshot(userId: \\"a\\", policy: $v) { state } }'
    body = f'{{"query": "{query}", "variables": {{"v": "\\ud800"}}}}'.encode()
    response = await edge.request("POST", "/graphql", content=body, headers=JSON_BODY)
    assert response.status_code == 400
    assert response.json()["errors"][0]["extensions"]["field"] == ["policy"]
    assert "\\ud800" in response.text


def assert_refused(status: int, body: dict[str, Any], field: list[str]) -> None:
    assert status == 400
    assert "data" not in body
    assert [error["extensions"] for error in body["errors"]] == [{"code": "BAD_USER_INPUT", "field": field}]


def assert_bad_input(error: dict[str, Any], field: str) -> None:
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["field"] == [field]
    assert field in error["message"]
