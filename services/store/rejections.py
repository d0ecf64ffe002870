"""Values that cannot be true: stored with the reason, read by nobody who plans."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from services.domain.health import RejectedRecord
from services.domain.ids import UserId
from services.store.record_rows import rejection_columns

WRITE = """
insert into rejected_records (user_id, kind, category, type, grain, start_at, end_at, sahha_id, value, unit, reason, fingerprint,
                              first_seen_at, received_at)
select distinct on (new.kind, new.category, new.type, new.grain, new.start_at) $1, new.*, $13::timestamptz, $13::timestamptz
from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::text[], $9::text[],
            $10::text[], $11::text[], $12::bigint[])
     as new(kind, category, type, grain, start_at, end_at, sahha_id, value, unit, reason, fingerprint)
where not exists (
    select from rejected_records held
    where held.user_id = $1 and (held.kind, held.category, held.type, held.grain, held.start_at, held.fingerprint)
                              = (new.kind, new.category, new.type, new.grain, new.start_at, new.fingerprint)
)
on conflict (user_id, kind, category, type, grain, start_at) do update set
    end_at = excluded.end_at, sahha_id = excluded.sahha_id, value = excluded.value, unit = excluded.unit,
    reason = excluded.reason, fingerprint = excluded.fingerprint, received_at = excluded.received_at
"""


async def reject(connection: asyncpg.Connection, user_id: UserId, rows: Sequence[RejectedRecord], received_at: datetime) -> None:
    """Keep these; the same wrong value again is not written again."""
    if rows:
        await connection.execute(WRITE, user_id, *rejection_columns(rows), received_at)
