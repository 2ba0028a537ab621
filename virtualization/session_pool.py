"""Open sessions at one source: at most so many, the most recently used one first, others wait. Used by the connectors whose driver has no
pool that can be cancelled.

A session is never checked by a round trip of its own: a statement that finds a reused one broken is started again on a new one (it has not
given a row yet), and whatever else is idle goes too (``discard_idle``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from virtualization.errors import CancelledError, SourceTimeoutError
from virtualization.plan import QueryContext

IDLE_SECONDS = 300.0
"""After which a session that nobody took is given up."""


@dataclass(kw_only=True)
class PooledSession:
    """What the pool knows of a session. ``client``: only who asks for the same gets it again; ``reused``: it has served before."""

    client: str | None = None
    reused: bool = False
    idle_since: float = field(default_factory=time.monotonic)


S = TypeVar("S", bound=PooledSession)


class SessionPool(Generic[S]):
    """Of one source; thread-safe. ``end`` closes a session, whatever state it is in, and never fails."""

    def __init__(self, source: str, most: int, timeout: float, end: Callable[[S], Any]) -> None:
        self._source = source
        self._most = most
        self._timeout = timeout
        self._end = end
        self._idle: list[S] = []
        self._open = 0
        self._closed = False
        self._changed = threading.Condition()

    def take(self, context: QueryContext, begin: Callable[[], S], client: str | None = None) -> S:
        """An idle session, or the one that ``begin`` opens; SourceTimeoutError when none is free for too long."""
        return self._begun(self._wait(context, client), begin)

    def take_free(self, begin: Callable[[], S], client: str | None = None) -> S | None:
        """A session if there is one to be had right now, without waiting for others to end."""
        old: list[S] = []
        with self._changed:
            session = self._newest(client, old)
            got = session is not None or self._reserve(old)
        self._end_all(old)
        return self._begun(session, begin) if got else None

    def give_back(self, session: S) -> None:
        """Keep a session whose statement ended well."""
        with self._changed:
            if not self._closed:
                session.idle_since, session.reused = time.monotonic(), True
                self._idle.append(session)
                self._changed.notify_all()
                return
        self.discard(session)

    def discard(self, session: S) -> None:
        """End a session."""
        self._forget_one()
        self._end(session)

    def discard_idle(self) -> None:
        """End what is idle: one session was found broken, so the server was probably restarted."""
        with self._changed:
            idle, self._idle = self._idle, []
        for session in idle:
            self.discard(session)

    def close(self) -> None:
        """No sessions stay; running statements finish first."""
        with self._changed:
            self._closed = True
        self.discard_idle()

    def _begun(self, session: S | None, begin: Callable[[], S]) -> S:
        """``session``, or a new one, for which the place is reserved."""
        if session is not None:
            return session
        try:
            return begin()
        except BaseException:
            self._forget_one()
            raise

    def _wait(self, context: QueryContext, client: str | None) -> S | None:
        """An idle session of ``client``, or None: open one (the place is reserved)."""
        deadline = time.monotonic() + self._timeout
        withdraw = context.on_cancel(self._wake)
        old: list[S] = []
        try:
            with self._changed:
                while True:
                    if context.cancelled:
                        raise CancelledError("canceling statement due to user request")
                    session = self._newest(client, old)
                    if session is not None or self._reserve(old):
                        return session
                    if not self._changed.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                        raise SourceTimeoutError(
                            f'data source "{self._source}": no free connection within {self._timeout:g} s',
                            hint="Options max_connections and pool_timeout of the source set the limits.",
                        )
        finally:
            withdraw()
            self._end_all(old)

    def _newest(self, client: str | None, old: list[S]) -> S | None:
        """Taken out of the idle ones; into ``old`` goes what nobody took for long."""
        oldest = time.monotonic() - IDLE_SECONDS
        while self._idle and self._idle[0].idle_since < oldest:
            self._make_room(old)
        found = next((session for session in reversed(self._idle) if session.client == client), None)
        if found is not None:
            self._idle.remove(found)
        return found

    def _reserve(self, old: list[S]) -> bool:
        """A place for a new session: a free one, or that of the session which was idle longest (another client's)."""
        if self._open >= self._most and not self._idle:
            return False
        if self._open >= self._most:
            self._make_room(old)
        self._open += 1
        return True

    def _make_room(self, old: list[S]) -> None:
        old.append(self._idle.pop(0))
        self._open -= 1

    def _end_all(self, sessions: list[S]) -> None:
        for session in sessions:
            self._end(session)

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    def _forget_one(self) -> None:
        with self._changed:
            self._open -= 1
            self._changed.notify_all()
