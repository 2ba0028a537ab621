"""Spark jobs: what was submitted, in ``spark_jobs.json`` of the store, and what became of it.

waiting → starting → running → done | failed | killed | lost

A job waits until fewer than ``spec.pools.storage.spark.jobs`` run. ``starting``: its workload is part of what the controller wants; once
the substrate was seen to run it, it is ``running``, and never started again: the substrate runs a batch once. ``lost``: the substrate
knows nothing of it any more (its record was lost), so nobody knows how it ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, cast

# pydantic takes only this TypedDict on Python 3.11
from typing_extensions import TypedDict

from controller.errors import UnknownNameError
from controller.spec import ClusterSpec
from controller.store import Store
from controller.substrate import Observed, ObservedWorkload
from pools.storage.spark import SparkJob, SparkSettings
from pools.storage.spark import job as job_workload
from pools.workload import Workload

FILE = "spark_jobs.json"
KEPT = 50
"""Jobs that have ended are kept with their logs up to this number; the oldest go first."""

State = Literal["waiting", "starting", "running", "done", "failed", "killed", "lost"]
UNFINISHED: tuple[State, ...] = ("waiting", "starting", "running")
Settings = Callable[[ClusterSpec], SparkSettings | None]


class Job(TypedDict):
    """One job. Times are Unix seconds; ``exit_code`` of a job that ended by itself (negative: the signal)."""

    id: int
    file: str
    arguments: list[str]
    user: str
    state: State
    reason: str
    submitted_at: float
    started_at: float | None
    ended_at: float | None
    exit_code: int | None
    main_class: str | None
    conf: dict[str, str]
    py_files: list[str]
    jars: list[str]


@dataclass(frozen=True)
class NewJob:
    """What is asked for. ``file`` and the others are URLs that Spark can read, such as ``hdfs:///user/ann/count.py``."""

    file: str
    arguments: tuple[str, ...] = ()
    main_class: str | None = None
    conf: dict[str, str] = field(default_factory=dict)
    py_files: tuple[str, ...] = ()
    jars: tuple[str, ...] = ()


class _Content(TypedDict):
    next: int
    jobs: list[Job]


class Jobs:
    """The jobs of a cluster. Stateless but for the store; safe in several threads. ``settings``: how Spark runs by a spec."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings

    def all(self) -> list[Job]:
        """The newest first."""
        return list(reversed(self._read()["jobs"]))

    def get(self, number: int) -> Job:
        """One of them; UnknownNameError."""
        found = next((job for job in self._read()["jobs"] if job["id"] == number), None)
        if found is None:
            raise UnknownNameError(f"there is no job {number}", where="id", hint="list them with: bdc spark jobs")
        return found

    def submit(self, wanted: NewJob, user: str, now: float) -> int:
        """Take it over; its number."""
        made: list[int] = []

        def add(content: _Content) -> None:
            made.append(content["next"])
            content["next"] += 1
            content["jobs"].append(_new(made[0], wanted, user, now))

        self._change(add)
        return made[0]

    def kill(self, number: int, now: float) -> str | None:
        """Mark a job as killed. The name of its workload, if there may be one to stop."""
        before = self.get(number)["state"]

        def mark(content: _Content) -> None:
            for job in content["jobs"]:
                if job["id"] == number and job["state"] in UNFINISHED:
                    _end(job, "killed", "killed on request", now)

        self._change(mark)
        return self.workload_name(number) if before in UNFINISHED else None

    def wanted(self, spec: ClusterSpec, observed: Observed) -> tuple[Workload, ...]:
        """The workloads of all jobs but those that wait. Notes what was observed, and lets the next ones begin where there is room."""
        self.note(observed, time.time())
        settings = self._settings(spec)
        jobs = self._read()["jobs"]
        if settings is None or not jobs:
            return ()
        if any(job["state"] == "waiting" for job in jobs):
            limit = spec.spec.pools.storage.spark.jobs
            jobs = self._change(lambda content: _admit(content["jobs"], limit))["jobs"]
        return tuple(job_workload(settings, _spark_job(job)) for job in jobs if job["state"] != "waiting" and _is_there(job, observed))

    def note(self, observed: Observed, now: float) -> None:
        """Take over how the substrate saw the jobs that are under way."""
        seen = {workload.name: workload for workload in observed.workloads}
        moved = [job for job in self._read()["jobs"] if job["state"] in UNFINISHED and _after(job, seen) != job["state"]]
        if moved:
            self._change(lambda content: _take_over(content["jobs"], seen, now))

    @staticmethod
    def workload_name(number: int) -> str:
        """The name of a job's workload."""
        return SparkJob(number, "").name

    def _read(self) -> _Content:
        return _content(self._store.read(FILE))

    def _change(self, change: Callable[[_Content], None]) -> _Content:
        def changed(before: Any) -> _Content:  # noqa: ANN401 - what the file holds
            content = _content(before)
            change(content)
            ended = [job["id"] for job in content["jobs"] if job["state"] not in UNFINISHED]
            gone = set(ended[: max(0, len(ended) - KEPT)])
            return {"next": content["next"], "jobs": [job for job in content["jobs"] if job["id"] not in gone]}

        return cast("_Content", self._store.update(FILE, changed))


def _content(found: Any) -> _Content:  # noqa: ANN401 - what the file holds
    """A copy of its own, since ``Store.update`` compares before and after."""
    if not isinstance(found, dict):
        return {"next": 1, "jobs": []}
    return {"next": int(found["next"]), "jobs": [cast("Job", dict(job)) for job in found["jobs"]]}


def _new(number: int, wanted: NewJob, user: str, now: float) -> Job:
    return {
        "id": number,
        "file": wanted.file,
        "arguments": list(wanted.arguments),
        "user": user,
        "state": "waiting",
        "reason": "waits for its turn",
        "submitted_at": now,
        "started_at": None,
        "ended_at": None,
        "exit_code": None,
        "main_class": wanted.main_class,
        "conf": dict(wanted.conf),
        "py_files": list(wanted.py_files),
        "jars": list(wanted.jars),
    }


def _admit(jobs: list[Job], limit: int) -> None:
    """Begin the oldest of those that wait, as far as there is room."""
    room = limit - sum(job["state"] in ("starting", "running") for job in jobs)
    for job in [job for job in jobs if job["state"] == "waiting"][: max(0, room)]:
        job["state"], job["reason"] = "starting", "Spark starts"


def _is_there(job: Job, observed: Observed) -> bool:
    """A job that has ended stays with the substrate for its log; one that is unknown there is not begun once more."""
    return job["state"] == "starting" or observed.find(Jobs.workload_name(job["id"])) is not None


def _after(job: Job, seen: dict[str, ObservedWorkload]) -> State:
    """The state that follows from what was seen."""
    workload = seen.get(Jobs.workload_name(job["id"]))
    if workload is None:
        return "lost" if job["state"] == "running" else job["state"]
    if workload.state in ("done", "failed"):
        return "done" if workload.state == "done" else "failed"
    if workload.state == "stopped":
        return "killed"
    return "running" if workload.started_at is not None else job["state"]


def _take_over(jobs: list[Job], seen: dict[str, ObservedWorkload], now: float) -> None:
    for job in jobs:
        after = _after(job, seen)
        if job["state"] not in UNFINISHED or after == job["state"]:
            continue
        workload = seen.get(Jobs.workload_name(job["id"]))
        if workload is not None and job["started_at"] is None:
            job["started_at"] = workload.started_at or (workload.since if after in ("done", "failed") else None)
        if after == "running":
            job["state"], job["reason"] = after, "runs"
            continue
        reason = "nobody knows how it ended: the supervisor's record was lost" if workload is None else workload.reason
        job["exit_code"] = None if workload is None else workload.exit_code
        _end(job, after, reason, now if workload is None or workload.since is None else workload.since)


def _end(job: Job, state: State, reason: str, at: float) -> None:
    job["state"], job["reason"], job["ended_at"] = state, reason, at


def _spark_job(job: Job) -> SparkJob:
    return SparkJob(
        number=job["id"],
        file=job["file"],
        arguments=tuple(job["arguments"]),
        user=job["user"],
        main_class=job["main_class"],
        conf=job["conf"],
        py_files=tuple(job["py_files"]),
        jars=tuple(job["jars"]),
    )
