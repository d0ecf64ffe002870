"""How well the service did, over job runs and routines."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg


@dataclass(frozen=True, slots=True)
class ServiceLevels:
    """Counts since a moment; the slowest READY routine in seconds, `None` where there was none.

    Of routines that somebody waited for: those of standing orders are spread over the night on purpose.
    """

    ready: int
    failed: int
    slowest_live_s: float | None
    slowest_fallback_s: float | None
    runs_finished: int
    runs_succeeded: int


MEASURE = """
select plans.*, runs.* from (
    select count(*) filter (where status = 'READY') as ready,
           count(*) filter (where status = 'FAILED') as failed,
           max(extract(epoch from ready_at - created_at))
               filter (where health_data ->> 'source' <> 'DATABASE') as slowest_live_s,
           max(extract(epoch from ready_at - created_at))
               filter (where health_data ->> 'source' = 'DATABASE') as slowest_fallback_s
    from routines
    where created_at >= $1 and not exists (select from daily_requests where daily_requests.routine_id = routines.id)
) as plans cross join (
    select count(*) filter (where status <> 'RUNNING') as runs_finished,
           count(*) filter (where status = 'SUCCEEDED') as runs_succeeded
    from job_runs where started_at >= $1
) as runs
"""


async def measure(connection: asyncpg.Connection, since: datetime) -> ServiceLevels:
    row = await connection.fetchrow(MEASURE, since)
    return ServiceLevels(
        ready=row["ready"],
        failed=row["failed"],
        slowest_live_s=None if row["slowest_live_s"] is None else float(row["slowest_live_s"]),
        slowest_fallback_s=None if row["slowest_fallback_s"] is None else float(row["slowest_fallback_s"]),
        runs_finished=row["runs_finished"],
        runs_succeeded=row["runs_succeeded"],
    )
