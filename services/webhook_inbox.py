"""The way of events into the database: whatever waits at a moment is written together, in one commit for all of it."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from services.errors import Unavailable
from services.resilience import SingleFlight
from services.store import webhooks as store
from services.store.database import Database
from services.store.webhooks import InboxEvent

MOST_WAITING = 20_000
"""Events in memory that are not acknowledged yet. Sahha is told to come again with what is beyond that."""
BATCH = 1_000
WRITE = "write"
DUPLICATE = "duplicate"
ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class _Waiting:
    event: InboxEvent
    written: asyncio.Future[bool]


class WebhookInbox:
    """A commit costs the same for one event and for hundreds: in a burst each of them is shared by all that came meanwhile."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Waiting] = []
        self._writes: SingleFlight[None] = SingleFlight()

    async def aclose(self) -> None:
        await self._writes.aclose()

    async def put(self, event: InboxEvent) -> bool:
        """Returns when the event is durable; False: it was here already. Raises `Unavailable`: it may come again."""
        if len(self._waiting) >= MOST_WAITING:
            raise Unavailable("Too many events at once. Send this one again.")
        waiting = _Waiting(event, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        try:
            while not waiting.written.done():
                await self._writes.run(WRITE, self._write)
            return waiting.written.result()
        finally:
            waiting.written.cancel()  # nobody waits any more; one that is done stays as it is

    async def _write(self) -> None:
        batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
        try:
            async with self._database.transaction() as connection:
                new = await store.put(connection, [each.event for each in batch])
                await store.count(connection, [_fate(each.event, new) for each in batch])
        except Exception as error:  # noqa: BLE001 - raised again by everybody who waits
            for each in batch:
                if not each.written.done():
                    each.written.set_exception(error)
            return
        for each in batch:
            if not each.written.done():  # else whoever waited was cancelled
                each.written.set_result(each.event.digest in new)
            # The same event twice in one batch is new once.
            new.discard(each.event.digest)


def _fate(event: InboxEvent, new: set[bytes]) -> tuple[datetime, str, str]:
    """An unknown type is counted under one name: what it is called is not ours to bound."""
    kind = event.kept_for or event.event_type
    return event.received_at, kind, ACCEPTED if event.digest in new else DUPLICATE
