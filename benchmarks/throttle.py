"""A link that is slow: a proxy for TCP connections that lets so many bytes a second through, each so much later, and counts them."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

BYTES_PER_SECOND = 100_000_000 / 8
DELAY_SECONDS = 0.005
"""One way."""

_PIECE = 32_768
_WINDOW = 64
"""Pieces on their way in one direction of one connection: 2 MiB, far more than the link holds."""


class SlowLink:
    """To ``target``, a port of this machine. All connections share the bandwidth of each direction."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lanes = {"to": _Lane(), "from": _Lane()}
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def moved(self) -> int:
        """Bytes that came from the target."""
        return self._lanes["from"].bytes

    def close(self) -> None:
        """No more."""
        for one in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self._sockets += [client, server]
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connect(client, server, self._lanes["to"])
            self._connect(server, client, self._lanes["from"])

    def _connect(self, source: socket.socket, sink: socket.socket, lane: _Lane) -> None:
        pieces: queue.Queue[tuple[float, bytes]] = queue.Queue(_WINDOW)
        threading.Thread(target=_receive, args=(source, pieces, lane), daemon=True).start()
        threading.Thread(target=_send, args=(sink, pieces), daemon=True).start()


class _Lane:
    """One direction. ``due``: when the next byte may leave."""

    def __init__(self) -> None:
        self.bytes = 0
        self._free = 0.0
        self._lock = threading.Lock()

    def due(self, size: int) -> float:
        with self._lock:
            self.bytes += size
            self._free = max(self._free, time.monotonic()) + size / BYTES_PER_SECOND
            return self._free + DELAY_SECONDS


def _receive(source: socket.socket, pieces: queue.Queue[tuple[float, bytes]], lane: _Lane) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_PIECE):
            pieces.put((lane.due(len(data)), data))
    pieces.put((0.0, b""))


def _send(sink: socket.socket, pieces: queue.Queue[tuple[float, bytes]]) -> None:
    with contextlib.suppress(OSError):
        while True:
            due, data = pieces.get()
            if not data:
                sink.shutdown(socket.SHUT_WR)
                return
            time.sleep(max(0.0, due - time.monotonic()))
            sink.sendall(data)


@contextmanager
def slow_link(target: int) -> Iterator[SlowLink]:
    """Until the end of the block."""
    made = SlowLink(target)
    try:
        yield made
    finally:
        made.close()
