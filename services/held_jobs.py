"""Jobs that ended in a bug, for admins: seen, and done again once the bug is mended."""

import structlog

from services.domain.held_jobs import HeldJob
from services.domain.ids import HeldJobId
from services.domain.outcomes import RequeueHeldJobResult, RequeueHeldJobSuccess
from services.domain.problems import NotFound
from services.store import held_jobs as store
from services.store.database import Database

NO_SUCH_JOB = NotFound("No job with this id is held.")

log = structlog.get_logger()


class HeldJobs:
    """The held jobs of all workers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self, first: int) -> tuple[HeldJob, ...]:
        """At most `first`, newest first. Raises `Unavailable`."""
        async with self._database.connection() as connection:
            return await store.held(connection, first)

    async def requeue(self, job_id: HeldJobId) -> RequeueHeldJobResult:
        """Let a held job be done again, at once. Where its work has been queued again since, it is only forgotten.

        Raises `Unavailable`.
        """
        async with self._database.transaction() as connection:
            if not await store.requeue(connection, job_id):
                return NO_SUCH_JOB
        log.info("[QUEUE] A held job was queued again", job=job_id)
        return RequeueHeldJobSuccess(job_id)
