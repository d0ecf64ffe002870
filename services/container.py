"""The only wiring: settings in, running services out. The web process, the command line and the tests all use it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from services.archive import HealthArchive
from services.backfill import BackfillService
from services.background import background
from services.budget import TokenBudget
from services.clock import Clock
from services.config import Settings
from services.daily_routines import DailyRoutineService
from services.events import PlanReadyHub
from services.fulfilment import Fulfilment
from services.health_data import HealthDataService
from services.held_jobs import HeldJobs
from services.live_read import SahhaReader
from services.metrics import Metrics
from services.openai.client import OpenAIClient
from services.planning.writer import Writer
from services.rate_limits import RateLimits
from services.replanning import ReplanningService
from services.routines import RoutineService
from services.sahha.client import SahhaAccess, SahhaClient, sahha_http
from services.store.database import Database
from services.upkeep import UpkeepService
from services.webhooks import WebhookService


@dataclass(frozen=True, slots=True)
class Services:
    """What the product does, ready to be called."""

    settings: Settings
    clock: Clock
    database: Database
    database_url: str
    metrics: Metrics
    rate_limits: RateLimits
    events: PlanReadyHub
    health_data: HealthDataService
    routines: RoutineService
    daily_routines: DailyRoutineService
    replanning: ReplanningService
    upkeep: UpkeepService
    held_jobs: HeldJobs
    webhooks: WebhookService
    backfill: BackfillService


@asynccontextmanager
async def open_services(settings: Settings, *, clock: Clock, sahha: SahhaAccess, database_url: str) -> AsyncIterator[Services]:
    """Services on a database that may not be there yet: calls that need it raise `Unavailable` until it is."""
    async with AsyncExitStack() as stack:
        metrics = Metrics()
        database = await stack.enter_async_context(Database.opened(database_url, settings.database_pool, "firstlight"))
        http = await stack.enter_async_context(sahha_http(settings))
        hub = PlanReadyHub(database, database_url, clock)
        client = SahhaClient(http, sahha, settings, clock, metrics)
        stack.push_async_callback(client.aclose)
        reader = SahhaReader(client, clock, metrics)
        archive = HealthArchive(database, clock, metrics)
        health_data = HealthDataService(database, reader, archive, settings, clock, metrics)
        stack.push_async_callback(health_data.aclose)
        webhooks = WebhookService(database, archive, settings.sahha_webhook_secret, clock, metrics)
        stack.push_async_callback(webhooks.aclose)
        writer = await _writer(stack, settings, TokenBudget(database, settings, clock), metrics)
        fulfilment = Fulfilment(database, health_data, writer, settings, clock, metrics)
        routines = RoutineService(database, fulfilment, hub, settings, clock, metrics)
        await stack.enter_async_context(background(hub.listen(), "events"))
        replanning = ReplanningService(database, fulfilment, routines, clock)
        archive.announce_to(replanning.note_news)
        daily_routines = DailyRoutineService(database, routines, settings, clock)
        upkeep = UpkeepService(database, health_data, routines, daily_routines, settings, clock)
        held_jobs = HeldJobs(database)
        yield Services(
            settings=settings,
            clock=clock,
            database=database,
            database_url=database_url,
            metrics=metrics,
            rate_limits=RateLimits(settings, metrics),
            events=hub,
            health_data=health_data,
            routines=routines,
            daily_routines=daily_routines,
            replanning=replanning,
            upkeep=upkeep,
            held_jobs=held_jobs,
            webhooks=webhooks,
            backfill=BackfillService(database, reader, archive, settings, clock),
        )


async def _writer(stack: AsyncExitStack, settings: Settings, budgets: TokenBudget, metrics: Metrics) -> Writer | None:
    """The model that finds the words; `None` where none is configured."""
    if settings.openai_api_key is None:
        return None
    model = await stack.enter_async_context(OpenAIClient.opened(settings, budgets, metrics))
    return Writer(model, settings.openai_deadline_s)
