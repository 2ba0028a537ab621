"""The life of one workload: wait for what it requires, lay its files, prepare, start, probe, start again when it ends.

``run`` is one task per workload; ``stop`` cancels it and leaves no process behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from controller.supervisor import probes
from controller.supervisor.children import UNKNOWN_EXIT, Launch, ended
from controller.supervisor.errors import SupervisorError
from controller.supervisor.host import Host
from controller.supervisor.launching import launcher
from controller.supervisor.laying import lay, remove_half_made
from controller.supervisor.logs import open_log
from controller.supervisor.processes import Main, alive, belonging, kill, program, stat
from controller.supervisor.readiness import Readiness
from controller.supervisor.record import ENDED, Entry
from controller.supervisor.rendered import Rendered, RenderedPrepare

FIRST_BACKOFF, LONGEST_BACKOFF, HEALTHY_SECONDS = 0.5, 30.0, 60.0
FAILED_AFTER = 5
JOB_PATIENCE = 10
GONE_SECONDS = 10.0
NOTHING: Mapping[str, str] = {}
logger = logging.getLogger("supervisor")


class Runner:
    """One workload and its processes. ``state`` is one of the words of docs/architecture.md, ``reason`` a sentence."""

    def __init__(self, workload: Rendered, host: Host, order: int) -> None:
        self.workload = workload
        self.host = host
        self.order = order
        self.state = "waiting"
        self.reason = "asked for"
        self.since = time.time()
        self.main: Main | None = None
        self.started_at: float | None = None
        self.restarts = 0
        self.exit_code: int | None = None
        self._exited: asyncio.Future[int] | None = None
        self._task: asyncio.Task[None] | None = None
        self._changed_probe = asyncio.Event()

    # ---- what others ask

    def describe(self) -> dict[str, object]:
        """One entry of ``list``."""
        running = self.main is not None and self.state not in ("stopped", "done", "backoff", "failed", "waiting")
        return {
            "name": self.workload.name,
            "kind": self.workload.kind,
            "state": self.state,
            "pid": self.main.pid if self.main is not None and running else None,
            "started_at": self.started_at if running else None,
            "restarts": self.restarts,
            "exit_code": self.exit_code,
            "reason": self.reason,
            "since": self.since,
            "content_hash": self.workload.content_hash,
        }

    def entry(self) -> Entry:
        """What processes.json keeps."""
        return Entry(self.workload, self.order, self.state, self.main, self.started_at, self.restarts)

    def resume(self, entry: Entry) -> None:
        """Go on from a record: adopt what runs, leave what was stopped or done, start the rest."""
        self.restarts, self.started_at = entry.restarts, entry.started_at
        batch = self.workload.kind == "batch"
        if entry.state in (ENDED if batch else ("stopped", "done")):
            failed = "it had failed, or the cluster was stopped while it ran"
            self.state, self.reason = entry.state, failed if entry.state == "failed" else "as before the supervisor's restart"
            return
        if batch and entry.started_at is not None and (entry.main is None or not alive(entry.main.pid, entry.main.started)):
            self.state, self.reason = "failed", "it ended while no supervisor watched"
            return
        self.main = entry.main
        if entry.main is not None and entry.state != "preparing" and alive(entry.main.pid, entry.main.started):
            self._exited = self.host.children.adopt(entry.main.pid)
            logger.info("%s: adopted pid %d", self.workload.name, entry.main.pid)
        self.start()

    def start(self) -> None:
        """Begin the life."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=self.workload.name)
        self._task.add_done_callback(self._life_ended)

    def rewatch(self, workload: Rendered) -> None:
        """Take over new probe or stop settings without touching the process."""
        self.workload = workload
        self._changed_probe.set()
        self.host.changed()

    async def stop(self, reason: str, immediately: bool = False) -> None:
        """Signal the main process, wait ``stop_seconds``, then kill whatever is left of the workload."""
        await self.rest()
        if self._exited is not None and not self._exited.done() and self.main is not None and not immediately:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.main.pid, signal.Signals[f"SIG{self.workload.stop_signal}"])
            await asyncio.wait([self._exited], timeout=self.workload.stop_seconds)
            if not self._exited.done():
                logger.warning("%s: did not stop within %g s, is killed", self.workload.name, self.workload.stop_seconds)
        await self._clear()
        self._set("stopped", reason)

    async def rest(self) -> None:
        """End the task; the processes go on (as at a supervisor's own exit for adoption)."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    # ---- the life

    def _life_ended(self, task: asyncio.Task[None]) -> None:
        """A defect of ours must not look like a workload at rest."""
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s: the supervisor failed", self.workload.name, exc_info=error)
            self._set("failed", f"the supervisor failed: {error!r}; see supervisor.log")

    async def _run(self) -> None:
        failures = 0
        await self._requirements()
        while True:
            cannot_start = False
            self._ready_at: float | None = None
            try:
                reason = await self._once()
            except SupervisorError as error:
                reason, cannot_start = f"{error.message}" + (f" ({error.hint})" if error.hint else ""), True
            except OSError as error:
                reason, cannot_start = f"it can't be started: {error}", True
            if reason is None:
                return
            try:
                await self._clear()
            except SupervisorError as error:
                reason, cannot_start = f"{reason}; {error.message}", True
            if self.workload.kind == "batch":
                self._set("failed", reason)
                return
            lived = self._ready_at is not None and time.monotonic() - self._ready_at >= HEALTHY_SECONDS
            failures = 1 if lived else failures + 1
            await self._back_off(reason, failures, cannot_start)

    async def _back_off(self, reason: str, failures: int, cannot_start: bool) -> None:
        delay = min(FIRST_BACKOFF * 2 ** (failures - 1), LONGEST_BACKOFF)
        gave_up = failures >= FAILED_AFTER or (cannot_start and failures > 1)
        self._set("failed" if gave_up else "backoff", f"{reason}; tried again in {delay:g} s")
        await asyncio.sleep(delay)
        self.restarts += 1

    async def _requirements(self) -> None:
        """Only before the first start: what is required later may come and go."""
        if self._exited is not None:
            return
        while missing := self.host.unsatisfied(self.workload.requires):
            self._set("waiting", f"waits for {', '.join(missing)}")
            await self.host.next_change()

    async def _once(self) -> str | None:
        """One start to its end. None: a job is done; else why it ended."""
        if self._exited is None:
            await self._clear()
            identity = self.host.identity(self.workload.pool)
            lay(self.host.folder, self.workload, identity)
            for step in self.workload.prepare:
                await self._prepare(step)
            self._exited = self._launch(self.workload.command)
        service = self.workload.kind == "service"
        self._set("starting", "started, not ready yet" if service else "runs")
        return await (self._service() if service else self._job())

    async def _prepare(self, step: RenderedPrepare) -> None:
        identity, home = self.host.identity(self.workload.pool), self.host.folder.workload(self.workload.name)
        if Path(step.creates).exists():
            return
        if step.removes is not None:
            remove_half_made(Path(step.removes), home, identity)
        self._set("preparing", f"{step.name} runs")
        exited = self._launch(step.command)
        await asyncio.wait([exited], timeout=step.seconds)
        code = exited.result() if exited.done() else None
        await self._clear()
        if code is None:
            raise SupervisorError("cannot_start", f"{step.name} did not end within {step.seconds:g} s")
        if code != 0:
            raise SupervisorError("cannot_start", f"{step.name} {ended(code)}")
        if not Path(step.creates).exists():
            raise SupervisorError("cannot_start", f"{step.name} ended well but did not make {step.creates}")

    async def _job(self) -> str | None:
        assert self._exited is not None
        limit = None if self.workload.kind == "batch" else self.workload.ready_seconds * JOB_PATIENCE
        await asyncio.wait([self._exited], timeout=limit)
        if not self._exited.done():
            return f"it did not end within {limit:g} s"
        code = self._exited.result()
        self.exit_code = None if code == UNKNOWN_EXIT else code
        if code != 0:
            return f"it {ended(code)}"
        await self._clear()
        self._set("done", "ended well")
        return None

    async def _service(self) -> str:
        assert self._exited is not None
        watching = asyncio.get_running_loop().create_task(self._watch())
        try:
            both: list[asyncio.Future[Any]] = [self._exited, watching]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if self._exited.done():
                return f"it {ended(self._exited.result())}"
            return watching.result()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self) -> str:
        """Probe for as long as the process lives; returns only to say why it must be started anew."""
        readiness = Readiness(time.monotonic())
        while True:
            how = self.workload.ready
            problem = None if how is None else await probes.probe(how, self._spawn)
            heard = readiness.heard(problem, self.state, time.monotonic(), self.workload.ready_seconds)
            if heard.state == "ready":
                self._serves()
            if heard.state is not None:
                self._set(heard.state, heard.reason)
            if heard.restart is not None:
                return heard.restart
            self._changed_probe.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed_probe.wait(), readiness.pause(self.state, how.kind if how else None))

    def _serves(self) -> None:
        """By now it is the program that it stays."""
        if self.main is not None:
            self.main = Main(self.main.pid, self.main.started, program(self.main.pid))
        if self._ready_at is None:
            self._ready_at = time.monotonic()

    # ---- processes

    def _launch(self, command: tuple[str, ...]) -> asyncio.Future[int]:
        """Start a main process (or a prepare step) and remember it before anything else can happen."""
        with launcher(self.host, self.workload) as (variables, descriptors):
            pid, exited = self._spawn(command, variables, descriptors)
        found = stat(pid)
        self.main = Main(pid, found.started if found else 0, program(pid))
        self.started_at = time.time()
        self.host.changed()
        logger.info("%s: started pid %d: %s", self.workload.name, pid, command[0])
        return exited

    def _spawn(
        self, command: Sequence[str], variables: Mapping[str, str] = NOTHING, descriptors: tuple[int, ...] = ()
    ) -> tuple[int, asyncio.Future[int]]:
        folder, name = self.host.folder, self.workload.name
        identity = self.host.identity(self.workload.pool)
        log = open_log(folder.workload_log(name), identity)
        try:
            cwd = folder.workload(name) / "data"
            environment = {**self.host.environment(self.workload), **variables}
            return self.host.children.start(Launch(command, environment, cwd, log, identity, descriptors))
        finally:
            os.close(log)

    async def _clear(self) -> None:
        """Kill everything that is left of this workload, and see it gone: a postmaster, for one, won't start beside a backend of old."""
        folder, name = self.host.folder, self.workload.name
        deadline = time.monotonic() + GONE_SECONDS
        users = self.host.worker_uids(self.workload.pool)
        while left := belonging(folder.path, name, self.main, folder.workload(name), users):
            kill(left, signal.SIGKILL)
            if time.monotonic() > deadline:
                raise SupervisorError("cannot_start", f"pids {sorted(left)} of {name} can't be killed")
            await asyncio.sleep(0.01)
            self.host.children.reap()
        self.main, self._exited = None, None

    def _set(self, state: str, reason: str) -> None:
        if state == self.state:
            self.reason = reason
            return
        logger.info("%s: %s → %s: %s", self.workload.name, self.state, state, reason)
        self.state, self.reason, self.since = state, reason, time.time()
        self.host.changed()
