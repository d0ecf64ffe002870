"""Sahha's JSON to the product's own objects: strict about what a row must have, tolerant of every form that was ever seen.

Nothing is dropped in silence: a row comes out as an object, with missing timestamps filled in and marked, or as a `Rejection`.
Types, categories, periodicities, units and states are open sets; fields that are not known are ignored.
"""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, tzinfo
from typing import Annotated, Any
from uuid import NAMESPACE_URL, uuid5

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from services.domain.health import Biomarker, DataSource, Score, ScoreFactor, TimestampRepair, grain
from services.domain.schedule import local_date
from services.errors import UpstreamMalformed
from services.sahha.catalogue import DAY, PERIODS
from services.sahha.lexical import (
    Figure,
    Identifier,
    Moment,
    OptionalWord,
    RequiredMoment,
    UtcMoment,
    Value,
    Word,
    fixed_offset,
    number,
    without_float32_noise,
)

NOT_NUMERIC = frozenset({"datetime", "date", "time", "string", "boolean"})


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row, or a factor of a score, that cannot be used. `position` is the row's in the body; `reason` holds no value of it."""

    position: int
    reason: str


@dataclass(frozen=True, slots=True)
class ParsedBiomarkers:
    """Rows newest first, each natural key once. `repaired` counts the rows with a filled-in timestamp."""

    rows: tuple[Biomarker, ...]
    rejected: tuple[Rejection, ...]
    repaired: int


@dataclass(frozen=True, slots=True)
class ParsedScores:
    """Rows newest first, each (type, scoreDateTime) once. A rejected factor does not take its score with it."""

    rows: tuple[Score, ...]
    rejected: tuple[Rejection, ...]


@dataclass(frozen=True, slots=True)
class SahhaProfile:
    """`data_last_received_at`: when the person's device last sent anything; `None` when it never did."""

    external_id: str
    data_last_received_at: datetime | None


@dataclass(frozen=True, slots=True)
class AccountToken:
    """`lifetime_s` counts from its receipt; `None` when neither the answer nor the token tells."""

    value: str = field(repr=False)
    lifetime_s: float | None


class _Payload(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)


class _BiomarkerPayload(_Payload):
    id: Identifier = None
    category: Word
    type: Word
    periodicity: Word
    aggregation: OptionalWord = None
    value: Value
    unit: OptionalWord = None
    value_type: OptionalWord = None
    start_date_time: Moment = None
    end_date_time: Moment = None


class _FactorPayload(_Payload):
    name: Word
    value: Figure = None
    goal: Figure = None
    score: Figure = None
    state: OptionalWord = None
    unit: OptionalWord = None


class _ScorePayload(_Payload):
    id: Identifier = None
    type: Word
    state: OptionalWord = None
    score: Figure = None
    factors: list[Any] | None = None
    data_sources: list[Word] | None = None
    score_date_time: RequiredMoment
    created_at_utc: UtcMoment = None
    created_at: Moment = None


class _ProfilePayload(_Payload):
    external_id: Word
    data_last_received_at_utc: UtcMoment = None


class _TokenPayload(_Payload):
    account_token: Annotated[str, Field(strict=True, min_length=1, max_length=16_384, pattern=r"^[\x21-\x7e]+$")]
    expires_in: Any = None


def parse_biomarkers(body: bytes, *, received_at: datetime, fallback_offset: tzinfo) -> ParsedBiomarkers:
    """The biomarkers of a body; an empty one has none.

    A timestamp without offset gets `fallback_offset`. A missing end is start + periodicity, a missing start end - periodicity;
    both missing are the local day of receipt. Raises `UpstreamMalformed` when the body as a whole is not a list.
    """
    rows: dict[tuple[str, str, str, datetime], Biomarker] = {}
    rejected: list[Rejection] = []
    for position, item in enumerate(_items(body, "biomarkers")):
        try:
            payload = _BiomarkerPayload.model_validate(item, context=fallback_offset)
            row = _biomarker(payload, received_at, fallback_offset)
        except ValueError as error:
            rejected.append(Rejection(position, _reason(error)))
            continue
        key = (row.category, row.type, grain(row.periodicity), row.start_date_time)
        if key not in rows or _rank(row) > _rank(rows[key]):
            rows[key] = row
    ordered = sorted(rows.values(), key=lambda row: (row.category, row.type, row.periodicity))
    ordered.sort(key=lambda row: (row.end_date_time, row.start_date_time), reverse=True)
    repaired = sum(row.repair is not TimestampRepair.NONE for row in ordered)
    return ParsedBiomarkers(tuple(ordered), tuple(rejected), repaired)


def parse_scores(body: bytes, *, received_at: datetime, fallback_offset: tzinfo) -> ParsedScores:
    """The scores of a body; an empty one has none. A score without scoreDateTime is rejected: there is no day it could belong to.

    Raises `UpstreamMalformed` when the body as a whole is not a list.
    """
    rows: dict[tuple[str, datetime], Score] = {}
    rejected: list[Rejection] = []
    for position, item in enumerate(_items(body, "scores")):
        try:
            payload = _ScorePayload.model_validate(item, context=fallback_offset)
        except ValidationError as error:
            rejected.append(Rejection(position, _reason(error)))
            continue
        factors, refused = _factors(payload.factors or [], position)
        rejected += refused
        row = _score(payload, factors, received_at)
        held = rows.get((row.type, row.score_date_time))
        if held is None or row.measured_at > held.measured_at:
            rows[row.type, row.score_date_time] = row
    ordered = sorted(rows.values(), key=lambda row: row.type)
    ordered.sort(key=lambda row: row.score_date_time, reverse=True)
    return ParsedScores(tuple(ordered), tuple(rejected))


def parse_profile(body: bytes) -> SahhaProfile:
    """The profile of a body. Raises `UpstreamMalformed` when it does not say whose it is."""
    try:
        payload = _ProfilePayload.model_validate(_json(body, "profile"))
    except ValidationError as error:
        raise UpstreamMalformed(f"profile: {_reason(error)}") from None
    return SahhaProfile(payload.external_id, payload.data_last_received_at_utc)


def parse_token(body: bytes, *, received_at: datetime) -> AccountToken:
    """The account token of a body, its life from `expiresIn` (number or text), else from the token's own `exp`.

    Raises `UpstreamMalformed` when there is no token.
    """
    try:
        payload = _TokenPayload.model_validate(_json(body, "token"))
    except ValidationError as error:
        raise UpstreamMalformed(f"token: {_reason(error)}") from None
    lifetime_s = _positive(payload.expires_in)
    if lifetime_s is None:
        expires_at = _positive(_claims(payload.account_token).get("exp"))
        lifetime_s = None if expires_at is None else max(0.0, expires_at - received_at.timestamp())
    return AccountToken(payload.account_token, lifetime_s)


def _biomarker(payload: _BiomarkerPayload, received_at: datetime, fallback: tzinfo) -> Biomarker:
    start, end, repair = _window(payload, received_at, fallback)
    key = f"{payload.category}|{payload.type}|{grain(payload.periodicity)}|{start.isoformat()}"
    numeric = payload.value_type not in NOT_NUMERIC
    return Biomarker(
        id=payload.id or str(uuid5(NAMESPACE_URL, key)),
        category=payload.category,
        type=payload.type,
        periodicity=payload.periodicity,
        aggregation=payload.aggregation or "unknown",
        value=payload.value,
        number=number(payload.value) if numeric else None,
        unit=payload.unit,
        value_type=payload.value_type,
        start_date_time=start,
        end_date_time=end,
        received_at=received_at,
        as_of=received_at,
        source=DataSource.LIVE,
        repair=repair,
    )


def _window(payload: _BiomarkerPayload, received_at: datetime, fallback: tzinfo) -> tuple[datetime, datetime, TimestampRepair]:
    start, end = payload.start_date_time, payload.end_date_time
    period = PERIODS.get(payload.periodicity, DAY)
    if start and end:
        if end < start:
            raise ValueError("endDateTime: lies before startDateTime")
        return start, end, TimestampRepair.NONE
    if start:
        return start, start + period, TimestampRepair.END
    if end:
        # A window that ends with the last second of a minute includes that second.
        bound = end + timedelta(seconds=1) if end.second == 59 else end
        return bound - period, end, TimestampRepair.START
    midnight = fixed_offset(datetime.combine(local_date(received_at, fallback), time(0)), fallback)
    return midnight, midnight + DAY, TimestampRepair.BOTH


def _rank(row: Biomarker) -> tuple[bool, bool, datetime]:
    """Of two rows with one key the higher stands: as sent before repaired, `daily` before `intraday`, the longer window."""
    return row.repair is TimestampRepair.NONE, row.periodicity != "intraday", row.end_date_time


def _score(payload: _ScorePayload, factors: tuple[ScoreFactor, ...], received_at: datetime) -> Score:
    key = f"score|{payload.type}|{payload.score_date_time.isoformat()}"
    return Score(
        id=payload.id or str(uuid5(NAMESPACE_URL, key)),
        type=payload.type,
        state=payload.state,
        score=without_float32_noise(payload.score),
        score_date_time=payload.score_date_time,
        created_at=payload.created_at_utc or payload.created_at,
        factors=factors,
        data_sources=tuple(payload.data_sources or ()),
        received_at=received_at,
        as_of=received_at,
        source=DataSource.LIVE,
    )


def _factors(items: Iterable[object], position: int) -> tuple[tuple[ScoreFactor, ...], list[Rejection]]:
    factors: list[ScoreFactor] = []
    rejected: list[Rejection] = []
    for index, item in enumerate(items):
        try:
            payload = _FactorPayload.model_validate(item)
        except ValidationError as error:
            rejected.append(Rejection(position, f"factors.{index}.{_reason(error)}"))
            continue
        factors.append(
            ScoreFactor(
                name=payload.name,
                value=without_float32_noise(payload.value),
                goal=without_float32_noise(payload.goal),
                score=without_float32_noise(payload.score),
                state=payload.state,
                unit=payload.unit,
            )
        )
    return tuple(factors), rejected


def _items(body: bytes, what: str) -> list[Any]:
    if not body:
        return []
    items = _json(body, what)
    if not isinstance(items, list):
        raise UpstreamMalformed(f"{what}: not a list")
    return items


def _json(body: bytes, what: str) -> Any:  # noqa: ANN401 - not yet validated
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        # Its message quotes nothing of the document, but its `doc` attribute is the document: not chained.
        raise UpstreamMalformed(f"{what}: not JSON") from None


def _claims(token: str) -> dict[str, Any]:
    """The claims of a JWT, unverified: it is our own credential and only its life is read. Empty when it is none."""
    segments = token.split(".")
    if len(segments) != 3:
        return {}
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(segments[1] + "=" * (-len(segments[1]) % 4)))
    except (binascii.Error, orjson.JSONDecodeError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _positive(value: object) -> float | None:
    found = number(str(value).strip()) if isinstance(value, str | int | float) else None
    return found if found and found > 0 else None


def _reason(error: ValueError) -> str:
    """Which field, and what is wrong with it, without what it holds."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field_path = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{field_path}: {message}" if field_path else message
