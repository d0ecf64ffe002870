"""A thread that looks at the event loop from outside: when it stands still, the log says where (reliability.md, P5).

A loop that stands still answers nothing, `/livez` included: to end the process is the platform's decision. The heartbeats of its
jobs stop too, so other workers take them over.
"""

import asyncio
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from services.clock import Clock

STILL_AFTER_S = 5.0
PROBE_S = 1.0

log = structlog.get_logger()


class _Watch:
    def __init__(self, loop: asyncio.AbstractEventLoop, still_after_s: float) -> None:
        self._loop = loop
        self._still_after_s = still_after_s
        self._watched = threading.get_ident()
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(PROBE_S):
            turned = threading.Event()
            started = Clock.monotonic()
            try:
                self._loop.call_soon_threadsafe(turned.set)
            except RuntimeError:  # the loop is closed
                return
            if not self._wait(turned, self._still_after_s):
                log.error("[WATCHDOG] The event loop stands still", stack=self._stack())
                while not self._wait(turned, PROBE_S):
                    if self.ended.is_set():
                        return
                log.warning("[WATCHDOG] The event loop turns again", stood_s=round(Clock.monotonic() - started, 1))

    def _wait(self, turned: threading.Event, seconds: float) -> bool:
        """Whether the loop turned within these seconds; an end of the block counts as such."""
        deadline = Clock.monotonic() + seconds
        while not turned.wait(min(PROBE_S, seconds)):
            if self.ended.is_set():
                return True
            if Clock.monotonic() >= deadline:
                return False
        return True

    def _stack(self) -> str:
        """Where the watched thread is: files, lines and source, no values."""
        frame = sys._current_frames().get(self._watched)  # noqa: SLF001 - the only way to see another thread's stack
        return "".join(traceback.format_stack(frame)) if frame is not None else ""


@contextmanager
def watchdog(still_after_s: float = STILL_AFTER_S) -> Iterator[None]:
    """Watch the running loop of this thread for the length of the block."""
    watch = _Watch(asyncio.get_running_loop(), still_after_s)
    thread = threading.Thread(target=watch.run, name="watchdog", daemon=True)
    thread.start()
    try:
        yield
    finally:
        watch.ended.set()
        thread.join(2 * PROBE_S)
