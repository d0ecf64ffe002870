"""What the service does for itself: forgetting what is past its time, and knowing whether it keeps its promises."""

from datetime import timedelta

import structlog

from services.clock import Clock
from services.config import Settings
from services.daily_routines import DailyRoutineService
from services.health_data import HealthDataService
from services.routines import RoutineService
from services.store import job_runs, model_spend
from services.store import service_levels as store
from services.store.database import Database
from services.store.pruning import in_batches

WINDOW = timedelta(hours=1)
PLAN_LIVE_S = 80
PLAN_FALLBACK_S = 50
SUCCESS_RATE = 0.95
"""Targets of the predecessor's checklist: kept as the outer bound."""

log = structlog.get_logger()


class UpkeepService:
    """Work that no caller asks for."""

    def __init__(
        self,
        database: Database,
        health_data: HealthDataService,
        routines: RoutineService,
        daily_routines: DailyRoutineService,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._database = database
        self._health_data = health_data
        self._routines = routines
        self._daily_routines = daily_routines
        self._settings = settings
        self._clock = clock

    async def clean_up(self) -> str:
        """Delete what is past its time: events and idempotency keys after 72 h, everything else after `RETENTION_DAYS`."""
        records = await self._health_data.prune()
        events = await self._routines.prune()
        requests = await self._daily_routines.prune()
        before = self._clock.now() - timedelta(days=self._settings.retention_days)
        runs = await in_batches(self._database, lambda connection, limit: job_runs.prune(connection, before, limit))
        await in_batches(self._database, lambda connection, limit: model_spend.prune(connection, before.date(), limit))
        return f"{records} health records, {events} events and keys, {requests} daily requests, {runs} job runs deleted"

    async def check_service_levels(self) -> str:
        """Compare the last hour with the targets; one log line, a warning when one is missed."""
        async with self._database.connection() as connection:
            levels = await store.measure(connection, self._clock.now() - WINDOW)
        missed = _missed(levels)
        line = (
            f"{levels.ready} plans ready, {levels.failed} failed; slowest live {_seconds(levels.slowest_live_s)}, "
            f"on fallback {_seconds(levels.slowest_fallback_s)}; scheduled runs {levels.runs_succeeded} of {levels.runs_finished}"
        )
        if missed:
            log.warning("[SERVICE_LEVELS] Targets missed", missed=missed, detail=line)
        else:
            log.info("[SERVICE_LEVELS] All targets met", detail=line)
        return f"{line}; missed: {', '.join(missed)}" if missed else line


def _missed(levels: store.ServiceLevels) -> list[str]:
    missed = []
    if levels.slowest_live_s is not None and levels.slowest_live_s >= PLAN_LIVE_S:
        missed.append(f"plan under {PLAN_LIVE_S} s live")
    if levels.slowest_fallback_s is not None and levels.slowest_fallback_s >= PLAN_FALLBACK_S:
        missed.append(f"plan under {PLAN_FALLBACK_S} s on fallback")
    if levels.ready + levels.failed and levels.ready / (levels.ready + levels.failed) <= SUCCESS_RATE:
        missed.append("more than 95 % of plans ready")
    if levels.runs_finished and levels.runs_succeeded / levels.runs_finished <= SUCCESS_RATE:
        missed.append("more than 95 % of scheduled runs successful")
    return missed


def _seconds(value: float | None) -> str:
    return "none" if value is None else f"{value:.1f} s"
