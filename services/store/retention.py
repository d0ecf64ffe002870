"""Forgetting health records past their time, a bounded batch at a time."""

from datetime import datetime

import asyncpg

# By place of the row: a key would have to be looked up again. A row that is changed in between has moved and stays.
BATCHES = tuple(
    f"delete from {table} where ctid = any(array(select ctid from {table} where {too_old} limit $2))"  # noqa: S608 - constants
    for table, too_old in (
        ("biomarkers", "end_at < $1"),
        ("latest_biomarkers", "end_at < $1"),
        ("scores", "score_at < $1"),
        ("latest_scores", "score_at < $1"),
        ("behaviour_labels", "end_at < $1"),
        ("rejected_records", "received_at < $1"),
        ("webhook_inbox", "received_at < $1 and kept_for is not null"),
        ("webhook_counts", "minute < $1"),
    )
)


async def forget(connection: asyncpg.Connection, statement: str, before: datetime, limit: int) -> int:
    """Delete at most `limit` of the rows that `statement`, one of `BATCHES`, finds to have ended before then; how many went."""
    return int((await connection.execute(statement, before, limit)).split()[-1])
