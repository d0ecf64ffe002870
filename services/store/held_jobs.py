"""Jobs that ended in a bug of ours: they stay in the queue, do nothing, and wait for somebody to look at them."""

import asyncpg
from pgqueuer import AsyncpgDriver, JobId, Queries

from services.domain.held_jobs import HeldJob
from services.domain.ids import HeldJobId

HELD = """
select job.id, job.entrypoint, convert_from(job.payload, 'UTF8') as subject, job.attempts, job.created, job.updated,
       last.reason
from pgqueuer as job
left join lateral (
    select traceback ->> 'exception_type' as reason from pgqueuer_log
    where job_id = job.id and status = 'failed' order by id desc limit 1
) as last on true
where job.status = 'failed' order by job.updated desc, job.id desc limit $1
"""


async def held(connection: asyncpg.Connection, limit: int) -> tuple[HeldJob, ...]:
    """The newest held jobs, newest first."""
    return tuple(
        HeldJob(
            id=HeldJobId(row["id"]),
            kind=row["entrypoint"],
            subject=row["subject"] or "",
            reason=row["reason"],
            attempts=row["attempts"],
            queued_at=row["created"],
            held_at=row["updated"],
        )
        for row in await connection.fetch(HELD, limit)
    )


LOCK = "select id from pgqueuer where id = $1 and status = 'failed' for update"
DROP = "delete from pgqueuer where id = $1 and status = 'failed'"


async def requeue(connection: asyncpg.Connection, job_id: HeldJobId) -> bool:
    """Let a held job be done again, at once. False: no such job is held. The caller is in a transaction."""
    if await connection.fetchval(LOCK, job_id) is None:
        return False
    try:
        async with connection.transaction():
            await Queries(AsyncpgDriver(connection)).requeue_jobs([JobId(job_id)])
    except asyncpg.UniqueViolationError:  # the same work has been queued again since
        await connection.execute(DROP, job_id)
    return True


PRUNE = """
delete from pgqueuer where id in (
    select id from pgqueuer where status = 'failed' and updated < now() - interval '30 days' limit $1
)
"""


async def prune(connection: asyncpg.Connection, limit: int) -> int:
    """Forget at most `limit` jobs that nobody has asked for in 30 days; the number of jobs forgotten."""
    return int((await connection.execute(PRUNE, limit)).split()[-1])
