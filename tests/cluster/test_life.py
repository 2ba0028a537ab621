"""The life of whole clusters: a rough birth, two side by side, stop and start, the loss of power, an end that leaves nothing."""

from __future__ import annotations

import os
import secrets
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from controller.local.daemon import processes
from controller.profiles import render_profile
from controller.spec import load_spec, port_numbers
from controller.substrates.local.layout import ClusterHome
from controller.substrates.local.ports import is_free
from controller.supervisor.closing import rules_left
from controller.supervisor.processes import kill
from tests.cluster.closed import check_closed
from tests.cluster.life import Local, MainJob, connect, green, home_of, last_event, main_job, pids, until, workloads
from tests.services.cluster import Stage
from tests.services.cluster import folder as stage_folder
from tests.services.postgresql import PostgresqlServer

pytestmark = pytest.mark.service


@dataclass(frozen=True)
class Rough:
    """A cluster whose create was killed, then asked for twice at once; ``events``: the last ones of those two."""

    local: Local
    name: str
    events: tuple[dict[str, object], dict[str, object]]

    @property
    def home(self) -> ClusterHome:
        return home_of(self.local.stage, self.name)


@pytest.fixture(scope="module")
def job(cluster: Stage, postgresql: PostgresqlServer) -> MainJob:
    return main_job(cluster, postgresql, "life")


@pytest.fixture(scope="module", params=[{"enabled": False}, pytest.param({}, marks=pytest.mark.full)], ids=["no HDFS", "HDFS"])
def rough(cluster: Stage, request: pytest.FixtureRequest) -> Iterator[Rough]:
    local, name = Local(cluster), f"t{secrets.token_hex(3)}"
    home, spec = home_of(cluster, name), cluster.folder / f"{name}.yaml"
    wanted = yaml.safe_load(render_profile("local", name))
    wanted["spec"].setdefault("pools", {})["storage"] = request.param
    spec.write_text(yaml.safe_dump(wanted))
    create = ("create", "--spec", str(spec))
    try:
        first = local.start(*create)
        until(lambda: len(workloads(home)) > 5 or first.poll() is not None, "half-way")
        first.kill()
        first.communicate(timeout=60)
        assert not home.ready_once.exists()
        both = [local.start(*create), local.start(*create)]
        yield Rough(local, name, (last_event(both[0]), last_event(both[1])))
    finally:
        if home.path.exists():
            local.run("delete", "--name", name)


def used_ports(home: ClusterHome) -> set[int]:
    """All numbers of a cluster."""
    return {number for _, number in port_numbers(load_spec(home.spec.read_text())).named()}


def test_killed_create_is_completed_and_of_two_at_once_one_is_refused(rough: Rough) -> None:
    kinds = sorted(str(event["event"]) for event in rough.events)
    assert kinds == ["done", "error"], rough.events
    refused = next(event["error"] for event in rough.events if event["event"] == "error")
    assert isinstance(refused, dict) and refused["code"] in ("busy", "name_taken") and refused["hint"]
    assert green(rough.home)


def test_nothing_was_started_twice_by_create_and_controller(rough: Rough) -> None:
    """Create asks for the very content that the controller asks for: no restart, no update."""
    log = rough.home.log.read_text()
    assert ": restarts: " not in log
    assert {name: entry["restarts"] for name, entry in workloads(rough.home).items() if entry["restarts"]} == {}


def test_two_side_by_side_have_ports_of_their_own_below_the_kernels_range(rough: Rough, job: MainJob) -> None:
    mine, other = used_ports(rough.home), used_ports(home_of(job.stage))
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert not mine & other
    assert max(mine | other) < lowest
    job.right()


def test_delete_leaves_no_process_port_file_or_user_and_the_other_cluster_alone(rough: Rough, job: MainJob) -> None:
    home, before = rough.home, pids(home_of(job.stage))
    numbers = used_ports(home)
    event = rough.local.run("delete", "--name", rough.name)
    assert event["event"] == "done", event
    assert processes(home) == {} and not home.path.exists()
    assert rules_left(home.path) is None
    assert [number for number in numbers if not is_free(number)] == []
    users = subprocess.run(["getent", "passwd"], capture_output=True, text=True, check=True).stdout
    assert f"bdc-{rough.name}-" not in users
    assert [entry for entry in Path("/tmp").iterdir() if rough.name in entry.name] == []
    assert pids(home_of(job.stage)) == before
    job.right()
    check_closed(job.stage)


def test_stop_and_start_keep_everything(job: MainJob) -> None:
    """And what is stopped can be backed up: to where the path leads, by whatever way."""
    home = home_of(job.stage)
    job.stage.bdc("stop", job.stage.cluster, output=None)
    assert processes(home) == {} and rules_left(home.path) is None
    log = home.log.read_text()
    stopped = [name for name in ("compute-0", "master-0") if f"{name}: ready → stopped" in log]
    assert stopped == ["compute-0", "master-0"]
    assert log.rindex("compute-0: ready → stopped") < log.rindex("master-0: ready → stopped")  # what requires others goes first
    assert log.rindex("storage-0-1: ready → stopped") < log.rindex("nmnode-0: ready → stopped")
    job.stage.bdc("backup", f"{job.stage.folder}/nowhere/../whole.tar", "--name", job.stage.cluster, "--yes")
    whole = job.stage.folder / "whole.tar"
    with tarfile.open(whole) as archive:
        assert {"bdc.yaml", "workloads/master-0/data/pgdata/PG_VERSION"} <= set(archive.getnames())
    whole.unlink()  # the cluster's secrets are in it
    assert processes(home) == {}
    job.stage.bdc("start", job.stage.cluster, output=None)
    assert green(home)
    job.right()
    assert "lines.csv" in str(job.stage.bdc("hdfs", "ls", f"hdfs:/{job.name}"))
    check_closed(job.stage)


def test_loss_of_power(job: MainJob) -> None:
    """All processes end at once, as at a reboot; `bdc start` brings back what was committed."""
    home = home_of(job.stage)
    with connect(job.stage) as session:
        session.execute(f"CREATE TABLE {job.name}.kept AS SELECT 42 AS answer")
    while running := processes(home):
        kill(running)
    job.stage.bdc("start", job.stage.cluster, output=None)
    assert green(home)
    job.right()
    check_closed(job.stage)
    with connect(job.stage) as session:
        assert session.execute(f"SELECT answer FROM {job.name}.kept").fetchone() == (42,)


@pytest.mark.full
@pytest.mark.skipif(os.geteuid() != 0, reason="already a plain user")
def test_as_a_plain_user_with_hdfs() -> None:
    """tests/controller/local does the same without HDFS at every run."""
    with stage_folder() as stage:
        (stage.folder / "home").mkdir()
        os.chown(stage.folder / "home", 65534, 65534)
        local = Local(stage, "nobody")
        event = local.run("create", "--name", stage.cluster)
        assert event["event"] == "done", event
        home = home_of(stage)
        assert {Path(f"/proc/{pid}").stat().st_uid for pid in processes(home)} == {65534}
        assert local.run("delete", "--name", stage.cluster)["event"] == "done"
        assert processes(home) == {} and not home.path.exists()
