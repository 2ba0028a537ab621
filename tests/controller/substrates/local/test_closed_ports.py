"""What is laid down for the supervisor: HDFS's ports, whatever listens there, for the pools that speak to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controller.profiles import render_profile
from controller.spec import load_spec
from controller.spec.edit import set_value
from controller.substrates.local.closed_ports import lay_closed
from controller.substrates.local.layout import ClusterHome
from pools.workload import Port, Workload

USERS = {
    pool: f"bdc-x-{pool}" for pool in ("control", "master", "compute", "data", "storage", "app", "app-worker-1", "gateway", "tracking")
}
WORKLOADS = (
    Workload(name="nmnode-0", pool="storage", service="hdfs", resource="r", command=("x",), ports=(Port("rpc", 12), Port("http", 11))),
    Workload(name="storage-0-0", pool="storage", service="hdfs", resource="r", command=("x",), ports=(Port("data", 13),)),
    Workload(name="spark-connect-0", pool="storage", service="spark", resource="r", command=("x",), ports=(Port("connect", 14),)),
    Workload(name="master-0", pool="master", service="sql", resource="r", command=("x",), ports=(Port("sql", 15),)),
)


@pytest.mark.parametrize(
    ("reachable", "users", "ports"), [("cluster", USERS, [11, 12, 13]), ("machine", USERS, []), ("cluster", {}, [])], ids=str
)
def test_laid(tmp_path: Path, reachable: str, users: dict[str, str], ports: list[int]) -> None:
    spec = load_spec(set_value(render_profile("local", "x"), "spec.pools.storage.reachableBy", reachable))
    home = ClusterHome(tmp_path)
    home.supervisor.mkdir()
    lay_closed(home, spec, WORKLOADS, users)
    found = json.loads(home.closed.read_text())
    assert found["ports"] == ports
    assert set(found["users"]) == ({"bdc-x-compute", "bdc-x-control", "bdc-x-gateway", "bdc-x-storage"} if users else set())
    assert home.closed.stat().st_mode & 0o777 == 0o600
