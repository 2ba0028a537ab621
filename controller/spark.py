"""Spark as the API sees it: the Connect servers that are asked for, their tokens, and jobs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from controller.errors import NotReadyError, UnknownNameError
from controller.jobs import Job, Jobs, NewJob
from controller.on_demand import Demand
from controller.spark_places import SparkPlaces
from controller.spec import ClusterSpec
from controller.substrate import Substrate
from pools.storage.spark import Server, SparkSettings, connect_server, token_of


@dataclass(frozen=True)
class Spark:
    """``token_secret``: the secret from which tokens are made, NotReadyError where there is none yet; ``wake`` has the reconcile loop look
    at once, and waits a moment for it."""

    demand: Demand
    places: SparkPlaces
    jobs: Jobs
    substrate: Substrate
    spec: Callable[[], ClusterSpec]
    settings: Callable[[ClusterSpec], SparkSettings | None]
    token_secret: Callable[[], str]
    wake: Callable[[], object]

    def start(self, user: str) -> Server:
        """Ask for the Connect server of ``user``. SubstrateError with the line to run where Spark or Java is missing, NotReadyError where
        all servers are in use: then nothing is asked for."""
        server = self._server(user) or self._new_server(user)
        self._check_programs()
        self.demand.ask(server.name, time.time())
        self.wake()
        return server

    def stop(self, user: str) -> Server:
        """Let it rest."""
        server = self._server(user)
        if server is None:
            raise UnknownNameError(f"{user} has no Spark Connect server", hint="bdc spark start")
        self.demand.dismiss(server.name)
        self.wake()
        return server

    def token(self, user: str) -> str:
        """What clients must present to the Connect server of ``user``."""
        server = self._server(user)
        return token_of(self.token_secret(), user if server is None else server.owner)

    def submit(self, wanted: NewJob, user: str) -> Job:
        """Have a program run once, as soon as there is room."""
        self._check_programs()
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

    def _check_programs(self) -> None:
        """Spark and Java are there, or nothing is accepted."""
        settings = self._settings()
        self.substrate.content_hash(connect_server(settings, settings.servers[0]))

    def _server(self, user: str) -> Server | None:
        """The one that serves ``user``; None: he has none yet."""
        return next((server for server in self._settings().servers if not server.own or server.user == user), None)

    def _new_server(self, user: str) -> Server:
        settings, count = self._settings(), self.spec().spec.pools.storage.spark.servers
        running = [server for server in settings.servers if server.name in self.demand.asked()]
        self.places.take(user, count, {server.number for server in running})
        server = self._server(user)
        if server is None:
            raise NotReadyError(
                f"all {count} Spark Connect servers are in use, by {', '.join(server.user for server in running)}",
                where="spec.pools.storage.spark.servers",
                hint="one of them can say 'bdc spark stop'; or allow more servers in the spec",
            )
        return server

    def _settings(self) -> SparkSettings:
        found = self.settings(self.spec())
        if found is None:
            raise UnknownNameError(
                "this cluster has no Spark", where="spec.pools.storage", hint="set storage.enabled and storage.spark.enabled to true"
            )
        return found
