"""A shard's process: ``python -m pools.data.service --config FILE``.

The port opens when the file is open and its segments are known, so that a TCP probe means "can serve". SIGTERM and SIGINT stop in good
order: new calls are refused, streams get their time, the file is checkpointed and closed.
"""

from __future__ import annotations

import argparse
import faulthandler
import logging
import os
import pathlib
import signal
import sys
import threading
import time

import duckdb
import structlog

from pools import lean  # noqa: F401 (before Arrow: see there)
from pools.data.errors import ShardError
from pools.data.flight import ShardServer
from pools.data.settings import ShardSettings
from pools.data.shard import Shard
from pools.data.store import Store

log = structlog.get_logger()

LOOK_SECONDS = 1.0
"""Python runs a signal's handler in the main thread, which sleeps on if the kernel gave the signal to another one."""

CLOSING_SECONDS = 12.0
"""What closing may take after the streams' time; whoever started the process kills it a little later, without a word."""


def serve(settings: ShardSettings, stop: threading.Event) -> None:
    """Until ``stop`` is set."""
    began = time.monotonic()
    store = Store(pathlib.Path(settings.data_folder), settings.limits)
    try:
        shard = Shard(settings, store)
        server = ShardServer(shard, settings.host, settings.port)
        if settings.limits.compaction_seconds:
            threading.Thread(target=shard.compaction.run, args=(stop,), name="compaction", daemon=True).start()
        seconds = round(time.monotonic() - began, 3)
        log.info("serving", port=server.port, shard=store.shard, number=settings.number, opened_seconds=seconds)
        while not stop.wait(LOOK_SECONDS):
            pass
        log.info("stopping")
        # a thread that hangs inside of DuckDB or gRPC may hold the interpreter: this tells where, without it; the log file is replayed
        faulthandler.dump_traceback_later(settings.limits.stop_seconds + CLOSING_SECONDS, exit=True)
        server.stop(settings.limits.stop_seconds)
    finally:
        store.close()


def configure_logging() -> None:
    """JSON lines on standard output; never rows, never tickets."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
    )


def main(arguments: list[str] | None = None) -> int:
    """The program; 2 for bad settings, 1 for a file that can't be opened."""
    parser = argparse.ArgumentParser(prog="python -m pools.data.service", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", type=pathlib.Path, required=True, help="JSON file of settings")
    parsed = parser.parse_args(arguments)
    configure_logging()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        serve(ShardSettings.read(parsed.config), stop)
    except ValueError as error:
        log.error("bad settings", why=str(error))
        return 2
    except (duckdb.Error, ShardError) as error:
        log.error("the shard's file can't be opened", why=str(error).splitlines()[0])
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # All that is durable is on disk: leave without joining threads that a slow client holds.
    os._exit(code)
