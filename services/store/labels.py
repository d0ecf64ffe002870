"""Behaviour labels: what Sahha calls archetypes, by person, name, period and start."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

import asyncpg

from services.domain.health import BehaviourLabel
from services.domain.ids import UserId
from services.store.record_rows import label_columns, label_fingerprint, load_label

LabelKey = tuple[str, str, datetime]

WRITE = """
insert into behaviour_labels (user_id, name, periodicity, start_at, end_at, start_offset_s, end_offset_s, sahha_id, value,
                              data_type, ordinality, extra, fingerprint, stated_at, first_seen_at, received_at)
select $1, new.*, $15::timestamptz, $15::timestamptz
from unnest($2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::int[], $7::int[], $8::text[], $9::text[],
            $10::text[], $11::int[], $12::text[], $13::bigint[], $14::timestamptz[])
     as new(name, periodicity, start_at, end_at, start_offset_s, end_offset_s, sahha_id, value, data_type, ordinality, extra,
            fingerprint, stated_at)
where not exists (
    select from behaviour_labels held
    where held.user_id = $1 and (held.name, held.periodicity, held.start_at) = (new.name, new.periodicity, new.start_at)
      and (held.fingerprint = new.fingerprint or held.stated_at > new.stated_at)
)
order by new.name, new.periodicity, new.start_at
on conflict (user_id, name, periodicity, start_at) do update set
    end_at = excluded.end_at, start_offset_s = excluded.start_offset_s, end_offset_s = excluded.end_offset_s,
    sahha_id = excluded.sahha_id, value = excluded.value, data_type = excluded.data_type, ordinality = excluded.ordinality,
    extra = excluded.extra, fingerprint = excluded.fingerprint, stated_at = excluded.stated_at,
    received_at = excluded.received_at
returning 1
"""
RESTATE = """
update behaviour_labels held set stated_at = new.stated_at
from unnest($2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::timestamptz[])
     as new(name, periodicity, start_at, fingerprint, stated_at)
where held.user_id = $1
  and (held.name, held.periodicity, held.start_at, held.fingerprint) = (new.name, new.periodicity, new.start_at, new.fingerprint)
  and held.stated_at < new.stated_at
"""


def label_key(row: BehaviourLabel) -> LabelKey:
    """The natural key within one person."""
    return row.name, row.periodicity, row.start_date_time


async def archive_labels(
    connection: asyncpg.Connection,
    user_id: UserId,
    rows: Sequence[BehaviourLabel],
    received_at: datetime,
    *,
    stated_at: Mapping[LabelKey, datetime] = MappingProxyType({}),
) -> int:
    """Store what differs from what is stored and was not said earlier; how many rows that were. Each key comes once.

    `stated_at`: the moment as of which Sahha said a label, where that is known, as for an event; else it is `received_at`.
    """
    if not rows:
        return 0
    stated = [min(received_at, stated_at.get(label_key(row), received_at)) for row in rows]
    if stated_at:
        dates = [(*label_key(row), label_fingerprint(row), said) for row, said in zip(rows, stated, strict=True)]
        await connection.execute(RESTATE, user_id, *zip(*dates, strict=True))
    return len(await connection.fetch(WRITE, user_id, *label_columns(rows, stated), received_at))


NEWEST = """
select distinct on (name, periodicity) * from behaviour_labels
where user_id = $1 order by name, periodicity, start_at desc
"""


async def newest_labels(connection: asyncpg.Connection, user_id: UserId, as_of: datetime) -> tuple[BehaviourLabel, ...]:
    """The newest label of each name and period, by name."""
    return tuple(load_label(row, as_of) for row in await connection.fetch(NEWEST, user_id))
