"""Health records as rows: natural keys, fingerprints, columns to be written, and the one mapping back.

Every table of records is read by these mappings, whatever the question was, so a stored value looks the same everywhere.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import asyncpg
import orjson

from services.domain.health import (
    BehaviourLabel,
    Biomarker,
    DataSource,
    RejectedRecord,
    Score,
    ScoreFactor,
    TimestampRepair,
    grain,
    local_date_of,
)
from services.domain.schedule import at_offset

BiomarkerKey: TypeAlias = tuple[datetime, str, str, str]
"""start, category, type, grain."""
ScoreKey: TypeAlias = tuple[datetime, str]
"""start of the day, type."""
Columns: TypeAlias = list[tuple[Any, ...]]
"""One tuple for each column, all of one length: the arrays of an `unnest`."""


def biomarker_key(row: Biomarker) -> BiomarkerKey:
    """The natural key within one person, in the order of the table's own."""
    return row.start_date_time, row.category, row.type, grain(row.periodicity)


def score_key(row: Score) -> ScoreKey:
    """The natural key within one person, in the order of the table's own."""
    return row.score_date_time, row.type


def biomarker_fingerprint(row: Biomarker) -> int:
    """Equal for rows that mean the same: a number counts with its unit, however it was written. Sahha's id is an attribute."""
    meaning = row.value if row.number is None else _rounded(row.number)
    return _fingerprint([row.periodicity, row.aggregation, meaning, row.unit, _instant(row.end_date_time), row.repair.value])


def score_fingerprint(row: Score) -> int:
    """As `biomarker_fingerprint`; factors count in the order of their names."""
    factors = [[each.name, *map(_rounded, (each.value, each.goal, each.score)), each.state, each.unit] for each in row.factors]
    created_at = row.created_at and _instant(row.created_at)
    return _fingerprint([row.state, _rounded(row.score), created_at, sorted(factors, key=str), sorted(row.data_sources)])


def label_fingerprint(row: BehaviourLabel) -> int:
    """As `biomarker_fingerprint`."""
    return _fingerprint([row.value, row.data_type, row.ordinality, _instant(row.end_date_time)])


def rejection_fingerprint(row: RejectedRecord) -> int:
    """Equal for the same wrong value."""
    return _fingerprint([row.value, row.unit, row.reason])


def biomarker_columns(rows: Sequence[Biomarker], stated_at: Iterable[datetime]) -> Columns:
    """In the order of `archive.WRITE_BIOMARKERS`."""
    return _transposed(
        (
            *biomarker_key(row),
            local_date_of(row),
            row.end_date_time,
            _offset_s(row.start_date_time),
            _offset_s(row.end_date_time),
            row.id,
            row.periodicity,
            row.aggregation,
            row.value,
            row.number,
            row.unit,
            row.received_unit,
            row.value_type,
            row.repair.value,
            row.extra,
            biomarker_fingerprint(row),
            stated,
        )
        for row, stated in zip(rows, stated_at, strict=True)
    )


def score_columns(rows: Sequence[Score], stated_at: Iterable[datetime]) -> Columns:
    """In the order of `archive.WRITE_SCORES`."""
    return _transposed(
        (
            *score_key(row),
            local_date_of(row),
            _offset_s(row.score_date_time),
            row.id,
            row.state,
            row.score,
            row.created_at,
            _dump_factors(row.factors),
            orjson.dumps(row.data_sources).decode(),
            row.extra,
            score_fingerprint(row),
            stated,
        )
        for row, stated in zip(rows, stated_at, strict=True)
    )


def label_columns(rows: Sequence[BehaviourLabel], stated_at: Iterable[datetime]) -> Columns:
    """In the order of `labels.WRITE`."""
    return _transposed(
        (
            row.name,
            row.periodicity,
            row.start_date_time,
            row.end_date_time,
            _offset_s(row.start_date_time),
            _offset_s(row.end_date_time),
            row.id,
            row.value,
            row.data_type,
            row.ordinality,
            row.extra,
            label_fingerprint(row),
            stated,
        )
        for row, stated in zip(rows, stated_at, strict=True)
    )


def rejection_columns(rows: Iterable[RejectedRecord]) -> Columns:
    """In the order of `rejections.WRITE`."""
    return _transposed(
        (
            row.kind.value,
            row.category,
            row.type,
            grain(row.periodicity),
            row.start_date_time,
            row.end_date_time,
            row.sahha_id,
            row.value,
            row.unit,
            row.reason,
            rejection_fingerprint(row),
        )
        for row in rows
    )


def load_biomarker(row: asyncpg.Record, as_of: datetime) -> Biomarker:
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
        start_date_time=_at(row["start_at"], row["start_offset_s"]),
        end_date_time=_at(row["end_at"], row["end_offset_s"]),
        received_at=row["received_at"],
        as_of=as_of,
        source=DataSource.DATABASE,
        repair=TimestampRepair(row["repair"]),
        received_unit=row["received_unit"],
        extra=row["extra"],
    )


def load_score(row: asyncpg.Record, as_of: datetime) -> Score:
    return Score(
        id=row["sahha_id"],
        type=row["type"],
        state=row["state"],
        score=row["score"],
        score_date_time=_at(row["score_at"], row["score_offset_s"]),
        created_at=row["created_at"],
        factors=tuple(ScoreFactor(**factor) for factor in row["factors"]),
        data_sources=tuple(row["data_sources"]),
        received_at=row["received_at"],
        as_of=as_of,
        source=DataSource.DATABASE,
        extra=row["extra"],
    )


def load_label(row: asyncpg.Record, as_of: datetime) -> BehaviourLabel:
    return BehaviourLabel(
        id=row["sahha_id"],
        name=row["name"],
        value=row["value"],
        data_type=row["data_type"],
        periodicity=row["periodicity"],
        ordinality=row["ordinality"],
        start_date_time=_at(row["start_at"], row["start_offset_s"]),
        end_date_time=_at(row["end_at"], row["end_offset_s"]),
        received_at=row["received_at"],
        as_of=as_of,
        source=DataSource.DATABASE,
        extra=row["extra"],
    )


def _dump_factors(factors: Iterable[ScoreFactor]) -> str:
    document = [
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
    return orjson.dumps(document).decode()


def _transposed(rows: Iterable[tuple[Any, ...]]) -> Columns:
    return list(zip(*rows, strict=True))


def _fingerprint(meaning: list[Any]) -> int:
    digest = hashlib.blake2b(orjson.dumps(meaning), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _rounded(value: float | None) -> float | None:
    """Nine significant digits: what single precision can add to a value is noise."""
    return None if value is None else float(f"{value:.9g}")


def _instant(moment: datetime) -> int:
    return int(moment.timestamp())


def _offset_s(moment: datetime) -> int:
    return int((moment.utcoffset() or timedelta(0)).total_seconds())


def _at(moment: datetime, offset_s: int) -> datetime:
    return at_offset(moment, timedelta(seconds=offset_s))
