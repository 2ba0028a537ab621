"""The queries of the pool: which there are, who may start now, how one is stopped.

Everything here lives on the event loop; planning and engines run on threads and are waited for through ``Query.wait``, so that a
cancelled query answers its client at once, however long the engine takes to let go.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from pools.compute.errors import AdmissionError, CancelRequestedError
from virtualization.plan import Plan, QueryContext

T = TypeVar("T")
REPLICA_SHIFT = 40
"""Ids of different replicas differ, so that a kill that reaches another replica than the list came from never hits a stranger's query."""

State = Literal["queued", "planning", "running", "sending", "done"]


@dataclass(frozen=True)
class Origin:
    """Who asks: ``user`` (the end user's role), ``database``, and ``group``: queries of one group never wait for each other
    (all cursors of one backend of the master: waiting for a sibling would wait for ever)."""

    user: str
    database: str
    group: str


@dataclass(eq=False)
class Query:
    """One query from its text to its last row."""

    id: int
    origin: Origin
    sql: str
    context: QueryContext
    threads: Executor
    state: State = "queued"
    rows: int = 0
    started: float = field(default_factory=time.monotonic)
    began: float = field(default_factory=time.time)
    """``started`` on the clock of the world."""
    ended: float = 0.0
    plan: Plan | None = None
    """Once it is known."""
    failure: Exception | None = None
    left: bool = False
    """Nobody took its last rows."""
    recorded: bool = True
    """The history keeps it; False: it was never meant to give rows."""
    memory: float = 0.0
    """Bytes by which the process grew while this ran, its share: see ``MemoryGuard``."""

    _reason: Exception | None = None
    _waiters: set[asyncio.Future[Any]] = field(default_factory=set)

    @property
    def cancelled(self) -> bool:
        """Was it told to stop?"""
        return self._reason is not None

    @property
    def error(self) -> Exception | None:
        """Why it ended: what it was told, else what went wrong."""
        return self._reason or self.failure

    @property
    def session(self) -> str:
        """Who asked: pid of the master's session, else of this pool's own. The group begins with ``bdc PID`` or ``session PID``."""
        words = self.origin.group.split(" ", 2)
        return words[1] if len(words) > 1 else ""

    @property
    def awaited(self) -> bool:
        """Does anybody wait for it right now?"""
        return bool(self._waiters)

    def failed(self, error: BaseException) -> None:
        """It ends with this; a task that is torn down (no ``Exception``) is no failure of the query's."""
        if isinstance(error, Exception):
            self.failure = error

    def cancel(self, reason: Exception) -> None:
        """Stop it: whoever waits gets ``reason`` now, the engine and the source are told from a thread. The first reason stays."""
        if self._reason is not None:
            return
        self._reason = reason
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(reason)
        with contextlib.suppress(RuntimeError):  # the threads are gone: the process ends
            self.threads.submit(self.context.cancel)

    async def wait(self, future: asyncio.Future[T]) -> T:
        """The future's result, or the reason of cancellation, whichever comes first. The future itself is left alone."""
        waiter: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def pass_on(done: asyncio.Future[T]) -> None:
            if waiter.done():
                if not done.cancelled():
                    done.exception()  # seen: nobody waits for it any more
            elif done.cancelled():
                waiter.cancel()
            elif (error := done.exception()) is not None:
                waiter.set_exception(error)
            else:
                waiter.set_result(done.result())

        future.add_done_callback(pass_on)
        return await self.wait_here(waiter)

    async def wait_here(self, waiter: asyncio.Future[T]) -> T:
        """The same for a future that nobody else waits for, and that whoever settles it looks at first: cancelling the query settles it.
        One turn of the event loop less."""
        if self._reason is not None:
            waiter.cancel()  # settled: what comes for it later is nobody's
            raise self._reason
        self._waiters.add(waiter)
        try:
            return await waiter
        except Exception:
            # What an engine says when it is interrupted is not the reason that its user should read.
            if self._reason is not None:
                raise self._reason from None
            raise
        finally:
            self._waiters.discard(waiter)

    async def on_thread(self, work: Callable[[], T]) -> T:
        """Run ``work`` on a thread and wait as ``wait`` does."""
        return await self.wait(asyncio.get_running_loop().run_in_executor(self.threads, work))

    def description(self) -> dict[str, object]:
        """As ``bdc query list`` shows it."""
        return {
            "id": str(self.id),
            "session": self.session,
            "user": self.context.user or self.origin.user,
            "database": self.origin.database,
            "sql": self.sql,
            "state": self.state,
            "seconds": round(time.monotonic() - self.started, 3),
            "rows": self.rows,
        }


class Admission:
    """At most ``places`` groups run at once; the rest wait in order, at most ``seconds``."""

    def __init__(self, places: int, seconds: float) -> None:
        self.places = places
        self.seconds = seconds
        self._running: dict[str, int] = {}
        self._queue: deque[tuple[str, asyncio.Future[None]]] = deque()

    @property
    def waiting(self) -> int:
        """How many queries wait for a place."""
        return len(self._queue)

    async def enter(self, query: Query) -> None:
        """Wait for a place; AdmissionError after the limit. ``leave`` must follow, once."""
        group = query.origin.group
        if group in self._running or (len(self._running) < self.places and not self._queue):
            self._running[group] = self._running.get(group, 0) + 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (group, turn)
        self._queue.append(entry)
        try:
            async with asyncio.timeout(self.seconds):
                await query.wait(turn)
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.leave(query)
            else:
                self._queue.remove(entry)
                turn.cancel()
            if isinstance(error, TimeoutError):
                raise AdmissionError(
                    f"the compute pool is busy: no place among {self.places} running queries within {self.seconds:g} s",
                    hint="Try again, see what runs with SELECT * FROM bdc.queries(), or raise the limit on running queries.",
                ) from None
            raise

    def leave(self, query: Query) -> None:
        """Give the place back; the next in the queue gets it."""
        group = query.origin.group
        self._running[group] -= 1
        if not self._running[group]:
            del self._running[group]
        self._let_in()

    def _let_in(self) -> None:
        for entry in list(self._queue):
            group, turn = entry
            if group not in self._running and len(self._running) >= self.places:
                continue
            self._queue.remove(entry)
            if not turn.done():
                self._running[group] = self._running.get(group, 0) + 1
                turn.set_result(None)


class Queries:
    """The registry: starts, lists, kills. Each of ``over`` is told of each query that ended."""

    def __init__(self, threads: Executor, admission: Admission, replica: int = 0, over: Sequence[Callable[[Query], None]] = ()) -> None:
        self.threads = threads
        self.admission = admission
        self._over = over
        self._numbers = itertools.count((replica << REPLICA_SHIFT) + 1)
        self._running: dict[int, Query] = {}

    def all(self) -> list[Query]:
        """What is there now, oldest first."""
        return list(self._running.values())

    async def open(self, origin: Origin, sql: str, context: QueryContext, entered: Callable[[Query], None]) -> Query:
        """Register and wait for a place. ``entered`` is called before the wait, so that the query can be cancelled in it."""
        query = Query(next(self._numbers), origin, sql, context, self.threads)
        context.number = str(query.id)
        self._running[query.id] = query
        entered(query)
        try:
            await self.admission.enter(query)
        except BaseException as error:
            del self._running[query.id]
            query.failed(error)
            self._ended(query)
            raise
        query.state = "planning"
        return query

    def finish(self, query: Query) -> None:
        """It needs no place any more; harmless when repeated."""
        if self._running.pop(query.id, None) is not None:
            query.state = "done"
            self.admission.leave(query)
            self._ended(query)

    def _ended(self, query: Query) -> None:
        query.ended = time.monotonic()
        for told in self._over:
            told(query)

    def kill(self, number: str) -> bool:
        """Cancel the query with this id; False when there is none."""
        query = self._running.get(int(number)) if number.isdecimal() else None
        if query is None:
            return False
        message = "canceling statement due to an administrator's request"
        query.cancel(CancelRequestedError(message, reason="administrator", hint="bdc query kill"))
        return True
