"""Biomarker rows: windows repaired where a bound is missing, numbers in the unit of their type, impossible values refused."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from typing import Any, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from pydantic import ValidationError

from services.domain.health import Biomarker, DataSource, RecordKind, RejectedRecord, TimestampRepair, grain
from services.domain.schedule import local_date
from services.sahha.catalogue import DAY, PERIODS
from services.sahha.lexical import (
    Identifier,
    Moment,
    OptionalWord,
    Value,
    Word,
    fixed_offset,
    is_numeral,
    moment_of,
    number,
    without_float32_noise,
)
from services.sahha.measures import BIOMARKERS, Kind
from services.sahha.payloads.rows import (
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

NOT_NUMERIC = frozenset({"datetime", "date", "time", "string", "boolean"})
NOT_FINITE = frozenset({"nan", "inf", "infinity"})
SLACK = timedelta(days=1)
"""A moment this far outside its row's window is of another night, or of none."""

Key = tuple[str, str, str, datetime]


@dataclass(frozen=True, slots=True)
class ParsedBiomarkers:
    """Rows newest first, each natural key once. `repaired` counts the rows with a filled-in timestamp."""

    rows: tuple[Biomarker, ...]
    rejected: tuple[Rejection, ...]
    repaired: int


class _Identity(RowPayload):
    """What a row is about, which must be readable for it to be kept at all, even as refused."""

    category: Word
    type: Word
    periodicity: Word
    start_date_time: Moment = None
    end_date_time: Moment = None


class _BiomarkerPayload(_Identity):
    id: Identifier = None
    aggregation: OptionalWord = None
    value: Value
    unit: OptionalWord = None
    value_type: OptionalWord = None


class _Context(NamedTuple):
    received_at: datetime
    fallback: tzinfo


class _Found(NamedTuple):
    position: int
    row: Biomarker


def parse_biomarkers(body: bytes, *, received_at: datetime, fallback_offset: tzinfo) -> ParsedBiomarkers:
    """The biomarkers of a body; an empty one has none.

    A timestamp without offset gets `fallback_offset`. A missing end is start + periodicity, a missing start end - periodicity;
    both missing are the local day of receipt. Raises `UpstreamMalformed` when the body as a whole is not a list.
    """
    context = _Context(received_at, fallback_offset)
    found: dict[Key, _Found] = {}
    rejected: list[Rejection] = []
    for position, item in enumerate(items_of(body, "biomarkers")):
        try:
            row = _biomarker(_BiomarkerPayload.model_validate(item, context=fallback_offset), context)
        except ValueError as error:
            reason = reason_of(error)
            rejected.append(Rejection(position, reason, _record(item, reason, context)))
            continue
        key = _key(row)
        if key not in found or _rank(row) > _rank(found[key].row):
            found[key] = _Found(position, row)
    rejected += [_taken_out(found, key, context) for key in list(_backward_nights(found, context))]
    ordered = sorted((each.row for each in found.values()), key=lambda row: (row.category, row.type, row.periodicity))
    ordered.sort(key=lambda row: (row.end_date_time, row.start_date_time), reverse=True)
    repaired = sum(row.repair is not TimestampRepair.NONE for row in ordered)
    return ParsedBiomarkers(tuple(ordered), tuple(rejected), repaired)


def _biomarker(payload: _BiomarkerPayload, context: _Context) -> Biomarker:
    """Raises `Refused` for a row that cannot be true."""
    start, end, repair = _window(payload, context)
    if end < start:
        raise Refused("endDateTime: lies before startDateTime")
    refuse_future(start, context.received_at, "startDateTime")
    figure, unit = _measured(payload)
    row = Biomarker(
        id=payload.id or _made_id(payload, start),
        category=payload.category,
        type=payload.type,
        periodicity=payload.periodicity,
        aggregation=payload.aggregation or "unknown",
        value=payload.value,
        number=figure,
        unit=unit,
        value_type=payload.value_type,
        start_date_time=start,
        end_date_time=end,
        received_at=context.received_at,
        as_of=context.received_at,
        source=DataSource.LIVE,
        repair=repair,
        received_unit=None if payload.unit == unit else payload.unit,
        extra=extra_of(payload),
    )
    if _kind(row.type) is Kind.MOMENT:
        _check_moment(row, context)
    return row


def _made_id(payload: _BiomarkerPayload, start: datetime) -> str:
    """The same for every version of a row that comes without an id."""
    return str(uuid5(NAMESPACE_URL, f"{payload.category}|{payload.type}|{grain(payload.periodicity)}|{start.isoformat()}"))


def _measured(payload: _BiomarkerPayload) -> tuple[float | None, str | None]:
    """The number of a value and the unit that it is in; no number where the type has none.

    A unit that is not known leaves a known type without a number: a figure in a wrong unit would be worse than none.
    """
    measure = BIOMARKERS.get(payload.type)
    if measure is None:
        return _unmeasured(payload), payload.unit
    if measure.kind is not Kind.NUMBER:
        return None, payload.unit
    figure = without_float32_noise(number(payload.value))
    if figure is None:
        raise Refused("value: is not a finite number")
    converted = in_unit(figure, payload.unit, measure.unit)
    if converted is None:
        return None, payload.unit
    days = PERIODS.get(payload.periodicity, DAY) / DAY if measure.accumulates else 1
    refuse_impossible(converted, measure, "value", days=days)
    return converted, payload.unit and measure.unit


def _unmeasured(payload: _BiomarkerPayload) -> float | None:
    """The number of a type that is not known, where its value type does not say that it is none."""
    if payload.value_type in NOT_NUMERIC:
        return None
    figure = number(payload.value)
    if figure is None and (is_numeral(payload.value) or payload.value.lstrip("+-").lower() in NOT_FINITE):
        raise Refused("value: is not a finite number")
    return without_float32_noise(figure)


def _kind(name: str) -> Kind | None:
    measure = BIOMARKERS.get(name)
    return None if measure is None else measure.kind


def _check_moment(row: Biomarker, context: _Context) -> None:
    """Raises `Refused` for a moment that is none, that is still to come, or that lies outside its own window."""
    try:
        moment = moment_of(row.value, context.fallback)
    except ValueError as error:
        raise Refused(f"value: {error}") from None
    refuse_future(moment, context.received_at, "value")
    within = row.start_date_time - SLACK <= moment <= row.end_date_time + SLACK
    # With both bounds missing the window is a guess.
    if not within and row.repair is not TimestampRepair.BOTH:
        raise Refused("value: lies outside the row's window")


def _backward_nights(found: Mapping[Key, _Found], context: _Context) -> Iterator[Key]:
    """The start and the end of each sleep that ends before it starts: one of them is wrong, and nothing tells which."""
    for (category, name, periodicity, opened), each in found.items():
        if name != "sleep_start_time":
            continue
        end = found.get((category, "sleep_end_time", periodicity, opened))
        if end and moment_of(end.row.value, context.fallback) < moment_of(each.row.value, context.fallback):
            yield _key(each.row)
            yield _key(end.row)


def _taken_out(found: dict[Key, _Found], key: Key, context: _Context) -> Rejection:
    position, row = found.pop(key)
    reason = "value: the sleep ends before it starts"
    record = RejectedRecord(
        kind=RecordKind.BIOMARKER,
        category=row.category,
        type=row.type,
        periodicity=row.periodicity,
        start_date_time=row.start_date_time,
        end_date_time=row.end_date_time,
        sahha_id=row.id,
        value=row.value,
        unit=row.value_unit,
        reason=reason,
        received_at=context.received_at,
    )
    return Rejection(position, reason, record)


def _record(item: Any, reason: str, context: _Context) -> RejectedRecord | None:  # noqa: ANN401 - what was refused
    """What is kept of a refused row; `None` when it does not say what it is about."""
    try:
        identity = _Identity.model_validate(item, context=context.fallback)
    except ValidationError:
        return None
    start, end, _ = _window(identity, context)
    return RejectedRecord(
        kind=RecordKind.BIOMARKER,
        category=identity.category,
        type=identity.type,
        periodicity=identity.periodicity,
        start_date_time=start,
        end_date_time=end,
        sahha_id=short_text_of(item, "id"),
        value=text_of(item, "value"),
        unit=short_text_of(item, "unit"),
        reason=reason,
        received_at=context.received_at,
    )


def _window(payload: _Identity, context: _Context) -> tuple[datetime, datetime, TimestampRepair]:
    start, end = payload.start_date_time, payload.end_date_time
    period = PERIODS.get(payload.periodicity, DAY)
    if start and end:
        return start, end, TimestampRepair.NONE
    if start:
        return start, start + period, TimestampRepair.END
    if end:
        # A window that ends with the last second of a minute includes that second.
        bound = end + timedelta(seconds=1) if end.second == 59 else end
        return bound - period, end, TimestampRepair.START
    midnight = fixed_offset(datetime.combine(local_date(context.received_at, context.fallback), time(0)), context.fallback)
    return midnight, midnight + DAY, TimestampRepair.BOTH


def _key(row: Biomarker) -> Key:
    return row.category, row.type, grain(row.periodicity), row.start_date_time


def _rank(row: Biomarker) -> tuple[bool, bool, datetime]:
    """Of two rows with one key the higher stands: as sent before repaired, `daily` before `intraday`, the longer window."""
    return row.repair is TimestampRepair.NONE, row.periodicity != "intraday", row.end_date_time
