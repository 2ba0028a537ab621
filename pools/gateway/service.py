"""The gateway's process: ``python -m pools.gateway.service --config FILE``."""

from __future__ import annotations

import asyncio
import resource
import sys
from pathlib import Path

from pools import metrics_listener, program
from pools.audit import Trail
from pools.audit_listener import AuditListener
from pools.audit_often import Often
from pools.gateway import auditing
from pools.gateway.grpc import Calls
from pools.gateway.record import Told
from pools.gateway.routes import Routes
from pools.gateway.server import Limits, Listener
from pools.gateway.settings import GatewaySettings
from pools.tls import RECOVERY, Files, ServerCertificate

ALPN = ("http/1.1", "h2")
"""In this order: who speaks both gets HTTP/1.1, which all routes are served over; gRPC's clients offer nothing but HTTP/2, and get that."""
STOP_SECONDS = 5.0
FILES = 4096
"""Open at once: two for each connection, and some of our own."""


class Gateway:
    """``start`` in a running event loop."""

    def __init__(self, settings: GatewaySettings, limits: Limits | None = None) -> None:
        recovery = f"put right what {settings.certificate_from} names" if settings.certificate_from else RECOVERY
        files = Files(settings.certificate_file, settings.certificate_key_file, recovery)
        certificate = ServerCertificate(files, ALPN, lambda why: program.tell("warning", f"the old certificate stays in use: {why}"))
        certificate.current()
        self._settings = settings
        self._told: list[metrics_listener.Listener] = []
        self.often = Often(_trail(settings))
        routes = Routes(settings, self.often)
        calls = Calls(settings, routes.judge, routes.trust)
        self._listener = Listener(routes, calls, certificate, self._record, _defect, limits)

    def start(self) -> int:
        """The port. OSError."""
        port = self._listener.start(self._settings.addresses, self._settings.port)
        where, complain = self._settings.metrics, lambda why: program.tell("error", why)
        metrics = self._listener.meters.listen(where, complain)
        audit = AuditListener.begin(where, self.often, asyncio.get_running_loop(), complain) if where is not None else None
        self._told = [one for one in (metrics, audit) if one is not None]
        return port

    async def stop(self) -> None:
        """What runs has some seconds to end."""
        for one in self._told:
            one.close()
        await self._listener.stop(STOP_SECONDS)
        self.often.tell()
        await asyncio.to_thread(self.often.trail.close)

    def _record(self, told: Told, seconds: float) -> None:
        record(told, seconds)
        auditing.note(self.often, told)


def record(told: Told, seconds: float) -> None:
    """A line for each request: who, from where, what; never a token or a query."""
    level = "warning" if told.status >= 500 else "info"
    program.tell(level, "request", address=told.address, user=told.user, method=told.method, path=told.path, status=told.status,
         milliseconds=round(seconds * 1000, 1), request_id=told.request_id)  # fmt: skip


def _defect(what: str) -> None:
    program.tell("error", f"defect: {what}")


def _trail(settings: GatewaySettings) -> Trail:
    """In a pod, whose folder goes with it, the log has the entries too."""
    file = None if settings.audit_file is None else Path(settings.audit_file)
    echo = None if settings.metrics is None or settings.metrics.startswith("/") else sys.stdout.write
    return Trail(file, "gateway", lambda why: program.tell("error", f"the audit trail can't be written: {why}"), echo=echo)


async def serve(settings: GatewaySettings) -> None:
    """Until SIGTERM or SIGINT."""
    gateway, stop = Gateway(settings), program.told_to_stop()
    program.tell("info", f"serving port {gateway.start()}")
    await stop.wait()
    await gateway.stop()


def main(arguments: list[str] | None = None) -> int:
    """The program."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, hard) if hard != resource.RLIM_INFINITY else FILES, hard))
    return program.Program("pools.gateway.service", __doc__, GatewaySettings.read, serve).main(arguments)


if __name__ == "__main__":
    sys.exit(main())
