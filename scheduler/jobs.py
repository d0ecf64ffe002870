"""The four jobs: when each runs and which service call it is. Their ids are public."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from services.container import Services
from services.daily_routines import EVERY

EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
"""Intervals count from here, so that every replica sees the same occurrences."""
MISFIRE_GRACE = timedelta(hours=1)
"""A run that is late is run all the same, for an hour; the library's default skips it after a second (durable-work.md)."""


@dataclass(frozen=True, slots=True)
class JobDefinition:
    """`run` gives a line for admins on what it did. `deadline` ends a run that hangs.

    `run_by_hand` is what an admin's run does, where an occurrence passes by what was done lately.
    """

    id: str
    name: str
    trigger: BaseTrigger
    deadline: timedelta
    run: Callable[[], Awaitable[str]]
    run_by_hand: Callable[[], Awaitable[str]] | None = None


def job_definitions(services: Services) -> tuple[JobDefinition, ...]:
    """The jobs of this product (architecture.md, section 4)."""
    return (
        JobDefinition(
            "sahha_refresh_active_users",
            "Refresh Sahha data for active users",
            IntervalTrigger(minutes=30, start_date=EPOCH, timezone=UTC),
            timedelta(minutes=25),
            services.health_data.refresh_active,
            partial(services.health_data.refresh_active, in_full=True),
        ),
        JobDefinition(
            "generate_daily_routines",
            "Request the daily routines that are due",
            IntervalTrigger(seconds=int(EVERY.total_seconds()), start_date=EPOCH, timezone=UTC),
            timedelta(minutes=4),
            services.daily_routines.generate_due,
        ),
        JobDefinition(
            "cleanup_old_data",
            "Delete data past its retention",
            CronTrigger(hour=3, minute=20, timezone=UTC),
            timedelta(hours=2),
            services.upkeep.clean_up,
        ),
        JobDefinition(
            "check_service_levels",
            "Compare service levels with their targets",
            IntervalTrigger(minutes=5, start_date=EPOCH, timezone=UTC),
            timedelta(minutes=2),
            services.upkeep.check_service_levels,
        ),
    )
