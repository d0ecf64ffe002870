"""The written forms of Sahha's fields: text, numbers and date-times, each read to one meaning or refused with a reason.

A refusal is a `ValueError` whose message says what is wrong and holds nothing of the value.
"""

import math
import re
import struct
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainValidator, ValidationInfo

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
YEARS = range(1900, 2201)


def _absent(value: object) -> object:
    return None if value == "" else value


def _lexical(value: object) -> object:
    """Numbers as text, shortest form that reads back to the same: values and ids come as either."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


def _read_moment(value: object, fallback: tzinfo) -> datetime | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ValueError("is not a date-time")  # noqa: TRY004 - pydantic collects ValueError
    return moment_of(value, fallback)


def _moment(value: object, info: ValidationInfo) -> datetime | None:
    """A date-time; one without an offset gets that of the validation context."""
    return _read_moment(value, info.context if isinstance(info.context, tzinfo) else UTC)


def _required_moment(value: object, info: ValidationInfo) -> datetime:
    moment = _moment(value, info)
    if moment is None:
        raise ValueError("is missing")
    return moment


def _utc_moment(value: object) -> datetime | None:
    return _read_moment(value, UTC)


def moment_of(text: str, fallback: tzinfo) -> datetime:
    """The instant of an ISO 8601 text, in its own offset, else that of `fallback`. Raises `ValueError` for other text."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError("is not an ISO 8601 date-time") from None
    if moment.year not in YEARS:
        raise ValueError("is out of range")
    return fixed_offset(moment, fallback)


def fixed_offset(moment: datetime, fallback: tzinfo) -> datetime:
    """The same wall-clock time with a plain offset: its own, else that of `fallback`."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=fallback)
    return aware.replace(tzinfo=timezone(aware.utcoffset() or timedelta(0)))


def _figure(value: object) -> float | None:
    """A finite number, or `None` for null and for text and numbers that are none."""
    if value is None or value == "":
        return None
    found = number(str(value)) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    if found is None:
        raise ValueError("is not a finite number")
    return found


def is_numeral(text: str) -> bool:
    """Whether a text is written as a number such as `8412`, `0.` or `-1.5e3`, however large."""
    return NUMBER.fullmatch(text) is not None


def number(text: str) -> float | None:
    """The number that a text holds; `None` for other text and for one too large."""
    value = float(text) if is_numeral(text) else math.nan
    return value if math.isfinite(value) else None


def without_float32_noise(value: float | None) -> float | None:
    """The shortest decimal of a single-precision number that was widened to double (0.9900000095367432 is 0.99)."""
    if value is None or value.is_integer() or not _is_float32(value):
        return value
    return next((short for digits in range(6, 9) if _float32(short := float(f"{value:.{digits}g}")) == value), value)


def _is_float32(value: float) -> bool:
    return abs(value) < 3.4e38 and _float32(value) == value


def _float32(value: float) -> float:
    (narrowed,) = struct.unpack("f", struct.pack("f", value))
    return float(narrowed)


# The bounds keep what can be neither stored nor indexed out of the archive: NUL, and keys longer than an index takes.
Word = Annotated[str, Field(strict=True, min_length=1, max_length=128, pattern=PRINTABLE)]
OptionalWord = Annotated[Word | None, BeforeValidator(_absent)]
Identifier = Annotated[Word | None, BeforeValidator(_absent), BeforeValidator(_lexical)]
Value = Annotated[str, BeforeValidator(_lexical), Field(strict=True, min_length=1, max_length=1024, pattern=PRINTABLE)]
Moment = Annotated[datetime | None, PlainValidator(_moment)]
RequiredMoment = Annotated[datetime, PlainValidator(_required_moment)]
Figure = Annotated[float | None, PlainValidator(_figure)]
UtcMoment = Annotated[datetime | None, PlainValidator(_utc_moment)]
