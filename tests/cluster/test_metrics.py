"""The metrics of a whole cluster: all services answer; one that hangs is told as down and holds up nobody."""

from __future__ import annotations

import os
import signal
import time

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from controller.metrics_reference import labels, names
from controller.metrics_scrape import SCRAPE_SECONDS
from tests.cluster.life import connect, home_of, pids
from tests.patience import PATIENCE, SOON
from tests.services.cluster import Stage

Told = dict[str, list[tuple[dict[str, str], float]]]


@pytest.fixture(scope="module")
def address(cluster: Stage) -> str:
    return cluster.endpoint("controller")


def told(cluster: Stage, address: str) -> Told:
    answer = httpx.get(f"{address}/api/v1/bdc/metrics", auth=("admin", cluster.password), trust_env=False, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    found: Told = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def up(found: Told) -> dict[str, float]:
    return {of["workload"]: value for of, value in found["openbdc_up"]}


def with_up(cluster: Stage, address: str, hung: str | None = None) -> Told:
    """What is told once all but ``hung`` answer: on a busy machine one or the other may take longer than a scrape waits."""
    deadline = time.monotonic() + PATIENCE
    while True:
        began = time.monotonic()
        found = told(cluster, address)
        assert time.monotonic() - began < SCRAPE_SECONDS + SOON
        if all(value == (workload != hung) for workload, value in up(found).items()):
            return found
        assert time.monotonic() < deadline, up(found)


def value(found: Told, name: str, **wanted: str) -> float:
    return sum(number for of, number in found.get(name, ()) if wanted.items() <= of.items())


def test_every_service_tells_what_the_reference_says(cluster: Stage, address: str) -> None:
    with connect(cluster, dbname="bdc") as admin:
        admin.execute("SELECT * FROM bdc.queries()")  # the session now has a connection to the pool
        found = with_up(cluster, address)
    assert {"master-0", "compute-0", "data-0", "nmnode-0", "storage-0-0", "app-proxy"} <= up(found).keys()
    for name, samples in found.items():
        assert name in names(), name
        for of, _ in samples:
            assert of.keys() <= labels(name), (name, of)
        assert len({tuple(sorted(of.items())) for of, _ in samples}) == len(samples), f"{name}: a series twice"
    assert value(found, "openbdc_hdfs_live_datanodes") >= 1 and value(found, "openbdc_hdfs_capacity_bytes") > 0
    assert value(found, "openbdc_master_sessions", database="bdc") >= 1
    assert value(found, "openbdc_compute_connections", workload="compute-0") >= 1


def test_a_service_that_hangs_holds_up_nobody(cluster: Stage, address: str) -> None:
    hung = pids(home_of(cluster))["data-1"]
    os.kill(hung, signal.SIGSTOP)
    try:
        with_up(cluster, address, hung="data-1")
    finally:
        os.kill(hung, signal.SIGCONT)
    with_up(cluster, address)
