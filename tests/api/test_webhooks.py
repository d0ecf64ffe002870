"""`POST /webhooks/sahha`: the signature is the only key, and 2xx means durable."""

import asyncio
import hmac
import json
from hashlib import sha256
from typing import Any

import httpx
import pytest

from server.webhooks import BODY_LIMIT, PATH
from services.clock import Clock
from tests.api.clients import SERVICE_KEY, WEBHOOK_SECRET, Api
from tests.api.conftest import NO_SAHHA, NOWHERE, running

PERSON = "sandbox-avery"
SCORE = "ScoreCreatedIntegrationEvent"
DATA_LOG = "DataLogReceivedIntegrationEvent"
EVENT: dict[str, Any] = {
    "id": "7a4ad5a6-0df3-4a3b-8d3f-0a8b6a6a3f10",
    "type": "mental_wellbeing",
    "state": "high",
    "score": 0.87,
    "factors": [],
    "dataSources": ["sleep", "activity"],
    "scoreDateTime": "2026-03-10T00:00:00-04:00",
    "createdAtUtc": "2026-03-11T10:30:00Z",
    "version": 1.0,
    "profileId": "profile",
    "accountId": "account",
    "externalId": PERSON,
}
BODY = json.dumps(EVENT).encode()


def sign(body: bytes, secret: str = WEBHOOK_SECRET) -> str:
    return hmac.new(secret.encode(), body, sha256).hexdigest()


async def post(api: Api, body: bytes = BODY, kind: str = SCORE, **headers: str) -> httpx.Response:
    """As Sahha sends it, signed, and without a key of ours."""
    sent = {"x-signature": sign(body), "x-external-id": PERSON, "x-event-type": kind, "content-type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return await api.request("POST", PATH, key=None, content=body, headers=sent)


async def stored(api: Api) -> list[dict[str, Any]]:
    query = """query($u: ID!) {
        scores(userId: $u, types: ["mental_wellbeing"], policy: DATABASE) { nodes { id score state source } }
    }"""
    nodes: list[dict[str, Any]] = (await api.data(query, {"u": PERSON}))["scores"]["nodes"]
    return nodes


async def test_an_event_needs_no_key_and_reaches_the_store(service: Api) -> None:
    response = await post(service)
    assert (response.status_code, response.content) == (204, b"")
    async with asyncio.timeout(15):
        while not (nodes := await stored(service)):
            await asyncio.sleep(0.05)
    assert nodes == [{"id": EVENT["id"], "score": 0.87, "state": "high", "source": "DATABASE"}]
    assert (await post(service)).status_code == 204


async def test_a_signature_is_read_in_either_case(service: Api) -> None:
    assert (await post(service, x_signature=sign(BODY).upper())).status_code == 204


@pytest.mark.parametrize("signature", ["", "x", sign(BODY, "another secret"), sign(BODY + b" ")])
async def test_a_wrong_signature_is_401(edge: Api, signature: str) -> None:
    response = await post(edge, x_signature=signature, x_api_key=SERVICE_KEY)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "UNAUTHENTICATED")


async def test_no_signature_is_401(edge: Api) -> None:
    response = await edge.request("POST", PATH, content=BODY, headers={"x-external-id": PERSON, "x-event-type": SCORE})
    assert (response.status_code, response.json()["error"]["code"]) == (401, "UNAUTHENTICATED")


async def test_without_a_secret_nothing_is_taken() -> None:
    async with running(NOWHERE, NO_SAHHA, Clock(), worker="off", scheduler="off", sahha_webhook_secret=None) as api:
        assert (await post(api)).status_code == 401


async def test_an_event_of_another_person_than_its_header_is_403(edge: Api) -> None:
    response = await post(edge, x_external_id="sandbox-blake")
    assert (response.status_code, response.json()["error"]["code"]) == (403, "FORBIDDEN")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
async def test_a_signed_body_that_is_no_event_is_400(edge: Api, body: bytes) -> None:
    response = await post(edge, body)
    assert (response.status_code, response.json()["error"]["code"]) == (400, "BAD_USER_INPUT")


async def test_a_type_that_nobody_knows_is_taken(service: Api) -> None:
    assert (await post(service, kind="InsightCreatedIntegrationEvent")).status_code == 204


async def test_a_long_data_log_is_taken_and_a_longer_one_is_413(service: Api) -> None:
    log = {"externalId": PERSON, "receivedAtUtc": "2026-03-11T10:30:00Z", "dataLogs": [{"id": "x" * 500}] * 1000}
    body = json.dumps(log).encode()
    assert (await post(service, body, DATA_LOG)).status_code == 204
    response = await post(service, body.ljust(BODY_LIMIT + 1), DATA_LOG)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "BODY_TOO_LARGE")


async def test_a_store_that_is_away_asks_to_come_again(edge: Api) -> None:
    response = await post(edge)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")


async def test_other_methods_are_405(edge: Api) -> None:
    assert (await edge.request("GET", PATH)).status_code == 405
