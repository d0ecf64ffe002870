"""100,000 standing orders due in the same quarter of an hour: taken in bounded steps, out of an index, once each."""

from datetime import date, datetime, timedelta
from typing import Any

from services.daily_routines import EVERY, MOST_AT_ONCE, PAGE
from services.store import daily_routines as store
from services.store.plan_document import dump_preferences
from tests.jobs.standing import at, order
from tests.product import Product, open_product

PEOPLE = 100_000
DUE = datetime.fromisoformat("2026-03-11T06:30:00-04:00")
WAKE = DUE + timedelta(minutes=30)

SEED = """
with known as (
    insert into people (user_id) select 'person-' || n from generate_series(1, $1) as n
)
insert into daily_routines (user_id, archetype, preferences, timezone, lead_minutes, due_at, next_at, ordered_at)
select 'person-' || n, 'PEAK_PERFORMER', $2::jsonb, 'America/New_York', 30,
       $3::timestamptz, $3::timestamptz + n % 900 * interval '1 second', $3::timestamptz
from generate_series(1, $1) as n
"""


async def seed(product: Product, people: int) -> None:
    preferences = dump_preferences(order("America/New_York").preferences)
    async with product.services.database.connection() as connection:
        await connection.execute("set statement_timeout = 0")
        await connection.execute(SEED, people, preferences, DUE, timeout=120)
        await connection.execute("analyze daily_routines, people", timeout=60)
        await connection.execute("reset statement_timeout")


async def asked(product: Product) -> int:
    async with product.services.database.connection() as connection:
        return int(await connection.fetchval("select count(*) from daily_requests"))


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in nodes(child))]


async def test_all_are_asked_for_once_before_they_wake_and_never_in_a_heap(database_url: str) -> None:
    async with open_product(database_url) as product:
        await seed(product, PEOPLE)
        taken = []
        now = DUE - EVERY
        while now < WAKE:
            before = await asked(product)
            await at(product, now).generate_due()
            taken.append(await asked(product) - before)
            now += EVERY
        async with product.services.database.connection() as connection:
            days = await connection.fetch("select distinct local_date from daily_requests")
            jobs = await connection.fetchval("select count(distinct payload) from pgqueuer")
            ahead = await connection.fetchval("select min(next_at) from daily_routines")
    assert sum(taken) == jobs == PEOPLE
    assert max(taken) <= MOST_AT_ONCE
    assert taken[-1] == 0
    assert [row["local_date"] for row in days] == [date(2026, 3, 11)]
    assert ahead >= DUE + timedelta(days=1)


async def test_a_step_reads_what_is_due_out_of_the_index_and_no_more(database_url: str) -> None:
    async with open_product(database_url) as product:
        await seed(product, 50_000)
        async with product.services.database.transaction() as connection:
            explained = await connection.fetchval(f"explain (analyze, format json) {store.DUE}", WAKE, PAGE)
        seen = nodes(explained[0]["Plan"])
    assert [node["Index Name"] for node in seen if node.get("Relation Name") == "daily_routines"] == ["daily_routines_next"]
    assert not [node for node in seen if node["Node Type"] == "Sort"]
    assert [node["Actual Rows"] for node in seen if node["Node Type"] == "LockRows"] == [PAGE]
