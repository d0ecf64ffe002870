"""The starts and ends of runs, on whichever replica, as a stream."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from services.domain.ids import JobRunId
from services.domain.job_runs import JobRun
from services.errors import BadUserInput, Unavailable
from services.events import POLL_S, PlanReadyHub
from services.store import job_runs as store
from services.store.database import Database

BATCH = 50


class RunEvents:
    """Follows the table of runs, woken by notifications: what is told is what it holds, in order, once each."""

    def __init__(self, database: Database, hub: PlanReadyHub) -> None:
        self._database = database
        self._hub = hub

    async def subscribe(self, after: JobRunId | None) -> AsyncGenerator[JobRun, None]:
        """Each run as it starts and as it ends, for ever: from now on, or all that was after the start of the run `after`.

        Raises, before there is a stream, `BadUserInput` for an `after` that is no run's id and `Unavailable`.
        """
        async with self._database.connection() as connection:
            if after is None:
                position: int | None = await store.newest_change(connection)
            else:
                position = await store.start_change(connection, after)
        if position is None:
            raise BadUserInput("No run has this id.", field=("after",))
        return self._follow(position)

    async def _follow(self, position: int) -> AsyncGenerator[JobRun, None]:
        with self._hub.watch_job_runs() as wake:
            while True:
                wake.clear()
                for change in await self._read(position):
                    position = change.number
                    yield change.run
                    wake.set()
                if not wake.is_set():
                    with suppress(TimeoutError):
                        async with asyncio.timeout(POLL_S):
                            await wake.wait()

    async def _read(self, position: int) -> list[store.JobRunChange]:
        """The next changes; none while the store cannot be reached: they are still there when it comes back."""
        try:
            async with self._database.connection() as connection:
                return await store.changes(connection, position, BATCH)
        except Unavailable:
            return []
