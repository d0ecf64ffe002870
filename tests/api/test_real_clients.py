"""Clients that this project did not write: a query and a subscription from each, and how they take being cut off (C12, C13)."""

import json
from typing import Any

from gql import Client, gql
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport

from tests.api.clients import SERVICE_KEY, Api
from tests.api.conftest import running_whole
from tests.api.edge import VIEWER, edge_with
from tests.api.test_routines import PERSON, generate
from tests.api.test_subscriptions import QUERY as PLAN_READY
from tests.node import run_node
from tests.tokens import AUDIENCE, ISSUER, SECRET, TOKEN_SETTINGS

SUBJECT = {"viewer": {"subject": "service:tests"}}


async def test_official_clients_for_javascript(database_url: str) -> None:
    async with running_whole(database_url, **TOKEN_SETTINGS) as api, edge_with(database_url, stream_life_s=2) as short_lived:
        asked = {
            "url": f"{api.url}/graphql",
            "shortLivedUrl": f"{short_lived.url}/graphql",
            "key": SERVICE_KEY,
            "person": PERSON,
            "issuer": {"name": ISSUER, "audience": AUDIENCE, "secret": SECRET},
        }
        results = json.loads(await run_node("streams.mjs", json.dumps(asked)))
    works = {"subject": SUBJECT["viewer"]["subject"], "told": True}
    assert results == {
        "graphqlWs": works,
        "graphqlWsComesBack": {"codes": [1012], "complete": True},
        "graphqlWsRenewsItsToken": {"codes": [4403], "complete": True},
        "graphqlWsWaitsForItsTurn": {"codes": [1013], "answered": True},
        "graphqlWsGivesUp": {"codes": [4401], "failure": 4401},
        "graphqlSse": works,
        "graphqlSseComesBack": {"complete": True},
        "apollo": works,
    }


async def test_gql_over_websocket(service: Api) -> None:
    made = await generate(service, wait=30)
    url = service.url.replace("http", "ws", 1) + "/graphql"
    transport = WebsocketsTransport(url, init_payload={"x-api-key": SERVICE_KEY})
    async with Client(transport=transport) as session:
        assert await session.execute(gql(VIEWER)) == SUBJECT
        request = gql(PLAN_READY)
        request.variable_values = {"userId": PERSON, "after": made["cursor"]}
        async for data in session.subscribe(request):
            told: dict[str, Any] = data["planReady"]["routine"]
            break
    assert told["id"] == made["routine"]["id"]


async def test_gql_over_http(service: Api) -> None:
    transport = HTTPXAsyncTransport(f"{service.url}/graphql", headers={"x-api-key": SERVICE_KEY})
    async with Client(transport=transport) as session:
        assert await session.execute(gql(VIEWER)) == SUBJECT
