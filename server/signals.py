"""SIGINT and SIGTERM: the first one asks the process to stop in order, the second one ends it."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

FORCED_EXIT_CODE = 70
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """`requested` is set by the first signal; before `armed` is cleared, that also cancels the task that is starting."""

    def __init__(self, starting: asyncio.Task[object]) -> None:
        self.requested = asyncio.Event()
        self.armed = True
        self._starting = starting
        self._signalled = False
        self._loop = starting.get_loop()

    def on_signal(self, _number: int, _frame: FrameType | None) -> None:
        """Runs between two instructions of whatever the process does, also when the loop stands still.

        The second one waits for nothing: what was acknowledged is in the database, the kernel closes what is open, and children
        end with their parent.
        """
        if self._signalled:
            os._exit(FORCED_EXIT_CODE)
        self._signalled = True
        self._loop.call_soon_threadsafe(self._request)

    def _request(self) -> None:
        self.requested.set()
        if self.armed:
            self._starting.cancel()


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Signals are taken for the length of the block, in the main thread."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("not in a task")
    stop = Stop(task)
    before = {number: signal.signal(number, stop.on_signal) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
