"""Events to subscribers: one LISTEN connection wakes them, each re-reads its own person's events from the table.

A wake-up carries nothing, so it cannot be stale, cannot pile up, and one that is lost costs a poll: what a subscriber
gets is what the table holds, in order, once each.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, aclosing, asynccontextmanager, contextmanager, suppress
from datetime import datetime
from functools import partial
from typing import assert_never

import asyncpg
import structlog

from services.clock import Clock
from services.domain.ids import EventId, RoutineId, UserId
from services.domain.routine import Routine, RoutineStatus
from services.domain.routine_events import PlanReadyEvent, RoutineEvent, RoutineStageChanged, TimeBlockReady
from services.errors import BadUserInput, CursorExpired, RoutineNotFound, Unavailable
from services.store import events as store
from services.store import job_runs
from services.store import routines as routine_store
from services.store.database import Database, store_unavailable

POLL_S = 5.0
"""A subscriber looks by itself this often, so that a lost notification delays and never loses."""
BATCH = 32
"""Events that are in memory for one subscriber at a time (reliability.md, section 3): the rest waits in the table."""
CONNECT_TIMEOUT_S = 3.0
PROBE_S = 10.0
PROBE_TIMEOUT_S = 3.0
RECONNECT_CAP_S = 2.0
NO_PERSON = UserId("")
"""Watched by those who wait for news of scheduled jobs: they are told on a channel of their own, without a payload."""

log = structlog.get_logger()


class PlanReadyHub:
    """Wakes whoever waits for news of a person."""

    def __init__(self, database: Database, url: str, clock: Clock, *, probe_s: float = PROBE_S) -> None:
        """`probe_s`: how often the listening connection is asked whether it still is one."""
        self._database = database
        self._probe_s = probe_s
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

    def watch_job_runs(self) -> AbstractContextManager[asyncio.Event]:
        """As `watch`, for the starts and ends of scheduled jobs."""
        return self.watch(NO_PERSON)

    async def subscribe(self, user_id: UserId, after: EventId | None) -> AsyncGenerator[PlanReadyEvent, None]:
        """The routines of a person that become READY or FAILED after an event, else from now on, in order, once each, for ever.

        Raises, before there is a stream, `BadUserInput` for an `after` that has not been given out and `CursorExpired` for one
        that is no longer kept.
        """
        bounds = await self._bounds(user_id, after)
        return self._announcements(user_id, bounds.newest if after is None else after)

    async def progress(
        self, routine_id: RoutineId, owner: UserId | None, after: EventId | None
    ) -> AsyncGenerator[RoutineEvent, None]:
        """What happens to one routine, from its acknowledgement on or after an event, up to the event that ends it.

        Nothing when that event lies before `after`.
        Raises as `subscribe`, and `RoutineNotFound` for one that does not exist or is not `owner`'s (`None`: anybody's).
        """
        async with self._database.connection() as connection:
            routine = await routine_store.read(connection, routine_id, owner, self._clock.now())
        if routine is None:
            raise RoutineNotFound
        start = routine.cursor if after is None else after
        await self._bounds(routine.user_id, start)
        over = routine.status.final and await self._nothing_after(routine, start)
        return self._progress(routine, start, over=over)

    async def _announcements(self, user_id: UserId, position: EventId) -> AsyncGenerator[PlanReadyEvent, None]:
        read = partial(store.announcements, user_id=user_id, limit=BATCH)
        async with aclosing(self._follow(user_id, position, read)) as followed:
            async for event, routine in followed:
                yield PlanReadyEvent(event.id, event.at, event.routine_id, routine)

    async def _nothing_after(self, routine: Routine, position: EventId) -> bool:
        async with self._database.connection() as connection:
            return not await store.progress(connection, routine.user_id, routine.id, position, limit=1)

    async def _progress(self, routine: Routine, position: EventId, *, over: bool) -> AsyncGenerator[RoutineEvent, None]:
        if over:
            return
        read = partial(store.progress, user_id=routine.user_id, routine_id=routine.id, limit=BATCH)
        async with aclosing(self._follow(routine.user_id, position, read)) as followed:
            async for event, current in followed:
                yield (told := _told(event, current, self._clock.now()))
                if isinstance(told, PlanReadyEvent) or (isinstance(told, RoutineStageChanged) and told.status.final):
                    return

    async def _follow(
        self, user_id: UserId, position: EventId, read: Callable[..., Awaitable[list[store.StoredEvent]]]
    ) -> AsyncGenerator[tuple[store.StoredEvent, Routine], None]:
        """What `read` finds after a position, each with its routine as it is now, and then whatever comes."""
        with self.watch(user_id) as wake:
            while True:
                wake.clear()
                for event, routine in await self._read(user_id, position, read):
                    position = event.id
                    yield event, routine
                    wake.set()
                if not wake.is_set():
                    with suppress(TimeoutError):
                        async with asyncio.timeout(POLL_S):
                            await wake.wait()

    async def _bounds(self, user_id: UserId, after: EventId | None) -> store.EventBounds:
        async with self._database.connection() as connection:
            bounds = await store.bounds(connection, user_id)
        if after is not None and not 0 <= after <= bounds.newest:
            raise BadUserInput("No event with this id has been given out.", field=("after",))
        if after is not None and after < bounds.floor:
            raise CursorExpired("The events after this one are no longer kept. Read `routines` instead.")
        return bounds

    async def _read(
        self, user_id: UserId, position: EventId, read: Callable[..., Awaitable[list[store.StoredEvent]]]
    ) -> list[tuple[store.StoredEvent, Routine]]:
        """The next events; none while the store cannot be reached: they are still there when it comes back."""
        now = self._clock.now()
        found = []
        try:
            async with self._database.connection() as connection:
                for event in await read(connection, after=position):
                    routine = await routine_store.read(connection, event.routine_id, user_id, now)
                    if routine is not None:
                        found.append((event, routine))
        except Unavailable:
            return []
        return found

    async def close_after(self, stopping: asyncio.Event) -> None:
        """Once the process is asked to stop, wake everybody: nobody's answer may be cut off for the sake of a wait."""
        await stopping.wait()
        self.closing = True
        self._wake_all()

    async def listen(self) -> None:
        """Hold the LISTEN connection, for ever: a lost one is made anew, and everybody looks for what was missed.

        A loss that nobody tells us of, such as a network that swallows everything, is noticed within `probe_s` + PROBE_TIMEOUT_S.
        However many attempts it takes, the log says once that it is down and once that it is up.
        """
        delay, down = 0.0, False
        while True:
            try:
                async with self._listening() as connection:
                    if down:
                        log.info("[EVENTS] The listening connection is up")
                    delay, down = 0.0, False
                    self._wake_all()
                    await self._until_lost(connection)
            except Exception as error:
                if not store_unavailable(error):
                    log.exception("[EVENTS] Listening failed and starts anew")
                if not down:
                    log.warning("[EVENTS] The listening connection is down", reason=type(error).__name__)
                delay, down = min(RECONNECT_CAP_S, max(0.1, delay * 2)), True
            await asyncio.sleep(random.uniform(0, delay))

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[asyncpg.Connection]:
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                connection = await asyncpg.connect(self._url, server_settings={"application_name": "firstlight-events"})
                stack.callback(connection.terminate)
                for channel in (store.CHANNEL, job_runs.CHANNEL):
                    await connection.add_listener(channel, self._on_notification)
            yield connection

    async def _until_lost(self, connection: asyncpg.Connection) -> None:
        """Raises what says that the connection is lost."""
        closed = asyncio.Event()
        connection.add_termination_listener(lambda _: closed.set())
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._probe_s):
                    await closed.wait()
            await connection.execute("select 1", timeout=PROBE_TIMEOUT_S)

    def _on_notification(self, _connection: object, _pid: int, _channel: str, payload: str) -> None:
        for wake in self._watchers.get(UserId(payload), ()):
            wake.set()

    def _wake_all(self) -> None:
        for watchers in self._watchers.values():
            for wake in watchers:
                wake.set()


def _told(event: store.StoredEvent, routine: Routine, as_of: datetime) -> RoutineEvent:
    match event.kind:
        case store.EventKind.READY | store.EventKind.FAILED:
            return PlanReadyEvent(event.id, event.at, event.routine_id, routine)
        case store.EventKind.STAGE:
            payload = event.payload or {}
            return RoutineStageChanged(event.id, event.at, event.routine_id, RoutineStatus(payload["status"]), payload["detail"])
        case store.EventKind.BLOCK:
            block = store.load_published(event.payload or {}, as_of)
            return TimeBlockReady(event.id, event.at, event.routine_id, block.block, block.planner, block.revision, block.final)
        case _:
            assert_never(event.kind)
