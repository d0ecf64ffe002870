"""What a resolver is given: the services, the scheduler's controls and who is calling."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import strawberry

from services.accounts import Principal
from services.container import Services
from services.domain.ids import JobRunId
from services.domain.job_runs import JobRun, SchedulerStatus
from services.domain.outcomes import SchedulerJobResult


class SchedulerControl(Protocol):
    """What an admin can see and do of the scheduler of this process."""

    async def status(self) -> SchedulerStatus: ...

    async def run_job(self, job_id: str) -> SchedulerJobResult:
        """Run a job once, now and in full; `NotFound` for an id that is not a job's."""
        ...

    async def pause_job(self, job_id: str) -> SchedulerJobResult:
        """Fire a job no more, on any replica, until it is resumed; as `run_job`."""
        ...

    async def resume_job(self, job_id: str) -> SchedulerJobResult:
        """Fire a job again from its next occurrence on; as `run_job`."""
        ...

    async def events(self, after: JobRunId | None = None) -> AsyncGenerator[JobRun, None]:
        """Each run as it starts and as it ends, from now on, or all that was after the start of a run.

        Raises, before there is a stream, `BadUserInput` for an `after` that is no run's id.
        """
        ...


class Place(Protocol):
    """Where an operation stands among those that are answered at the same time."""

    def leave(self) -> None:
        """What follows is waiting: the place is free for another."""
        ...


@dataclass(slots=True)
class Context:
    """One for each HTTP request, or for each socket. `principal` is set before any resolver runs.

    `place`: of the operation, where operations are counted. `enter` gives a place for a document and its caller, or raises
    `Overloaded`.
    """

    services: Services
    scheduler: SchedulerControl
    request_id: str
    principal: Principal | None = None
    place: Place | None = None
    enter: Callable[[str, Principal], Place] | None = None

    @contextmanager
    def entered(self, document: str) -> Iterator["Context"]:
        """The context of one operation of a socket, in a place of its own for the length of the block. Raises `Overloaded`."""
        if self.enter is None or self.principal is None:
            yield self
            return
        place = self.enter(document, self.principal)
        try:
            yield replace(self, place=place)
        finally:
            place.leave()


Info: TypeAlias = strawberry.Info[Context, None]
