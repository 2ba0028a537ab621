"""What is done every so often as long as something else goes on: loads are kept open, operations tell of themselves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from pools.compute.errors import StatementError
from pools.compute.master import MasterAway

log = structlog.get_logger()


async def repeat(seconds: float, work: Callable[[], Awaitable[object]]) -> None:
    """Until cancelled, ``work`` every so many seconds; what it says of a passing fault is logged."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await work()
        except (MasterAway, StatementError) as error:
            log.warning("could not be renewed", why=str(error))


@asynccontextmanager
async def repeated(seconds: float, work: Callable[[], Awaitable[object]]) -> AsyncIterator[None]:
    """The same inside of the block."""
    task = asyncio.create_task(repeat(seconds, work))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
