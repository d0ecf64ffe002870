"""Storing a week of one person, 245 rows, beside a bare COPY of the same rows: `python -m tests.load.archive`.

Milliseconds from the first statement to the end of the COMMIT, on a server that flushes to disk, and bytes of WAL; medians of one
run. The machine matters to the figures and hardly to the ratios.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import asyncpg
import structlog

from services.domain.health import Biomarker, Score
from services.domain.ids import UserId
from services.store.archive import archive
from services.store.database import Database
from services.store.embedded import embedded_postgres
from services.store.migrations import migrate
from services.store.record_rows import biomarker_columns, score_columns
from tests.load.folder import data_folder
from tests.store.records import FIRST, counted, on_day, score

ROUNDS = 60
WARM_UP = 5
BIOMARKERS, SCORES = 156, 89
CHANGED = 5
BARE = """
create table bare_biomarkers (like biomarkers);
create table bare_scores (like scores);
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Medians of one case."""

    ms: float
    wal_bytes: float

    def line(self, name: str, bare: "Figures") -> str:
        ms, wal = self.ms / bare.ms, self.wal_bytes / bare.wal_bytes
        return f"{name:<12} {self.ms:7.2f} ms  {self.wal_bytes / 1000:8.1f} kB WAL   {ms:5.2f} x  {wal:5.2f} x a bare COPY"


def a_week(steps: int = 8000) -> tuple[list[Biomarker], list[Score]]:
    """Seven days of some two dozen types, and of some dozen scores."""
    kinds = -(-BIOMARKERS // 7)
    rows = [on_day(counted(steps + kind, type=f"type-{kind}"), -day) for day in range(7) for kind in range(kinds)]
    day = score().score_date_time
    scores = [
        score(type=f"score-{kind}", score_date_time=day - timedelta(days=back))
        for back in range(7)
        for kind in range(-(-SCORES // 7))
    ]
    return rows[:BIOMARKERS], scores[:SCORES]


async def measured(connection: asyncpg.Connection, work: Callable[[int], Awaitable[None]]) -> Figures:
    took, written = [], []
    for number in range(WARM_UP + ROUNDS):
        before = await connection.fetchval("select pg_current_wal_insert_lsn()")
        started = time.perf_counter()
        await work(number)
        took.append((time.perf_counter() - started) * 1000)
        written.append(await connection.fetchval("select pg_current_wal_insert_lsn() - $1::pg_lsn", before))
    return Figures(statistics.median(took[WARM_UP:]), float(statistics.median(written[WARM_UP:])))


async def measure(database: Database) -> None:
    biomarkers, scores = a_week()
    async with database.connection() as connection:
        await connection.execute(BARE)

        async def store(person: str, rows: list[Biomarker]) -> None:
            async with connection.transaction():
                await archive(connection, UserId(person), rows, scores, FIRST)

        async def copy(number: int) -> None:
            stated = [FIRST] * BIOMARKERS, [FIRST] * SCORES
            person = f"copied-{number}"
            async with connection.transaction():
                for table, names, columns in (
                    ("bare_biomarkers", BIOMARKER_NAMES, biomarker_columns(biomarkers, stated[0])),
                    ("bare_scores", SCORE_NAMES, score_columns(scores, stated[1])),
                ):
                    rows = [(person, *row, FIRST, FIRST) for row in _as_stored(table, list(zip(*columns, strict=True)))]
                    await connection.copy_records_to_table(
                        table, records=rows, columns=["user_id", *names, "first_seen_at", "received_at"]
                    )

        async def some_changed(number: int) -> None:
            changed = [replace(row, value=str(number), number=float(number)) for row in biomarkers[:CHANGED]]
            await store("new-0", [*changed, *biomarkers[CHANGED:]])

        bare = await measured(connection, copy)
        new = await measured(connection, lambda number: store(f"new-{number}", biomarkers))
        unchanged = await measured(connection, lambda _: store("new-1", biomarkers))
        changed = await measured(connection, some_changed)
    print(f"{BIOMARKERS} biomarkers and {SCORES} scores of one person, medians of {ROUNDS}")
    print(bare.line("bare COPY", bare))
    for name, figures in (("all new", new), ("unchanged", unchanged), (f"{CHANGED} changed", changed)):
        print(figures.line(name, bare))


BIOMARKER_NAMES = (
    *("start_at", "category", "type", "grain", "day", "end_at", "start_offset_s", "end_offset_s", "sahha_id", "periodicity"),
    *("aggregation", "value", "number", "unit", "received_unit", "value_type", "repair", "extra", "fingerprint", "stated_at"),
)
SCORE_NAMES = (
    *("score_at", "type", "day", "score_offset_s", "sahha_id", "state", "score", "created_at", "factors", "data_sources"),
    *("extra", "fingerprint", "stated_at"),
)


def _as_stored(table: str, rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """The list of a score's sources as the array that its column is."""
    if table == "bare_biomarkers":
        return rows
    return [(*row[:9], ["sleep"], *row[10:]) for row in rows]


async def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with data_folder() as folder:
        async with embedded_postgres(folder) as server:
            await migrate(server.url)
            async with Database.opened(server.url) as database:
                await measure(database)


if __name__ == "__main__":
    asyncio.run(main())
