"""Waiting for a cluster: a workload that failed gets a while, and the error names who has its port."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator

import pytest

from controller.local import following
from controller.local.errors import LocalError
from controller.local.progress import Progress
from controller.substrates.local.layout import ClusterHome
from pools.workload import Port, Workload
from tests.controller.supervisor.running import SLEEPER, Running, running_supervisor

SECRET = [{"name": "p", "file": "p"}]
pytestmark = pytest.mark.service


@pytest.fixture
def running() -> Iterator[Running]:
    with running_supervisor() as found:
        yield found


def wanted(*ports: Port) -> tuple[Workload, ...]:
    return (Workload(name="w", pool="master", service="sql", resource="w", command=("true",), ports=ports),)


def test_a_failed_workload_that_comes_up_after_all_is_no_error(running: Running) -> None:
    home = ClusterHome(running.folder.path)
    home.store.write("status.json", {"state": "ready"})
    running.ensure("w", SLEEPER, secrets=SECRET)
    running.until_state("w", "failed")
    later = threading.Timer(1.0, lambda: (running.folder.secrets / "p").write_text("x"))
    later.start()
    following.until_ready(home, wanted(), 30, Progress())
    assert running.one("w")["state"] == "ready"


def test_one_that_stays_failed_ends_the_wait_and_names_who_has_its_port(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "FAILED_SECONDS", 0.5)
    running.ensure("w", SLEEPER, secrets=SECRET)
    running.until_state("w", "failed")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LocalError) as caught:
            following.until_ready(ClusterHome(running.folder.path), wanted(Port("sql", port)), 30, Progress())
    assert caught.value.local_code == "not_ready" and caught.value.where == "w"
    assert "secret 'p'" in str(caught.value.why) and f"port {port} is taken by pid {os.getpid()}" in str(caught.value.why)
