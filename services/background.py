"""Tasks that belong to a block: they run beside it and end with it. The only place that makes a task outside a TaskGroup."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import structlog

T = TypeVar("T")

log = structlog.get_logger()


@asynccontextmanager
async def owned_task(work: Coroutine[Any, Any, T], name: str) -> AsyncIterator[asyncio.Task[T]]:
    """Run `work` beside the block; cancelled and waited for when the block ends. Its outcome is the caller's to look at."""
    task = asyncio.get_running_loop().create_task(work, name=name)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not complain of an outcome that came too late


@asynccontextmanager
async def background(work: Coroutine[Any, Any, None], name: str) -> AsyncIterator[asyncio.Task[None]]:
    """`owned_task` for work that should never end by itself: a crash is logged and does not end the block."""
    async with owned_task(work, name) as task:
        task.add_done_callback(_report)
        yield task


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("[BACKGROUND] A task crashed", task=task.get_name(), exc_info=error)
