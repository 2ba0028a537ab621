"""Spark as the API sees it: the Connect server that is asked for, its token, and jobs."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from controller.errors import NotReadyError, UnknownNameError
from controller.jobs import Job, Jobs, NewJob
from controller.on_demand import Demand
from controller.spec import ClusterSpec
from controller.substrate import Substrate
from pools.storage.spark import SERVER
from pools.workload import Workload


@dataclass(frozen=True)
class Spark:
    """``wake`` has the reconcile loop look at once, and waits a moment for it."""

    demand: Demand
    jobs: Jobs
    substrate: Substrate
    spec: Callable[[], ClusterSpec]
    workloads: Callable[[ClusterSpec], tuple[Workload, ...]]
    token_file: pathlib.Path
    wake: Callable[[], object]

    def start(self) -> None:
        """Ask for the Connect server. SubstrateError with the line to run where Spark or Java is missing: then nothing is asked for."""
        self.substrate.content_hash(self._server())
        self.demand.ask(SERVER, time.time())
        self.wake()

    def stop(self) -> None:
        """Let it rest."""
        self._server()
        self.demand.dismiss(SERVER)
        self.wake()

    def token(self) -> str:
        """What a client must present to the Connect server."""
        self._server()
        try:
            return self.token_file.read_text(encoding="utf-8").strip()
        except OSError:
            raise NotReadyError("the controller has no token of Spark's yet", hint="'bdc start' lays it, then try again") from None

    def submit(self, wanted: NewJob, user: str) -> Job:
        """Have a program run once, as soon as there is room."""
        server = self._server()
        self.substrate.content_hash(server)  # Spark and Java are there, or nothing is accepted
        number = self.jobs.submit(wanted, user, time.time())
        self.wake()
        return self.jobs.get(number)

    def list_jobs(self) -> list[Job]:
        """All that are kept, the newest first."""
        self.jobs.note(self.substrate.observe(), time.time())
        return self.jobs.all()

    def job(self, number: int) -> Job:
        """One of them; UnknownNameError."""
        self.jobs.note(self.substrate.observe(), time.time())
        return self.jobs.get(number)

    def kill(self, number: int) -> Job:
        """End a job that waits or runs; one that has ended stays as it is."""
        workload = self.jobs.kill(number, time.time())
        self.wake()  # a pass that was under way may have begun it still; none after this one does
        if workload is not None:
            self.substrate.stop(workload, forget=False)
        return self.job(number)

    def log(self, number: int, lines: int) -> tuple[str, ...]:
        """The last lines that a job wrote; none before it runs."""
        job = self.jobs.get(number)
        if job["started_at"] is None:
            return ()
        return self.substrate.tail(self.jobs.workload_name(number), lines)

    def _server(self) -> Workload:
        found = next((workload for workload in self.workloads(self.spec()) if workload.name == SERVER), None)
        if found is None:
            raise UnknownNameError(
                "this cluster has no Spark", where="spec.pools.storage", hint="set storage.enabled and storage.spark.enabled to true"
            )
        return found
