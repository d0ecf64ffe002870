"""Who may call what."""

import pytest

from tests.api.clients import ADMIN_KEY, SERVICE_KEY, Api, opened

VIEWER = "{ viewer { subject scopes } }"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-api-key": "wrong"},
        {"x-api-key": ""},
        {"x-api-key": "Bearer " + SERVICE_KEY},
        {"authorization": SERVICE_KEY},
        {"authorization": "Basic " + SERVICE_KEY},
        {"authorization": "Bearer"},
        {"authorization": "Bearer wrong"},
    ],
)
@pytest.mark.parametrize("query", [VIEWER, "{ __schema { queryType { name } } }", "{"])
async def test_a_wrong_or_missing_key_fails_the_whole_request(edge: Api, headers: dict[str, str], query: str) -> None:
    response = await edge.post(query, key=None, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer realm="firstlight"'
    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": "UNAUTHENTICATED", "retryable": False}
    assert "wrong" not in response.text


@pytest.mark.parametrize("headers", [{"X-API-Key": SERVICE_KEY}, {"Authorization": f"bearer {SERVICE_KEY}"}])
async def test_a_key_is_taken_from_either_header(edge: Api, headers: dict[str, str]) -> None:
    viewer = (await edge.graphql(VIEWER, key=None, headers=headers))["data"]["viewer"]
    assert viewer == {"subject": "service:tests", "scopes": ["service"]}


async def test_the_admin_key(edge: Api) -> None:
    viewer = (await edge.data(VIEWER, key=ADMIN_KEY))["viewer"]
    assert viewer == {"subject": "admin", "scopes": ["admin", "service"]}


@pytest.mark.parametrize(
    "query",
    [
        "{ schedulerStatus { running } }",
        'mutation { runSchedulerJob(id: "cleanup_old_data") { __typename } }',
        'mutation { pauseSchedulerJob(id: "cleanup_old_data") { __typename } }',
        'mutation { resumeSchedulerJob(id: "cleanup_old_data") { __typename } }',
        'mutation { refreshSahha(userId: "anna") { __typename } }',
    ],
)
async def test_admin_fields_are_forbidden_with_a_service_key(edge: Api, query: str) -> None:
    assert (await edge.error(query))["extensions"]["code"] == "FORBIDDEN"


REST = [
    ("POST", "/api/user/anna/routine/generate"),
    ("POST", "/api/admin/refresh-sahha/anna"),
    ("GET", "/api/admin/scheduler/status"),
]


@pytest.mark.parametrize(("method", "path"), REST)
@pytest.mark.parametrize("key", [None, "wrong"])
async def test_the_old_urls_need_a_key(edge: Api, method: str, path: str, key: str | None) -> None:
    response = await edge.request(method, path, key=key)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize(("method", "path"), REST[1:])
async def test_the_old_admin_urls_need_the_admin_key(edge: Api, method: str, path: str) -> None:
    response = await edge.request(method, path)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "FORBIDDEN")


@pytest.mark.parametrize("payload", [{}, {"x-api-key": "wrong"}, {"x-api-key": 1}, {"authorization": SERVICE_KEY}, None])
async def test_a_socket_without_a_good_key_is_closed_for_good(edge: Api, payload: object) -> None:
    async with opened(edge) as socket:
        await socket.send({"type": "connection_init", "payload": payload})
        assert await socket.close_code() == 4401


@pytest.mark.parametrize(
    "payload", [{"x-api-key": SERVICE_KEY}, {"X-Api-Key": SERVICE_KEY}, {"Authorization": f"Bearer {SERVICE_KEY}"}]
)
async def test_a_socket_takes_the_key_from_its_first_message(edge: Api, payload: dict[str, str]) -> None:
    async with opened(edge) as socket:
        await socket.send({"type": "connection_init", "payload": payload})
        assert await socket.receive() == {"type": "connection_ack"}


async def test_a_socket_takes_the_key_from_its_upgrade(edge: Api) -> None:
    async with opened(edge, {"x-api-key": SERVICE_KEY}) as socket:
        await socket.send({"type": "connection_init"})
        assert await socket.receive() == {"type": "connection_ack"}
