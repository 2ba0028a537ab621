from __future__ import annotations

import dataclasses

from controller.status import cluster_status, endpoints
from controller.substrate import Observed, ObservedWorkload
from pools.workload import Endpoint, Port, Workload
from tests.controller.substrate import workload

NAMENODE = dataclasses.replace(workload("nmnode-0"), service="hdfs", resource="nmnode-0")
DATANODE = dataclasses.replace(workload("storage-0-0", "nmnode-0"), service="hdfs", resource="storage-0")
MASTER = dataclasses.replace(workload("master-0"), resource="master")
DESIRED: tuple[Workload, ...] = (NAMENODE, DATANODE, MASTER)


def test_a_wait_names_what_it_waits_for_why_and_how_long() -> None:
    observed = Observed(
        (ObservedWorkload("nmnode-0", "starting", "x", "replaying the edit log", since=96.0), ObservedWorkload("master-0", "ready", "x"))
    )
    tree = cluster_status("demo", DESIRED, observed, now=100.0)
    assert (tree["state"], tree["health"]) == ("starting", "unknown")
    assert tree["details"] == "nmnode-0: starting: replaying the edit log, 4 s (and 1 more)"
    hdfs, sql = tree["services"]
    assert hdfs["resources"][1]["instances"][0]["details"] == "waiting for nmnode-0"
    assert (sql["name"], sql["state"], sql["details"]) == ("sql", "ready", "all is ready")


def test_a_wait_for_something_that_is_no_workload_says_what_the_substrate_says() -> None:
    observed = Observed((ObservedWorkload("master-0", "waiting", "x", "its pod is being made", since=90.0),))
    tree = cluster_status("demo", (MASTER,), observed, now=100.0)
    assert tree["details"] == "master-0: waiting: its pod is being made, 10 s"


def test_the_worst_state_wins_upwards() -> None:
    observed = Observed(
        (
            ObservedWorkload("nmnode-0", "ready", "x"),
            ObservedWorkload("storage-0-0", "backoff", "x", "exit code 1; tried again in 2 s", restarts=3),
            ObservedWorkload("master-0", "failed", "x", "initdb: no space left"),
        )
    )
    tree = cluster_status("demo", DESIRED, observed, now=0.0)
    assert [(service["name"], service["state"], service["health"]) for service in tree["services"]] == [
        ("hdfs", "unready", "unhealthy"),
        ("sql", "error", "unhealthy"),
    ]
    assert tree["state"] == "error"
    assert tree["services"][0]["resources"][1]["instances"][0]["restarts"] == 3


def test_a_failed_pass_shows_even_when_all_runs() -> None:
    observed = Observed(tuple(ObservedWorkload(entry.name, "ready", "x") for entry in DESIRED))
    assert cluster_status("demo", DESIRED, observed, 0.0)["details"] == "all is ready"
    tree = cluster_status("demo", DESIRED, observed, 0.0, failure="bdc.yaml:3: unknown key")
    assert (tree["state"], tree["details"]) == ("error", "the controller's last pass failed: bdc.yaml:3: unknown key")


def test_endpoints_fill_in_host_and_ports() -> None:
    entry = dataclasses.replace(
        MASTER, ports=(Port("sql", 31433),), endpoints=(Endpoint("sql-master", "SQL", "{host},{port:sql}", "postgresql"),)
    )
    assert endpoints((entry,), lambda _name: "127.0.0.1") == [
        {"name": "sql-master", "description": "SQL", "endpoint": "127.0.0.1,31433", "protocol": "postgresql"}
    ]


def test_what_the_substrate_warns_of_is_said_and_changes_no_state() -> None:
    observed = Observed(tuple(ObservedWorkload(entry.name, "ready", "x") for entry in DESIRED), ("ports are open: no right; do this",))
    status = cluster_status("demo", DESIRED, observed, 0.0)
    assert (status["state"], status["details"]) == ("ready", "all is ready; ports are open: no right; do this")
