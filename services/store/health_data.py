"""Health records by natural key: written only where they changed, read by the same shapes as live ones."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import orjson

from services.domain.health import Biomarker, DataSource, Score, ScoreFactor, TimestampRepair, grain
from services.domain.ids import UserId
from services.domain.schedule import at_offset


@dataclass(frozen=True, slots=True)
class Archived:
    """What was archived, with `received_at` as the archive knows it, and how many rows were new or different."""

    biomarkers: tuple[Biomarker, ...]
    scores: tuple[Score, ...]
    changed: int


BIOMARKER_PRINTS = """
select category, type, grain, start_at, fingerprint, received_at, periodicity from biomarkers
where user_id = $1 and start_at between $2 and $3
"""
SCORE_PRINTS = "select type, score_at, fingerprint, received_at from scores where user_id = $1 and score_at between $2 and $3"

WRITE_BIOMARKERS = """
insert into biomarkers (user_id, category, type, grain, start_at, end_at, start_offset_s, end_offset_s, sahha_id, periodicity,
                        aggregation, value, number, unit, value_type, repair, fingerprint, first_seen_at, received_at)
select $1, new.*, $18, $18
from unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::int[], $8::int[], $9::text[],
            $10::text[], $11::text[], $12::text[], $13::float8[], $14::text[], $15::text[], $16::text[], $17::bigint[]) as new
on conflict (user_id, category, type, grain, start_at) do update set
    end_at = excluded.end_at, start_offset_s = excluded.start_offset_s, end_offset_s = excluded.end_offset_s,
    sahha_id = excluded.sahha_id, periodicity = excluded.periodicity, aggregation = excluded.aggregation,
    value = excluded.value, number = excluded.number, unit = excluded.unit, value_type = excluded.value_type,
    repair = excluded.repair, fingerprint = excluded.fingerprint, received_at = excluded.received_at
where biomarkers.fingerprint is distinct from excluded.fingerprint
  and not (biomarkers.periodicity = 'daily' and excluded.periodicity = 'intraday')
"""
WRITE_SCORES = """
insert into scores (user_id, type, score_at, score_offset_s, sahha_id, state, score, created_at, factors, data_sources,
                    fingerprint, first_seen_at, received_at)
select $1, new.type, new.score_at, new.score_offset_s, new.sahha_id, new.state, new.score, new.created_at, new.factors,
       array(select jsonb_array_elements_text(new.data_sources)), new.fingerprint, $11, $11
from unnest($2::text[], $3::timestamptz[], $4::int[], $5::text[], $6::text[], $7::float8[], $8::timestamptz[], $9::jsonb[],
            $10::jsonb[], $12::bigint[])
     as new(type, score_at, score_offset_s, sahha_id, state, score, created_at, factors, data_sources, fingerprint)
on conflict (user_id, type, score_at) do update set
    score_offset_s = excluded.score_offset_s, sahha_id = excluded.sahha_id, state = excluded.state, score = excluded.score,
    created_at = excluded.created_at, factors = excluded.factors, data_sources = excluded.data_sources,
    fingerprint = excluded.fingerprint, received_at = excluded.received_at
where scores.fingerprint is distinct from excluded.fingerprint
"""


async def archive(
    connection: asyncpg.Connection,
    user_id: UserId,
    biomarkers: Sequence[Biomarker],
    scores: Sequence[Score],
    received_at: datetime,
) -> Archived:
    """Store what differs from what is stored; an unchanged row is not touched. The caller holds the transaction.

    Stored fingerprints are read first, so an unchanged read of a week costs two selects and no write (data-layer.md, section 4).
    """
    kept_biomarkers, changed_biomarkers = await _sift_biomarkers(connection, user_id, biomarkers)
    kept_scores, changed_scores = await _sift_scores(connection, user_id, scores)
    if changed_biomarkers:
        await connection.execute(WRITE_BIOMARKERS, user_id, *_biomarker_columns(changed_biomarkers), received_at)
    if changed_scores:
        *columns, prints = _score_columns(changed_scores)
        await connection.execute(WRITE_SCORES, user_id, *columns, received_at, prints)
    return Archived(kept_biomarkers, kept_scores, len(changed_biomarkers) + len(changed_scores))


async def _sift_biomarkers(
    connection: asyncpg.Connection, user_id: UserId, rows: Sequence[Biomarker]
) -> tuple[tuple[Biomarker, ...], list[Biomarker]]:
    """The rows with the archive's `received_at`, and those that must be written, ordered by key."""
    if not rows:
        return (), []
    starts = [row.start_date_time for row in rows]
    stored = {
        (found["category"], found["type"], found["grain"], found["start_at"]): found
        for found in await connection.fetch(BIOMARKER_PRINTS, user_id, min(starts), max(starts))
    }
    kept: list[Biomarker] = []
    changed: list[Biomarker] = []
    for row in rows:
        found = stored.get(biomarker_key(row))
        if found is not None and (found["fingerprint"] == biomarker_fingerprint(row) or _superseded(row, found["periodicity"])):
            kept.append(replace(row, received_at=found["received_at"]))
        else:
            kept.append(row)
            changed.append(row)
    return tuple(kept), sorted(changed, key=biomarker_key)


async def _sift_scores(
    connection: asyncpg.Connection, user_id: UserId, rows: Sequence[Score]
) -> tuple[tuple[Score, ...], list[Score]]:
    """As `_sift_biomarkers`."""
    if not rows:
        return (), []
    days = [row.score_date_time for row in rows]
    stored = {
        (found["type"], found["score_at"]): found for found in await connection.fetch(SCORE_PRINTS, user_id, min(days), max(days))
    }
    kept: list[Score] = []
    changed: list[Score] = []
    for row in rows:
        found = stored.get(score_key(row))
        if found is not None and found["fingerprint"] == score_fingerprint(row):
            kept.append(replace(row, received_at=found["received_at"]))
        else:
            kept.append(row)
            changed.append(row)
    return tuple(kept), sorted(changed, key=score_key)


READ_BIOMARKERS = """
select * from biomarkers where user_id = $1 and start_at >= $2 and start_at < $3
order by start_at desc, end_at desc, category, type, grain
"""
READ_SCORES = "select * from scores where user_id = $1 and score_at >= $2 and score_at < $3 order by score_at desc, type"


async def read_biomarkers(
    connection: asyncpg.Connection, user_id: UserId, start: datetime, end: datetime, as_of: datetime
) -> tuple[Biomarker, ...]:
    """The stored rows whose window starts in [start, end), newest first."""
    return tuple(_biomarker(row, as_of) for row in await connection.fetch(READ_BIOMARKERS, user_id, start, end))


async def read_scores(
    connection: asyncpg.Connection, user_id: UserId, start: datetime, end: datetime, as_of: datetime
) -> tuple[Score, ...]:
    """The stored scores of the days that start in [start, end), newest first."""
    return tuple(_score(row, as_of) for row in await connection.fetch(READ_SCORES, user_id, start, end))


PRUNE_BIOMARKERS = """
delete from biomarkers where (user_id, category, type, grain, start_at) in (
    select user_id, category, type, grain, start_at from biomarkers where end_at < $1 limit $2
)
"""
PRUNE_SCORES = """
delete from scores where (user_id, type, score_at) in (select user_id, type, score_at from scores where score_at < $1 limit $2)
"""


async def prune(connection: asyncpg.Connection, before: datetime, limit: int) -> int:
    """Delete at most `limit` rows of each table that ended before `before`; how many went."""
    biomarkers = await connection.execute(PRUNE_BIOMARKERS, before, limit)
    scores = await connection.execute(PRUNE_SCORES, before, limit)
    return int(biomarkers.split()[-1]) + int(scores.split()[-1])


def biomarker_key(row: Biomarker) -> tuple[str, str, str, datetime]:
    """The natural key within one person."""
    return row.category, row.type, grain(row.periodicity), row.start_date_time


def score_key(row: Score) -> tuple[str, datetime]:
    """The natural key within one person."""
    return row.type, row.score_date_time


def biomarker_fingerprint(row: Biomarker) -> int:
    """Equal for rows that mean the same: numbers are compared after parsing, so "0." is 0. Sahha's id is an attribute."""
    meaning = row.value if row.number is None else row.number
    return _fingerprint([row.periodicity, row.aggregation, meaning, row.unit, _instant(row.end_date_time), row.repair.value])


def score_fingerprint(row: Score) -> int:
    """As `biomarker_fingerprint`; factors count in the order of their names."""
    return _fingerprint(
        [
            row.state,
            row.score,
            row.created_at and _instant(row.created_at),
            sorted(_dump_factors(row.factors), key=lambda factor: str(factor["name"])),
            sorted(row.data_sources),
        ]
    )


def _superseded(row: Biomarker, stored_periodicity: str) -> bool:
    """The day is over and its final row is stored: a running one that comes late says nothing new."""
    return row.periodicity == "intraday" and stored_periodicity == "daily"


def _fingerprint(meaning: list[Any]) -> int:
    digest = hashlib.blake2b(orjson.dumps(meaning), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _instant(moment: datetime) -> int:
    return int(moment.timestamp())


def _offset_s(moment: datetime) -> int:
    return int((moment.utcoffset() or timedelta(0)).total_seconds())


def _biomarker_columns(rows: Iterable[Biomarker]) -> list[tuple[Any, ...]]:
    return list(
        zip(
            *(
                (
                    row.category,
                    row.type,
                    grain(row.periodicity),
                    row.start_date_time,
                    row.end_date_time,
                    _offset_s(row.start_date_time),
                    _offset_s(row.end_date_time),
                    row.id,
                    row.periodicity,
                    row.aggregation,
                    row.value,
                    row.number,
                    row.unit,
                    row.value_type,
                    row.repair.value,
                    biomarker_fingerprint(row),
                )
                for row in rows
            ),
            strict=True,
        )
    )


def _score_columns(rows: Iterable[Score]) -> list[tuple[Any, ...]]:
    return list(
        zip(
            *(
                (
                    row.type,
                    row.score_date_time,
                    _offset_s(row.score_date_time),
                    row.id,
                    row.state,
                    row.score,
                    row.created_at,
                    orjson.dumps(_dump_factors(row.factors)).decode(),
                    orjson.dumps(row.data_sources).decode(),
                    score_fingerprint(row),
                )
                for row in rows
            ),
            strict=True,
        )
    )


def _dump_factors(factors: Iterable[ScoreFactor]) -> list[dict[str, Any]]:
    return [
        {
            "name": factor.name,
            "value": factor.value,
            "goal": factor.goal,
            "score": factor.score,
            "state": factor.state,
            "unit": factor.unit,
        }
        for factor in factors
    ]


def _biomarker(row: asyncpg.Record, as_of: datetime) -> Biomarker:
    return Biomarker(
        id=row["sahha_id"],
        category=row["category"],
        type=row["type"],
        periodicity=row["periodicity"],
        aggregation=row["aggregation"],
        value=row["value"],
        number=row["number"],
        unit=row["unit"],
        value_type=row["value_type"],
        start_date_time=at_offset(row["start_at"], timedelta(seconds=row["start_offset_s"])),
        end_date_time=at_offset(row["end_at"], timedelta(seconds=row["end_offset_s"])),
        received_at=row["received_at"],
        as_of=as_of,
        source=DataSource.DATABASE,
        repair=TimestampRepair(row["repair"]),
    )


def _score(row: asyncpg.Record, as_of: datetime) -> Score:
    return Score(
        id=row["sahha_id"],
        type=row["type"],
        state=row["state"],
        score=row["score"],
        score_date_time=at_offset(row["score_at"], timedelta(seconds=row["score_offset_s"])),
        created_at=row["created_at"],
        factors=tuple(ScoreFactor(**factor) for factor in row["factors"]),
        data_sources=tuple(row["data_sources"]),
        received_at=row["received_at"],
        as_of=as_of,
        source=DataSource.DATABASE,
    )
