"""`firstlight worker`: the durable work in a process of its own. Any number of them share one PostgreSQL."""

from contextlib import AsyncExitStack

import structlog

from scheduler.worker import Worker
from server.sandbox import sahha_standin
from server.signals import stop_on_signals
from server.starting import StartError, migrated, sahha_access
from server.watchdog import watchdog
from services.clock import clock_starting_at
from services.config import Settings
from services.container import open_services

log = structlog.get_logger()


async def work(settings: Settings) -> None:
    """Do durable work until SIGINT or SIGTERM; then hand back what does not end soon. A second signal ends the process at once.

    Raises `StartError`, `MigrationError`.
    """
    if settings.database_url is None:
        raise StartError("DATABASE_URL is missing: the embedded PostgreSQL belongs to the one process that serves.")
    database_url = settings.database_url.get_secret_value()
    with stop_on_signals() as stop, watchdog():
        async with AsyncExitStack() as stack:
            clock = clock_starting_at(settings.clock)
            await stack.enter_async_context(migrated(database_url))
            standin = None
            if settings.sandbox:
                standin = await stack.enter_async_context(sahha_standin(clock, "", settings.sahha_webhook_secret))
            services = await stack.enter_async_context(
                open_services(
                    settings,
                    clock=clock,
                    sahha=sahha_access(settings, standin),
                    database_url=database_url,
                )
            )
            await stack.enter_async_context(Worker(services).running(stop.requested))
            log.info("[STARTUP] Background worker started successfully")
            stop.armed = False
            await stop.requested.wait()
            log.info("[STOP] The worker stops")
