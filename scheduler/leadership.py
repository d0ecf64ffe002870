"""Which of any number of processes fires the jobs: the one whose session holds an advisory lock, asked at every heartbeat.

The lock lives on a connection of its own. Losing that connection is losing the lead, at once. A process that stands still for too
long (stopped, swapped out, a blocked event loop) loses its session to the server and the lead with it; by its own clock it has
stopped firing before that.
"""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import asyncpg
import structlog

from services.clock import Clock
from services.store import scheduler as store
from services.store.database import store_unavailable

RECONNECT_S = (0.1, 2.0)
RETIRE_TIMEOUT_S = 1.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a process gives a sign of life, and what follows from which silence; each silence is longer than the one before.

    `timeout_s`: the heartbeat has failed. `lease_s`: nothing is fired any more, and admins see STALLED. `session_s`: the server
    ends the session, so that another process can lead. `dead_s`: the runs of the process are over.
    """

    heartbeat_s: float = 2.0
    timeout_s: float = 3.0
    lease_s: float = 6.0
    session_s: float = 10.0
    dead_s: float = 15.0


class Attendant(Protocol):
    """What the lead means to the process that has it."""

    async def lead_held(self, connection: asyncpg.Connection, *, newly: bool) -> None:
        """Called at every heartbeat of the leader, on the connection that holds the lead. An error of it costs the lead."""
        ...

    def lead_lost(self) -> None:
        """Called once for each lead that was had."""
        ...


class Leadership:
    """One process among its replicas: its heartbeats, and its turn to lead. One that is no `candidate` beats and never leads."""

    def __init__(self, url: str, instance_id: str, attendant: Attendant, pace: Pace, *, candidate: bool) -> None:
        self._url = url
        self._instance_id = instance_id
        self._attendant = attendant
        self._pace = pace
        self._candidate = candidate
        self._held = False
        self._lease_ends = 0.0
        self._down = False
        self._tried = asyncio.Event()

    @property
    def leading(self) -> bool:
        """The lead was confirmed within the lease."""
        return self._held and Clock.monotonic() < self._lease_ends

    async def first_heartbeat(self) -> None:
        """Returns when a heartbeat was tried, whether it succeeded or not."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pace.timeout_s):
                await self._tried.wait()

    async def attend(self) -> None:
        """Beat for ever, over lost connections and absent databases; lead whenever nobody else does."""
        while True:
            try:
                await self._attend_on_a_connection()
            except Exception as error:
                self._note_down(type(error).__name__)
                if not store_unavailable(error):
                    log.exception("[SCHEDULER] The heartbeat failed and starts anew")
            await asyncio.sleep(random.uniform(*RECONNECT_S))

    async def _attend_on_a_connection(self) -> None:
        async with asyncio.timeout(self._pace.timeout_s):
            connection = await asyncpg.connect(
                self._url,
                server_settings={
                    "application_name": "firstlight-scheduler",
                    "statement_timeout": _ms(self._pace.timeout_s),
                    "idle_session_timeout": _ms(self._pace.session_s),
                },
            )
        ended = asyncio.Event()
        connection.add_termination_listener(lambda _: self._on_end(ended))
        try:
            while not ended.is_set():
                await self._beat(connection)
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pace.heartbeat_s * random.uniform(0.8, 1.2)):
                        await ended.wait()
            self._note_down("the connection ended")
        except asyncio.CancelledError:
            await self._retire(connection)
            raise
        finally:
            self._lose()
            connection.terminate()

    async def _beat(self, connection: asyncpg.Connection) -> None:
        asked_at = Clock.monotonic()
        async with asyncio.timeout(self._pace.timeout_s):
            newly = await self._take_or_hold(connection)
            self._lease_ends = asked_at + self._pace.lease_s
            await store.beat(connection, self._instance_id, enabled=self._candidate, leads=self._held)
            if self._held:
                await self._attendant.lead_held(connection, newly=newly)
        self._note_up()
        if newly:
            log.info("[SCHEDULER] This process leads", instance=self._instance_id)

    async def _take_or_hold(self, connection: asyncpg.Connection) -> bool:
        """Ask the server who leads; true when this process does and did not before."""
        if self._held:
            if not await store.holds_lead(connection):
                self._lose()
            return False
        self._held = self._candidate and await store.take_lead(connection)
        return self._held

    async def _retire(self, connection: asyncpg.Connection) -> None:
        """Hand over: the lock is free for others when this returns, if the database answers in time."""
        try:
            async with asyncio.timeout(RETIRE_TIMEOUT_S):
                await store.retire(connection, self._instance_id)
                await connection.close()
        except Exception as error:
            if not store_unavailable(error):
                raise

    def _on_end(self, ended: asyncio.Event) -> None:
        ended.set()
        self._lose()

    def _lose(self) -> None:
        if self._held:
            self._held = False
            self._attendant.lead_lost()

    def _note_down(self, reason: str) -> None:
        """One line for each outage, however many attempts it takes."""
        self._tried.set()
        if not self._down:
            self._down = True
            log.warning("[SCHEDULER] No heartbeats: the store cannot be reached", reason=reason)

    def _note_up(self) -> None:
        self._tried.set()
        if self._down:
            self._down = False
            log.info("[SCHEDULER] Heartbeats are back")


def _ms(seconds: float) -> str:
    return str(round(seconds * 1000))
