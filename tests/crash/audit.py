"""After the faults: what the client was told against what the tables hold. Whatever differs is named."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import asyncpg

from services.clock import Clock
from services.fulfilment import REVISIONS_AN_ATTEMPT
from tests.crash.client import UNFINISHED, Acknowledgement, Client
from tests.crash.stage import HEARTBEAT_TIMEOUT_S, Stage

SETTLED_S = 10 + HEARTBEAT_TIMEOUT_S
"""Every routine is final so long after the last fault (reliability.md, section 5)."""
FINAL = frozenset({"READY", "FAILED", "CANCELLED"})
ANNOUNCED = frozenset({"READY", "FAILED"})

KEYS = "select key, user_id, routine_id::text as routine_id from idempotency_keys"
ROUTINES = """
select id::text as id, user_id, status, attempt, cursor::text as cursor, failure ->> 'code' as failure, superseded_by,
       local_date
from routines
"""
EVENTS = """
select user_id, id, coalesce(payload ->> 'status', kind) as kind, routine_id::text as routine_id,
       (payload ->> 'revision')::int as revision
from events order by user_id, id
"""
JOBS = "select status::text as status, count(*) from pgqueuer where entrypoint = 'GENERATE_ROUTINE' group by status"


@dataclass(frozen=True)
class Tables:
    """What the database holds once everything has settled; `settled_s` after the last fault, `None` if it never did."""

    keys: list[asyncpg.Record]
    routines: list[asyncpg.Record]
    events: list[asyncpg.Record]
    jobs: list[asyncpg.Record]
    settled_s: float | None

    @property
    def taken_over(self) -> int:
        """Attempts beyond the first one."""
        return sum(max(0, row["attempt"] - 1) for row in self.routines)


async def connected(stage: Stage) -> asyncpg.Connection:
    """A connection, however soon after the last fault: PostgreSQL may still be in recovery."""
    while True:
        try:
            return await asyncpg.connect(stage.postgres.url, timeout=10, command_timeout=10)
        except asyncpg.CannotConnectNowError:
            if Clock.monotonic() - stage.last_fault_at > SETTLED_S:
                raise
        await asyncio.sleep(0.05)


async def read_settled(stage: Stage) -> Tables:
    """The tables as soon as no routine is unfinished and no job is left, or when that takes too long."""
    connection = await connected(stage)
    try:
        settled_s = None
        while (waited_s := Clock.monotonic() - stage.last_fault_at) < SETTLED_S:
            if await connection.fetchval(UNFINISHED) == 0 and not await connection.fetch(JOBS):
                settled_s = waited_s
                break
            await asyncio.sleep(0.05)
        return Tables(
            keys=await connection.fetch(KEYS),
            routines=await connection.fetch(ROUTINES),
            events=await connection.fetch(EVENTS),
            jobs=await connection.fetch(JOBS),
            settled_s=settled_s,
        )
    finally:
        await connection.close(timeout=5)


def audit(ledger: list[Acknowledgement], cancelled: set[str], tables: Tables, client: Client) -> list[str]:
    """Every broken promise in a line; none for a run as it has to be."""
    return [
        *client.broken,
        *_lost_or_unknown(ledger, tables),
        *_cancelled(cancelled, tables),
        *_not_final(tables),
        *_duplicates(tables),
        *_fenced_writes(tables),
        *_missed(tables, client),
    ]


def _lost_or_unknown(ledger: list[Acknowledgement], tables: Tables) -> Iterator[str]:
    """The ledger and the tables hold the same, in both directions."""
    keys = {row["key"]: (row["user_id"], row["routine_id"]) for row in tables.keys}
    routines = {row["id"]: row for row in tables.routines}
    told = {each.key: each for each in ledger}
    yield from (f"acknowledged twice: {key}" for key, times in Counter(each.key for each in ledger).items() if times > 1)
    for key, each in told.items():
        if keys.get(key) != (each.user_id, each.routine_id):
            yield f"lost: {key}, of which {keys.get(key)} is stored"
        elif routines[each.routine_id]["cursor"] != each.cursor:
            yield f"another cursor was told: {key}"
    yield from (f"never acknowledged: {key}" for key in keys.keys() - told.keys())
    yield from (f"asked for by nobody: {each}" for each in routines.keys() - {each.routine_id for each in ledger})


def _cancelled(cancelled: set[str], tables: Tables) -> Iterator[str]:
    """Those that the client was told, and those alone."""
    stored = {row["id"] for row in tables.routines if row["status"] == "CANCELLED"}
    yield from (f"not called off, whatever was said: {routine}" for routine in cancelled - stored)
    yield from (f"called off, and nobody was told: {routine}" for routine in stored - cancelled)


def _not_final(tables: Tables) -> Iterator[str]:
    if tables.settled_s is None:
        yield f"not settled within {SETTLED_S:g} s"
    for row in tables.routines:
        if row["status"] not in FINAL:
            yield f"{row['status']} for ever: {row['id']} after {row['attempt']} attempts"
        elif row["failure"] == "PLANNING_FAILED":
            yield f"given up: {row['id']} after {row['attempt']} attempts"
    yield from (f"{row['count']} jobs are left {row['status']}" for row in tables.jobs)


def _duplicates(tables: Tables) -> Iterator[str]:
    ends = Counter(row["routine_id"] for row in tables.events if row["kind"] in FINAL)
    yield from (f"duplicate: {routine} ended {times} times" for routine, times in ends.items() if times > 1)
    yield from (f"ended without an event: {row['id']}" for row in tables.routines if row["id"] not in ends)
    current = Counter(
        (row["user_id"], row["local_date"])
        for row in tables.routines
        if row["status"] == "READY" and row["superseded_by"] is None
    )
    yield from (f"duplicate: {times} current routines of {owner}" for owner, times in current.items() if times > 1)


def _fenced_writes(tables: Tables) -> Iterator[str]:
    """Nothing of an attempt appears after something of a later one, or after the end; ids have no gap and no double."""
    newest: dict[str, int] = {}
    for row in tables.events:
        routine = row["routine_id"]
        attempt = newest.get(routine, 0)
        if row["revision"] is not None:
            attempt = (row["revision"] - 1) // REVISIONS_AN_ATTEMPT
        if attempt < newest.get(routine, 0):
            yield f"fenced write: event {row['id']} of {routine}"
        newest[routine] = attempt
        if row["kind"] in FINAL:
            newest[routine] = 10**6
    for before, after in pairwise(tables.events):
        if before["user_id"] == after["user_id"] and after["id"] != before["id"] + 1:
            yield f"a gap in the events of {after['user_id']} after {before['id']}"


async def until_heard(tables: Tables, client: Client) -> None:
    """Give subscribers the time of a lost connection and a lost wake-up."""
    deadline = Clock.monotonic() + SETTLED_S
    while list(_missed(tables, client)) and Clock.monotonic() < deadline:
        await asyncio.sleep(0.1)


def _missed(tables: Tables, client: Client) -> Iterator[str]:
    """Subscribers were given every end once, in order."""
    for user_id, heard in client.heard.items():
        written = [row["id"] for row in tables.events if row["user_id"] == user_id and row["kind"] in ANNOUNCED]
        if heard != written:
            yield f"heard by the subscriber of {user_id}: {heard} of {written}"


def summary(ledger: list[Acknowledgement], tables: Tables, faults: int) -> dict[str, Any]:
    """The figures of a run."""
    ends = Counter(row["status"] for row in tables.routines)
    return {
        "faults": faults,
        "acknowledged": len(ledger),
        "ready": ends["READY"],
        "failed": ends["FAILED"],
        "cancelled": ends["CANCELLED"],
        "taken over": tables.taken_over,
        "settled after s": tables.settled_s and round(tables.settled_s, 2),
    }
