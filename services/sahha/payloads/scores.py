"""Scores and their factors: a score that cannot be true is refused, a factor that cannot be does not take its score with it."""

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from pydantic import ValidationError

from services.domain.health import DataSource, RecordKind, RejectedRecord, Score, ScoreFactor
from services.sahha.catalogue import DAY
from services.sahha.lexical import (
    Figure,
    Identifier,
    Moment,
    OptionalWord,
    RequiredMoment,
    UtcMoment,
    Word,
    without_float32_noise,
)
from services.sahha.measures import FACTORS, FULL
from services.sahha.payloads.rows import (
    Payload,
    Refused,
    Rejection,
    RowPayload,
    extra_of,
    items_of,
    reason_of,
    refuse_future,
    refuse_impossible,
    short_text_of,
    text_of,
)
from services.sahha.units import in_unit


@dataclass(frozen=True, slots=True)
class ParsedScores:
    """Rows newest first, each (type, scoreDateTime) once. A rejected factor does not take its score with it."""

    rows: tuple[Score, ...]
    rejected: tuple[Rejection, ...]


class _Identity(RowPayload):
    """What a score is about, which must be readable for it to be kept at all, even as refused."""

    type: Word
    score_date_time: RequiredMoment


class _ScorePayload(_Identity):
    id: Identifier = None
    state: OptionalWord = None
    score: Figure = None
    factors: list[Any] | None = None
    data_sources: list[Word] | None = None
    created_at_utc: UtcMoment = None
    created_at: Moment = None


class _FactorPayload(Payload):
    name: Word
    value: Figure = None
    goal: Figure = None
    score: Figure = None
    state: OptionalWord = None
    unit: OptionalWord = None


def parse_scores(body: bytes, *, received_at: datetime, fallback_offset: tzinfo) -> ParsedScores:
    """The scores of a body; an empty one has none. A score without scoreDateTime is rejected: there is no day it could belong to.

    Raises `UpstreamMalformed` when the body as a whole is not a list.
    """
    rows: dict[tuple[str, datetime], Score] = {}
    rejected: list[Rejection] = []
    for position, item in enumerate(items_of(body, "scores")):
        try:
            payload = _ScorePayload.model_validate(item, context=fallback_offset)
            refuse_future(payload.score_date_time, received_at, "scoreDateTime")
            score = _share(payload.score)
        except ValueError as error:
            reason = reason_of(error)
            rejected.append(Rejection(position, reason, _record(item, reason, received_at, fallback_offset)))
            continue
        factors, refused = _factors(payload, position, received_at)
        rejected += refused
        row = _score(payload, score, factors, received_at)
        held = rows.get((row.type, row.score_date_time))
        if held is None or row.measured_at > held.measured_at:
            rows[row.type, row.score_date_time] = row
    ordered = sorted(rows.values(), key=lambda row: row.type)
    ordered.sort(key=lambda row: row.score_date_time, reverse=True)
    return ParsedScores(tuple(ordered), tuple(rejected))


def _score(payload: _ScorePayload, score: float | None, factors: tuple[ScoreFactor, ...], received_at: datetime) -> Score:
    key = f"score|{payload.type}|{payload.score_date_time.isoformat()}"
    return Score(
        id=payload.id or str(uuid5(NAMESPACE_URL, key)),
        type=payload.type,
        state=payload.state,
        score=score,
        score_date_time=payload.score_date_time,
        created_at=payload.created_at_utc or payload.created_at,
        factors=factors,
        data_sources=tuple(payload.data_sources or ()),
        received_at=received_at,
        as_of=received_at,
        source=DataSource.LIVE,
        extra=extra_of(payload),
    )


def _share(score: float | None) -> float | None:
    """A score without single-precision noise. Raises `Refused` outside 0 to 1: the wire has no other scale."""
    plain = without_float32_noise(score)
    if plain is not None and not 0 <= plain <= FULL:
        raise Refused("score: is not between 0 and 1")
    return plain


def _factors(payload: _ScorePayload, position: int, received_at: datetime) -> tuple[tuple[ScoreFactor, ...], list[Rejection]]:
    factors: list[ScoreFactor] = []
    rejected: list[Rejection] = []
    for index, item in enumerate(payload.factors or ()):
        try:
            factors.append(_factor(_FactorPayload.model_validate(item)))
        except ValueError as error:
            reason = f"factors.{index}.{reason_of(error)}"
            rejected.append(Rejection(position, reason, _factor_record(payload, item, reason, received_at)))
    return tuple(factors), rejected


def _factor(payload: _FactorPayload) -> ScoreFactor:
    """Goal and unit are the payload's. Raises `Refused` for a value that cannot be true in the payload's own unit."""
    value = without_float32_noise(payload.value)
    measure = FACTORS.get(payload.name)
    if value is not None and measure is not None:
        converted = in_unit(value, payload.unit, measure.unit)
        if converted is not None:
            refuse_impossible(converted, measure, "value")
    return ScoreFactor(
        name=payload.name,
        value=value,
        goal=without_float32_noise(payload.goal),
        score=_share(payload.score),
        state=payload.state,
        unit=payload.unit,
    )


def _record(item: Any, reason: str, received_at: datetime, fallback: tzinfo) -> RejectedRecord | None:  # noqa: ANN401
    """What is kept of a refused score; `None` when it does not say what it is about."""
    try:
        identity = _Identity.model_validate(item, context=fallback)
    except ValidationError:
        return None
    return RejectedRecord(
        kind=RecordKind.SCORE,
        category="",
        type=identity.type,
        periodicity="daily",
        start_date_time=identity.score_date_time,
        end_date_time=identity.score_date_time + DAY,
        sahha_id=short_text_of(item, "id"),
        value=text_of(item, "score"),
        unit=None,
        reason=reason,
        received_at=received_at,
    )


def _factor_record(payload: _ScorePayload, item: Any, reason: str, received_at: datetime) -> RejectedRecord | None:  # noqa: ANN401
    """What is kept of a refused factor, under its score; `None` when it has no name."""
    name = item.get("name") if isinstance(item, dict) else None
    if not isinstance(name, str) or not name:
        return None
    return RejectedRecord(
        kind=RecordKind.SCORE_FACTOR,
        category=payload.type,
        type=short_text_of(item, "name") or "",
        periodicity="daily",
        start_date_time=payload.score_date_time,
        end_date_time=payload.score_date_time + DAY,
        sahha_id=short_text_of(item, "id"),
        value=text_of(item, "value"),
        unit=short_text_of(item, "unit"),
        reason=reason,
        received_at=received_at,
    )
