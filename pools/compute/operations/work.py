"""Backups, restores, resizes, refills and exports under way on this replica: taken from the master, told about, ended there.

The master's row is all there is to know of one: whoever takes it begins it anew, which each kind bears at any moment. A shard or the master
that goes away for a while, or a snapshot that became too old, is met by another try.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from pools.compute.catalogs import Identity
from pools.compute.errors import ServiceError, StatementError
from pools.compute.loads.coordinator import Coordinator
from pools.compute.loads.ledger import Ledger
from pools.compute.master import MasterAway
from pools.compute.snapshot import Snapshot
from virtualization.errors import VirtualizationError

log = structlog.get_logger()

T = TypeVar("T")

TELL_SECONDS = 2.0
"""Between two reports; the master takes silence of 15 s for death."""

SOON = (0.05, 0.2, 0.5, 1.0, 3.0)
"""Seconds between looks after a request: who asked has not committed yet."""

END_SECONDS = 10.0
"""Threads of a failed try are waited for so long."""

TRIES = 12
AGAIN_SECONDS = 2.5
PASSING = frozenset({"08006", "57P01", "57P03", "40000", "40001", "40003", "55P03", "72000"})
"""SQLSTATEs that another try may not meet."""


@dataclass
class Work:
    """One operation. ``progress`` is told as it is; ``stop`` ends what threads do."""

    id: str
    kind: str
    request: Mapping[str, Any]
    who: Identity
    coordinator: Coordinator
    catalog: Snapshot
    progress: dict[str, Any] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def ledger(self) -> Ledger:
        """Of its database."""
        return self.coordinator.ledgers.of(self.who.database)

    def add(self, rows: int, bytes_: int = 0) -> None:
        """Count what was read; from any thread, exact enough for a report."""
        self.progress["rows"] = self.progress.get("rows", 0) + rows
        if bytes_:
            self.progress["bytes"] = self.progress.get("bytes", 0) + bytes_


Carry = Callable[[Work], Awaitable[None]]

KINDS: Mapping[str, str] = {
    "backup": "pools.compute.operations.backup:backup",
    "export": "pools.compute.operations.backup:export",
    "refill": "pools.compute.operations.move:refill",
    "resize": "pools.compute.operations.move:resize",
    "restore": "pools.compute.operations.restore:restore",
}
"""Who carries out what; imported on use, because a pool that is asked for none of it stays small."""


class Operator:
    """Of one replica; lives on the event loop. ``kinds``: who carries out what."""

    def __init__(self, coordinator: Coordinator, catalog: Callable[[str], Snapshot], kinds: Mapping[str, str] = KINDS) -> None:
        self._coordinator = coordinator
        self._catalog = catalog
        self._kinds = kinds
        self._holder = str(uuid.uuid4())
        self._tasks: set[asyncio.Task[None]] = set()

    def wake(self, database: str) -> None:
        """Something may have been asked for in this database, or will be in a moment."""

        async def soon() -> None:
            for seconds in SOON:
                await asyncio.sleep(seconds)
                if await self.look(database):
                    return

        self._keep(soon())

    async def look(self, database: str) -> bool:
        """Take what waits, if anything does. The master's faults are logged: the next look comes."""
        try:
            taken = await self._coordinator.ledgers.of(database).take_operation(self._holder)
        except (MasterAway, StatementError) as error:
            log.warning("operations could not be looked for", database=database, why=str(error))
            return False
        if taken is not None:
            self._keep(self._carry_out(database, taken))
        return taken is not None

    def _keep(self, work: Any) -> None:  # noqa: ANN401 - a coroutine
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, database: str, taken: Mapping[str, Any]) -> None:
        who = Identity(taken["user"], database, True)
        work = Work(taken["id"], taken["kind"], taken["request"], who, self._coordinator, self._catalog(database))
        log.info("operation begins", operation=work.id, kind=work.kind, database=database, attempt=taken["attempt"])
        doing = asyncio.create_task(self._tried(work))
        try:
            await self._told_while(work, doing)
        finally:
            work.stop.set()
            doing.cancel()
            await asyncio.wait({doing})
        if doing.cancelled():
            log.warning("operation left", operation=work.id, kind=work.kind)
            return
        problem = _problem(doing.exception())
        log.info("operation ended", operation=work.id, kind=work.kind, problem=problem)
        await self._ended(work, problem)
        self.wake(database)

    async def _tried(self, work: Work) -> None:
        """Until it is done, or fails for good."""
        for left in range(TRIES, 0, -1):
            try:
                work.stop = threading.Event()
                module, name = self._kinds[work.kind].split(":")
                carry: Carry = getattr(importlib.import_module(module), name)
                await work.coordinator.refuse_behind(work.who.database)
                await carry(work)
            except (StatementError, MasterAway) as error:
                if left == 1 or (isinstance(error, StatementError) and error.code not in PASSING):
                    raise
                work.progress = {"waiting": str(error)}
                log.warning("operation is tried again", operation=work.id, kind=work.kind, why=str(error))
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                return

    async def _told_while(self, work: Work, doing: asyncio.Task[None]) -> None:
        while not doing.done():
            try:
                if not await work.ledger.tell_operation(work.id, self._holder, work.progress):
                    return
            except (MasterAway, StatementError) as error:
                log.warning("an operation's progress could not be told", operation=work.id, why=str(error))
            await asyncio.wait({doing}, timeout=TELL_SECONDS)

    async def _ended(self, work: Work, problem: Mapping[str, Any] | None) -> None:
        """Should the master be away for long, the operation is taken up again and ends once more."""
        for _ in range(TRIES):
            try:
                await work.ledger.end_operation(work.id, self._holder, work.progress, problem)
            except MasterAway:
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                return

    async def close(self) -> None:
        """Leave all of it to whoever takes it next."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=3.0)


def _problem(error: BaseException | None) -> dict[str, Any] | None:
    if error is None:
        return None
    if isinstance(error, ServiceError | VirtualizationError):
        said = {"sqlstate": error.code, "message": error.message, "detail": error.detail, "hint": error.hint}
        return {name: value for name, value in said.items() if value}
    if isinstance(error, MasterAway):
        return {"sqlstate": "57P03", "message": "the master is away", "detail": str(error)}
    log.error("an operation failed", kind=type(error).__name__, exc_info=error)
    return {"sqlstate": "XX000", "message": "the compute pool failed; its log tells more"}


async def all_of(works: Iterable[Coroutine[Any, Any, T]], stop: threading.Event) -> list[T]:
    """All results. When one fails, or the caller is cancelled, ``stop`` is set and the others' threads are waited for, briefly: so that
    nobody writes into what is being given up."""
    tasks = [asyncio.ensure_future(one) for one in works]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        stop.set()
        if tasks:
            await asyncio.wait(tasks, timeout=END_SECONDS)
        raise
