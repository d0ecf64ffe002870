"""Sahha's archetypes: words for how a person lived over a week or a month."""

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Annotated, Any
from uuid import NAMESPACE_URL, uuid5

from pydantic import Field, ValidationError

from services.domain.health import BehaviourLabel, DataSource, RecordKind, RejectedRecord
from services.sahha.catalogue import DAY, PERIODS
from services.sahha.lexical import Identifier, Moment, OptionalWord, RequiredMoment, Word
from services.sahha.payloads.rows import (
    Refused,
    Rejection,
    RowPayload,
    extra_of,
    items_of,
    reason_of,
    refuse_future,
    short_text_of,
    text_of,
)

MOST_VALUES = 100
"""No archetype has as many values; four are known of the ordinal ones."""


@dataclass(frozen=True, slots=True)
class ParsedArchetypes:
    """Rows newest first, each (name, periodicity, startDateTime) once."""

    rows: tuple[BehaviourLabel, ...]
    rejected: tuple[Rejection, ...]


class _Identity(RowPayload):
    """What a row is about, which must be readable for it to be kept at all, even as refused."""

    name: Word
    periodicity: Word
    start_date_time: RequiredMoment


class _ArchetypePayload(_Identity):
    id: Identifier = None
    value: Word
    data_type: OptionalWord = None
    ordinality: Annotated[int, Field(strict=True, ge=0, lt=MOST_VALUES)] | None = None
    end_date_time: Moment = None


def parse_archetypes(body: bytes, *, received_at: datetime, fallback_offset: tzinfo) -> ParsedArchetypes:
    """The archetypes of a body; an empty one has none. A missing end is the start of the last day of the period.

    Names and values are open sets. Raises `UpstreamMalformed` when the body as a whole is not a list.
    """
    rows: dict[tuple[str, str, datetime], BehaviourLabel] = {}
    rejected: list[Rejection] = []
    for position, item in enumerate(items_of(body, "archetypes")):
        try:
            row = _label(_ArchetypePayload.model_validate(item, context=fallback_offset), received_at)
        except ValueError as error:
            reason = reason_of(error)
            rejected.append(Rejection(position, reason, _record(item, reason, received_at, fallback_offset)))
            continue
        rows[row.name, row.periodicity, row.start_date_time] = row
    ordered = sorted(rows.values(), key=lambda row: (row.name, row.periodicity))
    ordered.sort(key=lambda row: row.start_date_time, reverse=True)
    return ParsedArchetypes(tuple(ordered), tuple(rejected))


def _label(payload: _ArchetypePayload, received_at: datetime) -> BehaviourLabel:
    """Raises `Refused` for a row that cannot be true."""
    start = payload.start_date_time
    end = payload.end_date_time or start + _last_day(payload.periodicity)
    if end < start:
        raise Refused("endDateTime: lies before startDateTime")
    refuse_future(start, received_at, "startDateTime")
    key = f"archetype|{payload.name}|{payload.periodicity}|{start.isoformat()}"
    return BehaviourLabel(
        id=payload.id or str(uuid5(NAMESPACE_URL, key)),
        name=payload.name,
        value=payload.value,
        data_type=payload.data_type,
        periodicity=payload.periodicity,
        # A categorical one is sent with 0, which is no place in an order.
        ordinality=None if payload.data_type == "categorical" else payload.ordinality,
        start_date_time=start,
        end_date_time=end,
        received_at=received_at,
        as_of=received_at,
        source=DataSource.LIVE,
        extra=extra_of(payload),
    )


def _last_day(periodicity: str) -> timedelta:
    return PERIODS.get(periodicity, DAY) - DAY


def _record(item: Any, reason: str, received_at: datetime, fallback: tzinfo) -> RejectedRecord | None:  # noqa: ANN401
    """What is kept of a refused row; `None` when it does not say what it is about."""
    try:
        identity = _Identity.model_validate(item, context=fallback)
    except ValidationError:
        return None
    return RejectedRecord(
        kind=RecordKind.BEHAVIOUR_LABEL,
        category="",
        type=identity.name,
        periodicity=identity.periodicity,
        start_date_time=identity.start_date_time,
        end_date_time=None,
        sahha_id=short_text_of(item, "id"),
        value=text_of(item, "value"),
        unit=None,
        reason=reason,
        received_at=received_at,
    )
