"""Batches: run once, without a limit, and never again, however they end and whoever restarts."""

from __future__ import annotations

from pathlib import Path

from tests.controller.supervisor.running import SLEEPER, Running
from tests.patience import PATIENCE

COUNTING = """
    import pathlib, sys
    place = pathlib.Path("runs")
    place.write_text(place.read_text() + "x" if place.exists() else "x")
    print("ran")
    sys.exit(int(sys.argv[1]))
"""


def runs(supervisor: Running, name: str) -> str:
    return (Path(supervisor.folder.workload(name)) / "data" / "runs").read_text()


def test_a_batch_that_ends_badly_is_not_tried_again(supervisor: Running) -> None:
    supervisor.ensure("bad", COUNTING, "3", kind="batch")
    found = supervisor.until_state("bad", "failed")
    assert (found["exit_code"], found["reason"], runs(supervisor, "bad")) == (3, "it ended with exit code 3", "x")
    supervisor.ensure("good", COUNTING, "0", kind="batch")
    assert supervisor.until_state("good", "done")["exit_code"] == 0
    assert supervisor.one("bad")["state"] == "failed" and runs(supervisor, "bad") == "x"


def test_a_stop_and_start_of_the_cluster_begins_none_again(supervisor: Running) -> None:
    supervisor.ensure("long", SLEEPER, kind="batch")
    supervisor.ensure("bad", COUNTING, "3", kind="batch")
    supervisor.until_state("bad", "failed")
    supervisor.until_state("long", "starting")
    supervisor.client.call("shutdown")
    supervisor.processes[-1].wait(PATIENCE)
    supervisor.start()
    found = supervisor.all()
    assert (found["long"]["state"], found["bad"]["state"]) == ("failed", "failed")
    assert "stopped while it ran" in found["long"]["reason"] and runs(supervisor, "bad") == "x"


def test_forgetting_a_batch_removes_all_it_left(supervisor: Running) -> None:
    supervisor.ensure("bad", COUNTING, "3", kind="batch")
    supervisor.until_state("bad", "failed")
    home, log = supervisor.folder.workload("bad"), supervisor.folder.workload_log("bad")
    assert supervisor.client.call("tail", name="bad", lines=5)["lines"] == ["ran"]
    supervisor.client.call("stop", name="bad", forget=True)
    assert not home.exists() and not log.exists()


def test_the_log_of_a_service_that_was_forgotten_can_still_be_read(supervisor: Running) -> None:
    supervisor.ensure("service", "print('hello')\n" + SLEEPER)
    supervisor.until(lambda: bool(supervisor.client.call("tail", name="service", lines=1)["lines"]), "it wrote")
    supervisor.client.call("stop", name="service", forget=True)
    assert supervisor.client.call("tail", name="service", lines=1)["lines"] == ["hello"]
