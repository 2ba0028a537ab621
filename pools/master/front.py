"""TLS in front of a PostgreSQL that was built without: ``python -m pools.master.front --config FILE``.

The PostgreSQL of the wheel has no TLS. Where the cluster speaks TLS it then listens on its unix socket only, and this process, of the same
OS user, on its port: it takes encrypted connections (asked for, or at once with ALPN) and hands their bytes on. Who comes without TLS is
told so. The login stays PostgreSQL's own; it sees all clients come over its socket.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from pools.master.front_clients import Clients, Greeting
from pools.program import Program, tell, told_to_stop
from pools.tls import HANDSHAKE, Files, Layer, ServerCertificate

ALPN = "postgresql"
SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
OPENING = struct.Struct(">II")
LOGIN_SECONDS = 30.0
"""From the connection to the end of the handshake."""
UNSENT_BYTES = 1 << 20
"""Above it the other side is not read."""
STRANGERS = 200
"""Connections without a finished handshake; the next one is cut off."""
REFUSAL = (
    "SFATAL", "VFATAL", "C28000", "Mthe master takes encrypted connections only", "Hsslmode=verify-full, or at least require",
)  # fmt: skip


@dataclass(frozen=True)
class FrontSettings:
    """``socket``: PostgreSQL's own. ``clients``: a folder that tells from where each of its processes is reached, None: none does."""

    addresses: tuple[str, ...]
    port: int
    socket: str
    certificate_file: str
    certificate_key_file: str
    clients: str | None = None

    @classmethod
    def read(cls, path: Path) -> FrontSettings:
        """From the JSON file that the workload lays."""
        given = json.loads(path.read_text())
        return cls(**{**given, "addresses": tuple(given["addresses"])})


class Inner(asyncio.Protocol):
    """The connection to PostgreSQL."""

    def __init__(self, outer: Outer) -> None:
        self._outer = outer

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        self._outer.answer(data)

    def connection_lost(self, error: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self._outer.close()

    def pause_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        self._outer.transport.pause_reading()

    def resume_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        if not self._outer.transport.is_closing():
            self._outer.transport.resume_reading()


class Outer(asyncio.Protocol):
    """The connection of a client."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._layer: Layer | None = None
        self._at_once = False
        self._asked = b""
        self._waiting: list[bytes] = []
        """What the client said before PostgreSQL was there."""
        self._opening: asyncio.Task[None] | None = None
        self._inner: asyncio.Transport | None = None
        self._greeting = Greeting()
        self._process: int | None = None
        """PostgreSQL's, once it has told."""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See ``asyncio.Protocol``."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(UNSENT_BYTES)
        if len(self._front.strangers) >= STRANGERS:
            self.transport.abort()
            return
        self._front.strangers.add(self)
        self._late = asyncio.get_running_loop().call_later(LOGIN_SECONDS, self.transport.abort)

    def connection_lost(self, error: Exception | None) -> None:
        """See ``asyncio.Protocol``."""
        self._known()
        if self._process is not None:
            self._front.clients.left(self._process, self)
        if self._opening is not None:
            self._opening.cancel()
        if self._inner is not None:
            self._inner.close()

    def data_received(self, data: bytes) -> None:
        """See ``asyncio.Protocol``."""
        if self._layer is None and not (data := self._plain(data)):
            return
        assert self._layer is not None
        try:
            said = self._layer.received(data)
        except ssl.SSLError:
            self.transport.write(self._layer.leaving())
            self.close()
            return
        if leaving := self._layer.leaving():
            self.transport.write(leaving)
        if self._layer.established:
            self._established(said)

    def _established(self, said: bytes) -> None:
        assert self._layer is not None
        if self._at_once and self._layer.protocol != ALPN:
            self.close()
            return
        if self._opening is None:
            self._known()
            self.transport.pause_reading()  # until PostgreSQL is there
            self._opening = asyncio.get_running_loop().create_task(self._open())
        if said:
            if self._inner is None:
                self._waiting.append(said)
            else:
                self._inner.write(said)
        if self._layer.ended and self._inner is not None:
            self._inner.close()

    def pause_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        if self._inner is not None:
            self._inner.pause_reading()

    def resume_writing(self) -> None:
        """See ``asyncio.Protocol``."""
        if self._inner is not None and not self._inner.is_closing():
            self._inner.resume_reading()

    def answer(self, data: bytes) -> None:
        """PostgreSQL's words, to the client."""
        if (process := self._greeting.heard(data)) is not None:
            self._process = process
            self._front.clients.came(process, str(self.transport.get_extra_info("peername")[0]), self)
        if not self.transport.is_closing() and self._layer is not None:
            self.transport.write(self._layer.sealed(data))

    def close(self) -> None:
        """After what is still to be sent."""
        if self._layer is not None and self._layer.established and not self.transport.is_closing():
            self.transport.write(self._layer.farewell())
        self.transport.close()

    def _plain(self, data: bytes) -> bytes:
        """Before TLS: what belongs to the handshake already; a client without TLS is told so."""
        self._asked += data
        if self._asked[0] == HANDSHAKE:
            self._at_once = True
            self._layer = Layer(self._front.certificate.current())
            return self._asked
        if len(self._asked) < OPENING.size:
            return b""
        length, code = OPENING.unpack_from(self._asked)
        rest, self._asked = self._asked[OPENING.size :], b""
        if length == OPENING.size and code == SSL_REQUEST and not rest:
            self._layer = Layer(self._front.certificate.current())
            self.transport.write(b"S")
        elif length == OPENING.size and code == GSS_REQUEST and not rest:
            self.transport.write(b"N")
        elif length == 16 and code == CANCEL_REQUEST and len(rest) == 8:
            # libpq before 17 sends it without TLS whatever the session has; it holds nothing but the key of what is to be cancelled
            self._known()
            self._waiting.append(OPENING.pack(length, code) + rest)
            self._opening = asyncio.get_running_loop().create_task(self._open())
        else:
            body = b"".join(part.encode() + b"\0" for part in REFUSAL) + b"\0"
            self.transport.write(b"E" + struct.pack(">I", len(body) + 4) + body)
            self.close()
        return b""

    def _known(self) -> None:
        """The handshake is over, or the client is gone."""
        self._front.strangers.discard(self)
        if (late := getattr(self, "_late", None)) is not None:
            late.cancel()

    async def _open(self) -> None:
        try:
            inner, _ = await asyncio.get_running_loop().create_unix_connection(lambda: Inner(self), self._front.settings.socket)
        except OSError:
            self.close()  # as a server that does not run: the client sees the end of the connection
            return
        self._inner = inner
        self._inner.set_write_buffer_limits(UNSENT_BYTES)
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._inner.write(b"".join(waiting))
        if not self.transport.is_closing():
            self.transport.resume_reading()


class Front:
    """``settings.port`` 0: any; see ``port``."""

    def __init__(self, settings: FrontSettings) -> None:
        self.settings = settings
        self.strangers: set[Outer] = set()
        files = Files(settings.certificate_file, settings.certificate_key_file)
        self.certificate = ServerCertificate(files, (ALPN,), lambda why: tell("warning", f"the old certificate stays in use: {why}"))
        self.certificate.current()
        self.clients = Clients(None if settings.clients is None else Path(settings.clients), lambda why: tell("warning", why))
        self._servers: list[asyncio.Server] = []

    async def start(self) -> int:
        """Listen on every address; the port."""
        loop, port = asyncio.get_running_loop(), self.settings.port
        for address in self.settings.addresses:
            server = await loop.create_server(lambda: Outer(self), address, port, backlog=512)
            self._servers.append(server)
            port = server.sockets[0].getsockname()[1]
        return port

    def stop(self) -> None:
        """No new connections."""
        for server in self._servers:
            server.close()


async def serve(settings: FrontSettings) -> None:
    """Until SIGTERM or SIGINT."""
    front, stop = Front(settings), told_to_stop()
    tell("info", f"serving port {await front.start()}")
    await stop.wait()
    front.stop()


def main(arguments: list[str] | None = None) -> int:
    """The program."""
    return Program("pools.master.front", __doc__, FrontSettings.read, serve).main(arguments)


if __name__ == "__main__":
    sys.exit(main())
