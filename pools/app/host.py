"""The process of a version's pod: ``python -m pools.app.host --config FILE``.

It calls the app proxy, fetches its package, makes the environment, and then offers workers: one connection each, over which the proxy
speaks with the worker as if it were its own child. Nobody calls this process. It ends nothing by itself but with SIGTERM: then idle
connections go, and those in a call once that is over.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from pathlib import Path

from apps import package
from apps.environments import Environments
from apps.errors import AppError
from apps.reading import load
from pools.app.hiding import hide
from pools.app.offering import Calling, Offer, RefusedError, call, fetched
from pools.app.settings import HostSettings
from pools.program import Program, told_to_stop
from pools.tls import client_context

SPARE = 2
"""So many times its workers it offers: others may be brought up beside those of before."""
AGAIN_SECONDS = 30.0
"""After an environment that could not be made."""
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0
logger = logging.getLogger("host")


async def serve(settings: HostSettings) -> None:
    """Until told to end; then calls under way may take their time."""
    hide()
    Path(settings.ready_file).unlink(missing_ok=True)  # of a run of this container before
    stop = told_to_stop()
    told, preparing = asyncio.create_task(stop.wait()), asyncio.create_task(_prepared(settings, stop))
    await asyncio.wait([told, preparing], return_when=asyncio.FIRST_COMPLETED)
    offer = await preparing if preparing.done() else None
    if offer is None:
        preparing.cancel()
        return
    offered = [asyncio.create_task(_offered(offer, number, settings, stop)) for number in range(SPARE * settings.workers)]
    await asyncio.wait([told, *offered], return_when=asyncio.FIRST_COMPLETED)
    for number, task in enumerate(offered):
        if number not in offer.busy:  # it may be calling a proxy that does not answer
            task.cancel()
    _, late = await asyncio.wait(offered, timeout=settings.drain_seconds)
    for task in late:
        task.cancel()
    for found in await asyncio.gather(*offered, return_exceptions=True):
        if isinstance(found, Exception):  # a defect
            raise found


async def _prepared(settings: HostSettings, stop: asyncio.Event) -> Offer | None:
    """What is offered; None: told to end before. What can't be made is told to the proxy, and tried again."""
    calling = Calling(
        proxy=settings.proxy,
        code=settings.code,
        pod=settings.pod or os.uname().nodename,
        token=Path(settings.token_file).read_text().strip(),
        context=None if settings.authority is None else lambda: client_context(str(settings.authority)),
    )
    pause = FIRST_PAUSE
    while not stop.is_set():
        try:
            return await _made(settings, calling)
        except AppError as error:
            logger.error("%s can't be made ready: %s", settings.label, error.message)
            with contextlib.suppress(OSError, ValueError, EOFError, RefusedError):
                await call(calling, "failed", reason=error.message)
            pause = AGAIN_SECONDS
        except (OSError, ValueError, EOFError, RefusedError) as error:
            logger.warning("the app proxy gives no package: %s", error)
        await _paused(stop, pause)
        pause = min(2 * pause, max(pause, LONGEST_PAUSE))
    return None


async def _made(settings: HostSettings, calling: Calling) -> Offer:
    """AppError, RefusedError, OSError."""
    folder = Path(settings.data_folder)
    code = folder / "code" / settings.code
    if not code.exists():  # another run of this container has left it
        archive, digest = await fetched(calling)
        half = code.with_name("half")
        await asyncio.to_thread(package.remove, half)
        if await asyncio.to_thread(package.unpack, archive, half) != digest:
            raise RefusedError("the package came damaged")
        half.rename(code)
    spec, requirements = await asyncio.to_thread(load, code)
    python = await asyncio.to_thread(Environments(folder / "environments").python, requirements, code)
    logger.info("%s: its environment is made", settings.label)
    return Offer(calling, spec, code, folder / "scratch", python)


async def _offered(offer: Offer, number: int, settings: HostSettings, stop: asyncio.Event) -> None:
    """One worker after the other, each with a connection of its own."""
    pause = FIRST_PAUSE
    while not stop.is_set():
        try:
            await offer.one(number, stop, lambda: Path(settings.ready_file).touch())
            pause = FIRST_PAUSE
        except (OSError, ValueError, EOFError, RefusedError) as error:
            logger.warning("the app proxy takes no worker: %s", error)
            await _paused(stop, pause)
            pause = min(2 * pause, LONGEST_PAUSE)


async def _paused(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


def main(arguments: list[str] | None = None) -> int:
    """The program."""
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    program = Program("pools.app.host", __doc__, HostSettings.read, serve, lambda level, said: getattr(logger, level)(said))
    return program.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
