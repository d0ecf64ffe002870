"""The hot statements on routines, events and jobs use their indexes (reliability.md, D15): 50,000 rows of 2,000 people."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from services.domain.ids import UserId
from services.store import days, events, idempotency, queue
from services.store import routines as store
from services.store.database import Database
from tests.store.test_health_plans import plan_of, scans

PERSON = UserId("person-7")
ROUTINE = UUID(int=7)
NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)
DAY = date(2026, 3, 11)
OLD = NOW - timedelta(days=400)

FILL = """
insert into people (user_id, first_asked_at, last_asked_at, event_seq)
select 'person-' || n, now(), now(), 100 from generate_series(1, 2000) n;

insert into routines (id, user_id, local_date, timezone, archetype, preferences, condition, auto_replan, request_hash, status,
                      attempt, cursor, created_at, superseded_by)
select lpad(to_hex(n), 32, '0')::uuid, 'person-' || 1 + n % 2000, '2026-03-11'::date - n / 2000, 'UTC', 'PEAK_PERFORMER', '{}',
       'WELL', false, sha256(n::text::bytea), case when n % 2500 = 7 then 'QUEUED' else 'READY' end, 1, 0,
       '2026-03-11 12:00+00'::timestamptz - n * interval '1 minute', null
from generate_series(1, 50000) n;

insert into events (user_id, id, kind, routine_id, at, payload)
select user_id, 1 + (row_number() over (partition by user_id order by created_at)) * 2 + half,
       case half when 0 then 'STAGE' else 'READY' end, id, created_at, null
from routines, generate_series(0, 1) half;

insert into idempotency_keys select user_id, 'generateRoutine', 'tap-' || id, request_hash, id, created_at from routines;
insert into routine_tasks select 'task-' || id, id, user_id from routines;

insert into pgqueuer (priority, status, entrypoint, dedupe_key)
select 10, 'queued', 'GENERATE_ROUTINE', 'routine:' || id from routines where status = 'QUEUED';
insert into pgqueuer (priority, status, entrypoint, dedupe_key)
select 0, 'queued', 'SYNC_SAHHA_DATA', 'sync:person-' || n from generate_series(1, 20000) n;
insert into pgqueuer_log (created, job_id, status, priority, entrypoint)
select now() - n * interval '1 minute', n, 'successful', 0, 'SYNC_SAHHA_DATA' from generate_series(1, 50000) n;

analyze;
"""
STATEMENTS: dict[str, tuple[str, tuple[object, ...]]] = {
    "a running request like this": (store.IDENTICAL, (PERSON, b"hash")),
    "a routine": (store.READ, (ROUTINE, PERSON)),
    "a routine of anybody": (store.READ, (ROUTINE, None)),
    "a first page": (store.PAGE, (PERSON, None, None, 21)),
    "a later page": (store.PAGE, (PERSON, NOW, ROUTINE, 21)),
    "the next attempt": (store.TAKE, (ROUTINE,)),
    "the fence": (store.FENCE, (ROUTINE, 1)),
    "a cancellation": (store.CANCEL, (ROUTINE, PERSON)),
    "the newest of a day": (days.CURRENT, (PERSON, DAY)),
    "the routine of a task": (days.OF_TASK, ("task-7", PERSON)),
    "what was announced": (events.ANNOUNCEMENTS, (PERSON, 3, 50)),
    "the progress of a routine": (events.PROGRESS, (PERSON, 3, ROUTINE, 50)),
    "the bounds of a person's events": (events.BOUNDS, (PERSON,)),
    "old events": (events.PRUNE, (OLD, 5000)),
    "what a key was used for": (idempotency.FIND, (PERSON, "generateRoutine", "tap-7")),
    "old keys": (idempotency.PRUNE, (OLD, 5000)),
    "the job of a routine": (queue.JOBS_OF, (f"routine:{ROUTINE}",)),
}


@pytest.fixture
async def full(database: Database) -> asyncpg.Connection:
    async with database.connection() as connection:
        await connection.execute("set statement_timeout = '60s'")
        await connection.execute(FILL, timeout=60)
        yield connection


async def test_no_hot_statement_reads_a_table_through(full: asyncpg.Connection, subtests: pytest.Subtests) -> None:
    for name, (statement, arguments) in STATEMENTS.items():
        with subtests.test(name):
            read = list(scans(await plan_of(full, statement, *arguments)))
            assert read
            assert [table for table, how in read if how == "Seq Scan"] == []


async def test_the_sweep_looks_at_unfinished_routines_alone(full: asyncpg.Connection) -> None:
    """Every 30 s, by every worker: what it reads does not grow with what is finished."""
    read = dict(scans(await plan_of(full, queue.ORPHANS, NOW, 5000)))
    assert read["routines"] != "Seq Scan"
    assert await queue.requeue_orphans(full, NOW, 5000) == 0


async def test_the_history_of_jobs_is_forgotten_by_its_index(full: asyncpg.Connection) -> None:
    read = list(scans(await plan_of(full, queue.PRUNE, timedelta(days=400), 5000)))
    assert ("pgqueuer_log", "Seq Scan") not in read
