"""A TCP proxy in the way of a client, which can cut connections at a chosen place."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Proxy:
    """Passes bytes on to ``target``, a port of this machine. ``port``: where it listens; 0: anywhere."""

    def __init__(self, target: int, port: int = 0) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self.asked = 0
        """Bytes that were passed on to the target."""

        self._deaf = False
        self._open = True
        threading.Thread(target=self._accept, daemon=True).start()

    def swallow_answers(self) -> None:
        """From here on nothing comes back: what is asked is carried out, and its answer is lost."""
        self._deaf = True

    def cut(self) -> None:
        """End all connections now; new ones are passed on whole."""
        self._deaf = False
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                _end(end)

    def close(self) -> None:
        """No more."""
        self._open = False
        _end(self._listener)  # closed alone it would take one more in: a thread waits for that
        self.cut()

    def _accept(self) -> None:
        while self._open:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            self._pairs.append((client, server))
            for source, sink, answers in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pump, args=(source, sink, answers), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if not (answers and self._deaf):
                    sink.sendall(data)
                self.asked += 0 if answers else len(data)
        _end(source)
        _end(sink)


def _end(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@contextmanager
def proxy(target: int) -> Iterator[Proxy]:
    """Until the end of the block."""
    made = Proxy(target)
    try:
        yield made
    finally:
        made.close()
