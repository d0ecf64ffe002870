"""Is it alive, is it ready, and the figures. Every answer comes from a ping made for it.

`/metrics` holds no person, value or key. On loopback it is open; from anywhere else it needs a known key, also a service key,
which Prometheus sends as `Authorization: Bearer`.
"""

import asyncio
from ipaddress import ip_address

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from resolvers.access import must_serve
from server.wire import JsonResponse
from services.container import Services
from services.errors import Unavailable
from services.store.migrations import MigrationError, pending

PING_TIMEOUT_S = 2.0
WRITES = "writes"
"""The check that a read-only or full database fails: what is stored is still served."""


async def health(request: Request) -> Response:
    """The predecessor's URL: 200 as long as the process answers; what is wrong is in `checks`."""
    checks = await _checks(request)
    return JsonResponse({"status": "healthy" if all(checks.values()) else "degraded", "checks": checks})


async def live(_request: Request) -> Response:
    """200 as long as the event loop turns: restarting would not help with anything else."""
    return JsonResponse({"status": "live"})


async def ready(request: Request) -> Response:
    """200 when a request would be served to its end, else 503. Where only writes are refused: degraded, and still 200."""
    checks = await _checks(request)
    good = all(holds for name, holds in checks.items() if name != WRITES)
    status = "not ready" if not good else "ready" if checks[WRITES] else "degraded"
    return JsonResponse({"status": status, "checks": checks}, 200 if good else 503)


async def metrics(request: Request) -> Response:
    if not _from_loopback(request):
        must_serve(await request.state.callers.identify(request.headers))
    return PlainTextResponse(request.state.services.metrics.render(), media_type=CONTENT_TYPE_LATEST)


ROUTES = [
    Route("/api/health", health, methods=["GET"]),
    Route("/livez", live, methods=["GET"]),
    Route("/readyz", ready, methods=["GET"]),
    Route("/metrics", metrics, methods=["GET"]),
]


async def _checks(request: Request) -> dict[str, bool]:
    """What has to hold. The worker counts where this process has one."""
    reachable, migrated = await _ping(request.state.services)
    checks = {"database": reachable, "migrations": migrated, WRITES: not request.state.services.database.writes_refused}
    if request.state.worker is not None:
        checks["worker"] = request.state.worker.working
    return checks


async def _ping(services: Services) -> tuple[bool, bool]:
    """Whether the database answers in time, and whether its tables are those of this release."""
    try:
        async with asyncio.timeout(PING_TIMEOUT_S), services.database.connection() as connection:
            return True, not await pending(connection)
    except MigrationError:
        return True, False
    except (Unavailable, TimeoutError):
        return False, False


def _from_loopback(request: Request) -> bool:
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False
