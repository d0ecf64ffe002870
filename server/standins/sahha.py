"""Sahha as its contract describes it, for invented people: the account's endpoints, their checks, filters and errors."""

import base64
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server.standins.faults import Call, FaultBoard, FaultLayer, fault_routes
from server.standins.people import Person, invented_people
from server.standins.rows import Row, archetype_rows, biomarker_rows, score_rows
from services.clock import Clock
from services.domain.schedule import local_date

API = "/api/v1"
TOKEN_LIFE = timedelta(hours=24)
MOST_TOKENS = 10_000
MOST_PEOPLE = 100_000
DEFAULT_DAYS = 14
MOST_DAYS = 400
PATHS = {
    "/oauth/account/token": "token",
    "/oauth/profile/register": "register",
    "/account/profile/search": "search",
    "/account/profile/": "profile",
    "/profile/score/": "score",
    "/profile/biomarker/": "biomarker",
    "/profile/archetypes/": "archetypes",
}
"""Calls by path; one that ends in a slash names a person in what follows."""

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(slots=True)
class Account:
    """What one account of Sahha holds: its credential, the tokens given out, and its people."""

    client_id: str
    client_secret: str
    token_life: timedelta
    people: dict[str, Person]
    bodies: Mapping[str, Path]
    clock: Clock
    tokens: dict[str, datetime] = field(default_factory=dict)

    def issue(self) -> str:
        """A new token in the form of a JWT; the oldest is forgotten when there are too many."""
        expires_at = self.clock.now() + self.token_life
        claims = orjson.dumps({"exp": int(expires_at.timestamp())})
        parts = (b'{"alg":"none"}', claims, secrets.token_bytes(24))
        token = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
        if len(self.tokens) >= MOST_TOKENS:
            del self.tokens[next(iter(self.tokens))]
        self.tokens[token] = expires_at
        return token

    def admits(self, authorization: str) -> bool:
        """Whether the header is `account <token>` with a token that lives. Sahha does not take `Bearer`."""
        scheme, _, token = authorization.partition(" ")
        expires_at = self.tokens.get(token)
        return scheme.lower() == "account" and expires_at is not None and self.clock.now() < expires_at


@dataclass(frozen=True, slots=True)
class Span:
    """The dates of a query. A bound is a date, or a date-time read on the person's own clock; both are included."""

    start: datetime | None
    end: datetime | None

    def holds(self, moment: datetime) -> bool:
        local = moment.replace(tzinfo=None)
        return (self.start is None or self.start <= local) and (self.end is None or local <= self.end)

    def days(self, today: date) -> Iterable[date]:
        """The days that can hold rows of the span, newest first; two weeks where no start is asked for."""
        last = min(today, self.end.date()) if self.end else today
        first = self.start.date() if self.start else last - timedelta(days=DEFAULT_DAYS - 1)
        count = min(MOST_DAYS, max(0, (last - first).days + 1))
        return (last - timedelta(days=back) for back in range(count))


def create_sahha_standin(
    clock: Clock,
    people: Mapping[str, Person] | None = None,
    bodies: Mapping[str, Path] | None = None,
    *,
    client_id: str = "sandbox",
    client_secret: str = "sandbox",  # noqa: S107 - nobody's
    token_life: timedelta = TOKEN_LIFE,
) -> Starlette:
    """The stand-in, for the three invented people unless others are given.

    `bodies` maps the id of one more person to a directory whose `biomarker*.json`, `score*.json` and `archetypes*.json` are their
    answers, as they lie there, whatever dates are asked for. `POST`ed registrations live as long as the process.
    """
    known = dict(invented_people() if people is None else people)
    account = Account(client_id, client_secret, token_life, known, bodies or {}, clock)
    board = FaultBoard(clock)
    person = "{external_id:path}"
    routes = [
        Route(f"{API}/oauth/account/token", _token(account), methods=["POST"]),
        Route(f"{API}/oauth/profile/register", _admitted(account, _register(account)), methods=["POST"]),
        Route(f"{API}/account/profile/search", _admitted(account, _search(account))),
        Route(f"{API}/account/profile/{person}", _admitted(account, _of_person(account, _profile))),
        Route(f"{API}/profile/score/{person}", _admitted(account, _of_person(account, _scores))),
        Route(f"{API}/profile/biomarker/{person}", _admitted(account, _of_person(account, _biomarkers))),
        Route(f"{API}/profile/archetypes/{person}", _admitted(account, _of_person(account, _archetypes))),
        Route("/_standin/tokens", _revocation(account), methods=["DELETE"]),
        *fault_routes(board),
    ]
    return Starlette(routes=routes, middleware=[Middleware(FaultLayer, board=board, classify=_classify)])


def _classify(path: str) -> Call | None:
    rest = path.removeprefix(API)
    for prefix, kind in PATHS.items():
        if rest == prefix and not prefix.endswith("/"):
            return Call(kind, None)
        if prefix.endswith("/") and rest.startswith(prefix):
            return Call(kind, rest.removeprefix(prefix))
    return None


def _token(account: Account) -> Handler:
    async def token(request: Request) -> Response:
        given = await _document(request)
        if (given.get("clientId"), given.get("clientSecret")) != (account.client_id, account.client_secret):
            return _error(401, "Unauthorized")
        life_s = int(account.token_life.total_seconds())
        return JSONResponse({"accountToken": account.issue(), "expiresIn": life_s, "tokenType": "Account"})

    return token


def _revocation(account: Account) -> Handler:
    """All tokens given out so far are refused from now on, as when they expire or are revoked between two calls."""

    async def revoke(_request: Request) -> Response:
        account.tokens.clear()
        return Response(status_code=204)

    return revoke


def _register(account: Account) -> Handler:
    async def register(request: Request) -> Response:
        external_id = (await _document(request)).get("externalId")
        if not isinstance(external_id, str) or not 1 <= len(external_id) <= 128:
            return _error(400, "externalId is missing or too long")
        if external_id in account.people or external_id in account.bodies or len(account.people) >= MOST_PEOPLE:
            return _error(400, "externalId cannot be used")
        template = next(iter(invented_people().values()))
        account.people[external_id] = Person(id=external_id, zone=template.zone, silent=True)
        tokens = {"profileToken": secrets.token_urlsafe(24), "refreshToken": secrets.token_urlsafe(24)}
        return JSONResponse({**tokens, "expiresIn": 86_400, "tokenType": "Profile"}, status_code=201)

    return register


def _search(account: Account) -> Handler:
    async def search(request: Request) -> Response:
        wanted = request.query_params.get("searchParameter", "")
        page, size = _whole(request, "currentPage", 1), _whole(request, "pageSize", 20)
        if page is None or size is None or not 1 <= size <= 100:
            return _error(400, "currentPage and pageSize must be whole numbers")
        found = sorted(known for known in {*account.people, *account.bodies} if wanted in known)
        # Whether pages count from 0 or from 1 is disputed: both ask for the first one.
        first = (max(page, 1) - 1) * size
        items = [_profile_of(account, known) for known in found[first : first + size]]
        pages = -(-len(found) // size)
        counts = {"totalCount": len(found), "currentPage": page, "totalPages": pages, "pageSize": size}
        return JSONResponse({"items": items, **counts})

    return search


def _profile(account: Account, external_id: str, _request: Request) -> Response:
    return JSONResponse(_profile_of(account, external_id))


def _scores(account: Account, external_id: str, request: Request) -> Response:
    span, types = _span(request), set(request.query_params.getlist("types"))
    if span is None:
        return _error(400, "startDateTime or endDateTime is not a date")
    if external_id in account.bodies:
        return _listed(_kept(account.bodies[external_id], "score"), "type", types)
    person, now = account.people[external_id], account.clock.now()
    rows = (row for day in span.days(local_date(now, person.zone)) for row in score_rows(person, day, now))
    return _listed([row for row in rows if span.holds(_moment(row["scoreDateTime"]))], "type", types)


def _biomarkers(account: Account, external_id: str, request: Request) -> Response:
    span, categories = _span(request), set(request.query_params.getlist("categories"))
    types = set(request.query_params.getlist("types"))
    if span is None:
        return _error(400, "startDateTime or endDateTime is not a date")
    if not categories:
        return _error(400, "categories is missing")
    if external_id in account.bodies:
        rows = _kept(account.bodies[external_id], "biomarker")
    else:
        person, now = account.people[external_id], account.clock.now()
        days = span.days(local_date(now, person.zone))
        rows = [row for day in days if span.holds(_noon(day)) for row in biomarker_rows(person, day, now)]
    return _listed([row for row in rows if not types or row["type"] in types], "category", categories)


def _archetypes(account: Account, external_id: str, request: Request) -> Response:
    span, names = _span(request), set(request.query_params.getlist("name"))
    periods = set(request.query_params.getlist("periodicity"))
    if span is None:
        return _error(400, "startDateTime or endDateTime is not a date")
    if external_id in account.bodies:
        rows = _kept(account.bodies[external_id], "archetypes")
    else:
        person, now = account.people[external_id], account.clock.now()
        mondays = (day for day in span.days(local_date(now, person.zone)) if day.weekday() == 0)
        rows = [row for monday in mondays for row in archetype_rows(person, monday, now)]
    return _listed([row for row in rows if not periods or row["periodicity"] in periods], "name", names)


def _admitted(account: Account, handler: Handler) -> Handler:
    async def admitted(request: Request) -> Response:
        if not account.admits(request.headers.get("Authorization", "")):
            return _error(401, "Unauthorized")
        return await handler(request)

    return admitted


def _of_person(account: Account, answer: Callable[[Account, str, Request], Response]) -> Handler:
    async def of_person(request: Request) -> Response:
        external_id = request.path_params["external_id"]
        if external_id not in account.people and external_id not in account.bodies:
            return _error(404, "Profile not found")
        return answer(account, external_id, request)

    return of_person


def _profile_of(account: Account, external_id: str) -> dict[str, Any]:
    person = account.people.get(external_id)
    silent = person is not None and person.silent
    received_at = account.clock.now().replace(minute=0, second=0, microsecond=0)
    return {
        "profileId": f"profile-{external_id}",
        "accountId": "account-sandbox",
        "externalId": external_id,
        "createdAtUtc": datetime(2025, 1, 1, tzinfo=UTC).isoformat(),
        "dataLastReceivedAtUtc": None if silent else received_at.isoformat(),
        "isSampleProfile": True,
        "sdkId": None,
        "sdkVersion": "1.0.0",
        "deviceType": None if silent else "iPhone",
        "dataSources": [],
    }


def _kept(directory: Path, prefix: str) -> list[Row]:
    return [row for path in sorted(directory.glob(f"{prefix}*.json")) for row in orjson.loads(path.read_bytes())]


def _listed(rows: list[Row], name: str, wanted: set[str]) -> Response:
    """The rows of the wanted names, all when none is named. 204 where there are none at all, `[]` where the names left none."""
    if not rows:
        return Response(status_code=204)
    return JSONResponse([row for row in rows if not wanted or row[name] in wanted])


def _span(request: Request) -> Span | None:
    """The dates of a query; `None` when one cannot be read, as when the `+` of an offset arrives as a space."""
    try:
        start = _bound(request.query_params.get("startDateTime"), time.min)
        end = _bound(request.query_params.get("endDateTime"), time.max)
    except ValueError:
        return None
    return Span(start, end)


def _bound(text: str | None, of_day: time) -> datetime | None:
    if text is None:
        return None
    if len(text) == len("2025-07-11"):
        return datetime.combine(date.fromisoformat(text), of_day)
    return datetime.fromisoformat(text).replace(tzinfo=None)


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _whole(request: Request, name: str, default: int) -> int | None:
    text = request.query_params.get(name, str(default))
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


async def _document(request: Request) -> dict[str, Any]:
    try:
        document = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _error(status: int, title: str) -> Response:
    return JSONResponse({"title": title, "statusCode": status, "location": "request", "errors": []}, status_code=status)
