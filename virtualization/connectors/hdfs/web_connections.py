"""Connections of WebHDFS over TLS: kept while the other side keeps them, and every one verified."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import threading
import urllib.parse
from pathlib import Path

AUTHORITY = "BDC_HDFS_AUTHORITY"
"""Variable of the environment: a file with certificates of authorities that are trusted besides the machine's."""
MOST_KEPT = 16
"""Idle connections of one client."""
REFUSAL_BYTES = 65_536
"""Of an answer that says why not, at most."""


class UntrustedError(OSError):
    """Who answers is not who it should be; the message names the server and what is wrong."""


class Trust:
    """The TLS settings of clients; made anew when the file of ``AUTHORITY`` is another one. Thread-safe: the last one made counts."""

    def __init__(self) -> None:
        self._made: tuple[object, ssl.SSLContext] | None = None

    def context(self) -> ssl.SSLContext:
        """UntrustedError where the file can't be used."""
        path = os.environ.get(AUTHORITY)
        try:
            found = Path(path).stat() if path else None
            seen = (path, found and (found.st_mtime_ns, found.st_ino))
            made = self._made
            if made is None or made[0] != seen:
                context = ssl.create_default_context()
                if path:
                    context.load_verify_locations(path)
                made = self._made = seen, context
        except OSError as error:
            raise UntrustedError(f"the authorities of {path} can't be read: {error.strerror or error}") from None
        return made[1]


TRUST = Trust()


class Connections:
    """Of one client; ``timeout`` in seconds for each step. Thread-safe."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._lock = threading.Lock()
        self._idle: list[tuple[str, http.client.HTTPSConnection]] = []

    def ask(self, server: str, method: str, target: str, most: int) -> tuple[int, bytes]:
        """Status and body, ``most`` bytes of it. What only reads is asked again where a connection that was kept has ended meanwhile."""
        kept = self._taken(server) if method == "GET" else None
        if kept is not None:
            try:
                return self._asked(kept, server, method, target, most)
            except (ConnectionError, http.client.BadStatusLine):
                kept.close()
        return self._asked(self.open(server), server, method, target, most)

    def open(self, server: str) -> http.client.HTTPSConnection:
        """A new one, verified. UntrustedError, OSError."""
        parts = urllib.parse.urlsplit(f"https://{server}")
        connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=self.timeout, context=TRUST.context())
        try:
            connection.connect()
        except ssl.SSLError as error:
            connection.close()
            said = getattr(error, "verify_message", None)
            why = f"shows a certificate that is not trusted: {said}" if said else f"does not speak TLS as it should ({error.reason})"
            raise UntrustedError(f"{server} {why}") from None
        except BaseException:
            connection.close()
            raise
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def __del__(self) -> None:
        for _, connection in self._idle:
            connection.close()

    def _asked(self, connection: http.client.HTTPSConnection, server: str, method: str, target: str, most: int) -> tuple[int, bytes]:
        try:
            connection.request(method, target)
            answer = connection.getresponse()
            body = answer.read(most if answer.status == 200 else max(most, REFUSAL_BYTES))
            if answer.isclosed() and not answer.will_close:
                self._keep(server, connection)
            else:
                connection.close()
        except BaseException:
            connection.close()
            raise
        return answer.status, body

    def _taken(self, server: str) -> http.client.HTTPSConnection | None:
        with self._lock:
            for place in range(len(self._idle) - 1, -1, -1):
                if self._idle[place][0] == server:
                    return self._idle.pop(place)[1]
        return None

    def _keep(self, server: str, connection: http.client.HTTPSConnection) -> None:
        with self._lock:
            self._idle.append((server, connection))
            old = self._idle.pop(0)[1] if len(self._idle) > MOST_KEPT else None
        if old is not None:
            old.close()
