"""Sahha as its contract describes it, for invented people: the account's and the profiles' endpoints, their checks and errors."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from inspect import isawaitable
from pathlib import Path

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from server.standins import faults, profiles, reads, webhooks_out
from server.standins.account import TOKEN_LIFE, Account, TokenRules
from server.standins.faults import Call, FaultBoard, fault_routes
from server.standins.generated import Crowd
from server.standins.people import Person, invented_people
from server.standins.questions import Refused, refusal
from server.standins.strikes import FaultLayer
from server.standins.webhooks_out import Outbox, Target, webhook_routes
from services.clock import Clock

API = "/api/v1"
PERSON = "{external_id:path}"
GUIDE = f"{faults.__doc__}\n\n{webhooks_out.__doc__}"
"""What can be asked of a stand-in that Sahha knows nothing of."""

PATHS = {
    "/oauth/account/token": "token",
    "/oauth/profile/register": "register",
    "/oauth/profile/register/appId": "register",
    "/oauth/profile/token": "profile_token",
    "/oauth/profile/refreshToken": "refresh_token",
    "/account/profile/search": "search",
    "/account/profile/": "profile",
    "/profile": "profile",
    "/profile/score": "score",
    "/profile/score/": "score",
    "/profile/biomarker": "biomarker",
    "/profile/biomarker/": "biomarker",
    "/profile/archetypes": "archetypes",
    "/profile/archetypes/": "archetypes",
    "/profile/insight/trend": "trend",
    "/profile/insight/trend/": "trend",
    "/profile/insight/comparison": "comparison",
    "/profile/insight/comparison/": "comparison",
    "/profile/demographic": "demographic",
    "/profile/demographic/": "demographic",
    "/profile/deviceInformation": "device",
    "/profile/deviceInformation/": "device",
    "/profile/integration": "integration",
    "/profile/integration/": "integration",
    "/profile/data/log": "data_log",
    "/Version": "version",
}
"""Kinds of call by path; one that ends in a slash names a person in what follows."""

Endpoint = Callable[[Request], Awaitable[Response]]
OfAccount = Callable[[Account, Request], Awaitable[Response]]
OfPerson = Callable[[Account, str, Request], Response | Awaitable[Response]]


def create_sahha_standin(
    clock: Clock,
    people: Mapping[str, Person] | None = None,
    bodies: Mapping[str, Path] | None = None,
    *,
    client_id: str = "sandbox",
    client_secret: str = "sandbox",  # noqa: S107 - nobody's
    token_life: timedelta = TOKEN_LIFE,
    crowd: Crowd | None = None,
    webhooks: Target | None = None,
) -> Starlette:
    """The stand-in, for the invented people unless others are given, and for a crowd where one is.

    `bodies` maps the id of one more person to a directory whose `biomarker*.json`, `score*.json` and `archetypes*.json` are their
    answers, as they lie there, whatever dates are asked for. `POST`ed registrations live as long as the process.
    """
    account = Account(
        client_id,
        client_secret,
        clock,
        people=invented_people() if people is None else people,
        crowd=crowd or Crowd(0),
        bodies=bodies or {},
        token_rules=TokenRules(life_s=token_life.total_seconds()),
    )
    board, outbox = FaultBoard(clock), Outbox(account, webhooks or Target())

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with outbox.running():
            yield

    return Starlette(
        routes=[*_account_routes(account), *_person_routes(account), *_controls(account, board, outbox)],
        middleware=[Middleware(FaultLayer, board=board, classify=_classify)],
        exception_handlers={Refused: refusal},
        lifespan=lifespan,
    )


def _account_routes(account: Account) -> list[Route]:
    def route(path: str, answer: OfAccount, method: str = "POST", *, admitted: bool = True) -> Route:
        return Route(f"{API}{path}", _of_account(account, answer, admitted=admitted), methods=[method])

    return [
        route("/oauth/account/token", profiles.account_token, admitted=False),
        route("/oauth/profile/register", profiles.register),
        route("/oauth/profile/register/appId", profiles.register_by_app, admitted=False),
        route("/oauth/profile/token", profiles.profile_token),
        route("/oauth/profile/refreshToken", profiles.refresh_token, admitted=False),
        route("/account/profile/search", profiles.search, "GET"),
        route("/profile", profiles.remove, "DELETE"),
        route(f"/account/profile/{PERSON}", profiles.remove, "DELETE"),
        route("/Version", profiles.version, "GET", admitted=False),
    ]


def _person_routes(account: Account) -> list[Route]:
    """The reads of one person: named in the path with an account token, or by a profile token."""
    both: tuple[tuple[str, OfPerson], ...] = (
        ("/profile/score", reads.scores),
        ("/profile/biomarker", reads.biomarkers),
        ("/profile/archetypes", reads.archetypes),
        ("/profile/insight/trend", reads.trends),
        ("/profile/insight/comparison", reads.comparisons),
        ("/profile/demographic", profiles.demographic),
        ("/profile/deviceInformation", profiles.device),
        ("/profile/integration", profiles.integrations),
    )
    own: tuple[tuple[str, OfPerson, list[str]], ...] = (
        ("/profile", profiles.profile, ["GET"]),
        ("/profile/demographic", profiles.tell_demographic, ["PUT", "PATCH"]),
        ("/profile/deviceInformation", profiles.tell_device, ["PUT"]),
        ("/profile/data/log", profiles.upload, ["POST"]),
    )
    return [
        Route(f"{API}/account/profile/{PERSON}", _of_person(account, profiles.profile)),
        *(Route(API + path, _of_person(account, answer), methods=methods) for path, answer, methods in own),
        *(Route(API + path, _of_person(account, answer)) for path, answer in both),
        *(Route(f"{API}{path}/{PERSON}", _of_person(account, answer)) for path, answer in both),
    ]


def _controls(account: Account, board: FaultBoard, outbox: Outbox) -> list[Route]:
    async def guide(_request: Request) -> Response:
        return PlainTextResponse(GUIDE)

    async def tokens(request: Request) -> Response:
        if request.method == "DELETE":
            account.revoke()
            return Response(status_code=204)
        try:
            account.token_rules = TokenRules.model_validate_json(await request.body())
        except ValidationError as error:
            return Response(error.json(include_url=False), status_code=400, media_type="application/json")
        return JSONResponse(account.token_rules.model_dump())

    return [
        Route("/_standin", guide),
        Route("/_standin/tokens", tokens, methods=["PUT", "DELETE"]),
        *fault_routes(board),
        *webhook_routes(outbox),
    ]


def _of_account(account: Account, answer: OfAccount, *, admitted: bool) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        if admitted and account.admit(request.headers.get("Authorization", "")).external_id is not None:
            raise Refused(401, "Unauthorized", "Authorization")
        return await answer(account, request)

    return endpoint


def _of_person(account: Account, answer: OfPerson) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        named: str | None = request.path_params.get("external_id")
        own = account.admit(request.headers.get("Authorization", "")).external_id
        external_id = named or own
        if external_id is None or (named and own):
            raise Refused(401, "Unauthorized", "Authorization")
        if external_id not in account.bodies:
            account.person(external_id)
        answered = answer(account, external_id, request)
        return await answered if isawaitable(answered) else answered

    return endpoint


def _classify(path: str) -> Call | None:
    """The kind of call that a path is, and whom it names."""
    rest = path.removeprefix(API)
    if rest in PATHS:
        return Call(PATHS[rest], None)
    found = [prefix for prefix in PATHS if prefix.endswith("/") and rest.startswith(prefix)]
    return Call(PATHS[found[0]], rest.removeprefix(found[0])) if found else None
