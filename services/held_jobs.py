"""Jobs that ended in a bug, for admins: seen, and done again once the bug is mended."""

import structlog

from services.domain.held_jobs import HeldJob
from services.domain.ids import HeldJobId
from services.domain.outcomes import RequeueJobResult, RequeueJobSuccess
from services.domain.problems import NotFound
from services.store import held_jobs as store
from services.store.database import Database

log = structlog.get_logger()


class HeldJobs:
    """The held jobs of all workers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def held_jobs(self, first: int) -> tuple[HeldJob, ...]:
        """At most `first`, newest first. Raises `Unavailable`."""
        async with self._database.connection() as connection:
            return await store.held(connection, first)

    async def requeue_job(self, job_id: HeldJobId) -> RequeueJobResult:
        """Let a held job be done again, at once. Where its work has been queued again since, it is only forgotten.

        Raises `Unavailable`.
        """
        async with self._database.transaction() as connection:
            if not await store.requeue(connection, job_id):
                return NotFound("No job with this id is held.")
        log.info("[QUEUE] A held job was queued again", job=job_id)
        return RequeueJobSuccess(job_id)
