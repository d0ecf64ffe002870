"""What the lifespan hands to every request."""

from typing import TypedDict

from scheduler.runner import Scheduler
from scheduler.worker import Worker
from services.container import Services


class AppState(TypedDict):
    """`worker` is `None` where it is switched off by setting."""

    services: Services
    scheduler: Scheduler
    worker: Worker | None
