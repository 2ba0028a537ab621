"""All workloads of one cluster on this machine: ensure, stop, list, ordered shutdown, and going on from the record."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import defaultdict
from typing import Any

from controller.supervisor import logs, record
from controller.supervisor.amending import Amending
from controller.supervisor.children import Children
from controller.supervisor.closing import Closing
from controller.supervisor.errors import SupervisorError
from controller.supervisor.folder import ClusterFolder
from controller.supervisor.host import Host
from controller.supervisor.laying import remove_batch
from controller.supervisor.processes import kill, markers, of_cluster
from controller.supervisor.rendered import NAME, Rendered, differences, needs_restart
from controller.supervisor.renewing import renew
from controller.supervisor.rotating import rotate
from controller.supervisor.runner import Runner

ROTATE_SECONDS = 5.0
logger = logging.getLogger("supervisor")


class Supervisor:
    """One per cluster folder. Lives in one event loop."""

    def __init__(self, folder: ClusterFolder, children: Children) -> None:
        self.folder = folder
        self.runners: dict[str, Runner] = {}
        users = json.loads(folder.users.read_text()) if folder.users.exists() else {}
        self.host = Host(folder, children, users, self._save_soon, self.runners)  # type: ignore[arg-type] # a view on states
        self.amend = Amending(self.host)
        self.closing = Closing(folder)
        self.ended = asyncio.Event()
        self._shutting_down = False
        self._order = 0
        self._saving: asyncio.Handle | None = None
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._renewing = asyncio.Lock()
        self._replacing: set[asyncio.Task[None]] = set()

    # ---- life

    def resume(self) -> None:
        """Adopt and start again what the record says, once ports that are not for everybody are closed."""
        self.closing.hold()
        entries = record.read(self.folder.processes)
        known = {entry.workload.name for entry in entries}
        self._kill_unknown(known)
        for entry in entries:
            self._order = max(self._order, entry.order)
            runner = Runner(entry.workload, self.host, entry.order)
            self.runners[entry.workload.name] = runner
        for entry in entries:
            self.runners[entry.workload.name].resume(entry)
        self._save(durable=True)

    def _kill_unknown(self, known: set[str]) -> None:
        """What carries the marker of a workload that is in no record (it was lost) holds ports and data folders of what will start."""
        strangers = {pid for pid in of_cluster(self.folder.path) if (markers(pid)[1] or None) not in {None, *known}}
        if strangers:
            logger.warning("killed pids %s: of this cluster, but in no record", sorted(strangers))
            kill(strangers)

    async def rotate_forever(self) -> None:
        """Keep every log below its limit."""
        while True:
            await asyncio.sleep(ROTATE_SECONDS)
            for name in tuple(self.runners):
                try:
                    logs.rotate(self.folder.workload_log(name))
                except OSError as error:
                    logger.warning("the log of %s can't be rotated: %s", name, error)

    # ---- what the socket asks

    async def ensure(self, workload: Rendered) -> dict[str, Any]:
        """``{"action": none | started | updated | restarted, "differs": [...]}``; a restart goes on after the answer."""
        if self._shutting_down:
            raise SupervisorError("shutting_down", "the supervisor is shutting down")
        self.host.identity(workload.pool)
        self.closing.hold()  # a new spec may have laid down other ports for it
        name = workload.name
        runner = self.runners.get(name)
        if runner is None:
            self._begin(workload)
            return {"action": "started", "differs": []}
        found = differences(runner.workload, workload)
        if not found and runner.state != "stopped":
            return {"action": "none", "differs": []}
        if found and not needs_restart(found) and runner.state != "stopped":
            runner.rewatch(workload)
            self._save(durable=True)
            return {"action": "updated", "differs": list(found)}
        logger.info("%s: restarts: %s", name, "; ".join(found) or "it was stopped")
        successor = self._successor(runner, workload)
        task = asyncio.get_running_loop().create_task(self._replace(runner, successor))
        self._replacing.add(task)
        task.add_done_callback(self._replacing.discard)
        return {"action": "restarted" if found else "started", "differs": list(found)}

    async def renew(self, values: dict[str, object]) -> list[str]:
        """See ``renewing.renew``; one at a time, so that a certificate and its key stay together."""
        async with self._renewing:
            return await renew(self.host, [runner.workload for runner in self.runners.values()], values)

    async def rotate(self, asked: dict[str, object]) -> dict[str, object]:
        """See ``rotating.rotate``."""
        async with self._renewing:
            return await rotate(self.host, [runner.workload for runner in self.runners.values()], asked)

    async def stop(self, name: str, forget: bool) -> dict[str, Any]:
        """Answers once nothing of it runs. An unknown name is no error."""
        async with self._locks[name]:
            runner = self.runners.get(name)
            if runner is None:
                return {"stopped": False}
            await runner.stop("asked to stop")
            if forget:
                del self.runners[name]
                if runner.workload.kind == "batch":
                    await asyncio.to_thread(remove_batch, self.folder, name)
            self._save(durable=True)
            return {"stopped": True}

    def describe(self) -> list[dict[str, object]]:
        """In the order of start."""
        return [runner.describe() for runner in sorted(self.runners.values(), key=lambda runner: runner.order)]

    def tail(self, name: str, lines: int) -> list[str]:
        """Last lines of a workload's log, also of one that was stopped and forgotten, or of ``supervisor``'s own."""
        if name == "supervisor":
            return logs.tail(self.folder.log, lines)
        if name not in self.runners and not (NAME.fullmatch(name) and self.folder.workload_log(name).exists()):
            raise SupervisorError("unknown_workload", f"no workload {name!r}", f"there are: {', '.join(sorted(self.runners)) or 'none'}")
        return logs.tail(self.folder.workload_log(name), lines)

    async def shutdown(self, immediately: bool = False) -> dict[str, Any]:
        """Stop all, what requires others first; the record keeps that everything is wanted, so that a start brings it back."""
        if self._shutting_down:
            await self.ended.wait()
            return {"stopped": []}
        self._shutting_down = True
        for task in self._replacing:
            task.cancel()
        await asyncio.gather(*self._replacing, return_exceptions=True)
        wanted = {name: runner.entry() for name, runner in self.runners.items()}
        for runner in self.runners.values():
            await runner.rest()
        done: dict[str, asyncio.Event] = {name: asyncio.Event() for name in self.runners}
        await asyncio.gather(*(self._stop_after(runner, done, immediately) for runner in self.runners.values()))
        self._write([record.Entry(e.workload, e.order, _kept(e), None, None, e.restarts) for e in wanted.values()], durable=True)
        self.closing.end()
        logger.info("shut down")
        self.ended.set()
        return {"stopped": sorted(wanted)}

    # ---- within

    def _begin(self, workload: Rendered) -> None:
        self._order += 1
        runner = Runner(workload, self.host, self._order)
        self.runners[workload.name] = runner
        self._save(durable=True)
        runner.start()

    def _successor(self, runner: Runner, workload: Rendered) -> Runner:
        successor = Runner(workload, self.host, runner.order)
        successor.restarts = runner.restarts
        successor.reason = "restarts with other content"
        successor.main, successor.started_at = runner.main, runner.started_at
        self.runners[workload.name] = successor
        self._save(durable=True)
        return successor

    async def _replace(self, runner: Runner, successor: Runner) -> None:
        async with self._locks[runner.workload.name]:
            await runner.stop("replaced")
            successor.main = None
            if self.runners.get(successor.workload.name) is successor:
                successor.start()

    async def _stop_after(self, runner: Runner, done: dict[str, asyncio.Event], immediately: bool) -> None:
        name = runner.workload.name
        if not immediately:
            for other in self.runners.values():
                if name in other.workload.requires:
                    await done[other.workload.name].wait()
        try:
            await runner.stop("the cluster is stopped", immediately)
        except SupervisorError as error:
            logger.error("%s: %s", name, error.message)
        finally:
            done[name].set()

    def _save_soon(self) -> None:
        if not self._shutting_down:
            self._save(durable=False)

    def _save(self, durable: bool) -> None:
        self._write([runner.entry() for runner in self.runners.values()], durable)

    def _write(self, entries: list[record.Entry], durable: bool) -> None:
        try:
            record.write(self.folder.processes, entries, durable)
        except OSError as error:
            logger.error("processes.json can't be written, a new supervisor would not know what runs: %s", error)


def _kept(entry: record.Entry) -> str:
    """What is wanted at the next start: all that was wanted before, but a batch that began is never begun again."""
    if entry.workload.kind == "batch" and entry.state != "waiting":
        return entry.state if entry.state in record.ENDED else "failed"
    return entry.state if entry.state in ("stopped", "done") else "waiting"
