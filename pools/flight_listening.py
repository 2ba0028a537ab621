"""Arrow Flight with a certificate that may be replaced: gRPC, as Arrow wraps it, takes one for all of a server's life.

So a renewed certificate means another server on the same port: the old one stops listening, what runs on it goes on to its end, and the new
one listens some milliseconds later. Clients that are connected are told by gRPC to connect again for their next call; a call that is on its
way in that very moment comes back as cancelled or unavailable, which clients take for a restart, and ask again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from pyarrow import flight

from pools.tls import Loaded, ServerCertificate

Server = TypeVar("Server", bound=flight.FlightServerBase)
BIND_SECONDS = 10.0
BIND_AGAIN = 0.002


def location(host: str, port: int, loaded: Loaded | None) -> str:
    """As Flight's servers and clients take it."""
    return f"{'grpc' if loaded is None else 'grpc+tls'}://{host}:{port}"


def pairs(loaded: Loaded | None) -> Any:  # noqa: ANN401 (pyarrow's stub takes texts, pyarrow itself bytes)
    """A server's ``tls_certificates``."""
    return None if loaded is None else [loaded.pem]


class Listening(Generic[Server]):
    """``make(port, loaded)`` gives a server that listens; ``port`` 0: any. ``certificate`` None: no TLS, and never another server."""

    def __init__(self, make: Callable[[int, Loaded | None], Server], port: int, certificate: ServerCertificate | None = None) -> None:
        self._make = make
        self._certificate = certificate
        self._loaded = certificate.current() if certificate is not None else None
        self._server = make(port, self._loaded)
        self._older: list[tuple[Server, threading.Thread]] = []

    @property
    def server(self) -> Server:
        """The one that listens."""
        return self._server

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.port)

    def look(self) -> bool:
        """Where the certificate is another one by now: a server with it in place of the old one. Blocks for some milliseconds; OSError or
        what Arrow says when nobody can listen there any more."""
        self._older = [(server, ending) for server, ending in self._older if ending.is_alive()]
        if self._certificate is None or (loaded := self._certificate.current()) is self._loaded:
            return False
        old, port = self._server, self.port
        ending = threading.Thread(target=old.shutdown, name="old certificate", daemon=True)  # it waits for the calls that run
        ending.start()
        self._server, self._loaded = self._bound(port, loaded), loaded
        self._older.append((old, ending))
        return True

    def all(self) -> list[Server]:
        """The one that listens, and those that still have calls to end."""
        return [self._server, *(server for server, _ in self._older)]

    def _bound(self, port: int, loaded: Loaded) -> Server:
        deadline = time.monotonic() + BIND_SECONDS
        while True:
            try:
                return self._make(port, loaded)
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(BIND_AGAIN)
