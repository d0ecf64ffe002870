"""What row-level security would cost a read: `python -m tests.load.row_security`.

The week of one of many people (156 biomarkers) by the statement that the service reads it with, in three ways that take turns: as
it is read today, one statement with the owner in its `where`; the same inside a transaction that first says who is asking
(`set_config`); and that with policies on the table, which look at it. Prints milliseconds a read: CPU of this process, CPU of the
PostgreSQL session, and time, each with its ratio to today's.
"""

import asyncio
import os
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg

from services.domain.ids import UserId
from services.store import records
from services.store.embedded import embedded_postgres
from services.store.migrations import migrate

PEOPLE, ROWS = 300, 156
READS, ROUNDS = 200, 9
TODAY, SAID, POLICED = "today", "who asks is said first", "and policies hold"
NOW = datetime.fromisoformat("2026-03-11T06:40:00+00:00")
FIRST, LAST = (NOW - timedelta(days=6)).date(), NOW.date()
TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")

FILL = """
insert into biomarkers
select 'person-' || person, $3::timestamptz - make_interval(mins => 50 * n), 'activity', 'type_' || n % 30, 'daily' || n,
       ($3::timestamptz - make_interval(mins => 50 * n))::date,
       $3::timestamptz - make_interval(mins => 50 * n) + interval '1 day',
       0, 0, person || '-' || n, 'daily', 'total', n::text, n, 'count', null, 'integer', 'NONE', null, n, $3, $3, $3
from generate_series(1, $1) person, generate_series(1, $2) n
"""
POLICIES = (
    "create role reader",
    "grant select on all tables in schema public to reader",
    "create policy own on biomarkers using (user_id = current_setting('app.user_id', true))",
    "alter table biomarkers enable row level security",
    "analyze",
)
SAY_WHO = "select set_config('app.user_id', $1, true)"
Read = Callable[[asyncpg.Connection, UserId], Awaitable[int]]


async def week(connection: asyncpg.Connection, person: UserId) -> int:
    return len(await records.read_biomarkers(connection, person, FIRST, LAST, NOW))


async def week_of_who_asks(connection: asyncpg.Connection, person: UserId) -> int:
    async with connection.transaction():
        await connection.execute(SAY_WHO, person)
        return await week(connection, person)


@dataclass
class Way:
    """One way to read, on a session of its own, and what each round of it took, in milliseconds a read."""

    name: str
    read: Read
    connection: asyncpg.Connection
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)

    async def round(self, people: list[UserId]) -> None:
        backend = self.connection.get_server_pid()
        ours, theirs, began = time.process_time(), session_cpu_ms(backend), time.perf_counter()
        for person in people:
            assert await self.read(self.connection, person) == ROWS
        self.waited.append((time.perf_counter() - began) * 1000 / len(people))
        self.ours.append((time.process_time() - ours) * 1000 / len(people))
        self.theirs.append((session_cpu_ms(backend) - theirs) / len(people))


def session_cpu_ms(pid: int) -> float:
    """CPU that a session has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_MS


async def opened(url: str, name: str) -> Way:
    """The first two as the owner of the tables, for whom policies do not count; the last as a role for whom they do."""
    connection = await asyncpg.connect(url)
    if name == POLICED:
        await connection.execute("set role reader")
    return Way(name, week if name == TODAY else week_of_who_asks, connection)


async def measure(url: str) -> list[Way]:
    await migrate(url)
    connection = await asyncpg.connect(url)
    await connection.execute(FILL, PEOPLE, ROWS, NOW)
    for statement in POLICIES:
        await connection.execute(statement)
    await connection.close()
    ways = [await opened(url, name) for name in (TODAY, SAID, POLICED)]
    unseen = await ways[-1].connection.fetchval("select count(*) from biomarkers")
    assert unseen == 0, "the policies do not hold"
    for turn in range(ROUNDS):
        for way in random.sample(ways, len(ways)):
            await way.round([UserId(f"person-{random.randint(1, PEOPLE)}") for _ in range(READS if turn else READS // 4)])
    for way in ways:
        await way.connection.close()
    return ways


def told(ways: list[Way]) -> str:
    def cells(way: Way) -> str:
        pairs = ((way.ours, ways[0].ours), (way.theirs, ways[0].theirs), (way.waited, ways[0].waited))
        medians = [(statistics.median(mine[1:]), statistics.median(todays[1:])) for mine, todays in pairs]
        return "".join(f"{mine:11.3f} ({mine / todays:.2f})" for mine, todays in medians)

    head = f"{'ms a read (ratio to today)':26}{'our CPU':>18}{'PostgreSQL CPU':>18}{'time':>18}"
    return "\n".join([head, *(f"{way.name:26}{cells(way)}" for way in ways)])


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="firstlight-row-security-") as folder:
        Path(folder).chmod(0o711)
        async with embedded_postgres(Path(folder) / "data") as server:
            print(told(await measure(server.url)))


if __name__ == "__main__":
    asyncio.run(main())
