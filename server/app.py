"""The web process: routes, the order of what every request passes through, and what is started and stopped with it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Route, WebSocketRoute

from scheduler.runner import Scheduler
from scheduler.worker import Worker
from schema.root import build_schema
from server import health, rest, webhooks
from server.graphql import GraphQLEndpoint
from server.middleware import BodyLimit, RequestBoundary
from server.refusals import GRAPHQL_PATH, on_http_exception, on_service_error
from server.state import AppState
from services.accounts import Keyring
from services.background import background
from services.clock import Clock
from services.config import Settings, Switch
from services.container import open_services
from services.errors import ServiceError
from services.sahha.client import SahhaAccess

log = structlog.get_logger()


def create_app(
    settings: Settings, *, clock: Clock, keyring: Keyring, sahha: SahhaAccess, database_url: str, stopping: asyncio.Event
) -> Starlette:
    """The service as an ASGI application. It starts without its database or Sahha: it is live then, and not ready.

    Set `stopping` when the process is asked to stop: waits end then, before connections are closed.
    """
    graphql = GraphQLEndpoint(build_schema())
    return Starlette(
        routes=[
            Route(GRAPHQL_PATH, graphql),
            WebSocketRoute(GRAPHQL_PATH, graphql),
            *rest.ROUTES,
            *webhooks.ROUTES,
            *health.ROUTES,
        ],
        middleware=[Middleware(RequestBoundary), Middleware(BodyLimit, others={webhooks.PATH: webhooks.BODY_LIMIT})],
        exception_handlers={HTTPException: on_http_exception, ServiceError: on_service_error},
        lifespan=_lifespan(settings, clock, keyring, sahha, database_url, stopping),
    )


def _lifespan(
    settings: Settings, clock: Clock, keyring: Keyring, sahha: SahhaAccess, database_url: str, stopping: asyncio.Event
) -> Callable[[Starlette], AbstractAsyncContextManager[AppState]]:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[AppState]:
        """Everything started here is stopped here, the last first."""
        async with AsyncExitStack() as stack:
            services = await stack.enter_async_context(
                open_services(settings, clock=clock, keyring=keyring, sahha=sahha, database_url=database_url)
            )
            await stack.enter_async_context(background(services.events.close_after(stopping), "stop"))
            worker = Worker(services) if settings.worker is Switch.ON else None
            if worker is not None:
                await stack.enter_async_context(worker.running(stopping))
                log.info("[STARTUP] Background worker started successfully")
            scheduler = Scheduler(services)
            await stack.enter_async_context(scheduler.running())
            if settings.scheduler is Switch.ON:
                log.info("[STARTUP] Background scheduler started successfully")
            yield AppState(services=services, scheduler=scheduler, worker=worker)

    return lifespan
