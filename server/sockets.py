"""What stays open: sockets and event streams. How many there may be, and what ends each of them."""

import asyncio
import random
import socket
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import Enum
from typing import Any, NoReturn

from server.tokens import LEEWAY
from services.accounts import Principal
from services.background import owned_task
from services.clock import Clock
from services.config import Settings
from services.errors import RateLimited
from services.metrics import Metrics

STALLED_S = 30
"""A peer that takes nothing of what was sent to it for so long is cut off by the kernel (`drop_stalled_peers`)."""
STOP_GRACE_S = 1.0
"""Between the request to stop and the end of event streams: what waits for an answer has it by then."""
SHORTEST_LIFE = 0.9
"""Of the full life, so that those that came together do not come back together."""
RETRY_AFTER_S = 5.0


class StreamKind(Enum):
    SOCKET = "websocket"
    EVENTS = "sse"


class Ending(Enum):
    """Why the service ends a stream. The value is the metric's label."""

    NO_INIT = "no_init"
    TOO_MANY = "too_many"
    EXPIRED = "expired"
    OLD = "old"
    SLOW = "slow"
    SILENT = "silent"
    STOPPING = "stopping"


class TooManyStreams(RateLimited):
    def __init__(self) -> None:
        super().__init__("Too many streams are open. Close one.", retry_after_s=RETRY_AFTER_S)


class OpenStream:
    """One socket or event stream. It can be ended by anybody at any time; the first ending counts."""

    def __init__(self, send_timeout_s: float) -> None:
        self._send_timeout_s = send_timeout_s
        self._ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._timers: list[asyncio.TimerHandle] = []
        self.caller: tuple[str, str] | None = None

    @property
    def ending(self) -> Ending | None:
        return self._ended.result() if self._ended.done() else None

    def end(self, ending: Ending) -> None:
        if not self._ended.done():
            self._ended.set_result(ending)

    def end_after(self, delay_s: float, ending: Ending) -> asyncio.TimerHandle:
        """Ends the stream after a time, unless the timer is cancelled."""
        timer = asyncio.get_running_loop().call_later(delay_s, self.end, ending)
        self._timers.append(timer)
        return timer

    def release(self) -> None:
        for timer in self._timers:
            timer.cancel()

    async def send(self, sending: Awaitable[None]) -> None:
        """Send something. A peer that does not take it in time ends its stream, and misses it."""
        try:
            async with asyncio.timeout(self._send_timeout_s):
                await sending
        except TimeoutError:
            self.end(Ending.SLOW)

    async def run(self, work: Coroutine[Any, Any, None], every_s: float, tick: Callable[[], Awaitable[None]]) -> Ending | None:
        """Run `work` until it ends, which gives `None`, or the stream does: it is cancelled then, and over when this returns.

        `tick` is awaited every so many seconds meanwhile. What `work` and `tick` raise is raised.
        """
        async with owned_task(work, "stream") as task:
            either: set[asyncio.Future[Any]] = {task, self._ended}
            while True:
                await asyncio.wait(either, timeout=every_s, return_when=asyncio.FIRST_COMPLETED)
                if self.ending is not None:
                    return self.ending
                if task.done():
                    task.result()
                    return None
                await tick()


class OpenStreams:
    """All of this process."""

    def __init__(self, settings: Settings, clock: Clock, metrics: Metrics) -> None:
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._open: set[OpenStream] = set()
        self._callers: Counter[tuple[str, str]] = Counter()

    @contextmanager
    def opened(self, kind: StreamKind) -> Iterator[OpenStream]:
        """A stream for the length of the block, for as long as one may live. Raises `TooManyStreams`."""
        if len(self._open) >= self._settings.streams:
            self._refuse()
        stream = OpenStream(self._settings.stream_send_timeout_s)
        stream.end_after(self._settings.stream_life_s * random.uniform(SHORTEST_LIFE, 1), Ending.OLD)
        self._open.add(stream)
        try:
            with self._metrics.open_streams.labels(kind.value).track_inprogress():
                yield stream
        finally:
            stream.release()
            self._open.remove(stream)
            if stream.ending is not None:
                self._metrics.ended_streams.labels(stream.ending.value).inc()
            if stream.caller is not None:
                self._callers[stream.caller] -= 1
                if not self._callers[stream.caller]:
                    del self._callers[stream.caller]

    def admit(self, stream: OpenStream, principal: Principal) -> None:
        """Counts an open stream as this caller's. Raises `TooManyStreams`.

        It ends when the caller's token does; with one that is only taken for its leeway, when that is over.
        """
        if principal.user_id is None:
            caller, most = ("key", principal.subject), self._settings.streams_per_key
        else:
            caller, most = ("person", principal.user_id), self._settings.streams_per_person
        if self._callers[caller] >= most:
            self._refuse()
        self._callers[caller] += 1
        stream.caller = caller
        if principal.expires_at is not None:
            left = principal.expires_at - self._clock.now()
            stream.end_after((left if left > timedelta(0) else left + LEEWAY).total_seconds(), Ending.EXPIRED)

    def _refuse(self) -> NoReturn:
        self._metrics.ended_streams.labels(Ending.TOO_MANY.value).inc()
        raise TooManyStreams

    async def end_after(self, stopping: asyncio.Event) -> None:
        """Once the process is asked to stop, end all of them that uvicorn has not closed by then."""
        await stopping.wait()
        await asyncio.sleep(STOP_GRACE_S)
        for stream in self._open:
            stream.end(Ending.STOPPING)


def drop_stalled_peers(listener: socket.socket) -> None:
    """Connections that are accepted here break when their peer takes nothing for STALLED_S, on Linux.

    Without it a peer that stopped reading keeps its connection, and what is buffered for it, also after we have closed it.
    """
    if sys.platform == "linux":
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_S * 1000)
