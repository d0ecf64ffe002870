"""Standing orders and what they have asked for: at most once for each person and local day."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import asyncpg

from services.domain.daily_routine import DailyRoutineOrder
from services.domain.health import Biomarker
from services.domain.ids import RoutineId, UserId
from services.domain.routine import Archetype, Preferences
from services.store.plan_document import dump_preferences, load_preferences
from services.store.record_rows import load_biomarker


@dataclass(frozen=True, slots=True)
class StandingOrder:
    """An order, when its next plan is due and when that is asked for, and the newest day it has asked a plan for."""

    order: DailyRoutineOrder
    due_at: datetime
    next_at: datetime
    last_date: date | None


@dataclass(frozen=True, slots=True)
class NextPlan:
    """When a person's next plan is due, and when it is asked for."""

    user_id: UserId
    due_at: datetime
    next_at: datetime


KNOW_PERSON = "insert into people (user_id) values ($1) on conflict (user_id) do nothing"
PUT = """
insert into daily_routines (user_id, archetype, preferences, timezone, lead_minutes, due_at, next_at, ordered_at)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (user_id) do update
set archetype = excluded.archetype, preferences = excluded.preferences, timezone = excluded.timezone,
    lead_minutes = excluded.lead_minutes, due_at = excluded.due_at, next_at = excluded.next_at, ordered_at = excluded.ordered_at
"""


async def put(connection: asyncpg.Connection, order: DailyRoutineOrder, planned: NextPlan, now: datetime) -> None:
    """The standing order of this person from now on, in place of any other."""
    await connection.execute(KNOW_PERSON, order.user_id)
    await connection.execute(
        PUT,
        order.user_id,
        order.archetype.value,
        dump_preferences(order.preferences),
        order.timezone,
        order.lead_minutes,
        planned.due_at,
        planned.next_at,
        now,
    )


REMOVE = "delete from daily_routines where user_id = $1"


async def remove(connection: asyncpg.Connection, user_id: UserId) -> bool:
    """False: there was no standing order. What it has asked for is remembered."""
    return bool((await connection.execute(REMOVE, user_id)) == "DELETE 1")


KNOWN = "select exists (select from people where user_id = $1)"


async def is_known(connection: asyncpg.Connection, user_id: UserId) -> bool:
    """Whether anything was ever asked for, or received, of this person."""
    return bool(await connection.fetchval(KNOWN, user_id))


READ = """
select *, (select max(local_date) from daily_requests where daily_requests.user_id = daily_routines.user_id) as last_date
from daily_routines where user_id = $1
"""


async def read(connection: asyncpg.Connection, user_id: UserId) -> StandingOrder | None:
    row = await connection.fetchrow(READ, user_id)
    return _standing_order(row) if row else None


PREFERENCES = "select preferences from daily_routines where user_id = $1"


async def read_preferences(connection: asyncpg.Connection, user_id: UserId) -> Preferences | None:
    """Those of the person's standing order; `None` without one."""
    stored = await connection.fetchval(PREFERENCES, user_id)
    return None if stored is None else load_preferences(stored)


LAST_REQUEST = """
select local_date, routine_id from daily_requests where user_id = $1 order by local_date desc limit 1
"""


async def last_request(connection: asyncpg.Connection, user_id: UserId) -> tuple[date, RoutineId] | None:
    """The newest day that a standing order of this person has asked a plan for, and its routine."""
    row = await connection.fetchrow(LAST_REQUEST, user_id)
    return (row["local_date"], RoutineId(row["routine_id"])) if row else None


DUE = """
select *, (select max(local_date) from daily_requests where daily_requests.user_id = daily_routines.user_id) as last_date
from daily_routines where next_at <= $1
order by next_at limit $2 for update of daily_routines skip locked
"""


async def lock_due(connection: asyncpg.Connection, until: datetime, limit: int) -> list[StandingOrder]:
    """The orders to be asked for by then, the most urgent first, locked until the transaction ends.

    Those that somebody else has locked are passed by.
    """
    return [_standing_order(row) for row in await connection.fetch(DUE, until, limit)]


CLAIM = """
insert into daily_requests (user_id, local_date, routine_id, requested_at)
select user_id, local_date, routine_id, $4 from unnest($1::text[], $2::date[], $3::uuid[]) as new(user_id, local_date, routine_id)
on conflict (user_id, local_date) do nothing
returning routine_id
"""


async def claim(
    connection: asyncpg.Connection, wanted: Iterable[tuple[UserId, date, RoutineId]], now: datetime
) -> set[RoutineId]:
    """Those of the wanted routines whose person and day nothing was asked for yet: they are to be made in this transaction."""
    user_ids, dates, routine_ids = zip(*wanted, strict=True)
    return {RoutineId(row["routine_id"]) for row in await connection.fetch(CLAIM, user_ids, dates, routine_ids, now)}


RESCHEDULE = """
update daily_routines set due_at = planned.due_at, next_at = planned.next_at
from unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) as planned(user_id, due_at, next_at)
where daily_routines.user_id = planned.user_id
"""


async def reschedule(connection: asyncpg.Connection, planned: Sequence[NextPlan]) -> None:
    await connection.execute(
        RESCHEDULE, [each.user_id for each in planned], [each.due_at for each in planned], [each.next_at for each in planned]
    )


SLEEP_TIMES = """
select * from biomarkers
where user_id = any($1) and start_at >= $2 and category = 'sleep' and type in ('sleep_start_time', 'sleep_end_time')
"""


async def read_sleep_times(
    connection: asyncpg.Connection, user_ids: Sequence[UserId], since: datetime, now: datetime
) -> dict[UserId, list[Biomarker]]:
    """When these people fell asleep and woke since then, as stored; people without a row are left out."""
    found: dict[UserId, list[Biomarker]] = {}
    for row in await connection.fetch(SLEEP_TIMES, user_ids, since):
        found.setdefault(UserId(row["user_id"]), []).append(load_biomarker(row, now))
    return found


PRUNE = """
delete from daily_requests where (user_id, local_date) in (
    select user_id, local_date from daily_requests where requested_at < $1 order by requested_at limit $2
)
"""


async def prune(connection: asyncpg.Connection, before: datetime, limit: int) -> int:
    """Forget at most `limit` requests of before then; how many went."""
    return int((await connection.execute(PRUNE, before, limit)).split()[-1])


def _standing_order(row: asyncpg.Record) -> StandingOrder:
    order = DailyRoutineOrder(
        user_id=UserId(row["user_id"]),
        archetype=Archetype(row["archetype"]),
        timezone=row["timezone"],
        preferences=load_preferences(row["preferences"]),
        lead_minutes=row["lead_minutes"],
    )
    return StandingOrder(order, row["due_at"], row["next_at"], row["last_date"])
