"""The pods of versions, as the proxy sees them: which are wanted, which have called, and workers in them.

A pod keeps more connections open than it is to have workers, so that others can be brought up beside those of before (another secret). Of
several pods of a version the one with the fewest workers gets the next, and none more than its share: one that comes back finds its own.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from apps.errors import AppError, StartError
from apps.package import pack
from apps.worker.spawning import Order, Running
from pools.app import wire
from pools.app.slot import Slot
from pools.app.wanted import Wanted

PACKED_AT_ONCE = 2
"""Packages: each is held in memory as a whole."""
SPARE = 4
"""So many times its workers a pod may offer."""
logger = logging.getLogger("pods")


class NoPodError(StartError):
    """None of its pods has called."""


@dataclass
class _Place:
    wanted: Wanted
    idle: list[Slot] = field(default_factory=list)
    failed: str | None = None
    came: bool = False
    """Has a pod offered a worker?"""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self) -> None:
        before, self.changed = self.changed, asyncio.Event()
        before.set()


class Pods:
    """``key``: the cluster's for this; ``package``: where the package of a code lies; ``came``: told when a pod of a code offers a worker;
    ``seconds``: that are waited for one."""

    def __init__(self, key: str, package: Callable[[str], Path], came: Callable[[str], None], seconds: float) -> None:
        self._key = key
        self._package = package
        self._came = came
        self._seconds = seconds
        self._places: dict[str, _Place] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending: set[str] = set()
        self._packing = asyncio.Semaphore(PACKED_AT_ONCE)

    async def listen(self, host: str, port: int, context: ssl.SSLContext | None) -> asyncio.Server:
        """From now on. OSError."""
        return await asyncio.get_running_loop().create_server(lambda: Slot(self), host, port, ssl=context)

    def want(self, wanted: Wanted) -> None:
        """There are to be these; twice is no error."""
        if wanted.code not in self._places:
            self._places[wanted.code] = _Place(wanted)

    def forget(self, code: str) -> None:
        """They are to go."""
        place = self._places.pop(code, None)
        if place is not None:
            place.tell()
            for slot in [*place.idle]:
                if slot.transport is not None:
                    slot.transport.abort()

    def give_up(self, code: str) -> None:
        """Who waits for the first of them is told that none comes; nothing happens where one has called."""
        place = self._places.get(code)
        if place is not None and not place.came:
            self.forget(code)

    def wanted(self) -> list[Wanted]:
        """All that are to be there."""
        return [place.wanted for place in self._places.values()]

    def name(self, code: str) -> str:
        """Of the workload; empty where none is wanted."""
        return self._places[code].wanted.name if code in self._places else ""

    async def slot(self, code: str, counts: Counter[str]) -> Slot:
        """One that nobody has, of a pod with the fewest; ``counts``: what who asks has of each already. StartError."""
        try:
            async with asyncio.timeout(self._seconds):
                while (place := self._places.get(code)) is not None:
                    free = [one for one in place.idle if counts[one.pod] < place.wanted.poolsize]
                    if free:
                        found = min(free, key=lambda one: counts[one.pod])
                        place.idle.remove(found)
                        return found
                    if place.failed is not None and not place.idle:
                        raise StartError(place.failed)
                    await place.changed.wait()
        except TimeoutError:
            label = f"kubectl describe pod -l openbdc.dev/workload={self.name(code)}"
            raise NoPodError(f"none of its pods has called within {self._seconds:g} s: 'bdc status' or '{label}' say why") from None
        raise StartError("its pods were given up")

    # ---- Door

    def admitted(self, slot: Slot, hello: dict[str, Any]) -> str | None:
        """A pod, or the controller."""
        op, shown = str(hello.get("op")), str(hello.get("proof"))
        if not hmac.compare_digest(wire.proof(wire.token(self._key, slot.code), slot.nonce, op).encode(), shown.encode()):
            logger.warning("somebody who calls as a pod of %s does not know its token", slot.code[:40])
            return "the token is another one"
        if slot.code == wire.CONTROLLER:
            slot.say({"taken": True})
            slot.say({"pods": [one.json() for one in self.wanted()]})
            return None
        place = self._places.get(slot.code)
        if place is None:
            return "no such pod is wanted"
        return self._let_in(slot, place, op, str(hello.get("reason")))

    def _let_in(self, slot: Slot, place: _Place, op: str, reason: str) -> str | None:
        if op == "package" and slot.code not in self._sending:  # an app can ask for its own too: not for several at once
            self._sending.add(slot.code)
            self._begin(self._sent(slot))
        elif op == "failed":
            logger.info("%s: its pod %s says: %s", place.wanted.label, slot.pod, reason)
            place.failed = reason[:4000]
            place.tell()
        elif op == "slot" and len(place.idle) < SPARE * place.wanted.replicas * place.wanted.poolsize:
            place.failed, place.came = None, True
            place.idle.append(slot)
            place.tell()
            asyncio.get_running_loop().call_soon(self._came, slot.code)
        else:
            return f"{op[:20]!r} is not to be had just now"
        slot.say({"taken": True})
        return None

    def gone(self, slot: Slot) -> None:
        """It can't be given to anybody."""
        place = self._places.get(slot.code)
        if place is not None and slot in place.idle:
            place.idle.remove(slot)

    def _begin(self, work: Any) -> None:  # noqa: ANN401 (a coroutine of ours)
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _sent(self, slot: Slot) -> None:
        """The package, as an archive of the same files."""
        try:
            async with self._packing:
                package = await asyncio.to_thread(pack, self._package(slot.code))
        except AppError as error:
            slot.say({"refused": error.message})
            return
        finally:
            self._sending.discard(slot.code)
        slot.say({"bytes": len(package.archive), "digest": package.digest}, package.archive)


class InPod:
    """A ``Spawner`` for one set of workers: in the pods of ``code``. ``written``: the version's log."""

    def __init__(self, pods: Pods, code: str, written: Callable[[bytes], None]) -> None:
        self._pods = pods
        self._code = code
        self._written = written
        self._counts: Counter[str] = Counter()

    async def start(self, _order: Order, host: asyncio.Protocol) -> Running:
        """The pod knows the rest from the package; secrets come with the first message. StartError."""
        slot = await self._pods.slot(self._code, self._counts)
        self._counts[slot.pod] += 1
        slot.left.append(lambda: self._counts.subtract([slot.pod]))
        slot.take(host, self._written)
        return slot

    def make(self, folder: Path) -> None:
        """There."""

    async def remove(self, folder: Path) -> None:
        """There."""
