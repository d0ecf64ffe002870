"""The web process: routes, the order of what every request passes through, and what is started and stopped with it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, WebSocketRoute

from scheduler.runner import Scheduler
from scheduler.worker import Worker
from server import health, pages, rest, webhooks
from server.admission import Admission
from server.auth import Callers
from server.compression import Compression
from server.graphql import GraphQLEndpoint
from server.middleware import BodyLimit, RequestBoundary
from server.persisted import open_schema
from server.refusals import GRAPHQL_PATH, on_http_exception, on_service_error
from server.sockets import OpenStreams
from server.state import AppState
from server.tokens import UserTokens
from services.accounts import Keyring
from services.background import background
from services.clock import Clock
from services.config import Settings, Switch
from services.container import open_services
from services.errors import ServiceError
from services.sahha.client import SahhaAccess

CORS_METHODS = ("GET", "POST")
CORS_HEADERS = ("authorization", "content-type", "x-api-key", "x-request-id", "traceparent", "tracestate", "baggage")
CORS_EXPOSED = ("retry-after", "server-timing", "x-request-id")
CORS_REMEMBERED_S = 7200
"""Chromium's longest. Credentials are never allowed: callers are known by a header that no browser sends by itself."""

log = structlog.get_logger()


def create_app(
    settings: Settings, *, clock: Clock, keyring: Keyring, sahha: SahhaAccess, database_url: str, stopping: asyncio.Event
) -> Starlette:
    """The service as an ASGI application. It starts without its database or Sahha: it is live then, and not ready.

    Set `stopping` when the process is asked to stop: waits end then, before connections are closed.
    """
    graphql = GraphQLEndpoint(open_schema(settings), allowed_origins=settings.cors_origins)
    app = Starlette(
        routes=[
            Route(GRAPHQL_PATH, graphql),
            WebSocketRoute(GRAPHQL_PATH, graphql),
            *rest.ROUTES,
            *webhooks.ROUTES,
            *health.ROUTES,
            *pages.routes(settings),
        ],
        middleware=[
            *_cors(settings),
            Middleware(RequestBoundary),
            Middleware(Compression),
            Middleware(BodyLimit, others={webhooks.PATH: webhooks.BODY_LIMIT}),
        ],
        exception_handlers={HTTPException: on_http_exception, ServiceError: on_service_error},
        lifespan=_lifespan(settings, clock, keyring, sahha, database_url, stopping),
    )
    app.router.redirect_slashes = False  # it would send keys on, to http:// wherever a proxy ends TLS
    return app


def _cors(settings: Settings) -> list[Middleware]:
    """Outermost, so that pages of the origins in the list can read every answer, failures too. Without a list: nothing."""
    if not settings.cors_origins:
        return []
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=CORS_METHODS,
        allow_headers=CORS_HEADERS,
        expose_headers=CORS_EXPOSED,
        max_age=CORS_REMEMBERED_S,
    )
    return [cors]


def _lifespan(
    settings: Settings, clock: Clock, keyring: Keyring, sahha: SahhaAccess, database_url: str, stopping: asyncio.Event
) -> Callable[[Starlette], AbstractAsyncContextManager[AppState]]:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[AppState]:
        """Everything started here is stopped here, the last first."""
        async with AsyncExitStack() as stack:
            services = await stack.enter_async_context(
                open_services(settings, clock=clock, sahha=sahha, database_url=database_url)
            )
            callers = Callers(keyring, await stack.enter_async_context(UserTokens.opened(settings, clock)))
            await stack.enter_async_context(background(services.events.close_after(stopping), "stop"))
            streams = OpenStreams(settings, clock, services.metrics)
            await stack.enter_async_context(background(streams.end_after(stopping), "end of streams"))
            worker = Worker(services) if settings.worker is Switch.ON else None
            if worker is not None:
                await stack.enter_async_context(worker.running(stopping))
                log.info("[STARTUP] Background worker started successfully")
            scheduler = Scheduler(services)
            await stack.enter_async_context(scheduler.running())
            if settings.scheduler is Switch.ON:
                log.info("[STARTUP] Background scheduler started successfully")
            admission = Admission(settings, services.metrics)
            yield AppState(
                services=services, callers=callers, admission=admission, streams=streams, scheduler=scheduler, worker=worker
            )

    return lifespan
