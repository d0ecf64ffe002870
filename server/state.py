"""What the lifespan hands to every request."""

from typing import TypedDict

from scheduler.runner import Scheduler
from scheduler.worker import Worker
from server.admission import Admission
from server.auth import Callers
from server.sockets import OpenStreams
from services.container import Services


class AppState(TypedDict):
    """`worker` is `None` where it is switched off by setting."""

    services: Services
    callers: Callers
    admission: Admission
    streams: OpenStreams
    scheduler: Scheduler
    worker: Worker | None
