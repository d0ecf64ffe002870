"""The stand-in's webhooks: signed, told apart by header, and as wrong as they are asked to be."""

import asyncio
import hmac
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.standins.generated import Crowd
from server.standins.serving import serve_standin
from server.standins.webhook_events import EventKind
from server.standins.webhooks_out import Target
from tests.upstream.standing import Standing, open_standin

SECRET = "kG9/looks+like+base64=="
AVERY = "sandbox-avery"


@dataclass
class Received:
    """What came in: headers and bodies in their order. `refuse`: so many are answered 503 first."""

    events: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    refuse: int = 0

    @property
    def kinds(self) -> Counter[str]:
        return Counter(headers["x-event-type"] for headers, _ in self.events)

    @property
    def signed(self) -> list[bool]:
        return [hmac.new(SECRET.encode(), body, sha256).hexdigest() == headers["x-signature"] for headers, body in self.events]

    def bodies(self) -> list[dict[str, Any]]:
        return [orjson.loads(body) for _, body in self.events]


@asynccontextmanager
async def receiver() -> AsyncIterator[tuple[Received, str]]:
    received = Received()

    async def receive(request: Request) -> Response:
        received.events.append((dict(request.headers), await request.body()))
        if received.refuse:
            received.refuse -= 1
            return Response(status_code=503)
        return Response(status_code=204)

    async with serve_standin(Starlette(routes=[Route("/hook", receive, methods=["POST"])])) as url:
        yield received, f"{url}/hook"


@asynccontextmanager
async def sending(**plan: Any) -> AsyncIterator[tuple[Standing, Received]]:
    async with receiver() as (received, url), open_standin(crowd=Crowd(50), webhooks=Target(url, SECRET)) as standing:
        if plan:
            await standing.control("PUT", "webhooks", **plan)
        yield standing, received


async def test_events_are_signed_objects_told_apart_by_header() -> None:
    async with sending() as (standing, received):
        report = await standing.control("POST", "webhooks/send", count=80, at_once=1)
    assert (report["sent"], report["statuses"]) == (80, {"204": 80})
    assert all(received.signed)
    assert set(received.kinds) >= {EventKind.SCORE, EventKind.BIOMARKER, EventKind.DATA_LOG}
    assert {headers["x-external-id"] for headers, _ in received.events} == {AVERY}
    for (headers, _), body in zip(received.events, received.bodies(), strict=True):
        assert (body["externalId"], body["profileId"], body["accountId"]) == (AVERY, f"profile-{AVERY}", "account-sandbox")
        if headers["x-event-type"] == EventKind.BIOMARKER:
            assert (body["version"], body["createdAtUtc"][-1]) == (1, "Z")
        if headers["x-event-type"] == EventKind.DATA_LOG:
            assert isinstance(body["dataLogs"][0]["value"], int)


async def test_a_burst_of_many_people_in_no_order_and_more_than_once() -> None:
    people = [f"generated-{number:05}" for number in range(1, 51)]
    async with sending(people=people, duplicates=0.5, copies=3, shuffle=50, seed=4, events=[EventKind.BIOMARKER]) as (
        standing,
        received,
    ):
        report = await standing.control("POST", "webhooks/send", count=1000, at_once=20)
    assert report["statuses"] == {"204": 1000}
    times = Counter(body for _, body in received.events)
    assert set(times.values()) >= {1, 3}
    assert 0.3 < sum(count > 1 for count in times.values()) / len(times) < 0.7
    starts = [body["startDateTime"] for body in received.bodies()]
    assert starts != sorted(starts, reverse=True)
    assert len({body["externalId"] for body in received.bodies()}) > 40


async def test_lies_about_the_sender_the_person_and_the_type() -> None:
    async with sending(bad_signatures=0.5, wrong_person=0.5, unknown_types=0.5, seed=9) as (standing, received):
        await standing.control("POST", "webhooks/send", count=100, at_once=1)
    assert 30 < sum(received.signed) < 70
    assert 30 < sum(headers["x-external-id"] == AVERY for headers, _ in received.events) < 70
    assert 30 < received.kinds["InsightCreatedIntegrationEvent"] < 70
    assert {body["externalId"] for body in received.bodies()} == {AVERY}


async def test_a_rate_flows_until_it_is_ended_and_refused_events_come_again() -> None:
    async with sending(rate=200, retries=1) as (standing, received):
        received.refuse = 1
        async with asyncio.timeout(20):
            while len(received.events) < 20:
                await asyncio.sleep(0.02)
        shown = await standing.control("DELETE", "webhooks")
        assert (shown["rate"], shown["secret"]) == (0, "*" * 10)
        assert shown["sent"]["503"] == 1
        assert received.events[0][1] == received.events[1][1]
        await asyncio.sleep(0.1)
        settled = len(received.events)
        await asyncio.sleep(0.1)
        assert len(received.events) == settled


@pytest.mark.parametrize("url", ["http://198.51.100.7/hook", "https://127.0.0.1/hook", "http://example.org/", "file:///x"])
async def test_nothing_is_sent_beyond_loopback(url: str) -> None:
    async with open_standin() as standing:
        answer = await standing.http.put("/_standin/webhooks", json={"url": url, "secret": SECRET})
        assert (answer.status_code, SECRET in answer.text) == (400, False)
    with pytest.raises(ValueError, match="loopback"):
        Target(url, SECRET)


async def test_what_cannot_be_sent_is_refused() -> None:
    async with open_standin() as standing:
        refusals: list[dict[str, Any]] = [{"people": ["nobody"]}, {"people": []}, {"rate": -1}, {"strange": 1}]
        for refused in refusals:
            assert (await standing.http.put("/_standin/webhooks", json=refused)).status_code in {400, 404}
        assert (await standing.http.post("/_standin/webhooks/send", json={"count": 1})).status_code == 400
    async with sending(people=["sandbox-casey"]) as (standing, received):
        report = await standing.control("POST", "webhooks/send", count=5)
        assert (report["sent"], received.events) == (0, [])
