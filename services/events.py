"""Events to subscribers: one LISTEN connection wakes them, each re-reads its own person's events from the table.

A wake-up carries nothing, so it cannot be stale, cannot pile up, and one that is lost costs a poll: what a subscriber
gets is what the table holds, in order, once each.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, suppress

import asyncpg
import structlog

from services.clock import Clock
from services.domain.ids import EventId, UserId
from services.domain.routine_events import PlanReadyEvent
from services.errors import BadUserInput, CursorExpired, Unavailable
from services.store import events as store
from services.store import routines as routine_store
from services.store.database import Database

POLL_S = 5.0
"""A subscriber looks by itself this often, so that a lost notification delays and never loses."""
BATCH = 50
PROBE_S = 10.0
PROBE_TIMEOUT_S = 3.0
RECONNECT_CAP_S = 2.0

log = structlog.get_logger()


class PlanReadyHub:
    """Wakes whoever waits for news of a person."""

    def __init__(self, database: Database, url: str, clock: Clock) -> None:
        self._database = database
        self._url = url
        self._clock = clock
        self._watchers: dict[UserId, set[asyncio.Event]] = {}
        self.closing = False
        """The process is about to stop: whoever waits takes what there is."""

    @contextmanager
    def watch(self, user_id: UserId) -> Iterator[asyncio.Event]:
        """An event that is set whenever this person may have news; whoever waits clears it before reading."""
        wake = asyncio.Event()
        self._watchers.setdefault(user_id, set()).add(wake)
        try:
            yield wake
        finally:
            watchers = self._watchers[user_id]
            watchers.discard(wake)
            if not watchers:
                del self._watchers[user_id]

    async def subscribe(self, user_id: UserId, after: EventId | None) -> AsyncGenerator[PlanReadyEvent, None]:
        """The events of a person that follow `after`, else those from now on, in order, once each, for ever.

        Raises `BadUserInput` for an `after` that has not been given out, `CursorExpired` for one that is no longer kept.
        """
        with self.watch(user_id) as wake:
            position = await self._start(user_id, after)
            while True:
                wake.clear()
                for event in await self._read(user_id, position):
                    position = event.id
                    yield event
                    wake.set()
                if not wake.is_set():
                    with suppress(TimeoutError):
                        async with asyncio.timeout(POLL_S):
                            await wake.wait()

    async def _start(self, user_id: UserId, after: EventId | None) -> EventId:
        async with self._database.connection() as connection:
            bounds = await store.bounds(connection, user_id)
        if after is None:
            return bounds.newest
        if not 0 <= after <= bounds.newest:
            raise BadUserInput("No event with this id has been given out.", field=("after",))
        if after < bounds.floor:
            raise CursorExpired("The events after this one are no longer kept. Read `routines` instead.")
        return after

    async def _read(self, user_id: UserId, position: EventId) -> list[PlanReadyEvent]:
        """The next events; none while the store cannot be reached: they are still there when it comes back."""
        now = self._clock.now()
        found = []
        try:
            async with self._database.connection() as connection:
                for event in await store.after(connection, user_id, position, BATCH):
                    routine = await routine_store.read(connection, event.routine_id, user_id, now)
                    if routine is not None:
                        found.append(PlanReadyEvent(event.id, event.at, event.routine_id, routine))
        except Unavailable:
            return []
        return found

    async def close_after(self, stopping: asyncio.Event) -> None:
        """Once the process is asked to stop, wake everybody: nobody's answer may be cut off for the sake of a wait."""
        await stopping.wait()
        self.closing = True
        self._wake_all()

    async def listen(self) -> None:
        """Hold the LISTEN connection, for ever: a lost one is made anew, and everybody looks for what was missed."""
        delay = 0.0
        while True:
            try:
                await self._listen_once()
                delay = 0.0
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("[EVENTS] The listening connection is down", reason=type(error).__name__)
                delay = min(RECONNECT_CAP_S, max(0.1, delay * 2))
            await asyncio.sleep(random.uniform(0, delay))

    async def _listen_once(self) -> None:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            connection = await asyncpg.connect(self._url, server_settings={"application_name": "firstlight-events"})
        lost = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(store.CHANNEL, self._on_notification)
            self._wake_all()
            while not lost.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(PROBE_S):
                        await lost.wait()
                if not lost.is_set():
                    await connection.execute("select 1", timeout=PROBE_TIMEOUT_S)
            log.warning("[EVENTS] The listening connection was lost")
        finally:
            connection.terminate()

    def _on_notification(self, _connection: object, _pid: int, _channel: str, payload: str) -> None:
        for wake in self._watchers.get(UserId(payload), ()):
            wake.set()

    def _wake_all(self) -> None:
        for watchers in self._watchers.values():
            for wake in watchers:
                wake.set()
