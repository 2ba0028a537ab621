"""How the addresses of a cluster are reached from here: as they are, or on Kubernetes through port-forwards, opened when first needed."""

from __future__ import annotations

import threading
import urllib.parse
from types import TracebackType
from typing import TYPE_CHECKING

from bdc.contexts import Place

if TYPE_CHECKING:
    from bdc.forwards import Forward

LOOPBACK = "127.0.0.1"


class Reach:
    """The ways to a cluster's addresses; ``place`` None: one machine, where every address is reached as it is. Thread-safe."""

    def __init__(self, place: Place | None = None) -> None:
        self._place = place
        self._forwards: dict[tuple[str, int], Forward] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Reach:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def address(self, host: str, port: int) -> tuple[str, int]:
        """Where ``host:port`` of the cluster is reached from here."""
        service = self._service(host)
        if service is None:
            return host, port
        assert self._place is not None
        with self._lock:
            forward = self._forwards.get((service, port))
            if forward is None or forward.ended:
                if forward is not None:
                    forward.close()
                from bdc.forwards import Forward  # starts programs; on one machine nobody needs that

                forward = self._forwards[service, port] = Forward(self._place, service, port)
            return LOOPBACK, forward.port

    def url(self, url: str) -> str:
        """The same for the host and port of a URL; that of Spark Connect says localhost: for any other name PySpark wants TLS."""
        parts = urllib.parse.urlsplit(url)
        if self._place is None or not parts.hostname or not parts.port:
            return url
        host, port = self.address(parts.hostname, parts.port)
        if parts.scheme == "sc" and host == LOOPBACK:
            host = "localhost"
        return urllib.parse.urlunsplit(parts._replace(netloc=f"{host}:{port}"))

    def _service(self, host: str) -> str | None:
        """The Service behind ``NAME.NAMESPACE.svc…``; None for a host that is reached directly."""
        if self._place is None:
            return None
        name, _, rest = host.partition(".")
        own = rest == f"{self._place.namespace}.svc" or rest.startswith(f"{self._place.namespace}.svc.")
        return name if own else None

    def close(self) -> None:
        """End all forwards."""
        with self._lock:
            for forward in self._forwards.values():
                forward.close()
            self._forwards.clear()
