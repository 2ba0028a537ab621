"""How the controller's API is served: on one address, with TLS or without, until a signal.

Whether it speaks TLS may change while it runs: on Kubernetes the spec is read after the start, and can be changed any time. Then ``switch``
has it listen anew, as ``address`` says by then; whoever was being answered is answered first.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from socket import socket
from typing import TYPE_CHECKING

import uvicorn

from controller.api.app import create_app
from controller.log import Log
from pools.tls import Files, ServerCertificate, reloading

if TYPE_CHECKING:
    from controller.service import Controller

STOP_SECONDS = 8
IDLE_CONNECTION_SECONDS = 30
CONNECTIONS = 200
ALIVE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"
log = Log("controller")


@dataclass(frozen=True)
class Address:
    """Where the API listens; ``certificate`` and ``key`` are files, both or none. ``health``: a port that says to everybody that the same
    event loop turns, and nothing else, without TLS: for the kubelet's probes. None: there is none."""

    host: str
    port: int
    certificate: str | None = None
    key: str | None = None
    health: int | None = None


class Serving:
    """``address`` is asked each time that it begins to listen."""

    def __init__(self, address: Callable[[], Address]) -> None:
        self._address = address
        self._mutex = threading.Lock()
        self._server: uvicorn.Server | None = None
        self._over = False
        self._again = False

    def switch(self) -> None:
        """``address`` has another answer now. From any thread."""
        with self._mutex:
            if self._server is not None:
                self._again = self._server.should_exit = True

    def run(self, controller: Controller) -> int:
        """Serve until SIGTERM or SIGINT; the running pass is finished first. 1 where it can't listen."""
        # uvicorn raises the signal again once it has shut down; then nothing more is to happen than to return from here
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        controller.loop.start()
        controller.watch.start()
        if controller.services.operating is not None:
            controller.services.operating.engine.start()
        try:
            while self._serve(controller):
                log.info("listens anew")
        except SystemExit:
            return 1
        finally:
            _stop(controller)
        return 0

    def _serve(self, controller: Controller) -> bool:
        """Until it is to end; whether to begin anew."""
        with self._mutex:
            address, self._again = self._address(), False
            self._server = server = _Server(_config(controller, address), address)
        log.info("started", port=address.port, tls=address.certificate is not None)
        if self._over:  # meanwhile
            return False
        try:
            server.run()
        except SystemExit:
            log.error("can't listen", address=address.host, port=address.port)
            raise
        return self._again and not self._over

    def _end(self, *_: object) -> None:
        self._over = True
        if self._server is not None:
            self._server.should_exit = True


class _Server(uvicorn.Server):
    """With the port for probes."""

    def __init__(self, config: uvicorn.Config, address: Address) -> None:
        super().__init__(config)
        self._at = address
        self._health: asyncio.Server | None = None

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        if self._at.health is not None:
            self._health = await asyncio.start_server(_alive, self._at.host, self._at.health)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Listen no longer."""
        if self._health is not None:
            self._health.close()
        await super().shutdown(sockets)


async def _alive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, TimeoutError, asyncio.LimitOverrunError, asyncio.IncompleteReadError):
        async with asyncio.timeout(IDLE_CONNECTION_SECONDS):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ALIVE)
            await writer.drain()
    writer.close()


def serve(controller: Controller, address: Address) -> int:
    """On this address, as it is."""
    return Serving(lambda: address).run(controller)


def _config(controller: Controller, address: Address) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(controller.services),
        host=address.host,
        port=address.port,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        loop="asyncio",  # not what happens to be installed: TLS that reloads its certificate, and limits, are tested with these
        http="h11",
        timeout_keep_alive=IDLE_CONNECTION_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS // 2,
        limit_concurrency=CONNECTIONS,
        ssl_context_factory=_encryption(address),
    )


def _stop(controller: Controller) -> None:
    if controller.services.operating is not None:
        controller.services.operating.engine.stop(0.0)  # it goes on where it is when the next controller runs
    controller.watch.stop(0.0)  # what it looks up may take long, and the next one looks again
    stopped = controller.loop.stop(STOP_SECONDS)
    controller.services.audit.own.trail.close()
    log.info("stopped", in_order=stopped)


def _encryption(address: Address) -> Callable[[uvicorn.Config, Callable[[], ssl.SSLContext]], ssl.SSLContext] | None:
    """A context whose certificate may be replaced while it serves; None: no TLS."""
    if address.certificate is None or address.key is None:
        return None
    files = Files(address.certificate, address.key)
    certificate = ServerCertificate(files, ("http/1.1",), lambda why: log.warning("the old certificate stays in use", why=why))
    return lambda _config, _usual: reloading(certificate)
