"""What the rows of all lists have in common: how a body is opened, and what is kept of a row that is refused."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from services.domain.health import RejectedRecord
from services.errors import UpstreamMalformed
from services.sahha.measures import Measure

FUTURE = timedelta(days=1)
"""A window that starts later than this after its receipt is of no day that has begun anywhere: zones differ by 26 hours, and the
windows of sleep start on the evening before."""
LONGEST_TEXT = 1024
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
NUL_IN_JSON = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")

ENVELOPE = frozenset(
    {"profileId", "accountId", "externalId", "requestId", "receivedAtUtc", "createdAtUtc", "createdAt", "version"}
)
"""Fields that webhooks and exports add to the same row, known and not of it: whose it is, and when it was sent."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row, or a factor of a score, that cannot be used. `position` is the row's in the body; `reason` holds no value of it.

    `record` is what can be kept of it; `None` when it is not even said what it is about.
    """

    position: int
    reason: str
    record: RejectedRecord | None = None


class Payload(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)


class RowPayload(Payload):
    """Fields that are not known are kept: `extra_of`."""

    model_config = ConfigDict(extra="allow")


class Refused(ValueError):
    """The row cannot be true. The message names the field and holds no value."""


def items_of(body: bytes, what: str) -> list[Any]:
    """The rows of a body, none for an empty one. Raises `UpstreamMalformed` when it is not a list."""
    if not body:
        return []
    items = document_of(body, what)
    if not isinstance(items, list):
        raise UpstreamMalformed(f"{what}: not a list")
    return items


def document_of(body: bytes, what: str) -> Any:  # noqa: ANN401 - not yet validated
    """Raises `UpstreamMalformed` when the body is not JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        # Its message quotes nothing of the document, but its `doc` attribute is the document: not chained.
        raise UpstreamMalformed(f"{what}: not JSON") from None


def reason_of(error: ValueError) -> str:
    """Which field, and what is wrong with it, without what it holds."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field_path = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{field_path}: {message}" if field_path else message


def refuse_future(start: datetime, received_at: datetime, name: str) -> None:
    """Raises `Refused` for what starts more than a day after its receipt."""
    if start - received_at > FUTURE:
        raise Refused(f"{name}: lies in the future")


def refuse_impossible(figure: float, measure: Measure, name: str, *, days: float = 1) -> None:
    """Raises `Refused` for a number that cannot be true of so many days; `figure` is in the unit of the measure."""
    if figure < measure.low:
        raise Refused(f"{name}: is impossibly low")
    if figure > measure.high * days:
        raise Refused(f"{name}: is impossibly high")


def extra_of(payload: RowPayload) -> str | None:
    """The fields that are not known, as JSON with sorted keys; `None` when there are none."""
    unknown = {name: value for name, value in (payload.model_extra or {}).items() if name not in ENVELOPE}
    if not unknown:
        return None
    try:
        text = orjson.dumps(unknown, option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError:
        # Nested deeper than the encoder goes: no form of data, and not worth the row.
        return None
    # No text of the database holds a NUL, escaped or not.
    return NUL_IN_JSON.sub(r"\1\\ufffd", text)


def text_of(item: Mapping[str, Any], name: str) -> str | None:
    """A field as it was sent, fit to be stored: JSON where it is no text, bounded, without control characters."""
    value = item.get(name)
    if value is None:
        return None
    try:
        text = value if isinstance(value, str) else orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return None
    return CONTROL.sub("\ufffd", text[:LONGEST_TEXT])


def short_text_of(item: Mapping[str, Any], name: str) -> str | None:
    """As `text_of`, for what is a name."""
    text = text_of(item, name)
    return text[:128] if text else None
