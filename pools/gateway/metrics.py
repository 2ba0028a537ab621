"""What the gateway counts: plain numbers in its event loop, read on the listener's own thread. Never on its public address: who it is for,
the controller, asks at the socket that the other services have."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from pools.exposition import Book, Sample, text
from pools.gateway import metric_table as table
from pools.gateway.record import Told
from pools.memory import resident_bytes
from pools.metrics_listener import Listener


class Meters:
    """Of one gateway; counted in its event loop, read from any thread."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.open = 0
        self.connections = {"taken": 0, "cut_off": 0, "no_tls": 0}
        self.streams = dict.fromkeys(table.ROUTES, 0)
        self._book = Book()
        self._started = time.time()

    @contextmanager
    def streaming(self, route: str) -> Iterator[None]:
        """While a request is being served."""
        self.streams[route] += 1
        try:
            yield
        finally:
            self.streams[route] -= 1

    def over(self, told: Told, seconds: float) -> None:
        """A request is over."""
        self._book.observe(table.REQUESTS, seconds, told.route, str(told.status))
        self._book.add(table.RECEIVED, told.route, by=told.received)
        self._book.add(table.SENT, told.route, by=told.sent)
        if told.refused is not None:
            self._book.add(table.REFUSED, told.route, told.refused)

    def text(self) -> bytes:
        """What ``/metrics`` says."""
        return text(table.TABLE, self._book, (self._now,))

    def _now(self) -> Sequence[Sample]:
        return [
            *((table.STREAMS, (route,), number) for route, number in self.streams.items()),
            *((table.ENDED, (outcome,), number) for outcome, number in self.connections.items()),
            (table.CONNECTIONS, (), self.open),
            (table.LIMIT, (), self.limit),
            (table.RESIDENT, (), resident_bytes()),
            (table.STARTED, (), self._started),
        ]

    def listen(self, where: str | None, complain: Callable[[str], None]) -> Listener | None:
        """From now on ``where`` answers. A gateway that can't be asked for its metrics still serves."""
        if where is None:
            return None
        try:
            return Listener(where, self.text, lambda why: complain(f"metrics could not be collected: {why}"))
        except OSError as error:
            complain(f"metrics can't be served at {where}: {error}")
            return None
