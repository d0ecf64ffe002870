"""What a request asks for, read as strictly as Sahha does: a list, a span of dates, a number, a document; else `Refused`."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

DEFAULT_DAYS = 14
MOST_DAYS = 400
MOST_ITEMS = 100
LISTS = ("types", "categories")
ITEM = re.compile(r"[A-Za-z0-9][A-Za-z0-9_ -]*", re.ASCII)
DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,7})?)?(Z|[+-]\d{2}:\d{2})?", re.ASCII)


class Refused(Exception):
    """An answer that is not the one asked for: the status, and what is wrong with which part of the request."""

    def __init__(self, status: int, title: str, origin: str = "request") -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.origin = origin


def refusal(_request: Request, error: Exception) -> Response:
    """Sahha's body for an error."""
    if not isinstance(error, Refused):
        raise error
    problems = [{"origin": error.origin, "errors": [error.title]}]
    document = {"title": error.title, "statusCode": error.status, "location": "request", "errors": problems}
    return JSONResponse(document, status_code=error.status)


@dataclass(frozen=True, slots=True)
class Span:
    """The dates of a query, both included. A date or a date-time without offset is read on the person's own clock."""

    start: datetime | None
    end: datetime | None

    def holds(self, moment: datetime) -> bool:
        return (self.start is None or _before(self.start, moment)) and (self.end is None or _before(moment, self.end))

    def days(self, today: date) -> Iterable[date]:
        """The days that can hold rows of the span, newest first; two weeks where no start is asked for."""
        last = min(today, self.end.date() + _slack(self.end)) if self.end else today
        first = self.start.date() - _slack(self.start) if self.start else last - timedelta(days=DEFAULT_DAYS - 1)
        count = min(MOST_DAYS, max(0, (last - first).days + 1))
        return (last - timedelta(days=back) for back in range(count))


def span_of(request: Request) -> Span:
    """`startDateTime` and `endDateTime`. One that cannot be read is refused, as when the `+` of an offset arrives as a space."""
    span = Span(_bound(request, "startDateTime", time.min), _bound(request, "endDateTime", time.max))
    if span.start and span.end and not _before(span.start, span.end):
        raise Refused(400, "endDateTime lies before startDateTime", "endDateTime")
    return span


def list_of(request: Request, name: str) -> frozenset[str]:
    """A list as repeated keys or with commas. Empty items, brackets and quotes are refused: they are no list of Sahha's."""
    if f"{name}[]" in request.query_params:
        raise Refused(400, f"{name} is no list", name)
    items = [item for text in request.query_params.getlist(name) for item in text.split(",")]
    if len(items) > MOST_ITEMS or not all(ITEM.fullmatch(item) for item in items):
        raise Refused(400, f"{name} is no list", name)
    return frozenset(items)


def word_of(request: Request, name: str, known: Iterable[str], default: str) -> str:
    """One of the known words."""
    word = request.query_params.get(name, default)
    if word not in set(known):
        raise Refused(400, f"{name} is not known", name)
    return word


def number_of(request: Request, name: str, default: int, least: int, most: int) -> int:
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise Refused(400, f"{name} is not a whole number from {least} to {most}", name)
    return int(text)


async def document_of(request: Request) -> dict[str, Any]:
    """The JSON object of a body."""
    document = await json_of(request)
    if not isinstance(document, dict):
        raise Refused(400, "The body is not a JSON object", "body")
    return document


async def json_of(request: Request) -> Any:  # noqa: ANN401 - not yet validated
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        raise Refused(400, "The body is not JSON", "body") from None


def _bound(request: Request, name: str, of_day: time) -> datetime | None:
    given = request.query_params.getlist(name)
    if not given:
        return None
    text = given[0]
    try:
        if len(given) == 1 and DATE.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), of_day)
        if len(given) == 1 and DATE_TIME.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise Refused(400, f"{name} is not a date", name)


def _before(first: datetime, second: datetime) -> bool:
    """Not after: by instant where both carry an offset, else by the wall clock."""
    if first.tzinfo and second.tzinfo:
        return first <= second
    return first.replace(tzinfo=None) <= second.replace(tzinfo=None)


def _slack(bound: datetime) -> timedelta:
    """An instant can lie on another day where the person is."""
    return timedelta(days=1) if bound.tzinfo else timedelta(0)
