"""Spark jobs from submission to their end, over a stand-in substrate."""

from __future__ import annotations

import dataclasses
import pathlib

import pytest

from controller.errors import UnknownNameError
from controller.facts import Facts
from controller.jobs import KEPT, Jobs, NewJob
from controller.plan import EnsureStep, plan
from controller.profiles import render_profile
from controller.spec import ClusterSpec, load_spec
from controller.store import FolderStore
from controller.substrate import Observed, ObservedWorkload, State
from controller.workloads import spark_settings

SPEC = load_spec(render_profile("local", "demo"))


@pytest.fixture
def jobs(tmp_path: pathlib.Path) -> Jobs:
    return Jobs(FolderStore(tmp_path), lambda spec: spark_settings(spec, Facts()))


def seen(number: int, state: State, exit_code: int | None = None, reason: str = "") -> ObservedWorkload:
    return ObservedWorkload(f"spark-job-{number}", state, "x", reason, 200.0, "batch", started_at=100.0, exit_code=exit_code)


def names(jobs: Jobs, *observed: ObservedWorkload, spec: ClusterSpec = SPEC) -> list[str]:
    return [workload.name for workload in jobs.wanted(spec, Observed(observed))]


def states(jobs: Jobs) -> dict[int, str]:
    return {job["id"]: job["state"] for job in jobs.all()}


def submit(jobs: Jobs, count: int) -> None:
    for number in range(count):
        jobs.submit(NewJob(f"hdfs:///{number}.py"), "ann", 10.0)


def test_as_many_run_as_the_spec_says_in_the_order_of_submission(jobs: Jobs) -> None:
    submit(jobs, 3)
    assert names(jobs) == ["spark-job-1", "spark-job-2"]
    assert names(jobs, seen(1, "starting"), seen(2, "starting")) == ["spark-job-1", "spark-job-2"]
    assert states(jobs) == {1: "running", 2: "running", 3: "waiting"}
    # what has ended stays there for its log
    assert names(jobs, seen(1, "done", 0), seen(2, "starting")) == ["spark-job-1", "spark-job-2", "spark-job-3"]
    assert states(jobs) == {1: "done", 2: "running", 3: "starting"}


def test_how_it_ended_is_kept(jobs: Jobs) -> None:
    submit(jobs, 1)
    names(jobs)
    jobs.note(Observed((seen(1, "failed", 3, "it ended with exit code 3"),)), 300.0)
    job = jobs.get(1)
    assert (job["state"], job["exit_code"], job["reason"]) == ("failed", 3, "it ended with exit code 3")
    assert (job["started_at"], job["ended_at"]) == (100.0, 200.0)
    jobs.note(Observed(), 400.0)
    assert jobs.get(1) == job


def test_one_that_ran_is_never_begun_again(jobs: Jobs) -> None:
    submit(jobs, 1)
    names(jobs)
    assert names(jobs, seen(1, "starting")) == ["spark-job-1"]
    assert names(jobs) == []  # the supervisor's record was lost
    assert (jobs.get(1)["state"], names(jobs)) == ("lost", [])


def test_a_batch_that_was_seen_gets_no_step_whatever_became_of_it(jobs: Jobs) -> None:
    submit(jobs, 1)
    (workload,) = jobs.wanted(SPEC, Observed())
    workload = dataclasses.replace(workload, requires=())
    assert plan((workload,), Observed(), {workload.name: "x"}) == (EnsureStep(workload, "not there yet"),)
    for state in ("starting", "done", "failed", "stopped"):
        assert plan((workload,), Observed((seen(1, state),)), {workload.name: "other"}) == ()  # type: ignore[arg-type]


def test_kill_ends_what_waits_and_what_runs_and_leaves_what_has_ended(jobs: Jobs) -> None:
    submit(jobs, 3)
    names(jobs)
    names(jobs, seen(1, "done", 0), seen(2, "starting"))
    assert jobs.kill(1, 50.0) is None
    assert jobs.kill(2, 50.0) == "spark-job-2"
    assert jobs.kill(3, 50.0) == "spark-job-3"
    assert states(jobs) == {1: "done", 2: "killed", 3: "killed"}
    with pytest.raises(UnknownNameError, match="no job 9"):
        jobs.kill(9, 50.0)


def test_the_oldest_ended_ones_are_forgotten_and_numbers_are_never_used_twice(jobs: Jobs) -> None:
    submit(jobs, KEPT + 2)
    for number in range(1, KEPT + 3):
        jobs.kill(number, 50.0)
    assert set(states(jobs)) == set(range(3, KEPT + 3))
    assert jobs.submit(NewJob("hdfs:///x.py"), "ann", 60.0) == KEPT + 3


def test_without_spark_nothing_is_wanted(tmp_path: pathlib.Path) -> None:
    jobs = Jobs(FolderStore(tmp_path), lambda _spec: None)
    submit(jobs, 1)
    assert names(jobs) == []
