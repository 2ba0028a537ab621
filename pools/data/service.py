"""A shard's process: ``python -m pools.data.service --config FILE``.

The port opens when the file is open and its segments are known, so that a TCP probe means "can serve". SIGTERM and SIGINT stop in good
order: new calls are refused, streams get their time, the file is checkpointed and closed.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import pathlib
import signal
import sys
import threading
import time

from pools import lean  # noqa: F401  # isort: skip (first: see there)

import duckdb
import structlog

from pools import log_lines
from pools.data.errors import ShardError
from pools.data.flight import ShardServer
from pools.data.settings import ShardSettings
from pools.data.shard import Shard
from pools.data.store import Store
from pools.flight_listening import Listening
from pools.tls import Files, ServerCertificate

log = structlog.get_logger()

LOOK_SECONDS = 1.0
"""Python runs a signal's handler in the main thread, which sleeps on if the kernel gave the signal to another one."""

CLOSING_SECONDS = 12.0
"""What closing may take after the streams' time; whoever started the process kills it a little later, without a word."""


OPEN_SECONDS = 60.0
"""So long the file may be open in the process before this one, which is ending: a pod that was deleted by force has a successor at once.
Whoever ends with an error instead is started again by Kubernetes after 10 s, then 20."""
OPEN_PAUSE = 0.1


def serve(settings: ShardSettings, stop: threading.Event) -> None:
    """Until ``stop`` is set."""
    began = time.monotonic()
    store = _opened(settings, stop)
    try:
        shard = Shard(settings, store)
        flight = Listening(lambda port, loaded: ShardServer(shard, settings.host, port, loaded), settings.port, _certificate(settings))
        if settings.limits.compaction_seconds:
            threading.Thread(target=shard.compaction.run, args=(stop,), name="compaction", daemon=True).start()
        shard.meters.listen(settings.metrics, store)
        seconds = round(time.monotonic() - began, 3)
        log.info("serving", port=flight.port, shard=store.shard, number=settings.number, opened_seconds=seconds)
        while not stop.wait(LOOK_SECONDS):
            if flight.look():
                log.info("a renewed certificate is in use")
        log.info("stopping")
        # a thread that hangs inside of DuckDB or gRPC may hold the interpreter: this tells where, without it; the log file is replayed
        faulthandler.dump_traceback_later(settings.limits.stop_seconds + CLOSING_SECONDS, exit=True)
        for server in flight.all():
            server.stop(settings.limits.stop_seconds)
    finally:
        store.close()


def _opened(settings: ShardSettings, stop: threading.Event) -> Store:
    """The file, as soon as nobody else has it. duckdb.IOException when that takes too long."""
    deadline, told = time.monotonic() + OPEN_SECONDS, False
    while True:
        try:
            return Store(pathlib.Path(settings.data_folder), settings.limits)
        except duckdb.IOException as error:
            if "set lock" not in str(error) or time.monotonic() > deadline or stop.is_set():
                raise
            if not told:
                log.warning("the file is still open in another process; waits for its end", why=str(error).splitlines()[0])
                told = True
            time.sleep(OPEN_PAUSE)


def _certificate(settings: ShardSettings) -> ServerCertificate | None:
    """CertificateFileError where the files that the settings name can't be loaded."""
    if settings.certificate_file is None or settings.certificate_key_file is None:
        return None
    files = Files(settings.certificate_file, settings.certificate_key_file)
    return ServerCertificate(files, failed=lambda why: log.warning("the old certificate stays in use", why=why))


def main(arguments: list[str] | None = None) -> int:
    """The program; 2 for bad settings, 1 for a file that can't be opened."""
    parser = argparse.ArgumentParser(prog="python -m pools.data.service", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", type=pathlib.Path, required=True, help="JSON file of settings")
    parsed = parser.parse_args(arguments)
    log_lines.configure()
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
