"""The hot statements on health records use their indexes (reliability.md, D15): some 50,000 rows of many people."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from services.domain.ids import UserId
from services.store import archive, labels, people, records, retention, webhooks
from services.store.database import Database
from services.store.records import RecordFilter

PERSON = UserId("person-7")
NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)
START, END = NOW - timedelta(days=9), NOW + timedelta(days=2)
FIRST, LAST = date(2026, 3, 5), date(2026, 3, 11)
WANTED = RecordFilter(START, END, ("sleep", "activity"), None, (FIRST, LAST))

FILL = """
insert into people (user_id, first_asked_at, last_asked_at, last_live_at, sync_wanted_at)
select 'person-' || n, now_is, now_is - n * interval '2 hours', now_is, case when n % 50 = 0 then now_is end
from generate_series(1, 200) n, (select timestamptz '2026-03-11 12:00+00' as now_is) as clock;

insert into biomarkers (user_id, start_at, category, type, grain, day, end_at, start_offset_s, end_offset_s, sahha_id,
                        periodicity, aggregation, value, number, unit, repair, fingerprint, stated_at, first_seen_at, received_at)
select 'person-' || person, at, (array['activity', 'sleep', 'vitals'])[1 + kind % 3], 'type-' || kind, 'daily',
       (at at time zone 'UTC')::date, at + interval '1 day', 0, 0, 'id', 'daily', 'total', '1', 1, 'count', 'NONE', 1, at, at, at
from generate_series(0, 89) day, lateral (select timestamptz '2026-03-11 12:00+00' - day * interval '1 day' as at) as moment,
     generate_series(1, 20) person, generate_series(1, 28) kind;

insert into scores (user_id, score_at, type, day, score_offset_s, sahha_id, score, factors, data_sources, fingerprint, stated_at,
                    first_seen_at, received_at)
select 'person-' || person, at, 'type-' || kind, (at at time zone 'UTC')::date, 0, 'id', 0.5, '[]', '{}', 1, at, at, at
from generate_series(0, 89) day, lateral (select timestamptz '2026-03-11 12:00+00' - day * interval '1 day' as at) as moment,
     generate_series(1, 100) person, generate_series(1, 6) kind;

insert into latest_biomarkers
select distinct on (user_id, category, type, grain) * from biomarkers order by user_id, category, type, grain, start_at desc;

insert into latest_scores select distinct on (user_id, type) * from scores order by user_id, type, score_at desc;

insert into rejected_records
select user_id, 'BIOMARKER', category, type, grain, start_at, end_at, 'id', '-5', 'bpm', 'low', 1, first_seen_at, received_at
from biomarkers;

insert into behaviour_labels
select user_id, type, 'weekly', start_at, end_at, 0, 0, 'id', 'long', null, null, null, 1, stated_at, first_seen_at, received_at
from biomarkers;

insert into webhook_inbox (user_id, event_type, body, digest, received_at, kept_for)
select user_id, 'x', '', sha256(convert_to(user_id || type || start_at, 'UTF8')), start_at,
       case when day < '2026-03-01' then 'unknown' end
from biomarkers;

analyze;
"""
STATEMENTS: dict[str, tuple[str, tuple[object, ...]]] = {
    "stored fingerprints of biomarkers": (archive.BIOMARKER_PRINTS, (PERSON, START, END)),
    "stored fingerprints of scores": (archive.SCORE_PRINTS, (PERSON, START, END)),
    "a week of biomarkers": (records.DAYS_OF_BIOMARKERS, (PERSON, START, END, FIRST, LAST, None)),
    "a week of scores": (records.DAYS_OF_SCORES, (PERSON, START, END, FIRST, LAST, None)),
    "the newest of every type": (records.NEWEST, (PERSON,)),
    "the newest moment": (records.NEWEST_VALUE_AT, (PERSON,)),
    "the count of a week": (records.COUNT_DAYS, (PERSON, START, START, END, FIRST, LAST)),
    "a first page": (records.BIOMARKER_PAGE, (*records._biomarker_arguments(PERSON, WANTED), None, None, None, None, 201, NOW)),
    "a later page": (
        records.BIOMARKER_PAGE,
        (*records._biomarker_arguments(PERSON, WANTED), NOW, "sleep", "type-4", "daily", 201, NOW),
    ),
    "the count of a list": (records.BIOMARKER_COUNT, tuple(records._biomarker_arguments(PERSON, WANTED))),
    "a page of scores": (records.SCORE_PAGE, (PERSON, START, END, None, FIRST, LAST, NOW, "type-4", 101)),
    "the count of scores": (records.SCORE_COUNT, (PERSON, START, END, None, None, None)),
    "the newest labels": (labels.NEWEST, (PERSON,)),
    "an asked person": (people.READ, (PERSON,)),
    "lost syncs": (people.LOST_SYNCS, (NOW, 100)),
    "the newest event": (webhooks.NEWEST, ()),
    "whose events wait": (webhooks.TAKE_PERSON, (10_000_000,)),
    "a person's events": (webhooks.TAKE, (PERSON, 10_000_000, 500)),
}
SMALL = {"people", "pgqueuer"}
"""Tables of which a few hundred rows are here: read through, whatever the index."""
COPIES = {"latest_biomarkers", "latest_scores"}


@pytest.fixture
async def full(database: Database) -> asyncpg.Connection:
    async with database.connection() as connection:
        await connection.execute("set statement_timeout = '60s'")
        await connection.execute(FILL, timeout=60)
        yield connection


def scans(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The way in which each table is read."""
    if "Relation Name" in plan:
        yield plan["Relation Name"], plan["Node Type"]
    for below in plan.get("Plans", ()):
        yield from scans(below)


async def plan_of(connection: asyncpg.Connection, statement: str, *arguments: object) -> dict[str, Any]:
    (explained,) = await connection.fetchval(f"explain (format json) {statement}", *arguments)
    plan: dict[str, Any] = explained["Plan"]
    return plan


async def test_no_hot_statement_reads_a_table_through(full: asyncpg.Connection, subtests: pytest.Subtests) -> None:
    assert await full.fetchval("select count(*) from biomarkers") > 50_000
    for name, (statement, arguments) in STATEMENTS.items():
        with subtests.test(name):
            read = list(scans(await plan_of(full, statement, *arguments)))
            assert read
            assert [table for table, how in read if how == "Seq Scan" and table not in SMALL] == []


async def test_a_page_stops_when_it_is_full(full: asyncpg.Connection) -> None:
    """Ninety days of a person are 2,520 rows; a page of 20 among them reads the rows of a few days."""
    wanted = RecordFilter(NOW - timedelta(days=90), END)
    arguments = (*records._biomarker_arguments(PERSON, wanted), NOW - timedelta(days=30), "sleep", "type-4", "daily", 20, NOW)
    (explained,) = await full.fetchval(f"explain (analyze, format json) {records.BIOMARKER_PAGE}", *arguments)

    def rows(plan: dict[str, Any]) -> int:
        own = int(plan["Actual Rows"]) + int(plan.get("Rows Removed by Filter", 0)) if "Relation Name" in plan else 0
        return own + sum(rows(below) for below in plan.get("Plans", ()))

    assert rows(explained["Plan"]) <= 4 * 28


async def test_every_batch_of_retention_is_bounded_and_finds_nothing_fast(full: asyncpg.Connection) -> None:
    before = NOW - timedelta(days=30)
    for statement in retention.BATCHES:
        plan = await plan_of(full, statement, NOW - timedelta(days=400), 5000)
        assert {table for table, how in scans(plan) if how == "Seq Scan"} <= {"webhook_counts", *COPIES}
        async with full.transaction():
            assert 0 <= await retention.forget(full, 100, statement=statement, before=before) <= 100
    assert await full.fetchval("select count(*) from biomarkers where end_at < $1", before) == 58 * 20 * 28 - 100
