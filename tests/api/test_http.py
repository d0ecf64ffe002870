"""The GraphQL endpoint over HTTP: shapes, statuses and media types, whatever bytes arrive."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from server.middleware import BODY_LIMIT
from tests.api.clients import Api

GRAPHQL_RESPONSE = "application/graphql-response+json"
VIEWER = "{ viewer { subject scopes userId } }"
JSON_BODY = {"content-type": "application/json"}


async def test_a_query_is_answered(edge: Api) -> None:
    response = await edge.post(VIEWER)
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"data": {"viewer": {"subject": "service:tests", "scopes": ["service"], "userId": None}}}


async def test_a_query_may_come_by_get(edge: Api) -> None:
    response = await edge.request("GET", "/graphql", params={"query": VIEWER})
    assert response.json()["data"]["viewer"]["subject"] == "service:tests"


@pytest.mark.parametrize(
    "body",
    [
        b"1",
        b"null",
        b'"x"',
        b"[]",
        b"[{}]",
        b"",
        b"{",
        b"{}",
        b"\xff\xfe",
        b'{"query": "{ viewer { subject } }", "variables": {"a": NaN}}',
        b'{"query": "\xc3\x28"}',
        b'{"query": 1}',
        b'{"query": ""}',
        b'{"query": "{a}", "variables": []}',
        b'{"query": "{a}", "variables": "x"}',
        b'{"query": "{a}", "operationName": 1}',
        b'{"query": "{a}", "extensions": 1}',
        b'{"query": "{a}", "variables": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"query": "{a}", "variables": ' + b'{"a":' * 20_000 + b"1" + b"}" * 20_001,
    ],
    ids=lambda body: body[:24].decode("latin-1"),
)
async def test_bytes_that_are_no_request_are_400(edge: Api, body: bytes) -> None:
    response = await edge.request("POST", "/graphql", content=body, headers=JSON_BODY)
    assert response.status_code == 400
    assert_graphql_refusal(response.json(), "BAD_REQUEST")


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/jsonfoo",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
    ],
)
async def test_other_content_types_are_415(edge: Api, content_type: str) -> None:
    body = json.dumps({"query": VIEWER}).encode()
    response = await edge.request("POST", "/graphql", content=body, headers={"content-type": content_type})
    assert response.status_code == 415
    assert_graphql_refusal(response.json(), "BAD_REQUEST")


async def test_json_with_a_charset_is_taken(edge: Api) -> None:
    body = json.dumps({"query": VIEWER}).encode()
    response = await edge.request("POST", "/graphql", content=body, headers={"content-type": 'Application/JSON; charset="UTF-8"'})
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        (GRAPHQL_RESPONSE, GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE}, application/json;q=0.9", GRAPHQL_RESPONSE),
        (f"application/json, {GRAPHQL_RESPONSE};q=0.9", "application/json"),
        (f"text/html, {GRAPHQL_RESPONSE};q=nonsense, */*;q=0.1", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
    ],
)
async def test_the_media_type_is_negotiated(edge: Api, accept: str, answered: str) -> None:
    response = await edge.post(VIEWER, headers={"accept": accept})
    assert response.headers["content-type"] == answered


async def test_a_media_type_that_is_not_spoken_is_406(edge: Api) -> None:
    response = await edge.post(VIEWER, headers={"accept": "text/html"})
    assert response.status_code == 406
    assert_graphql_refusal(response.json(), "BAD_REQUEST")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_405(edge: Api, method: str) -> None:
    response = await edge.request(method, "/graphql", key=None)
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")
    assert_graphql_refusal(response.json(), "BAD_REQUEST")


@pytest.mark.parametrize("path", ["/graphql/", "/livez/", "/webhooks/sahha/"])
async def test_no_caller_is_sent_on_with_their_key(edge: Api, path: str) -> None:
    answer = await edge.request("POST", path, body={"query": VIEWER})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


async def test_a_mutation_by_get_is_405(edge: Api) -> None:
    query = 'mutation { runSchedulerJob(id: "x") { __typename } }'
    response = await edge.request("GET", "/graphql", params={"query": query})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


async def test_a_subscription_by_post_is_refused_with_the_way_to_go(edge: Api) -> None:
    response = await edge.post('subscription { planReady(userId: "a") { id } }')
    assert response.status_code == 400
    assert "graphql-transport-ws" in response.json()["errors"][0]["message"]


async def test_two_operations_need_a_name(edge: Api) -> None:
    query = "query A { viewer { subject } } query B { viewer { userId } }"
    error = await edge.error(query)
    assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    named = await edge.request("POST", "/graphql", body={"query": query, "operationName": "B"})
    assert named.json() == {"data": {"viewer": {"userId": None}}}
    body = b'{"query": "query A { viewer { userId } }", "operationName": "\\ud800"}'
    unknown = await edge.request("POST", "/graphql", content=body, headers=JSON_BODY)
    assert unknown.status_code == 400


@pytest.mark.parametrize(
    ("query", "code"),
    [("{", "GRAPHQL_PARSE_FAILED"), ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"), ("{" * 5000, "GRAPHQL_PARSE_FAILED")],
)
async def test_a_document_that_cannot_run_is_400_where_the_specification_says_so(edge: Api, query: str, code: str) -> None:
    for accept, status in ((GRAPHQL_RESPONSE, 400), ("application/json", 200)):
        response = await edge.post(query, headers={"accept": accept})
        assert response.status_code == status
        assert_graphql_refusal(response.json(), code)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_413(edge: Api, chunked: bool) -> None:
    body = json.dumps({"query": VIEWER + " " * BODY_LIMIT}).encode()
    content = in_chunks(body) if chunked else body
    response = await edge.request("POST", "/graphql", content=content, headers=JSON_BODY)
    assert response.status_code == 413
    assert response.headers["connection"] == "close"
    assert_graphql_refusal(response.json(), "BODY_TOO_LARGE")


async def test_a_body_at_the_limit_is_read(edge: Api) -> None:
    body = json.dumps({"query": VIEWER}).encode()
    response = await edge.request("POST", "/graphql", content=body.ljust(BODY_LIMIT), headers=JSON_BODY)
    assert response.status_code == 200


async def test_a_callers_request_id_is_echoed_when_it_is_plain(edge: Api) -> None:
    response = await edge.post(VIEWER, headers={"x-request-id": "trace-1.a_B"})
    assert response.headers["x-request-id"] == "trace-1.a_B"
    for unfit in ("a b", "x" * 65, "<script>"):
        response = await edge.post(VIEWER, headers={"x-request-id": unfit})
        assert len(response.headers["x-request-id"]) == 32


@pytest.mark.parametrize("path", ["/graphql", "/livez", "/nowhere"])
async def test_every_answer_carries_the_security_headers(edge: Api, path: str) -> None:
    headers = (await edge.request("GET", path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "default-src 'none'" in headers["content-security-policy"]


async def test_an_unavailable_store_is_503_and_says_when_to_come_again(edge: Api) -> None:
    response = await edge.post('{ routines(userId: "anna") { nodes { id } } }')
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    body = response.json()
    assert body["data"] == {"routines": None}
    assert body["errors"][0]["extensions"] == {"code": "UNAVAILABLE", "retryable": True, "retryAfterMs": 1000}


async def test_half_an_answer_is_200(edge: Api) -> None:
    response = await edge.post('{ viewer { subject } routines(userId: "anna") { nodes { id } } }')
    assert response.status_code == 200
    assert response.json()["data"] == {"viewer": {"subject": "service:tests"}, "routines": None}


async def in_chunks(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 8192):
        yield body[start : start + 8192]


def assert_graphql_refusal(body: dict[str, Any], code: str) -> None:
    assert "data" not in body
    assert [error["extensions"]["code"] for error in body["errors"]] == [code]
