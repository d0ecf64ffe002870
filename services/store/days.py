"""A person's days: the newest plan of each, what was done of it, and when it is planned again."""

from datetime import date, datetime

import asyncpg

from services.domain.ids import UserId
from services.domain.routine import Plan, Routine
from services.store.plan_document import dump_plan
from services.store.routine_rows import load_routine

CURRENT = """
select * from routines where user_id = $1 and local_date = $2 and status = 'READY' and superseded_by is null
"""


async def current(connection: asyncpg.Connection, user_id: UserId, local_date: date, now: datetime) -> Routine | None:
    """The newest READY routine of a person and day."""
    row = await connection.fetchrow(CURRENT, user_id, local_date)
    return load_routine(row, now) if row else None


COMPLETION = """
select avg((task ->> 'status' = 'DONE')::int) as done, count(*) filter (where task ->> 'status' <> 'PENDING') as marked
from routines, jsonb_path_query(plan, '$.time_blocks[*].tasks[*]') as task
where user_id = $1 and local_date between $2 and $3 and status = 'READY' and superseded_by is null
"""


async def completion(connection: asyncpg.Connection, user_id: UserId, first: date, last: date) -> float | None:
    """The share of these days' tasks that were done, 0 to 1; `None` for a person who marked none of them."""
    row = await connection.fetchrow(COMPLETION, user_id, first, last)
    return round(float(row["done"]), 2) if row["marked"] else None


OPEN_DAYS = """
select * from routines
where user_id = $1 and local_date >= $2 and status = 'READY' and superseded_by is null
  and (auto_replan or health_data ->> 'state' = 'SYNCING')
order by local_date limit 10
"""


async def replannable(connection: asyncpg.Connection, user_id: UserId, since: date, now: datetime) -> list[Routine]:
    """The newest routines of these days that are planned again when there is news: asked for so, or made from half a night."""
    return [load_routine(row, now) for row in await connection.fetch(OPEN_DAYS, user_id, since)]


OF_TASK = """
select routines.* from routine_tasks join routines on routines.id = routine_tasks.routine_id
where routine_tasks.task_id = $1 and ($2::text is null or routine_tasks.user_id = $2)
for update of routines
"""


async def lock_routine_of_task(
    connection: asyncpg.Connection, task_id: str, owner: UserId | None, now: datetime
) -> Routine | None:
    """The routine that holds a task, its row locked until the transaction ends; `owner` as for `read`."""
    row = await connection.fetchrow(OF_TASK, task_id, owner)
    return load_routine(row, now) if row else None


REWRITE_PLAN = "update routines set plan = $3 where id = $1 and user_id = $2"


async def rewrite_plan(connection: asyncpg.Connection, routine: Routine, plan: Plan) -> None:
    """Replace the plan of a routine whose row the caller has locked."""
    await connection.execute(REWRITE_PLAN, routine.id, routine.user_id, dump_plan(plan))
