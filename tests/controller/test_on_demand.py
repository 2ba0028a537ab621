"""Workloads that start on first use: they rest, run when asked for, and rest again when nobody is connected."""

from __future__ import annotations

import dataclasses
import pathlib
import time

import pytest

from controller.accepted import read_spec_file
from controller.on_demand import Demand
from controller.profiles import render_profile
from controller.reconcile import Parts, reconcile_once
from controller.store import FolderStore
from controller.substrate import Observed, ObservedWorkload
from pools.workload import OnDemand, Workload
from tests.controller.substrate import StandInSubstrate, workload

HDFS = workload("nmnode-0")
SPARK = dataclasses.replace(
    workload("spark-0", "nmnode-0"), service="spark", resource="connect", on_demand=OnDemand("bdc spark start", 60.0)
)


@pytest.fixture
def parts(tmp_path: pathlib.Path) -> Parts:
    spec_file = tmp_path / "bdc.yaml"
    spec_file.write_text(render_profile("local", "demo"))
    return Parts(
        lambda: read_spec_file(spec_file),
        FolderStore(tmp_path / "store"),
        StandInSubstrate(),
        lambda _spec: (HDFS, SPARK),
        lambda _spec: None,
    )


def settle(parts: Parts) -> dict[str, object]:
    substrate = parts.substrate
    assert isinstance(substrate, StandInSubstrate)
    for _ in range(6):
        outcome = reconcile_once(parts)
        substrate.tick()
    assert outcome.failure is None and outcome.status is not None
    return dict(outcome.status)


def calls(parts: Parts) -> list[str]:
    assert isinstance(parts.substrate, StandInSubstrate)
    return parts.substrate.calls


def test_it_rests_until_it_is_asked_for_and_the_cluster_is_ready_without_it(parts: Parts) -> None:
    status = settle(parts)
    assert (status["state"], status["details"], calls(parts)) == ("ready", "all is ready", ["ensure nmnode-0"])
    spark = next(service for service in status["services"] if service["name"] == "spark")  # type: ignore[attr-defined]
    assert (spark["state"], spark["health"]) == ("stopped", "healthy")
    assert spark["details"] == "spark-0: starts on first use: bdc spark start"


def test_a_resting_one_is_not_even_described_so_that_a_missing_program_hurts_nobody(parts: Parts) -> None:
    described: list[str] = []

    class Substrate(StandInSubstrate):
        def content_hash(self, workload: Workload) -> str:
            described.append(workload.name)
            return super().content_hash(workload)

    settle(dataclasses.replace(parts, substrate=Substrate()))
    assert "nmnode-0" in described and "spark-0" not in described


def test_asked_for_it_runs_and_dismissed_it_rests_but_is_not_forgotten(parts: Parts) -> None:
    settle(parts)
    Demand(parts.store).ask("spark-0", time.time())
    spark = next(service for service in settle(parts)["services"] if service["name"] == "spark")  # type: ignore[attr-defined]
    assert (spark["state"], calls(parts)[-1]) == ("ready", "ensure spark-0")
    Demand(parts.store).dismiss("spark-0")
    assert settle(parts)["state"] == "ready"
    assert calls(parts).count("rest spark-0") == 1
    Demand(parts.store).ask("spark-0", time.time())
    settle(parts)
    assert calls(parts).count("ensure spark-0") == 2


def ready(since: float) -> Observed:
    return Observed((ObservedWorkload("spark-0", "ready", "x", since=since),))


def test_it_rests_again_when_nobody_was_connected_for_its_time(tmp_path: pathlib.Path) -> None:
    demand = Demand(FolderStore(tmp_path))
    demand.ask("spark-0", 1000.0)
    assert demand.resting((SPARK,), ready(1010.0), lambda _one: 0, 1065.0) == frozenset()  # counted from when it was ready
    assert demand.resting((SPARK,), ready(1010.0), lambda _one: 1, 1069.0) == frozenset()
    assert demand.asked() == {"spark-0": 1069.0}
    assert demand.resting((SPARK,), ready(1010.0), lambda _one: 0, 1128.0) == frozenset()
    assert demand.resting((SPARK,), ready(1010.0), lambda _one: 0, 1129.0) == {"spark-0"}
    assert demand.asked() == {}


def test_it_never_ends_where_nobody_can_tell_or_while_it_starts(tmp_path: pathlib.Path) -> None:
    demand = Demand(FolderStore(tmp_path))
    demand.ask("spark-0", 1000.0)
    starting = Observed((ObservedWorkload("spark-0", "starting", "x", since=1000.0),))
    assert demand.resting((SPARK,), starting, lambda _one: 0, 9000.0) == frozenset()
    assert demand.resting((SPARK,), ready(1000.0), lambda _one: None, 9000.0) == frozenset()
    assert demand.resting((dataclasses.replace(SPARK, on_demand=OnDemand("x")),), ready(1.0), lambda _one: 0, 99999.0) == frozenset()
