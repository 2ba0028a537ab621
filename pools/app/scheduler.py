"""Runs apps by their schedules. Once a second each version that has one is looked at (``planning.decide``). Its state is on disk before a
run begins, so a run is begun at most once, whatever ends the proxy. The controller is not asked: with it down, runs go on."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from apps.errors import AppError
from apps.schedule import Schedule
from apps.worker.pool import Workers
from pools.app.calling import called
from pools.app.history import History
from pools.app.planning import UNDER_WAY, Look, Run, State, begun, decide, interrupted, missed
from pools.app.version import Version
from pools.app.versions import Versions

PERIOD = 1.0
logger = logging.getLogger("scheduler")


class Scheduler:
    """Of one proxy. ``clock``: Unix time."""

    def __init__(self, versions: Versions, clock: Callable[[], float] = time.time) -> None:
        self._versions = versions
        self._clock = clock
        self._began = clock()
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._loop: asyncio.Task[None] | None = None
        self._closing = False

    def start(self) -> None:
        """Look once a second, from now on. What was under way when the proxy ended is told."""
        for version in self._versions.all():
            state = version.history.state
            if state is not None and state.running is not None and version.history.schedule is not None:
                self._tell(version, interrupted(state.running))
                self._kept(version.history, version.history.schedule, replace(state, running=None))
        self._loop = asyncio.get_running_loop().create_task(self._looking())

    async def close(self) -> None:
        """Begin nothing more. Runs under way end with the workers: ``settle``."""
        self._closing = True
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def settle(self) -> None:
        """Until all runs are over and told."""
        await asyncio.gather(*self._runs.values(), return_exceptions=True)

    async def _looking(self) -> None:
        while True:
            try:
                self.once()
            except Exception:
                logger.exception("a look at the schedules failed")
            await asyncio.sleep(PERIOD)

    def once(self) -> None:
        """One look at every version. No await in here: nothing changes meanwhile."""
        for version in self._versions.all():
            history = version.history
            schedule = version.spec.schedule if version.spec is not None else history.schedule
            if schedule is None or not self._acts(version, schedule):
                if history.state is not None and version.kept.name not in self._runs:
                    self._close_gap(version)
                    history.end()
            elif history.state is None or history.schedule != schedule:
                if version.kept.name not in self._runs:
                    self._close_gap(version)
                    self._kept(history, schedule, State(self._clock()))
            else:
                self._look(version, schedule, history.state)

    def _acts(self, version: Version, schedule: Schedule) -> bool:
        share = self._versions.live.share(version.kept.name)
        return schedule.when == "always" or (share is not None and share.live == version.kept.version)

    def _close_gap(self, version: Version) -> None:
        """What is being missed until now, before another schedule acts, or none."""
        state = version.history.state
        if state is not None and state.gap is not None:
            self._tell(version, missed(state.gap))

    def _tell(self, version: Version, *lines: dict[str, Any]) -> None:
        """The history and the metrics."""
        version.history.add(*lines)
        for line in lines:
            version.tally.ran(line["result"], line.get("missed", 1))

    def _look(self, version: Version, schedule: Schedule, state: State) -> None:
        name, history = version.kept.name, version.history
        hindered = UNDER_WAY if name in self._runs else None
        if version.workers is None:
            hindered = hindered or f"it was not ready: {version.state}: {version.reason}"[:300]
        decision = decide(schedule, state, Look(self._clock(), self._began, hindered))
        if decision.state is state and decision.start is None:
            return
        run = None
        if decision.start is not None:
            run = Run(decision.start[0], self._clock(), decision.start[1], uuid.uuid4().hex)
        if not self._kept(history, schedule, replace(decision.state, running=run or state.running)):
            return
        self._tell(version, *decision.lines)
        if run is not None and version.workers is not None:
            task = self._runs[name] = asyncio.get_running_loop().create_task(self._run(version, version.workers, schedule, run))
            task.add_done_callback(lambda _: self._runs.pop(name, None))

    async def _run(self, version: Version, workers: Workers, schedule: Schedule, run: Run) -> None:
        line: dict[str, Any] = {**begun(run), "result": "error", "reason": "a defect of the app proxy; its log has it: bdc logs app-proxy"}
        try:
            await called(version, workers, schedule.inputs, run.request)
            line |= {"result": "ok", "reason": ""}
        except AppError as error:
            stopped = {"result": "interrupted", "reason": "the app proxy was stopped"}
            line |= stopped if self._closing else {"code": error.code, "reason": error.message}
        except Exception:
            logger.exception("the run of %s for %s failed", version.kept.label, run.planned)
        finally:
            self._done(version, schedule, {**line, "ended": self._clock()})

    def _done(self, version: Version, schedule: Schedule, line: dict[str, Any]) -> None:
        history = version.history
        self._tell(version, line)
        if history.state is not None and history.schedule == schedule:
            state = replace(history.state, running=None)
            if not self._kept(history, schedule, state):
                history.state = state  # it is over all the same

    def _kept(self, history: History, schedule: Schedule, state: State) -> bool:
        """Whether it is on disk; if not, it is tried again at the next look, and no run begins."""
        try:
            history.keep(schedule, state)
        except OSError as error:
            logger.error("the state of a schedule can't be written: %s", error.strerror)
            return False
        return True
