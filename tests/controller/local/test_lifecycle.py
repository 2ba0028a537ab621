"""A cluster's life on this machine, and what breaks it: with the real controller and PostgreSQL (HDFS off, for time)."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.local.daemon import processes
from controller.local.unit import render_unit
from controller.substrates.local.layout import ClusterHome
from controller.supervisor.client import SupervisorClient
from controller.supervisor.errors import SupervisorError
from controller.supervisor.processes import kill
from tests.controller.local.running import PASSWORD, Local, local_home, until

ADMIN = {"username": "admin", "password": PASSWORD}
NAME = f"t{secrets.token_hex(4)}"  # OS users are the machine's: another run may be at work
pytestmark = pytest.mark.service
KILLED_ELSEWHERE = pytest.mark.full
"""tests/cluster kills the same at every run, in a whole cluster under a running query."""


@pytest.fixture(scope="module")
def local() -> Iterator[Local]:
    """One cluster for the whole file."""
    with local_home() as found:
        result = found.done("create", "--spec", found.spec(NAME), "--timeout", "240", given=ADMIN)
        assert result["name"] == NAME and "password" not in result
        yield found


def states(local: Local, name: str = NAME) -> dict[str, str]:
    entries = SupervisorClient(local.folder(name).path, 10).call("list")["workloads"]
    return {entry["name"]: entry["state"] for entry in entries}


def pids(local: Local, name: str = NAME) -> dict[str, int]:
    entries = SupervisorClient(local.folder(name).path, 10).call("list")["workloads"]
    return {entry["name"]: entry["pid"] for entry in entries if entry["pid"]}


def supervisor_pid(local: Local) -> int | None:
    try:
        return int(SupervisorClient(local.folder(NAME).path, 5).call("ping")["pid"])
    except SupervisorError:
        return None


def settled(local: Local) -> bool:
    return supervisor_pid(local) is not None and set(states(local).values()) <= {"ready", "done"}


def test_it_is_ready_and_listed(local: Local) -> None:
    assert states(local) == {
        "control": "ready",
        "master-0": "ready",
        "master-setup": "done",
        "compute-0-scratch": "ready",
        "compute-0": "ready",
        "app-proxy": "ready",
    }
    (listed,) = local.done("list")["clusters"]  # type: ignore[misc]
    assert (listed["name"], listed["state"]) == (NAME, "ready")
    public = json.loads((local.folder(NAME).path / "public.json").read_text())
    assert public["name"] == NAME and public["controller"] == listed["controller"] and len(public["id"]) == 36


def test_name_taken(local: Local) -> None:
    error = local.error("create", "--spec", local.spec(NAME), given=ADMIN)
    assert error["code"] == "name_taken" and f"bdc start {NAME}" in error["hint"]


def test_secrets_are_in_no_argument_environment_or_log(local: Local) -> None:
    folder = local.folder(NAME)
    values = [path.read_bytes() for path in folder.secrets.iterdir() if path.name != "ticket.pub"] + [PASSWORD.encode()]
    for pid in processes(ClusterHome(folder.path)):
        for part in ("cmdline", "environ"):
            content = Path(f"/proc/{pid}/{part}").read_bytes()
            assert not [value for value in values if value in content], f"{part} of {pid}"
    for path in (*folder.logs.iterdir(), folder.log, folder.processes, folder.path / "public.json", folder.path / "store" / "users.json"):
        assert not [value for value in values if value in path.read_bytes()], path


@KILLED_ELSEWHERE
@pytest.mark.parametrize("name", ["control", "compute-0", "master-0", "compute-0-scratch"])
def test_killed_process_comes_back(local: Local, name: str) -> None:
    before = pids(local)[name]
    os.kill(before, signal.SIGKILL)
    until(lambda: pids(local).get(name) not in (None, before) and settled(local), f"{name} is ready again")


@KILLED_ELSEWHERE
def test_two_killed_at_once_come_back(local: Local) -> None:
    before, killed = pids(local), ("master-0", "control")
    for name in killed:
        os.kill(before[name], signal.SIGKILL)

    def started_anew() -> bool:
        now = pids(local)
        return all(now.get(name) not in (None, before[name]) for name in killed)

    until(lambda: started_anew() and settled(local), "all is ready again")


@KILLED_ELSEWHERE
def test_killed_supervisor_is_followed_and_nothing_restarts(local: Local) -> None:
    before, first = pids(local), supervisor_pid(local)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    until(lambda: supervisor_pid(local) not in (None, first), "the next supervisor")
    assert pids(local) == before


def test_status_works_with_the_controller_down(local: Local) -> None:
    os.kill(pids(local)["control"], signal.SIGSTOP)
    try:
        found = local.done("status", "--name", NAME)
        assert {entry["name"] for entry in found["workloads"]} == set(states(local))
    finally:
        os.kill(pids(local)["control"], signal.SIGCONT)


def test_recover_admin_sets_a_password(local: Local) -> None:
    new = "battery staple 43"
    result = local.done("recover-admin", "--name", NAME, given={"username": "rescue", "password": new})
    assert result == {"name": NAME, "username": "rescue"}
    controller = json.loads((local.folder(NAME).path / "public.json").read_text())["controller"]
    import httpx

    until(lambda: settled(local), "settled")
    answer = httpx.post(f"{controller}/api/v1/token", json={"username": "rescue", "password": new}, timeout=60)
    assert answer.status_code == 200 and answer.json()["access_token"]
    assert local.error("recover-admin", "--name", NAME, given={"username": "rescue"})["category"] == "user"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be another user")
def test_other_users_may_not(local: Local) -> None:
    other = Local(local.home, "nobody")
    for verb in ("stop", "start", "delete"):
        assert other.error(verb, "--name", NAME)["code"] in ("not_owner", "incomplete", "files")
    until(lambda: settled(local), "still there")


def test_stop_keeps_data_and_start_brings_it_back(local: Local) -> None:
    until(lambda: settled(local), "settled")
    marker = local.folder(NAME).workload("master-0") / "data" / "marker"
    marker.touch()
    code, events = local.run("stop", "--name", NAME)
    assert code == 0 and {event["state"] for event in events if event["event"] == "progress"} == {"stopped"}
    assert local.marked(NAME) == {} and marker.exists()
    assert local.done("list")["clusters"][0]["state"] == "stopped"
    assert local.done("stop", "--name", NAME) == {"name": NAME, "stopped": []}
    kept = {path: path.read_bytes() for path in local.folder(NAME).secrets.iterdir() if path.is_file()}
    _lost_without_a_copy(local)
    for path in kept:  # the workloads have copies
        path.unlink(missing_ok=True)
    code, events = local.run("start", "--name", NAME, "--timeout", "240")
    result = events[-1]["result"]
    assert code == 0 and result["name"] == NAME and settled(local)
    told = " ".join(event["reason"] for event in events if event.get("workload") == "secrets")
    assert "was lost; it is back, from the copy of a workload that uses it" in told
    assert {path: path.read_bytes() for path in kept if path.exists()} == kept
    again = local.done("start", "--name", NAME, "--timeout", "240")  # what runs already is no error
    assert again == result


def _lost_without_a_copy(local: Local) -> None:
    """PostgreSQL would refuse whatever is made anew; and no link leads root to a file of somebody else's."""
    lost = local.folder(NAME).secrets / "scratch-password"
    value = lost.read_bytes()
    aside = [lost, *(path for path in local.folder(NAME).workloads.glob("*/secrets/*") if path.read_bytes() == value)]
    assert len(aside) > 2
    for path in aside:
        path.rename(path.with_name("away"))
        if path != lost:
            path.symlink_to(path.with_name("away"))
    error = local.error("start", "--name", NAME, "--timeout", "240")
    assert error["code"] == "secret_lost" and error["where"] == str(lost) and "bdc restore" in error["hint"]
    assert "scratch-password is lost" in error["message"] and not lost.exists()
    for path in aside:
        path.with_name("away").replace(path)


@KILLED_ELSEWHERE
def test_everything_killed_as_by_a_reboot(local: Local) -> None:
    kill(processes(ClusterHome(local.folder(NAME).path)))
    until(lambda: supervisor_pid(local) is None, "dead")
    time.sleep(0.5)
    local.done("start", "--name", NAME, "--timeout", "240")
    assert settled(local)


def test_two_clusters_side_by_side_get_blocks_of_their_own(local: Local) -> None:
    """And Ctrl-C of a create leaves nothing of it, and the other one untouched."""
    until(lambda: settled(local), "settled")
    before = pids(local)
    process = local.start("create", "--name", f"{NAME}-s", given=ADMIN, BDC_JAVA="/usr/bin/java")
    until(lambda: (local.folder(f"{NAME}-s").path / "bdc.yaml").exists() or process.poll() is not None, "its spec is laid")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=240)
    last = json.loads(out.splitlines()[-1])
    assert process.returncode == 130 and last["error"]["code"] == "interrupted", (out[-500:], err[-500:])
    local.nothing_left(f"{NAME}-s")
    assert pids(local) == before


def test_unit_file(local: Local) -> None:
    home = ClusterHome(local.folder(NAME).path)
    text = render_unit(home, system=True)
    assert f'--cluster-folder "{home.path}" --no-watcher' in text and "KillMode=process" in text
    assert "WantedBy=default.target" in render_unit(home, system=False)
    assert local.done("unit", "--name", NAME)["unit"].startswith("[Unit]")


def test_delete_leaves_nothing_and_says_what_it_removed(local: Local) -> None:
    result = local.done("delete", "--name", NAME)
    assert result["folder"] == str(local.folder(NAME).path) and result["processes"] > 5
    names = {user.removeprefix(f"bdc-{NAME}-") for user in result["users"]}
    pools = {"control", "master", "compute", "data", "storage", "app", "gateway", "tracking"}
    expected = pools | {f"app-{number}" for number in range(1, 17)}
    assert names == (expected if os.geteuid() == 0 else set())
    local.nothing_left(NAME)
    assert local.error("delete", "--name", NAME)["code"] == "not_found"


@pytest.mark.full
def test_create_killed_in_the_middle_is_completed_by_the_next() -> None:
    """tests/cluster does the same with a whole cluster at every run."""
    with local_home() as local:
        spec = local.spec(f"{NAME}-h")
        process = local.start("create", "--spec", spec, given=ADMIN)
        until(lambda: (local.folder(f"{NAME}-h").workload("master-0") / "data").exists() or process.poll() is not None, "half-way")
        process.kill()
        process.communicate(timeout=240)
        assert local.error("start", "--name", f"{NAME}-h")["code"] == "incomplete"
        assert local.done("list")["clusters"][0]["state"] in ("starting", "ready", "unready", "incomplete")
        local.done("create", "--name", f"{NAME}-h", "--timeout", "240", given=ADMIN)
        assert local.done("list")["clusters"][0]["state"] == "ready"
        local.done("delete", "--name", f"{NAME}-h")
        local.nothing_left(f"{NAME}-h")


def test_interrupted_while_starting_leaves_nothing() -> None:
    with local_home() as local:
        process = local.start("create", "--spec", local.spec(f"{NAME}-g"), given=ADMIN)
        until(lambda: len(local.marked(f"{NAME}-g")) > 3 or process.poll() is not None, "processes run")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=240)
        assert process.returncode == 130 and json.loads(out.splitlines()[-1])["error"]["code"] == "interrupted"
        local.nothing_left(f"{NAME}-g")


def test_time_limit_says_what_is_not_ready_with_its_log() -> None:
    with local_home() as local:
        error = local.error("create", "--spec", local.spec(f"{NAME}-l"), "--timeout", "2.2", given=ADMIN)
        assert error["code"] == "not_ready" and error["where"] and error["why"] and f"bdc create {NAME}-l" in error["hint"]
        local.done("delete", "--name", f"{NAME}-l")
        local.nothing_left(f"{NAME}-l")


@pytest.mark.skipif(os.geteuid() != 0, reason="already a plain user")
def test_as_a_plain_user() -> None:
    with local_home("nobody") as local:
        local.done("create", "--spec", local.spec(f"{NAME}-p"), "--timeout", "240", given=ADMIN)
        owners = {Path(f"/proc/{pid}").stat().st_uid for pid in local.marked(f"{NAME}-p")}
        assert owners == {65534}
        users = subprocess.run(["getent", "passwd"], capture_output=True, text=True).stdout
        assert f"bdc-{NAME}-p-" not in users
        local.done("delete", "--name", f"{NAME}-p")
        local.nothing_left(f"{NAME}-p")
