"""The written forms of Sahha's rows: ids, windows, values, states and single-precision figures."""

import struct
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from hashlib import sha1
from typing import Any
from uuid import NAMESPACE_URL
from zoneinfo import ZoneInfo

from server.standins.people import Delivery, Person
from services.sahha.lexical import fixed_offset

EVENING = time(18)
LAST_SECOND = timedelta(seconds=-1)
STATES = ((0.80, "high"), (0.60, "medium"), (0.30, "low"))

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Window:
    """What rows of one kind have in common."""

    category: str
    periodicity: str
    start: datetime
    end: datetime


def whole_days(zone: ZoneInfo, first: date, start: time = time(0), *, days: int = 1) -> tuple[datetime, datetime]:
    """A window of whole days from a wall-clock time to the second before it. Both ends are in the offset of the start."""
    opened = fixed_offset(datetime.combine(first, start, zone), zone)
    return opened, opened + timedelta(days=days) + LAST_SECOND


def midnight(zone: ZoneInfo, day: date) -> str:
    """The local start of a day with its offset, as scores and archetypes are dated."""
    return datetime.combine(day, time(0), zone).isoformat()


def biomarker(person: Person, window: Window, name: str, aggregation: str, value: float | datetime, unit: str) -> Row:
    """One row of the API's ten keys; the value is text, always."""
    start = window.start.isoformat()
    value_type, text = _written(person, value)
    return {
        "id": identity(person, window.category, name, start),
        "category": window.category,
        "type": name,
        "periodicity": window.periodicity,
        "aggregation": aggregation,
        "value": text,
        "unit": unit,
        "valueType": value_type,
        "startDateTime": start,
        "endDateTime": window.end.isoformat(),
    }


def _written(person: Person, value: float | datetime) -> tuple[str, str]:
    """The type and the text of a value. Devices other than the sample profiles' write whole doubles as `7.`, and seconds."""
    sample = person.delivery is Delivery.SAMPLE
    if isinstance(value, datetime):
        return "datetime", value.isoformat(timespec="minutes" if sample else "seconds")
    if isinstance(value, int):
        return "integer", str(value)
    text = str(round(value, 3))
    return "double", text if sample else text.removesuffix("0") if text.endswith(".0") else text


def identity(person: Person, kind: str, name: str, start: str) -> str:
    """A UUID of version 5 in the URL namespace, as `uuid.uuid5` makes it in three times as long: an answer has hundreds."""
    digest = sha1(NAMESPACE_URL.bytes + f"{person.id}|{kind}|{name}|{start}".encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def state_of(score: float) -> str:
    return next((state for least, state in STATES if score >= least), "minimal")


def single(value: float) -> float:
    """The value as single precision leaves it: 0.99 comes out as 0.9900000095367432."""
    (narrowed,) = struct.unpack("f", struct.pack("f", value))
    return int(value) if isinstance(value, int) else float(narrowed)
