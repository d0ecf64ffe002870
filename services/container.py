"""The only wiring: settings in, running services out. The web process, the command line and the tests all use it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from services.accounts import Keyring
from services.background import background
from services.clock import Clock
from services.config import Settings
from services.events import PlanReadyHub
from services.fulfilment import Fulfilment
from services.health_data import HealthDataService
from services.metrics import Metrics
from services.routines import RoutineService
from services.sahha.client import SahhaAccess, SahhaClient, sahha_http
from services.store.database import Database
from services.upkeep import UpkeepService


@dataclass(frozen=True, slots=True)
class Services:
    """What the product does, ready to be called."""

    settings: Settings
    clock: Clock
    keyring: Keyring
    database: Database
    database_url: str
    metrics: Metrics
    events: PlanReadyHub
    health_data: HealthDataService
    routines: RoutineService
    upkeep: UpkeepService


@asynccontextmanager
async def open_services(
    settings: Settings, *, clock: Clock, keyring: Keyring, sahha: SahhaAccess, database_url: str
) -> AsyncIterator[Services]:
    """Services on a database that may not be there yet: calls that need it raise `Unavailable` until it is."""
    async with AsyncExitStack() as stack:
        metrics = Metrics()
        database = await stack.enter_async_context(Database.opened(database_url, settings.database_pool, "firstlight"))
        http = await stack.enter_async_context(sahha_http(settings))
        hub = PlanReadyHub(database, database_url, clock)
        client = SahhaClient(http, sahha, settings, clock)
        stack.push_async_callback(client.aclose)
        health_data = HealthDataService(database, client, settings, clock, metrics)
        fulfilment = Fulfilment(database, health_data, settings, clock, metrics)
        routines = RoutineService(database, fulfilment, hub, settings, clock, metrics)
        await stack.enter_async_context(background(hub.listen(), "events"))
        upkeep = UpkeepService(database, health_data, routines, settings, clock)
        yield Services(settings, clock, keyring, database, database_url, metrics, hub, health_data, routines, upkeep)
