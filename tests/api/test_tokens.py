"""User tokens at every door: HTTP, the old URLs, sockets, and what their holders may not do."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from server.check import check_everything
from server.cli import app
from services.clock import Clock
from services.config import load_settings
from tests.api.clients import SERVICE_KEY, Api, acknowledged, opened
from tests.api.conftest import NO_SAHHA, NOWHERE, running
from tests.tokens import AUDIENCE, ISSUER, SECRET, TOKEN_SETTINGS, claims, public, published, rsa_key, signed, token_of

VIEWER = "{ viewer { subject scopes userId } }"
EXPIRED, NOT_VALID = "This token has expired.", "This token is not valid."


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_the_holder_is_one_person_without_scopes(edge: Api) -> None:
    viewer = (await edge.graphql(VIEWER, key=None, headers=bearer(token_of("anna"))))["data"]["viewer"]
    assert viewer == {"subject": "user:anna", "scopes": [], "userId": "anna"}


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (token_of("anna", valid_for_s=-120), EXPIRED),
        (token_of("anna", aud="another"), NOT_VALID),
        (token_of("anna", iss="another"), NOT_VALID),
        (signed(claims(), "x" * 42), NOT_VALID),
        (signed(claims(), None, "none"), NOT_VALID),
        ("a.b.c", NOT_VALID),
        ("service-key.with-a-dot", "This key is not known."),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/graphql"), ("POST", "/api/user/anna/routine/generate")])
async def test_a_token_that_is_not_good_is_401(edge: Api, token: str, message: str, method: str, path: str) -> None:
    response = await edge.request(method, path, key=None, headers=bearer(token), body={"query": VIEWER})
    body: dict[str, Any] = response.json()
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer realm="firstlight"'
    error = body["errors"][0] if "errors" in body else body["error"]
    assert (error.get("code") or error["extensions"]["code"], error["message"]) == ("UNAUTHENTICATED", message)


async def test_the_metrics_are_no_persons(edge: Api) -> None:
    elsewhere = {"x-forwarded-for": "203.0.113.9", **bearer(token_of("anna"))}
    assert (await edge.request("GET", "/metrics", key=None, headers=elsewhere)).status_code == 403


async def test_a_socket_takes_a_token_from_its_first_message_or_its_upgrade(edge: Api) -> None:
    for headers, payload in ((None, {"Authorization": f"Bearer {token_of('anna')}"}), (bearer(token_of("anna")), None)):
        async with opened(edge, headers) as socket:
            await socket.send({"type": "connection_init", "payload": payload})
            assert await socket.receive() == {"type": "connection_ack"}
            await socket.subscribe("1", VIEWER)
            assert (await socket.receive())["payload"]["data"]["viewer"]["userId"] == "anna"


@pytest.mark.parametrize(
    ("token", "code"), [(token_of("anna", valid_for_s=-120), 4403), (token_of("anna", aud="x"), 4401), ("a.b.c", 4401)]
)
async def test_a_socket_is_closed_for_good_unless_a_new_token_could_help(edge: Api, token: str, code: int) -> None:
    async with opened(edge) as socket:
        await socket.send({"type": "connection_init", "payload": bearer(token)})
        assert await socket.close_code() == code


async def test_a_socket_ends_with_its_token(edge: Api) -> None:
    async with acknowledged(edge, token_of("anna", valid_for_s=2)) as socket:
        assert await socket.close_code() == 4403


@pytest_asyncio.fixture(scope="module")
async def keys_away() -> AsyncIterator[Api]:
    """A service that can read no keys."""
    settings = {"jwt_jwks_url": "http://127.0.0.1:1/keys", "jwt_audience": AUDIENCE, "jwt_issuer": ISSUER}
    async with running(NOWHERE, NO_SAHHA, Clock(), worker="off", scheduler="off", **settings) as api:
        yield api


async def test_without_the_issuers_keys_tokens_wait_and_keys_work(keys_away: Api) -> None:
    token = signed(claims(), rsa_key(), "RS256", kid="first")
    response = await keys_away.post(VIEWER, key=None, headers=bearer(token))
    assert (response.status_code, response.json()["errors"][0]["extensions"]["code"]) == (503, "UNAVAILABLE")
    async with opened(keys_away) as socket:
        await socket.send({"type": "connection_init", "payload": bearer(token)})
        assert await socket.close_code() == 1013
    assert (await keys_away.data(VIEWER, key=SERVICE_KEY))["viewer"]["subject"] == "service:tests"


async def test_tokens_of_an_issuer_with_keys_of_their_own() -> None:
    async with published(public(rsa_key(), "first")) as issuer:
        settings = {"jwt_jwks_url": issuer.url, "jwt_audience": AUDIENCE, "jwt_issuer": ISSUER}
        async with running(NOWHERE, NO_SAHHA, Clock(), worker="off", scheduler="off", **settings) as api:
            token = signed(claims("anna"), rsa_key(), "RS256", kid="first")
            answers = await asyncio.gather(*(api.graphql(VIEWER, key=None, headers=bearer(token)) for _ in range(10)))
            assert {answer["data"]["viewer"]["userId"] for answer in answers} == {"anna"}
            assert (await api.post(VIEWER, key=None, headers=bearer(token_of("anna")))).status_code == 401
    assert issuer.reads == 1


@pytest.mark.parametrize(
    ("changed", "ok", "found"),
    [
        ({}, True, "keys at JWT_JWKS_URL: 1"),
        ({"jwt_jwks_url": "http://127.0.0.1:1/keys"}, False, "ConnectError"),
        ({"jwt_jwks_url": None, "jwt_secret": SECRET}, True, "HS256 by JWT_SECRET"),
        ({"jwt_jwks_url": None, "jwt_audience": None, "jwt_issuer": None}, True, "off: keys alone"),
    ],
)
async def test_the_check_says_how_tokens_stand(changed: dict[str, str | None], ok: bool, found: str) -> None:
    async with published(public(rsa_key(), "first")) as issuer:
        settings = {"jwt_jwks_url": issuer.url, "jwt_audience": AUDIENCE, "jwt_issuer": ISSUER, **changed}
        findings = await check_everything(load_settings(_env_file=None, **settings))
    (told,) = (finding for finding in findings if finding.what == "user tokens")
    assert (told.ok, told.found, bool(told.remedy)) == (ok, found, not ok)


async def test_a_token_to_try_out_is_made_on_the_command_line(edge: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {name.upper(): value for name, value in TOKEN_SETTINGS.items()}
    made = CliRunner().invoke(app, ["keys", "token", "--user", "anna", "--minutes", "5"], env=environment)
    assert made.exit_code == 0
    viewer = (await edge.graphql(VIEWER, key=None, headers=bearer(made.stdout.strip())))["data"]["viewer"]
    assert viewer["userId"] == "anna"
    refused = CliRunner().invoke(app, ["keys", "token", "--user", "x" * 129], env=environment)
    assert (refused.exit_code, refused.stdout) == (2, "")
