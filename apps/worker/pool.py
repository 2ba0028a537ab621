"""The workers of one version: as many calls at once as there are workers, the others wait; who hangs or crashes is replaced."""

from __future__ import annotations

import asyncio
import collections
import contextlib
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from apps.errors import CallError, CrashError, OverloadError, StartError, TimeLimitError
from apps.worker.calls import DYING_SECONDS, Launch, Worker

WAITING_PER_WORKER = 100
PING_SECONDS = 10.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0


@dataclass(frozen=True)
class Result:
    """What a call gave."""

    outputs: dict[str, Any]
    console: str = ""
    changed: tuple[str, ...] = ()


class Workers:
    """``count`` workers. ``timeout``: seconds of one call, waiting for a worker not included, which may take as long again. ``first``: so
    many of them have to be ready to begin with, the others come by and by; None: all."""

    def __init__(self, launch: Launch, count: int, timeout: float, first: int | None = None) -> None:
        self.launch = launch
        self.count = count
        self.timeout = timeout
        self._first = count if first is None else min(first, count)
        self._next = -1 if first is None else 0
        """Of the idle: the one that was busy last, whose memory is warm; over several pods the one that has waited longest."""
        self.restarts = 0
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._waiting: collections.deque[asyncio.Future[Worker]] = collections.deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._number = 0
        self._under_way = 0
        self._closing = False

    @property
    def busy(self) -> int:
        """Workers in a call."""
        return self._under_way

    @property
    def idle(self) -> int:
        """Workers that wait for one."""
        return len(self._idle)

    @property
    def closed(self) -> bool:
        """They take no new calls: another package has their place, or they are gone."""
        return self._closing

    @property
    def waiting(self) -> int:
        """Calls that wait for a worker."""
        return len(self._waiting)

    async def start(self) -> None:
        """Until all, or the first ones, are ready. StartError when one of these can't be started; then none is left."""
        made = await asyncio.gather(*(self._made() for _ in range(self._first)), return_exceptions=True)
        failed = next((one for one in made if isinstance(one, BaseException)), None)
        if failed is not None:
            await self.close()
            raise failed
        for one in made:
            if isinstance(one, Worker):
                self._give_back(one)
        for _ in range(self.count - self._first):
            self._begin(self._joined())

    async def call(self, inputs: Mapping[str, object]) -> Result:
        """One call. CallError and its kinds."""
        worker = await self._taken()
        try:
            async with asyncio.timeout(self.timeout):
                answer = await worker.call(inputs)
        except TimeoutError:
            self._replace(worker)
            raise TimeLimitError(
                f"the call took longer than {self.timeout:g} s and was ended", hint="a longer 'timeout' in spec.yaml, or less to do"
            ) from None
        except CrashError as error:
            why = await worker.ended(DYING_SECONDS)
            self._replace(worker)
            raise CrashError(
                f"{error.message} during the call: {why}", hint="out of memory (resources.memory in spec.yaml)? 'bdc app logs' shows more"
            ) from None
        except asyncio.CancelledError:  # the client has left: nobody waits for the answer, and the worker is in the middle of it
            self._replace(worker)
            raise
        finally:
            self._under_way -= 1
        self._give_back(worker)
        self._written(answer)
        return _result(answer)

    async def ping(self) -> None:
        """A sign of life of one worker, after calls that wait already. CallError and its kinds."""
        worker = await self._taken()
        try:
            async with asyncio.timeout(min(self.timeout, PING_SECONDS)):
                await worker.ping()
        except TimeoutError:
            self._replace(worker)
            raise TimeLimitError("a worker gave no sign of life", hint="'bdc app logs' shows more") from None
        except CrashError:
            why = await worker.ended(DYING_SECONDS)
            self._replace(worker)
            raise CrashError(f"a worker ended: {why}", hint="'bdc app logs' shows more") from None
        except asyncio.CancelledError:
            self._replace(worker)
            raise
        finally:
            self._under_way -= 1
        self._give_back(worker)

    def _written(self, answer: dict[str, Any]) -> None:
        """What a call printed, and where it failed, for the app's log."""
        for part in ("console", "trace"):
            if text := answer.get(part):
                self.launch.written(str(text).encode(errors="replace") + (b"" if str(text).endswith("\n") else b"\n"))

    async def close(self, drain_seconds: float = 0.0) -> None:
        """Let calls under way end for so long, then end all processes."""
        self._closing = True
        deadline = asyncio.get_running_loop().time() + drain_seconds
        while (self._under_way or self._waiting) and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(worker.kill() for worker in [*self._all]))
        self._all.clear()
        for future in self._waiting:
            if not future.done():
                future.set_exception(OverloadError("the app was stopped"))

    async def _taken(self) -> Worker:
        """Counted as under way from the moment it is handed out, not when who waited goes on: ``close`` looks in between."""
        if self._closing:
            raise OverloadError("the app was stopped")
        while self._idle:
            worker = self._idle.pop(self._next)
            if worker.alive:
                self._under_way += 1
                return worker
        if len(self._waiting) >= WAITING_PER_WORKER * self.count:
            raise OverloadError(f"{len(self._waiting)} calls wait already", hint="try again later; or a larger 'poolsize' in spec.yaml")
        future: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        mine: Worker | None = None
        try:
            async with asyncio.timeout(self.timeout):
                mine = await future
            return mine
        except TimeoutError:
            raise OverloadError(
                f"no worker was free within {self.timeout:g} s", hint="try again later; or a larger 'poolsize' in spec.yaml"
            ) from None
        finally:
            with contextlib.suppress(ValueError):
                self._waiting.remove(future)
            if mine is None and future.done() and not future.cancelled() and future.exception() is None:
                self._under_way -= 1  # it was handed out in the moment in which who waited was ended
                self._give_back(future.result())

    def _give_back(self, worker: Worker) -> None:
        if not worker.alive:  # it ended after its answer, when it was neither idle nor in a call
            self._replace(worker)
            return
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                self._under_way += 1
                future.set_result(worker)
                return
        self._idle.append(worker)

    async def _made(self) -> Worker:
        self._number += 1
        worker = Worker(self.launch, self._number, self._gone)
        self._all.add(worker)
        try:
            await worker.start()
        except BaseException:
            self._all.discard(worker)
            await worker.kill()
            raise
        return worker

    def _gone(self, worker: Worker) -> None:
        """A worker ended by itself. In a call: ``call`` sees to it."""
        if worker in self._idle:
            self._idle.remove(worker)
            self._replace(worker)

    def _replace(self, worker: Worker) -> None:
        worker.alive = False
        if self._closing or worker not in self._all:
            return
        self._all.discard(worker)
        self.restarts += 1
        self._begin(self._replaced(worker))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _replaced(self, worker: Worker) -> None:
        await worker.kill()
        await self._joined()

    async def _joined(self) -> None:
        pause = FIRST_PAUSE
        while not self._closing:
            try:
                self._give_back(await self._made())
            except StartError as error:
                self.launch.written(f"a worker can't be started again: {error.message}\n".encode())
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            else:
                return


def _result(answer: dict[str, Any]) -> Result:
    console, changed = answer.get("console"), answer.get("changed")
    console = console if isinstance(console, str) else ""
    if "error" in answer:
        raise CallError(str(answer["error"])[:4000], console=console, hint="'bdc app logs' shows where")
    outputs = answer.get("outputs")
    if not isinstance(outputs, dict):
        raise CallError("the worker gave no outputs", console=console)
    return Result(outputs, console, tuple(str(name) for name in changed) if isinstance(changed, list) else ())
