"""The gateway's process: ``python -m pools.gateway.service --config FILE``."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from pools.gateway.record import Told
from pools.gateway.routes import Routes
from pools.gateway.server import Limits, Listener
from pools.gateway.settings import GatewaySettings
from pools.tls import CertificateFileError, Files, ServerCertificate

ALPN = ("http/1.1",)
STOP_SECONDS = 5.0
FILES = 4096
"""Open at once: two for each connection, and some of our own."""


class Gateway:
    """``start`` in a running event loop."""

    def __init__(self, settings: GatewaySettings, limits: Limits | None = None) -> None:
        files = Files(settings.certificate_file, settings.certificate_key_file)
        certificate = ServerCertificate(files, ALPN, lambda why: tell("warning", f"the old certificate stays in use: {why}"))
        certificate.current()
        self._settings = settings
        self._listener = Listener(Routes(settings), certificate, record, lambda what: tell("error", f"defect: {what}"), limits)

    def start(self) -> int:
        """The port. OSError."""
        return self._listener.start(self._settings.addresses, self._settings.port)

    async def stop(self) -> None:
        """What runs has some seconds to end."""
        await self._listener.stop(STOP_SECONDS)


def record(told: Told, seconds: float) -> None:
    """A line for each request: who, from where, what; never a token or a query."""
    level = "warning" if told.status >= 500 else "info"
    tell(level, "request", address=told.address, user=told.user, method=told.method, path=told.path, status=told.status,
         milliseconds=round(seconds * 1000, 1), request_id=told.request_id)  # fmt: skip


def tell(level: str, message: str, **more: Any) -> None:  # noqa: ANN401 (JSON)
    """A line for the log."""
    sys.stdout.write(json.dumps({"level": level, "event": message, **more}) + "\n")
    sys.stdout.flush()


async def serve(settings: GatewaySettings) -> None:
    """Until SIGTERM or SIGINT."""
    gateway = Gateway(settings)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tell("info", f"serving port {gateway.start()}")
    await stop.wait()
    await gateway.stop()


def main(arguments: list[str] | None = None) -> int:
    """The program; 1 where it can't listen or its certificate can't be used."""
    parser = argparse.ArgumentParser(prog="python -m pools.gateway.service", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", type=Path, required=True, help="JSON file of settings")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, hard) if hard != resource.RLIM_INFINITY else FILES, hard))
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve(GatewaySettings.read(parser.parse_args(arguments).config)))
    except (OSError, CertificateFileError) as error:
        tell("error", str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
