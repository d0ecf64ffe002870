"""`firstlight check`: what would keep this installation from working, each finding with its remedy."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from server.key_set import UNREADABLE, KeySet
from server.persisted import open_schema
from server.starting import StartError
from services.clock import Clock
from services.config import SAHHA_PRODUCTION_URL, Settings, Switch
from services.domain.schedule import UnknownTimezone, zone
from services.errors import UpstreamError
from services.sahha.client import SahhaAccess, SahhaClient, sahha_http
from services.store.migrations import pending

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Finding:
    """`remedy` is empty where nothing is to be done."""

    what: str
    ok: bool
    found: str
    remedy: str = ""


async def check_everything(settings: Settings) -> list[Finding]:
    """Every check, each with a deadline; none of them changes anything."""
    checks: list[Callable[[Settings], Awaitable[Finding]]] = [
        _check_zones,
        _check_data_dir,
        _check_database,
        _check_sahha,
        _check_tokens,
        _check_persisted,
    ]
    return [Finding("settings", ok=True, found="sandbox mode" if settings.sandbox else "complete")] + [
        await check(settings) for check in checks
    ]


async def _check_zones(_settings: Settings) -> Finding:
    try:
        zone("America/New_York")
    except UnknownTimezone:
        return Finding("time zones", ok=False, found="no zone data", remedy="Install the tzdata package.")
    return Finding("time zones", ok=True, found="loaded")


async def _check_data_dir(settings: Settings) -> Finding:
    if settings.database_url is not None and not settings.sandbox:
        return Finding("DATA_DIR", ok=True, found="not needed")
    nearest: Path = next(path for path in [settings.data_dir.absolute(), *settings.data_dir.absolute().parents] if path.exists())
    if os.access(nearest, os.W_OK):
        return Finding("DATA_DIR", ok=True, found="can be written")
    return Finding("DATA_DIR", ok=False, found="cannot be written", remedy="Set DATA_DIR to a folder of this user's.")


async def _check_database(settings: Settings) -> Finding:
    if settings.database_url is None:
        return Finding("database", ok=True, found="embedded PostgreSQL, started by `firstlight serve`")
    try:
        async with asyncio.timeout(TIMEOUT_S):
            connection = await asyncpg.connect(settings.database_url.get_secret_value())
            try:
                waiting = await pending(connection)
            finally:
                await connection.close()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        return Finding("database", ok=False, found=type(error).__name__, remedy="See that DATABASE_URL is right and reachable.")
    if waiting:
        return Finding("database", ok=False, found=f"{len(waiting)} migrations to do", remedy="Run `firstlight migrate`.")
    return Finding("database", ok=True, found="reachable and up to date")


async def _check_sahha(settings: Settings) -> Finding:
    if settings.sahha_client_id is None or settings.sahha_client_secret is None:
        return Finding("Sahha", ok=True, found="stand-in, started by `firstlight serve`")
    access = SahhaAccess(
        settings.sahha_base_url or SAHHA_PRODUCTION_URL,
        settings.sahha_client_id.get_secret_value(),
        settings.sahha_client_secret.get_secret_value(),
    )
    try:
        async with asyncio.timeout(TIMEOUT_S), sahha_http(settings) as http:
            await SahhaClient(http, access, settings, Clock()).authenticate()
    except (UpstreamError, TimeoutError) as error:
        return Finding(
            "Sahha",
            ok=False,
            found=error.reason if isinstance(error, UpstreamError) else "no answer",
            remedy="See that SAHHA_BASE_URL, SAHHA_CLIENT_ID and SAHHA_CLIENT_SECRET are right.",
        )
    return Finding("Sahha", ok=True, found="credentials accepted")


async def _check_persisted(settings: Settings) -> Finding:
    try:
        count = len(open_schema(settings).rules.persisted.by_hash)
    except StartError as error:
        remedy = "Write the file again with `firstlight persist`."
        return Finding("persisted documents", ok=False, found=str(error), remedy=remedy)
    only = ", and no others run" if settings.persisted_only is Switch.ON else ""
    return Finding("persisted documents", ok=True, found=f"{count}{only}" if settings.persisted_documents else "none")


async def _check_tokens(settings: Settings) -> Finding:
    if settings.jwt_jwks_url is None:
        return Finding("user tokens", ok=True, found="off: keys alone" if settings.jwt_secret is None else "HS256 by JWT_SECRET")
    try:
        async with asyncio.timeout(TIMEOUT_S), KeySet.opened(settings.jwt_jwks_url) as keys:
            count = len(await keys.fetch())
    except (*UNREADABLE, TimeoutError) as error:
        return Finding("user tokens", ok=False, found=type(error).__name__, remedy="See that JWT_JWKS_URL gives public keys.")
    return Finding("user tokens", ok=True, found=f"keys at JWT_JWKS_URL: {count}")
