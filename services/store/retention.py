"""Forgetting health records past their time, a bounded batch at a time."""

from datetime import datetime

import asyncpg

BATCH_TIMEOUT_S = 30
"""Longer than a statement that somebody waits for may take."""
UNHURRIED = f"set local statement_timeout = '{BATCH_TIMEOUT_S}s'"

# Rows are found by their place: a key would have to be looked up again. One that is changed in between has moved and stays.
BIOMARKERS = """
with gone as (
    delete from biomarkers where ctid = any(array(select ctid from biomarkers where end_at < $1 limit $2))
    returning user_id, category, type, grain, start_at
), newest as (
    delete from latest_biomarkers held using gone
    where (held.user_id, held.category, held.type, held.grain, held.start_at)
        = (gone.user_id, gone.category, gone.type, gone.grain, gone.start_at)
)
select count(*) from gone
"""
SCORES = """
with gone as (
    delete from scores where ctid = any(array(select ctid from scores where score_at < $1 limit $2))
    returning user_id, type, score_at
), newest as (
    delete from latest_scores held using gone
    where (held.user_id, held.type, held.score_at) = (gone.user_id, gone.type, gone.score_at)
)
select count(*) from gone
"""
PLAIN = """
with gone as (
    delete from {table} where ctid = any(array(select ctid from {table} where {too_old} limit $2)) returning 1
)
select count(*) from gone
"""
BATCHES = (
    BIOMARKERS,
    SCORES,
    PLAIN.format(table="behaviour_labels", too_old="end_at < $1"),
    PLAIN.format(table="rejected_records", too_old="received_at < $1"),
    PLAIN.format(table="webhook_inbox", too_old="received_at < $1 and kept_for is not null"),
    PLAIN.format(table="webhook_counts", too_old="minute < $1"),
)


async def forget(connection: asyncpg.Connection, limit: int, *, statement: str, before: datetime) -> int:
    """Delete at most `limit` of the rows that `statement`, one of `BATCHES`, finds to have ended before then; how many went.

    The newest rows of each type go with the rows that they are copies of. The caller holds the transaction.
    """
    await connection.execute(UNHURRIED)
    return int(await connection.fetchval(statement, before, limit, timeout=BATCH_TIMEOUT_S + 1))
