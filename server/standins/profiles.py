"""Tokens, and what is known of a person beside their data: profile, demographic, device, integrations."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from server.standins.account import Account
from server.standins.arrival import last_received
from server.standins.people import Person, whereabouts
from server.standins.questions import Refused, document_of, json_of, number_of
from services.domain.schedule import seen_from

VERSION = "1.0.0"
SDK_VERSION = "1.3.5"
LONGEST_PROFILE_LIFE_S = 30 * 24 * 3600
DEMOGRAPHIC = frozenset(
    (
        *("age", "gender", "birthDate", "country", "birthCountry", "ethnicity", "occupation", "industry", "incomeRange"),
        *("education", "relationship", "locale", "livingArrangement"),
    )
)
DEVICE = frozenset(
    (
        *("sdkId", "sdkVersion", "appId", "appVersion", "deviceId", "deviceType", "deviceModel", "system", "systemVersion"),
        "timeZone",
    )
)


async def account_token(account: Account, request: Request) -> Response:
    given = await document_of(request)
    if (given.get("clientId"), given.get("clientSecret")) != (account.client_id, account.client_secret):
        raise Refused(401, "Unauthorized", "clientId")
    life_s = int(account.token_rules.life_s)
    expires_in = str(life_s) if account.token_rules.as_text else life_s
    return JSONResponse({"accountToken": account.issue(), "expiresIn": expires_in, "tokenType": "Account"})


async def register(account: Account, request: Request) -> Response:
    """201 with a profile token; 400 for an id that is taken or cannot be one."""
    external_id = await _external_id(request)
    account.register(external_id)
    return JSONResponse(account.pair(external_id), status_code=201)


async def register_by_app(account: Account, request: Request) -> Response:
    """As `register`, for the SDK: the account's credential is in the headers `appId` and `appSecret`."""
    if (request.headers.get("appId"), request.headers.get("appSecret")) != (account.client_id, account.client_secret):
        raise Refused(401, "Unauthorized", "appId")
    return await register(account, request)


async def profile_token(account: Account, request: Request) -> Response:
    """A token of somebody who is registered; `lifetime` is in seconds, as text or number."""
    given = await document_of(request)
    external_id, lifetime = await _external_id(request), str(given.get("lifetime", 86_400))
    if external_id not in account.bodies:
        account.person(external_id)
    if not lifetime.isdigit() or not 1 <= int(lifetime) <= LONGEST_PROFILE_LIFE_S:
        raise Refused(400, "lifetime is not a number of seconds", "lifetime")
    token = account.issue(timedelta(seconds=int(lifetime)), external_id)
    return JSONResponse({"profileToken": token, "expiresIn": int(lifetime), "tokenType": "Profile"})


async def refresh_token(account: Account, request: Request) -> Response:
    """A new pair for a refresh token, which is used up by that; one that is not known any more gives 400."""
    external_id = account.refresh_tokens.pop(str((await document_of(request)).get("refreshToken")), None)
    if external_id is None:
        raise Refused(400, "refreshToken is not known", "refreshToken")
    return JSONResponse(account.pair(external_id))


async def search(account: Account, request: Request) -> Response:
    """People whose id holds `searchParameter`. Whether pages count from 0 or from 1 is disputed: both ask for the first one."""
    wanted = request.query_params.get("searchParameter", "")
    page, size = number_of(request, "currentPage", 1, 0, 10**6), number_of(request, "pageSize", 20, 1, 100)
    found = [external_id for external_id in account.ids() if wanted in external_id]
    first = (max(page, 1) - 1) * size
    items = [_profile_of(account, external_id) for external_id in islice(found, first, first + size)]
    counts = {"totalCount": len(found), "currentPage": page, "totalPages": -(-len(found) // size), "pageSize": size}
    return JSONResponse({"items": items, **counts})


def profile(account: Account, external_id: str, _request: Request) -> Response:
    return JSONResponse(_profile_of(account, external_id))


async def remove(account: Account, request: Request) -> Response:
    """Deletes a profile. Where the id goes is not known: the path, `?externalId=` and the body are all taken."""
    external_id = request.path_params.get("external_id") or request.query_params.get("externalId")
    account.remove(external_id or await _external_id(request))
    return Response(status_code=204)


def demographic(account: Account, external_id: str, _request: Request) -> Response:
    person = account.person(external_id)
    known = {} if person.silent else {"age": person.age, "gender": None, "birthDate": None}
    return JSONResponse(known | account.documents.get(("demographic", external_id), {}))


async def tell_demographic(account: Account, external_id: str, request: Request) -> Response:
    """PUT replaces, PATCH adds. Fields that Sahha does not know are refused."""
    return await _told(account, "demographic", external_id, request, DEMOGRAPHIC)


def device(account: Account, external_id: str, _request: Request) -> Response:
    """The device; `timeZone` is an offset such as `+12:00`, never a name."""
    person = account.person(external_id)
    now = account.clock.now()
    known: dict[str, Any] = {"timeZone": seen_from(now, now.replace(tzinfo=whereabouts(person, now))).isoformat()[-6:]}
    if not person.silent:
        known |= {"sdkId": "ios_swift", "sdkVersion": SDK_VERSION, "deviceType": "iPhone", "system": "iOS"}
    return JSONResponse(known | account.documents.get(("device", external_id), {}))


async def tell_device(account: Account, external_id: str, request: Request) -> Response:
    return await _told(account, "device", external_id, request, DEVICE)


def integrations(account: Account, external_id: str, _request: Request) -> Response:
    person = account.person(external_id)
    if not person.wearable or person.silent:
        return JSONResponse([])
    return JSONResponse(
        [{"integrationType": "garmin", "integrationIdentifier": f"garmin-{external_id}", "integrationValues": {}}]
    )


async def upload(account: Account, external_id: str, request: Request) -> Response:
    """Data logs of the SDK: taken, and not looked into any further. `fireLogEvents` is the outbox's concern."""
    logs = await json_of(request)
    if not isinstance(logs, list) or not all(isinstance(entry, Mapping) for entry in logs):
        raise Refused(400, "The body is not a list of logs", "body")
    account.person(external_id)
    return Response(status_code=202)


async def version(_account: Account, _request: Request) -> Response:
    return JSONResponse({"version": VERSION})


async def _told(account: Account, kind: str, external_id: str, request: Request, known: frozenset[str]) -> Response:
    account.person(external_id)
    document = await document_of(request)
    strange = sorted(document.keys() - known)
    if strange:
        raise Refused(400, "A field is not known", strange[0][:64])
    held = account.documents.get((kind, external_id), {}) if request.method == "PATCH" else {}
    account.keep(kind, external_id, held | document)
    return JSONResponse(held | document)


async def _external_id(request: Request) -> str:
    external_id = (await document_of(request)).get("externalId")
    if not isinstance(external_id, str) or not external_id:
        raise Refused(400, "externalId is missing", "externalId")
    return external_id


def _profile_of(account: Account, external_id: str) -> dict[str, Any]:
    person = None if external_id in account.bodies else account.person(external_id)
    received_at = _received_at(account, person)
    silent = received_at is None
    sources = [] if silent or person is None or not person.wearable else [{"sourceName": "watch", "deviceType": "Watch"}]
    return {
        "profileId": f"profile-{external_id}",
        "accountId": "account-sandbox",
        "externalId": external_id,
        "createdAtUtc": datetime(2025, 1, 1, tzinfo=UTC).isoformat(),
        "dataLastReceivedAtUtc": received_at.isoformat() if received_at else None,
        "isSampleProfile": True,
        "sdkId": None,
        "sdkVersion": SDK_VERSION,
        "deviceType": None if silent else "iPhone",
        "dataSources": sources,
    }


def _received_at(account: Account, person: Person | None) -> datetime | None:
    now = account.clock.now()
    return now.replace(minute=0, second=0, microsecond=0) if person is None else last_received(person, now)
