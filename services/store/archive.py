"""The archive of health records: natural keys, written only where something changed, the newest of each type beside the rest.

Stored fingerprints are read first, so the unchanged re-read of a week costs two selects and no write (data-layer.md, section 4).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeAlias

import asyncpg

from services.domain.health import Biomarker, RecordKind, RejectedRecord, Score
from services.domain.ids import UserId
from services.store.record_rows import (
    BiomarkerKey,
    ScoreKey,
    biomarker_columns,
    biomarker_fingerprint,
    biomarker_key,
    load_biomarker,
    load_score,
    score_columns,
    score_fingerprint,
    score_key,
)
from services.store.rejections import reject

Doubt: TypeAlias = Callable[[float | None, Biomarker], bool]
"""Whether a row is not to be believed, given the number that is stored under its key."""
Stated: TypeAlias = Mapping[BiomarkerKey, datetime]

DOUBTED = "a zero after a good value"
NOTHING_STATED: Stated = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Archived:
    """A read as the archive knows it, in the order given.

    `received_at` of a row is when its value first came. A row that the archive knows better than the read does is the stored one:
    a final row against a running one, a later statement against an earlier one, a good value against a doubtful zero.
    `changed` rows were new or different, `doubted` rows were not believed.
    """

    biomarkers: tuple[Biomarker, ...]
    scores: tuple[Score, ...]
    changed: int
    doubted: int


@dataclass(slots=True)
class _Sifted:
    """Positions in a read: to `write`, to let the stored row `stand`, to `restate` as of a later moment, and those `doubted`."""

    received: dict[int, datetime]
    write: list[int]
    stand: list[int]
    restate: list[int]
    doubted: list[int]


async def archive(
    connection: asyncpg.Connection,
    user_id: UserId,
    biomarkers: Sequence[Biomarker],
    scores: Sequence[Score],
    received_at: datetime,
    *,
    doubtful: Doubt = lambda _stored, _row: False,
    stated_at: Stated = NOTHING_STATED,
) -> Archived:
    """Store what differs from what is stored; an unchanged row is not touched. The caller holds the transaction.

    Each key comes once. `stated_at`: the moment as of which Sahha said a biomarker, where that is known, as for an event; else it
    is `received_at`. A score says it itself.
    """
    stated = [min(received_at, stated_at.get(biomarker_key(row), received_at)) for row in biomarkers]
    made = [min(received_at, row.created_at or received_at) for row in scores]
    first = await _sift_biomarkers(connection, user_id, biomarkers, stated, doubtful, restating=bool(stated_at))
    second = await _sift_scores(connection, user_id, scores, made)
    await _write(connection, WRITE_BIOMARKERS, user_id, biomarker_columns(*_chosen(first.write, biomarkers, stated)), received_at)
    await _write(connection, WRITE_SCORES, user_id, score_columns(*_chosen(second.write, scores, made)), received_at)
    if first.restate:
        rows, dates = _chosen(first.restate, biomarkers, stated)
        await connection.execute(RESTATE, user_id, *zip(*map(biomarker_key, rows), strict=True), dates)
    if first.doubted:
        await reject(connection, user_id, [_doubt(biomarkers[at]) for at in first.doubted], received_at)
    return Archived(
        await _as_archived_biomarkers(connection, user_id, biomarkers, first, received_at),
        await _as_archived_scores(connection, user_id, scores, second, received_at),
        len(first.write) + len(second.write),
        len(first.doubted),
    )


BIOMARKER_PRINTS = """
select start_at, category, type, grain, fingerprint, received_at, stated_at, periodicity, number from biomarkers
where user_id = $1 and start_at between $2 and $3
"""


async def _sift_biomarkers(
    connection: asyncpg.Connection,
    user_id: UserId,
    rows: Sequence[Biomarker],
    stated: Sequence[datetime],
    doubtful: Doubt,
    *,
    restating: bool,
) -> _Sifted:
    sifted = _Sifted({}, [], [], [], [])
    if not rows:
        return sifted
    starts = [row.start_date_time for row in rows]
    found = await connection.fetch(BIOMARKER_PRINTS, user_id, min(starts), max(starts))
    stored = {(each["start_at"], each["category"], each["type"], each["grain"]): each for each in found}
    for at, row in enumerate(rows):
        held = stored.get(biomarker_key(row))
        if held is None:
            sifted.write.append(at)
        elif held["fingerprint"] == biomarker_fingerprint(row):
            sifted.received[at] = held["received_at"]
            if restating and stated[at] > held["stated_at"]:
                sifted.restate.append(at)
        elif stated[at] < held["stated_at"] or _superseded(row, held["periodicity"]):
            sifted.stand.append(at)
        elif doubtful(held["number"], row):
            sifted.stand.append(at)
            sifted.doubted.append(at)
        else:
            sifted.write.append(at)
    sifted.write.sort(key=lambda at: biomarker_key(rows[at]))
    return sifted


SCORE_PRINTS = """
select score_at, type, fingerprint, received_at, stated_at from scores where user_id = $1 and score_at between $2 and $3
"""


async def _sift_scores(
    connection: asyncpg.Connection, user_id: UserId, rows: Sequence[Score], made: Sequence[datetime]
) -> _Sifted:
    sifted = _Sifted({}, [], [], [], [])
    if not rows:
        return sifted
    days = [row.score_date_time for row in rows]
    found = await connection.fetch(SCORE_PRINTS, user_id, min(days), max(days))
    stored = {(each["score_at"], each["type"]): each for each in found}
    for at, row in enumerate(rows):
        held = stored.get(score_key(row))
        if held is not None and held["fingerprint"] == score_fingerprint(row):
            sifted.received[at] = held["received_at"]
        elif held is not None and made[at] < held["stated_at"]:
            sifted.stand.append(at)
        else:
            sifted.write.append(at)
    sifted.write.sort(key=lambda at: score_key(rows[at]))
    return sifted


def _superseded(row: Biomarker, stored_periodicity: str) -> bool:
    """The day is over and its final row is stored: a running one that comes late says nothing new."""
    return row.periodicity == "intraday" and stored_periodicity == "daily"


# Each writes the history and, from what it wrote, the newest rows. `first_seen_at` is never among what an update sets.
WRITE_BIOMARKERS = """
with written as (
    insert into biomarkers (user_id, start_at, category, type, grain, day, end_at, start_offset_s, end_offset_s, sahha_id,
                            periodicity, aggregation, value, number, unit, received_unit, value_type, repair, extra, fingerprint,
                            stated_at, first_seen_at, received_at)
    select $1, new.*, $22, $22
    from unnest($2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::date[], $7::timestamptz[], $8::int[], $9::int[],
                $10::text[], $11::text[], $12::text[], $13::text[], $14::float8[], $15::text[], $16::text[], $17::text[],
                $18::text[], $19::text[], $20::bigint[], $21::timestamptz[]) as new
    on conflict (user_id, start_at, category, type, grain) do update set
        day = excluded.day, end_at = excluded.end_at, start_offset_s = excluded.start_offset_s,
        end_offset_s = excluded.end_offset_s, sahha_id = excluded.sahha_id, periodicity = excluded.periodicity,
        aggregation = excluded.aggregation, value = excluded.value, number = excluded.number, unit = excluded.unit,
        received_unit = excluded.received_unit, value_type = excluded.value_type, repair = excluded.repair,
        extra = excluded.extra, fingerprint = excluded.fingerprint, stated_at = excluded.stated_at,
        received_at = excluded.received_at
    where biomarkers.fingerprint is distinct from excluded.fingerprint and biomarkers.stated_at <= excluded.stated_at
    returning *
)
insert into latest_biomarkers
select distinct on (category, type, grain) * from written order by category, type, grain, start_at desc
on conflict (user_id, category, type, grain) do update set
    start_at = excluded.start_at, day = excluded.day, end_at = excluded.end_at, start_offset_s = excluded.start_offset_s,
    end_offset_s = excluded.end_offset_s, sahha_id = excluded.sahha_id, periodicity = excluded.periodicity,
    aggregation = excluded.aggregation, value = excluded.value, number = excluded.number, unit = excluded.unit,
    received_unit = excluded.received_unit, value_type = excluded.value_type, repair = excluded.repair, extra = excluded.extra,
    fingerprint = excluded.fingerprint, stated_at = excluded.stated_at, first_seen_at = excluded.first_seen_at,
    received_at = excluded.received_at
where latest_biomarkers.start_at <= excluded.start_at
"""
WRITE_SCORES = """
with written as (
    insert into scores (user_id, score_at, type, day, score_offset_s, sahha_id, state, score, created_at, factors, data_sources,
                        extra, fingerprint, stated_at, first_seen_at, received_at)
    select $1, new.score_at, new.type, new.day, new.score_offset_s, new.sahha_id, new.state, new.score, new.created_at,
           new.factors, array(select jsonb_array_elements_text(new.data_sources)), new.extra, new.fingerprint, new.stated_at,
           $15, $15
    from unnest($2::timestamptz[], $3::text[], $4::date[], $5::int[], $6::text[], $7::text[], $8::float8[], $9::timestamptz[],
                $10::jsonb[], $11::jsonb[], $12::text[], $13::bigint[], $14::timestamptz[])
         as new(score_at, type, day, score_offset_s, sahha_id, state, score, created_at, factors, data_sources, extra,
                fingerprint, stated_at)
    on conflict (user_id, score_at, type) do update set
        day = excluded.day, score_offset_s = excluded.score_offset_s, sahha_id = excluded.sahha_id, state = excluded.state,
        score = excluded.score, created_at = excluded.created_at, factors = excluded.factors,
        data_sources = excluded.data_sources, extra = excluded.extra, fingerprint = excluded.fingerprint,
        stated_at = excluded.stated_at, received_at = excluded.received_at
    where scores.fingerprint is distinct from excluded.fingerprint and scores.stated_at <= excluded.stated_at
    returning *
)
insert into latest_scores
select distinct on (type) * from written order by type, score_at desc
on conflict (user_id, type) do update set
    score_at = excluded.score_at, day = excluded.day, score_offset_s = excluded.score_offset_s, sahha_id = excluded.sahha_id,
    state = excluded.state, score = excluded.score, created_at = excluded.created_at, factors = excluded.factors,
    data_sources = excluded.data_sources, extra = excluded.extra, fingerprint = excluded.fingerprint,
    stated_at = excluded.stated_at, first_seen_at = excluded.first_seen_at, received_at = excluded.received_at
where latest_scores.score_at <= excluded.score_at
"""
RESTATE = """
update biomarkers set stated_at = new.stated_at
from unnest($2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
     as new(start_at, category, type, grain, stated_at)
where user_id = $1 and (biomarkers.start_at, biomarkers.category, biomarkers.type, biomarkers.grain)
                     = (new.start_at, new.category, new.type, new.grain)
"""


async def _write(
    connection: asyncpg.Connection, statement: str, user_id: UserId, columns: list[tuple[Any, ...]], received_at: datetime
) -> None:
    if columns:
        await connection.execute(statement, user_id, *columns, received_at)


def _chosen(positions: Iterable[int], rows: Sequence[Any], dates: Sequence[datetime]) -> tuple[list[Any], list[datetime]]:
    chosen = list(positions)
    return [rows[at] for at in chosen], [dates[at] for at in chosen]


STANDING_BIOMARKERS = """
select biomarkers.* from biomarkers join unnest($2::timestamptz[], $3::text[], $4::text[], $5::text[])
     as wanted(start_at, category, type, grain) using (start_at, category, type, grain)
where user_id = $1
"""
STANDING_SCORES = """
select scores.* from scores join unnest($2::timestamptz[], $3::text[]) as wanted(score_at, type) using (score_at, type)
where user_id = $1
"""


async def _as_archived_biomarkers(
    connection: asyncpg.Connection, user_id: UserId, rows: Sequence[Biomarker], sifted: _Sifted, as_of: datetime
) -> tuple[Biomarker, ...]:
    better: dict[BiomarkerKey, Biomarker] = {}
    if sifted.stand:
        keys = [biomarker_key(rows[at]) for at in sifted.stand]
        found = await connection.fetch(STANDING_BIOMARKERS, user_id, *zip(*keys, strict=True))
        better = {biomarker_key(row): row for row in (load_biomarker(each, as_of) for each in found)}
    return tuple(
        better.get(biomarker_key(row)) or replace(row, received_at=sifted.received.get(at, as_of)) for at, row in enumerate(rows)
    )


async def _as_archived_scores(
    connection: asyncpg.Connection, user_id: UserId, rows: Sequence[Score], sifted: _Sifted, as_of: datetime
) -> tuple[Score, ...]:
    better: dict[ScoreKey, Score] = {}
    if sifted.stand:
        keys = [score_key(rows[at]) for at in sifted.stand]
        found = await connection.fetch(STANDING_SCORES, user_id, *zip(*keys, strict=True))
        better = {score_key(row): row for row in (load_score(each, as_of) for each in found)}
    return tuple(
        better.get(score_key(row)) or replace(row, received_at=sifted.received.get(at, as_of)) for at, row in enumerate(rows)
    )


def _doubt(row: Biomarker) -> RejectedRecord:
    return RejectedRecord(
        kind=RecordKind.BIOMARKER,
        category=row.category,
        type=row.type,
        periodicity=row.periodicity,
        start_date_time=row.start_date_time,
        end_date_time=row.end_date_time,
        sahha_id=row.id,
        value=row.value,
        unit=row.value_unit,
        reason=DOUBTED,
        received_at=row.received_at,
    )
