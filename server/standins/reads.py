"""The reads of one person's data: scores, biomarkers, archetypes and insights."""

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, time
from pathlib import Path

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.standins.account import Account
from server.standins.archetypes import COMPARISONS, TRENDS, archetype_rows, comparison_rows, trend_rows
from server.standins.forms import Row
from server.standins.people import Person, today_of, zone_of_day
from server.standins.questions import Refused, Span, list_of, span_of, word_of
from server.standins.rows import biomarker_rows
from server.standins.scores import score_rows

RowsOfDay = Callable[[Person, date, datetime], list[Row]]


def scores(account: Account, external_id: str, request: Request) -> Response:
    """`types` may be unknown or missing. Dated by `scoreDateTime`, the local midnight."""
    span, types = span_of(request), list_of(request, "types")
    if external_id in account.bodies:
        return _listed(_kept(account.bodies[external_id], "score"), "type", types)
    rows = _rows(account, external_id, span, score_rows)
    return _listed([row for row in rows if span.holds(datetime.fromisoformat(row["scoreDateTime"]))], "type", types)


def biomarkers(account: Account, external_id: str, request: Request) -> Response:
    """Without `categories` 400; they and `types` may be unknown. A row is dated by the day that it belongs to."""
    span, categories, types = span_of(request), list_of(request, "categories"), list_of(request, "types")
    if not categories:
        raise Refused(400, "categories is missing", "categories")
    if external_id in account.bodies:
        rows = _kept(account.bodies[external_id], "biomarker")
    else:
        person, now = account.person(external_id), account.clock.now()
        days = (day for day in span.days(today_of(person, now)) if span.holds(_noon(person, day, now)))
        rows = [row for day in days for row in biomarker_rows(person, day, now)]
    return _listed([row for row in rows if not types or row["type"] in types], "category", categories)


def archetypes(account: Account, external_id: str, request: Request) -> Response:
    """`name` and `periodicity` may be unknown or missing. Dated by `startDateTime`."""
    span, names, periods = span_of(request), list_of(request, "name"), list_of(request, "periodicity")
    if external_id in account.bodies:
        rows = _kept(account.bodies[external_id], "archetypes")
    else:
        found = _rows(account, external_id, span, archetype_rows)
        rows = [row for row in found if span.holds(datetime.fromisoformat(row["startDateTime"]))]
    return _listed([row for row in rows if not periods or row["periodicity"] in periods], "name", names)


def trends(account: Account, external_id: str, request: Request) -> Response:
    """Weekly trends of scores or factors; nobody has seen Sahha's own live."""
    span_of(request)
    category = word_of(request, "category", TRENDS, "score")
    word_of(request, "periodicity", ("weekly",), "weekly")
    person = account.person(external_id)
    return _answer(trend_rows(person, category, request.query_params.get("name"), account.clock.now()))


def comparisons(account: Account, external_id: str, request: Request) -> Response:
    """Yesterday's scores or biomarkers beside other people's; nobody has seen Sahha's own live."""
    span_of(request)
    category = word_of(request, "category", COMPARISONS, "score")
    word_of(request, "periodicity", ("daily",), "daily")
    person = account.person(external_id)
    return _answer(comparison_rows(person, category, request.query_params.get("name"), account.clock.now()))


def _rows(account: Account, external_id: str, span: Span, of_day: RowsOfDay) -> Iterator[Row]:
    person, now = account.person(external_id), account.clock.now()
    return (row for day in span.days(today_of(person, now)) for row in of_day(person, day, now))


def _kept(directory: Path, prefix: str) -> list[Row]:
    return [row for path in sorted(directory.glob(f"{prefix}*.json")) for row in orjson.loads(path.read_bytes())]


def _listed(rows: list[Row], name: str, wanted: Iterable[str]) -> Response:
    """The rows of the wanted names, all when none is named. 204 where there are none at all, `[]` where the names left none."""
    names = frozenset(wanted)
    if not rows:
        return Response(status_code=204)
    return _answer([row for row in rows if not names or row[name] in names])


def _answer(rows: list[Row]) -> Response:
    return Response(orjson.dumps(rows), media_type="application/json") if rows else JSONResponse([])


def _noon(person: Person, day: date, now: datetime) -> datetime:
    return datetime.combine(day, time(12), zone_of_day(person, day, now))
