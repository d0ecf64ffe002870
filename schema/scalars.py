"""The three scalars of the contract. Strict: what is not exactly the written form is refused, never guessed at."""

import datetime as dt
import re
from collections.abc import Mapping

import strawberry
from strawberry.types.scalar import ScalarDefinition

DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)
DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
LOCAL_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)


def parse_date_time(value: object) -> dt.datetime:
    """An aware instant that keeps the offset it was written with. Raises `ValueError`."""
    if not isinstance(value, str) or not DATE_TIME.fullmatch(value):
        raise ValueError("DateTime is RFC 3339 with an offset, such as 2025-07-12T05:42:00+12:00.")
    try:
        return dt.datetime.fromisoformat(value.upper())
    except ValueError:
        raise ValueError("DateTime names an instant that does not exist.") from None


def write_date_time(value: dt.datetime) -> str:
    """RFC 3339, always with an offset; UTC is `+00:00`. Raises `ValueError` for a naive value: it would be a guess."""
    if value.tzinfo is None:
        raise ValueError("a DateTime without an offset was about to be sent")
    return value.isoformat()


def parse_date(value: object) -> dt.date:
    """A calendar day. Raises `ValueError`."""
    if not isinstance(value, str) or not DATE.fullmatch(value):
        raise ValueError("Date is YYYY-MM-DD.")
    try:
        return dt.date.fromisoformat(value)
    except ValueError:
        raise ValueError("Date names a day that does not exist.") from None


def parse_local_time(value: object) -> dt.time:
    """A wall-clock time to the minute. Raises `ValueError`."""
    if not isinstance(value, str) or not LOCAL_TIME.fullmatch(value):
        raise ValueError("LocalTime is HH:MM, 24 h, such as 07:30.")
    return dt.time.fromisoformat(value)


def write_local_time(value: dt.time) -> str:
    return value.strftime("%H:%M")


SCALARS: Mapping[object, ScalarDefinition] = {
    dt.datetime: strawberry.scalar(
        name="DateTime",
        description="An instant, RFC 3339, always with an offset.",
        serialize=write_date_time,
        parse_value=parse_date_time,
    ),
    dt.date: strawberry.scalar(
        name="Date",
        description="A calendar day in the person's own time zone, YYYY-MM-DD.",
        serialize=dt.date.isoformat,
        parse_value=parse_date,
    ),
    dt.time: strawberry.scalar(
        name="LocalTime",
        description="A local wall-clock time, HH:MM, 24 h.",
        serialize=write_local_time,
        parse_value=parse_local_time,
    ),
}
"""How Python's own types are written in the contract; given to `StrawberryConfig.scalar_map`."""
