"""Events: durable before they are acknowledged, once however often they come, in whatever order."""

import asyncio
import hmac
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from hashlib import sha256

import asyncpg
import orjson
import pytest

from services.archive import HealthArchive
from services.domain.health import DataSource, ReadPolicy
from services.domain.ids import UserId
from services.errors import BadUserInput, Forbidden, ServiceError, Unauthenticated, Unavailable
from services.store import webhooks as store
from services.store.database import Database
from services.webhooks import Receipt, WebhookService
from tests.jobs.warm import person
from tests.product import MORNING, Product, open_product

SECRET = "a-secret-of-the-tests"
AVERY, OTHER = UserId("sandbox-avery"), UserId("somebody-else")
BIOMARKER, SCORE = "BiomarkerCreatedIntegrationEvent", "ScoreCreatedIntegrationEvent"
ARCHETYPE, DATA_LOG = "ArchetypeCreatedIntegrationEvent", "DataLogReceivedIntegrationEvent"


def biomarker(steps: int, minute: int = 0, **changes: object) -> dict[str, object]:
    """The running day's steps as Sahha knew them some minutes before now."""
    made_at = MORNING - timedelta(minutes=60 - minute)
    return {
        "id": "00000000-0000-5000-8000-000000000001",
        "category": "activity",
        "type": "steps",
        "periodicity": "intraday",
        "aggregation": "total",
        "value": str(steps),
        "unit": "count",
        "valueType": "integer",
        "startDateTime": "2026-03-11T00:00:00-04:00",
        "endDateTime": "2026-03-11T23:59:59-04:00",
        "createdAtUtc": made_at.isoformat(),
        "version": 1,
        "profileId": "profile",
        "accountId": "account",
        "externalId": AVERY,
        **changes,
    }


def score(value: float, minute: int) -> dict[str, object]:
    made_at = MORNING - timedelta(minutes=60 - minute)
    return {
        "id": "00000000-0000-5000-8000-000000000002",
        "type": "sleep",
        "state": "high",
        "score": value,
        "factors": [],
        "dataSources": ["sleep"],
        "scoreDateTime": "2026-03-11T00:00:00-04:00",
        "createdAtUtc": made_at.isoformat(),
        "externalId": AVERY,
    }


async def send(
    product: Product, document: object, event_type: str = BIOMARKER, external_id: str | None = AVERY, secret: str = SECRET
) -> Receipt:
    body = document if isinstance(document, bytes) else orjson.dumps(document)
    signature = hmac.new(secret.encode(), body, sha256).hexdigest()
    receive = product.services.webhooks.receive
    return await receive(body, signature=signature, external_id=external_id, event_type=event_type)


async def steps(product: Product) -> list[tuple[str, DataSource]]:
    page = await product.services.health_data.biomarkers(AVERY, types=("steps",), policy=ReadPolicy.DATABASE)
    return [(row.value, row.source) for row in page.items]


async def test_an_event_is_stored_once_applied(database: Database, database_url: str) -> None:
    async with open_product(database_url, sahha_webhook_secret=SECRET) as product:
        assert await send(product, biomarker(120)) is Receipt.ACCEPTED
        assert await steps(product) == []
        assert await product.services.webhooks.apply_waiting() == 1
        assert await steps(product) == [("120", DataSource.DATABASE)]
        assert await person(database, AVERY, "last_live_at") is None
        assert await person(database, AVERY, "last_asked_at") is not None
        for column in ("webhook_at", "news_at"):
            assert await person(database, AVERY, column) is not None
        async with database.connection() as connection:
            assert await store.waiting(connection) == 0
            assert await store.events_since(connection, MORNING - timedelta(minutes=2), "accepted") == 1


async def test_a_replay_is_stored_once(database: Database, database_url: str) -> None:
    async with open_product(database_url, sahha_webhook_secret=SECRET) as product:
        receipts = [await send(product, biomarker(120)) for _ in range(3)]
        assert receipts == [Receipt.ACCEPTED, Receipt.DUPLICATE, Receipt.DUPLICATE]
        await product.services.webhooks.apply_waiting()
        news_at = await person(database, AVERY, "news_at")
        assert await send(product, biomarker(120)) is Receipt.ACCEPTED
        assert await product.services.webhooks.apply_waiting() == 1
        assert await steps(product) == [("120", DataSource.DATABASE)]
        assert await person(database, AVERY, "news_at") == news_at


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("at_once", [True, False])
async def test_the_latest_state_wins_in_any_order(database_url: str, seed: int, at_once: bool) -> None:
    events = [(biomarker(value, minute), BIOMARKER) for minute, value in enumerate((10, 20, 10, 40, 30))]
    events += [(score(value, minute), SCORE) for minute, value in enumerate((0.5, 0.9, 0.7))]
    random.Random(seed).shuffle(events)
    async with open_product(database_url, sahha_webhook_secret=SECRET) as product:
        for document, event_type in events:
            await send(product, document, event_type)
            if not at_once:
                await product.services.webhooks.apply_waiting()
        await product.services.webhooks.apply_waiting()
        assert [value for value, _ in await steps(product)] == ["30"]
        page = await product.services.health_data.scores(AVERY, policy=ReadPolicy.DATABASE)
        assert [row.score for row in page.items] == [0.7]


async def test_an_event_made_before_a_live_read_changes_nothing(database_url: str) -> None:
    async with open_product(database_url, sahha_webhook_secret=SECRET) as product:
        await product.services.health_data.refresh(AVERY, force=True)
        known = await steps(product)
        await send(product, biomarker(99_999, 0))
        await product.services.webhooks.apply_waiting()
        assert await steps(product) == known


async def test_archetypes_and_data_logs(database: Database, database_url: str) -> None:
    seen_at = MORNING - timedelta(minutes=5)
    label = {
        "id": "00000000-0000-5000-8000-000000000003",
        "name": "sleep_duration",
        "value": "long_sleeper",
        "dataType": "ordinal",
        "periodicity": "weekly",
        "startDateTime": "2026-03-02T00:00:00-05:00",
        "endDateTime": "2026-03-08T00:00:00-05:00",
        "ordinality": 3,
        "version": 1,
        "createdAtUtc": "2026-03-09T01:02:53.322886Z",
        "externalId": AVERY,
    }
    log = {"logType": "activity", "receivedAtUtc": seen_at.isoformat(), "dataLogs": [{"value": 41}], "externalId": AVERY}
    async with open_product(database_url, sahha_webhook_secret=SECRET) as product:
        await send(product, label, ARCHETYPE)
        await send(product, log, DATA_LOG)
        async with database.connection() as connection:
            bodies = await connection.fetch("select body from webhook_inbox where event_type = $1", DATA_LOG)
        assert [orjson.loads(row["body"]) for row in bodies] == [{"receivedAtUtc": seen_at.isoformat()}]
        await product.services.webhooks.apply_waiting()
        assert [(row.name, row.value) for row in await product.services.health_data.labels(AVERY)] == [
            ("sleep_duration", "long_sleeper")
        ]
        assert await person(database, AVERY, "device_seen_at") == seen_at
        assert await person(database, AVERY, "news_at") is not None


async def test_what_cannot_be_true_is_kept_out(database: Database, database_url: str) -> None:
    async with open_product(database_url, sahha_webhook_secret=SECRET) as product:
        await send(product, biomarker(-5))
        assert await product.services.webhooks.apply_waiting() == 1
        assert await steps(product) == []
        async with database.connection() as connection:
            assert [row["value"] for row in await connection.fetch("select value from rejected_records")] == ["-5"]


async def test_an_unknown_type_is_kept_and_counted(database: Database, database_url: str) -> None:
    async with open_product(database_url, sahha_webhook_secret=SECRET) as product:
        for _ in range(2):
            await send(product, {"anything": 1, "externalId": AVERY}, "InsightCreatedIntegrationEvent")
        assert await product.services.webhooks.apply_waiting() == 0
        async with database.connection() as connection:
            (kept,) = await connection.fetch("select event_type, kept_for from webhook_inbox")
            counted = await connection.fetch("select event_type, fate, events from webhook_counts order by fate")
        assert tuple(kept) == ("InsightCreatedIntegrationEvent", "unknown")
        assert [tuple(row) for row in counted] == [("unknown", "accepted", 1), ("unknown", "duplicate", 1)]


@pytest.mark.parametrize(
    ("sent", "refusal"),
    [
        (lambda product: send(product, biomarker(1), secret="another"), Unauthenticated),
        (
            lambda product: product.services.webhooks.receive(b"{}", signature=None, external_id=AVERY, event_type=SCORE),
            Unauthenticated,
        ),
        (
            lambda product: product.services.webhooks.receive(b"{}", signature="é", external_id=AVERY, event_type=SCORE),
            Unauthenticated,
        ),
        (lambda product: send(product, biomarker(1), external_id=OTHER), Forbidden),
        (lambda product: send(product, biomarker(1, externalId=None)), Forbidden),
        (lambda product: send(product, biomarker(1), "Unheard", external_id=OTHER), Forbidden),
        (lambda product: send(product, biomarker(1), external_id=None), BadUserInput),
        (lambda product: send(product, biomarker(1), external_id="x" * 129), BadUserInput),
        (lambda product: send(product, b"[1]"), BadUserInput),
        (lambda product: send(product, b"<html>"), BadUserInput),
        (lambda product: send(product, b"\xff"), BadUserInput),
    ],
)
async def test_what_is_refused_leaves_nothing(
    database: Database, database_url: str, sent: Callable[[Product], Awaitable[Receipt]], refusal: type[ServiceError]
) -> None:
    async with open_product(database_url, sahha_webhook_secret=SECRET) as product:
        with pytest.raises(refusal):
            await sent(product)
        async with database.connection() as connection:
            assert await connection.fetchval("select count(*) from webhook_inbox") == 0
            assert await connection.fetchval("select count(*) from people") == 0


async def test_without_a_secret_nothing_is_taken(database_url: str) -> None:
    async with open_product(database_url) as product:
        with pytest.raises(Unauthenticated):
            await send(product, biomarker(1), secret="")


async def test_a_signature_may_be_written_in_capitals_and_a_name_in_any_script(database_url: str) -> None:
    name = "zoë"
    body = orjson.dumps(biomarker(1, externalId=name))
    signature = hmac.new(SECRET.encode(), body, sha256).hexdigest().upper()
    async with open_product(database_url, sahha_webhook_secret=SECRET) as product:
        receive = product.services.webhooks.receive
        as_sent = name.encode().decode("latin-1")
        assert await receive(body, signature=signature, external_id=as_sent, event_type=BIOMARKER) is Receipt.ACCEPTED


async def test_one_that_cannot_be_applied_does_not_hold_up_the_others(database: Database, database_url: str) -> None:
    async with open_product(database_url, sahha_webhook_secret=SECRET) as product:
        for minute in range(3):
            await send(product, biomarker(minute + 1, minute))
        async with database.connection() as connection:
            await connection.execute(
                "update webhook_inbox set event_type = 'no such type' where id = (select min(id) from webhook_inbox)"
            )
        assert await product.services.webhooks.apply_waiting() == 3
        assert [value for value, _ in await steps(product)] == ["3"]
        async with database.connection() as connection:
            assert [row["kept_for"] for row in await connection.fetch("select kept_for from webhook_inbox")] == [
                "cannot be applied"
            ]


async def test_news_are_told_within_the_transaction_that_stores_them(database: Database, database_url: str) -> None:
    told: list[tuple[UserId, bool]] = []

    async def listener(connection: asyncpg.Connection, user_id: UserId, at: datetime) -> None:
        within = await connection.fetchval("select count(*) from biomarkers where user_id = $1", user_id) == 1
        async with database.connection() as outside:
            assert await outside.fetchval("select count(*) from biomarkers") == 0
        told.append((user_id, within and at >= MORNING))

    async with open_product(database_url, sahha_webhook_secret=SECRET) as product:
        services = product.services
        archive = HealthArchive(services.database, services.clock, services.metrics)
        archive.announce_to(listener)
        webhooks = WebhookService(services.database, archive, None, services.clock, services.metrics)
        for minute in range(2):
            await send(product, biomarker(7, minute))
            await webhooks.apply_waiting()
        assert told == [(AVERY, True)]


async def test_a_worker_applies_what_arrives(database_url: str) -> None:
    async with open_product(database_url, worker=True, sahha_webhook_secret=SECRET) as product:
        await send(product, biomarker(120))
        async with asyncio.timeout(20):
            while not await steps(product):
                await asyncio.sleep(0.02)


async def test_what_cannot_be_stored_is_not_acknowledged() -> None:
    async with open_product("postgresql://nobody@127.0.0.1:1/nothing", sahha_webhook_secret=SECRET) as product:
        for outcome in await asyncio.gather(*(send(product, biomarker(each)) for each in range(20)), return_exceptions=True):
            assert isinstance(outcome, Unavailable)


async def test_a_burst_shares_its_commits(database: Database, database_url: str) -> None:
    async with open_product(database_url, sahha_webhook_secret=SECRET) as product:
        async with database.connection() as connection:
            before = await connection.fetchval("select xact_commit from pg_stat_database where datname = current_database()")
        receipts = await asyncio.gather(*(send(product, biomarker(each)) for each in range(2_000)))
        assert set(receipts) == {Receipt.ACCEPTED}
        async with database.connection() as connection:
            assert await store.waiting(connection) == 2_000
            await connection.execute("select pg_stat_force_next_flush()")
            after = await connection.fetchval("select xact_commit from pg_stat_database where datname = current_database()")
        assert after - before < 100
        assert await product.services.webhooks.apply_waiting() == 2_000
        assert len(await steps(product)) == 1
