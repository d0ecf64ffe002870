"""S19 and S23 of the fault matrix: events that nobody signed, that name somebody else, come again, late, or by the thousand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx
import orjson
from structlog.testing import capture_logs

from server.standins.generated import Crowd
from server.standins.people import invented_people
from server.standins.rows import biomarker_rows
from server.standins.sahha import create_sahha_standin
from server.standins.serving import serve_standin
from server.standins.webhook_events import EventKind
from server.standins.webhooks_out import Target, signature_of
from services.clock import clock_starting_at
from services.domain.health import Biomarker, DataSource, ReadPolicy
from services.domain.ids import UserId
from services.sahha.client import SahhaAccess
from tests.api.clients import Api
from tests.api.conftest import running
from tests.product import MORNING

SECRET = "a-secret-of-the-tests"
AVERY, BLAKE = UserId("sandbox-avery"), UserId("sandbox-blake")
PATH = "/webhooks/sahha"


@dataclass(frozen=True)
class Pushed:
    """A service that listens to webhooks, and a stand-in that sends them."""

    api: Api
    standin: httpx.AsyncClient

    async def send(self, count: int, at_once: int = 10, **plan: Any) -> dict[str, int]:
        """How the service answered, by status, once it has applied what it took."""
        told = await self.standin.put(
            "/_standin/webhooks", json={"url": self.api.url + PATH, "secret": SECRET, "people": [AVERY], **plan}
        )
        assert told.status_code == 200, told.text
        answer = await self.standin.post("/_standin/webhooks/send", json={"count": count, "at_once": at_once}, timeout=300)
        assert answer.status_code == 200, answer.text
        await self.api.services.webhooks.apply_waiting()
        statuses: dict[str, int] = answer.json()["statuses"]
        return statuses

    async def post(self, document: dict[str, Any], **headers: str) -> int:
        """An event of the first person, signed, unless the headers are others: `x_signature` and so on."""
        body = orjson.dumps(document)
        usual = {"x-signature": signature_of(body, SECRET), "x-external-id": AVERY, "x-event-type": EventKind.BIOMARKER}
        sent = usual | {name.replace("_", "-"): value for name, value in headers.items()}
        return (await self.api.request("POST", PATH, key=None, content=body, headers=sent)).status_code

    async def stored(self, person: UserId = AVERY) -> tuple[Biomarker, ...]:
        await self.api.services.webhooks.apply_waiting()
        records = await self.api.services.health_data.read_week(person, None, ReadPolicy.DATABASE, 5)
        assert records.source is DataSource.DATABASE
        assert {row.source for row in records.biomarkers} <= {DataSource.DATABASE}
        return records.biomarkers

    async def events(self, fate: str) -> float:
        registry = self.api.services.metrics.registry
        return registry.get_sample_value("firstlight_webhook_events_total", {"fate": fate}) or 0


@asynccontextmanager
async def pushed(database_url: str, crowd: int = 0) -> AsyncIterator[Pushed]:
    clock = clock_starting_at(MORNING)
    app = create_sahha_standin(clock, client_id="client", client_secret="secret", crowd=Crowd(crowd), webhooks=Target())
    async with (
        serve_standin(app) as url,
        running(
            database_url,
            SahhaAccess(url, "client", "secret"),
            clock,
            scheduler="off",
            worker="off",
            sahha_webhook_secret=SECRET,
        ) as api,
        httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as standin,
    ):
        await api.until_ready()
        yield Pushed(api, standin)


def steps_of_today(value: int, created_at: datetime) -> dict[str, Any]:
    """An event as Sahha makes it at each recalculation."""
    person = invented_people()[AVERY]
    (row,) = (row for row in biomarker_rows(person, MORNING.date(), MORNING) if row["type"] == "steps")
    whose = {"profileId": f"profile-{AVERY}", "accountId": "account-sandbox", "externalId": AVERY}
    return {**row, **whose, "value": str(value), "createdAtUtc": created_at.isoformat(), "version": 1}


async def test_s23_a_bad_signature_is_401_and_nothing_is_stored(database_url: str) -> None:
    async with pushed(database_url) as service:
        assert await service.send(40, bad_signatures=1) == {"401": 40}
        document = steps_of_today(5, MORNING)
        body = orjson.dumps(document)
        for signature in ("", "0" * 64, signature_of(body, SECRET)[:-1], signature_of(body + b" ", SECRET)):
            assert await service.post(document, x_signature=signature) == 401
        assert await service.stored() == ()
        assert await service.events("unsigned") == 44


async def test_s23_the_same_event_three_times_is_stored_once(database_url: str) -> None:
    async with pushed(database_url) as service:
        statuses = await service.send(90, at_once=3, duplicates=1, copies=3, events=[EventKind.BIOMARKER])
        assert sum(count for status, count in statuses.items() if status.startswith("2")) == 90
        rows = await service.stored()
        assert len(rows) == len({(row.category, row.type, row.start_date_time) for row in rows}) == 30
        changed = service.api.services.metrics.registry.get_sample_value("firstlight_health_records_total", {"fate": "changed"})
        assert changed == 30


async def test_s23_of_events_out_of_order_the_latest_state_wins(database_url: str) -> None:
    async with pushed(database_url) as service:
        first, second, third = (steps_of_today(value, MORNING - timedelta(hours=3 - value // 100)) for value in (100, 200, 300))
        for event in (third, first, second):
            assert 200 <= await service.post(event) < 300
            await service.stored()
        (row,) = await service.stored()
        assert row.number == 300
        for event in (second, third, first):
            assert 200 <= await service.post(event) < 300
        (row,) = await service.stored()
        assert row.number == 300


async def test_s19_an_event_in_somebody_else_s_name_is_refused_with_an_alarm(database_url: str) -> None:
    async with pushed(database_url) as service:
        with capture_logs() as logs:
            assert await service.post(steps_of_today(5, MORNING), x_external_id=BLAKE) == 403
        assert [entry["log_level"] for entry in logs if "[WEBHOOK]" in entry["event"]] == ["error"]
        assert await service.stored(AVERY) == await service.stored(BLAKE) == ()
        assert await service.send(20, wrong_person=1) == {"403": 20}
        assert await service.stored(AVERY) == ()


async def test_s23_unknown_types_are_taken_and_kept_and_no_row_comes_of_them(database_url: str) -> None:
    async with pushed(database_url) as service:
        statuses = await service.send(20, unknown_types=1)
        assert set(statuses) <= {"200", "202", "204"}
        assert await service.stored() == ()
        assert await service.events("kept") == 20


async def test_s23_a_burst_is_taken_whole_and_ends_in_what_a_read_would_have_given(database_url: str) -> None:
    people = [f"generated-{number:05}" for number in range(1, 11)]
    async with pushed(database_url, crowd=10) as service:
        statuses = await service.send(1000, at_once=50, people=people, shuffle=200, duplicates=0.2, seed=23)
        assert set(statuses) == {"204"}
        assert statuses["204"] == 1000
        one = UserId(people[0])
        told = {(row.type, row.start_date_time): row.number for row in await service.stored(one)}
        async with asyncio.timeout(30):
            live = await service.api.services.health_data.read_week(one, None, ReadPolicy.LIVE_FIRST, 20)
        read = {(row.type, row.start_date_time): row.number for row in live.biomarkers}
        both = told.keys() & read.keys()
        assert len(both) > 30
        # The running day has moved on between the event and the read.
        settled = {key for key in both if MORNING - key[1] > timedelta(hours=40)}
        assert len(settled) > 10
        assert {key: told[key] for key in settled} == {key: read[key] for key in settled}
