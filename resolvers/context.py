"""What a resolver is given: the services, the scheduler's controls and who is calling."""

from dataclasses import dataclass
from typing import Protocol, TypeAlias

import strawberry

from services.accounts import Principal
from services.container import Services
from services.domain.job_runs import SchedulerStatus
from services.domain.outcomes import SchedulerJobResult


class SchedulerControl(Protocol):
    """What an admin can see and do of the scheduler of this process."""

    async def status(self) -> SchedulerStatus: ...

    async def run_job(self, job_id: str) -> SchedulerJobResult:
        """Run a job once, now and in full; `NotFound` for an id that is not a job's."""
        ...


@dataclass(slots=True)
class Context:
    """One for each HTTP request, or for each socket. `principal` is set before any resolver runs."""

    services: Services
    scheduler: SchedulerControl
    request_id: str
    principal: Principal | None = None


Info: TypeAlias = strawberry.Info[Context, None]
