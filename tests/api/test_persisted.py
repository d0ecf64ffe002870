"""Documents that are known by their hash: asked for over every transport, the only ones in strict mode, checked at start."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from server.cli import app
from server.persisted import open_schema
from server.starting import StartError
from services.clock import Clock
from services.config import ConfigurationError, load_settings
from tests.api.clients import SERVICE_KEY, Api, Socket, acknowledged
from tests.api.conftest import NO_SAHHA, NOWHERE, running
from tests.node import run_node

VIEWER = "query Viewer { viewer { subject } }"
SHAPE = "query Shape { __schema { queryType { name } } }"
OTHER = "query Other { viewer { scopes } }"
EVENTS = 'subscription Events { planReady(userId: "anna") { id } }'
PURGE = 'mutation Stop { stopDailyRoutine(userId: "anna") { __typename } }'
PRINTED = """query Viewer {
  viewer {
    subject
    __typename
  }
}"""
"""As Apollo's client prints it."""
LISTED = (VIEWER, PRINTED, SHAPE, EVENTS, PURGE)
ANSWER = {"data": {"viewer": {"subject": "service:tests"}}}


def hash_of(document: str) -> str:
    return sha256(document.encode()).hexdigest()


def by_id(document: str) -> dict[str, Any]:
    return {"documentId": f"sha256:{hash_of(document)}"}


def as_apollo(document: str, version: int = 1) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": {"version": version, "sha256Hash": hash_of(document)}}}


NAMINGS = [by_id, as_apollo]
Naming = Callable[[str], dict[str, Any]]


def written(folder: Path, documents: Mapping[str, str]) -> Path:
    path = folder / "documents.json"
    path.write_text(json.dumps(documents))
    return path


@asynccontextmanager
async def listing(folder: Path, **settings: object) -> AsyncIterator[Api]:
    path = written(folder, {hash_of(document): document for document in LISTED})
    async with running(
        NOWHERE, NO_SAHHA, Clock(), worker="off", scheduler="off", introspection="off", persisted_documents=path, **settings
    ) as api:
        yield api


@pytest_asyncio.fixture(scope="module")
async def lenient(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """Runs whatever it is sent."""
    async with listing(tmp_path_factory.mktemp("lenient")) as api:
        yield api


@pytest_asyncio.fixture(scope="module")
async def strict(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """Runs the documents of its list alone."""
    async with listing(tmp_path_factory.mktemp("strict"), persisted_only="on") as api:
        yield api


async def post(api: Api, body: Mapping[str, Any], accept: str = "application/json") -> tuple[int, dict[str, Any]]:
    response = await api.request("POST", "/graphql", body=body, headers={"accept": accept})
    return response.status_code, response.json()


async def get(api: Api, members: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    params = {name: value if isinstance(value, str) else json.dumps(value) for name, value in members.items()}
    response = await api.request("GET", "/graphql", params=params)
    return response.status_code, response.json()


async def events(api: Api, body: Mapping[str, Any]) -> dict[str, Any]:
    """What a stream of events begins with."""
    response = await api.request("POST", "/graphql", body=body, headers={"accept": "text/event-stream"})
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    answer: dict[str, Any] = json.loads(lines[0] if lines else response.text)
    return answer


async def subscribe(socket: Socket, payload: Mapping[str, Any], identifier: str = "1") -> dict[str, Any]:
    await socket.send({"id": identifier, "type": "subscribe", "payload": dict(payload)})
    return await socket.receive()


@pytest.mark.parametrize("named", NAMINGS, ids=["documentId", "apollo"])
@pytest.mark.parametrize("mode", ["lenient", "strict"])
async def test_a_document_is_run_by_its_hash(lenient: Api, strict: Api, mode: str, named: Naming) -> None:
    api = strict if mode == "strict" else lenient
    for _ in range(2):  # by the ordinary executor and by generated code
        assert await post(api, named(VIEWER)) == (200, ANSWER)
        assert await get(api, named(VIEWER)) == (200, ANSWER)
    assert await post(api, {**named(VIEWER), "query": VIEWER}) == (200, ANSWER)
    assert await events(api, named(VIEWER)) == ANSWER
    async with acknowledged(api) as socket:
        message = await subscribe(socket, named(VIEWER))
        assert (message["type"], message["payload"]) == ("next", ANSWER)
        assert (await socket.receive())["type"] == "complete"
        message = await subscribe(socket, named(EVENTS), "2")
        assert message["payload"][0]["extensions"]["code"] == "UNAVAILABLE", "there is no store here"


@pytest.mark.parametrize("named", NAMINGS, ids=["documentId", "apollo"])
async def test_an_unknown_hash_is_told_as_apollos_clients_expect(lenient: Api, named: Naming) -> None:
    told = {"message": "PersistedQueryNotFound", "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND", "retryable": False}}
    assert await post(lenient, named(OTHER)) == (404, {"errors": [told]})
    assert await get(lenient, named(OTHER)) == (404, {"errors": [told]})
    assert (await events(lenient, named(OTHER)))["errors"] == [told]
    async with acknowledged(lenient) as socket:
        assert await subscribe(socket, named(OTHER)) == {"id": "1", "type": "error", "payload": [told]}
        assert (await subscribe(socket, named(VIEWER)))["type"] == "next", "the socket lives on"
    status, answer = await post(lenient, {**named(OTHER), "query": OTHER})
    assert (status, list(answer)) == (200, ["data"])


async def test_strict_mode_refuses_every_other_document_over_every_transport(strict: Api) -> None:
    for body in ({"query": OTHER}, {"query": OTHER, **as_apollo(OTHER)}, {"query": VIEWER + " "}, {"query": "{ nonsense"}):
        _, answer = await post(strict, body)
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["FORBIDDEN"]
        _, answer = await get(strict, body)
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["FORBIDDEN"]
        assert [error["extensions"]["code"] for error in (await events(strict, body))["errors"]] == ["FORBIDDEN"]
        async with acknowledged(strict) as socket:
            message = await subscribe(socket, body)
            assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "FORBIDDEN")
    assert await post(strict, {"query": VIEWER}) == (200, ANSWER)


async def test_only_the_switch_for_introspection_does_not_concern_them(lenient: Api) -> None:
    assert await post(lenient, by_id(SHAPE)) == (200, {"data": {"__schema": {"queryType": {"name": "Query"}}}})
    assert (await lenient.error(SHAPE + " "))["extensions"]["code"] == "FORBIDDEN"
    status, answer = await get(lenient, by_id(PURGE))
    assert status == 405, answer


@pytest.mark.parametrize(
    "members",
    [
        {"documentId": hash_of(VIEWER)},
        {"documentId": 1},
        {"extensions": {"persistedQuery": {"version": 1}}},
        {"extensions": {"persistedQuery": "x"}},
        {**by_id(VIEWER), "query": OTHER},
        {**as_apollo(VIEWER), "query": OTHER},
        {**as_apollo(VIEWER), "query": ["x"]},
    ],
)
async def test_a_hash_that_is_none_or_another_ones(lenient: Api, members: Mapping[str, Any]) -> None:
    status, answer = await post(lenient, members)
    assert status == 400
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_without_a_document_and_a_hash_it_is_no_request(lenient: Api) -> None:
    status, answer = await post(lenient, {"extensions": {"cost": True}})
    assert (status, answer["errors"][0]["extensions"]["code"]) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ({"0" * 64: VIEWER}, "0" * 64),
        ({hash_of("{ nonsense }"): "{ nonsense }"}, hash_of("{ nonsense }")),
        ({hash_of("{ nonsense"): "{ nonsense"}, hash_of("{ nonsense")),
        ({hash_of("query Q " + "{ a " * 9 + "}" * 9): "query Q " + "{ a " * 9 + "}" * 9}, "8 deep"),
        ({hash_of(SHAPE + " " * 40_000): SHAPE + " " * 40_000}, "32768 characters"),
        (["x"], "object"),
        ({"x": 1}, "object"),
    ],
)
def test_a_list_that_cannot_be_trusted_keeps_the_service_from_starting(tmp_path: Path, documents: Any, said: str) -> None:
    settings = load_settings(_env_file=None, persisted_documents=written(tmp_path, documents))
    with pytest.raises(StartError, match=f"PERSISTED_DOCUMENTS: .*{said}"):
        open_schema(settings)


def test_a_list_that_is_not_there_keeps_the_service_from_starting(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="nowhere"):
        open_schema(load_settings(_env_file=None, persisted_documents=tmp_path / "nowhere.json"))
    with pytest.raises(ConfigurationError, match="PERSISTED_DOCUMENTS"):
        load_settings(_env_file=None, persisted_only="on")


def test_the_command_writes_what_the_service_reads(tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.graphql" for number in range(len(LISTED))]
    for file, document in zip(files, LISTED, strict=True):
        file.write_text(document)
    made = CliRunner().invoke(app, ["persist", *map(str, files)])
    assert made.exit_code == 0
    documents = json.loads(made.stdout)
    assert documents == {hash_of(document): document for document in LISTED}
    open_schema(load_settings(_env_file=None, persisted_documents=written(tmp_path, documents)))


def test_the_command_names_the_file_that_cannot_be_run(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.graphql"
    wrong.write_text("{ nonsense }")
    made = CliRunner().invoke(app, ["persist", str(wrong)])
    assert (made.exit_code, made.stdout) == (2, "")
    assert "wrong.graphql: Cannot query field 'nonsense'" in made.stderr


async def test_apollos_client_sends_hashes_first_and_documents_where_it_has_to(lenient: Api) -> None:
    sent = json.loads(await run_node("persisted.mjs", lenient.url, SERVICE_KEY, PRINTED, OTHER))
    assert [each["documents"] for each in sent] == [0, 1]
    assert [set(each["data"]["viewer"]) for each in sent] == [{"subject", "__typename"}, {"scopes", "__typename"}]
