"""What is past its time goes, everywhere, a bounded batch at a time."""

from datetime import timedelta

from services.domain.ids import UserId
from services.store import webhooks
from services.store.database import Database
from services.store.labels import archive_labels
from tests.product import MORNING, open_product
from tests.store.records import PERSON, archived, biomarker, counted, label, on_day, score

OLD = MORNING - timedelta(days=91)
TABLES = (
    "biomarkers",
    "latest_biomarkers",
    "scores",
    "latest_scores",
    "behaviour_labels",
    "rejected_records",
    "webhook_inbox",
    "webhook_counts",
)
MANY = """
insert into biomarkers (user_id, start_at, category, type, grain, day, end_at, start_offset_s, end_offset_s, sahha_id,
                        periodicity, aggregation, value, repair, fingerprint, stated_at, first_seen_at, received_at)
select 'p', $1::timestamptz - n * interval '1 minute', 'c', 't', 'daily', '2020-01-01', $1, 0, 0, 'id', 'daily', 'total', '1',
       'NONE', 1, $1, $1, $1
from generate_series(1, $2) n
"""


async def counts(database: Database) -> dict[str, int]:
    async with database.connection() as connection:
        return {table: await connection.fetchval(f"select count(*) from {table}") for table in TABLES}  # noqa: S608


async def filled(database: Database, days_ago: int, person: UserId) -> None:
    """A row of everything, of so many days ago."""
    at = MORNING - timedelta(days=days_ago)
    shift = -days_ago
    row = on_day(biomarker(), shift)
    scored = score(score_date_time=score().score_date_time + timedelta(days=shift))
    labelled = label(
        start_date_time=label().start_date_time + timedelta(days=shift),
        end_date_time=label().end_date_time + timedelta(days=shift),
    )
    await archived(database, [row], [scored], at, person=person)
    await archived(database, [on_day(counted(0), shift)], [], at, person=person)
    async with database.transaction() as connection:
        await archive_labels(connection, person, [labelled], at)
        await webhooks.put(connection, [webhooks.InboxEvent(person, "x", b"", person.encode(), at, "unknown")])
        await webhooks.count(connection, [(at, "unknown", "accepted")])


async def test_everything_past_its_time_goes_and_nothing_else(database: Database, database_url: str) -> None:
    await filled(database, 100, UserId("old"))
    await filled(database, 3, PERSON)
    assert await counts(database) == dict.fromkeys(TABLES, 2)
    async with open_product(database_url, retention_days=90) as product:
        assert await product.services.health_data.prune() == len([table for table in TABLES if "latest" not in table])
        assert await counts(database) == dict.fromkeys(TABLES, 1)
        assert await product.services.health_data.prune() == 0


async def test_many_rows_go_batch_by_batch(database: Database, database_url: str) -> None:
    async with database.connection() as connection:
        await connection.execute(MANY, OLD, 11_000)
    async with open_product(database_url, retention_days=90) as product:
        assert await product.services.health_data.prune() == 11_000
    assert (await counts(database))["biomarkers"] == 0


async def test_an_event_that_still_waits_is_not_forgotten(database: Database, database_url: str) -> None:
    async with database.transaction() as connection:
        await webhooks.put(connection, [webhooks.InboxEvent(PERSON, "x", b"", b"1", OLD)])
    async with open_product(database_url, retention_days=90) as product:
        assert await product.services.health_data.prune() == 0
