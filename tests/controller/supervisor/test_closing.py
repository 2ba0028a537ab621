"""A real supervisor closes what was laid down, before anything listens; what it says where it can't."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.substrates.local.ports import is_free
from controller.substrates.local.substrate import LocalSubstrate
from controller.supervisor import packet_filter
from controller.supervisor.closing import OPEN, rules_left, table_name
from tests.controller.supervisor.running import CHECKOUT, LISTENER, Running, running_supervisor
from tests.strangers import OPEN as REACHED
from tests.strangers import REFUSED, only_root, tried

pytestmark = only_root
NOBODY, SOMEBODY = "nobody", "daemon"


def free_port() -> int:
    return next(port for port in range(21000 + os.getpid() % 5000, 32000) if is_free(port))


def lay(running: Running, *ports: int) -> None:
    running.folder.closed.write_text(json.dumps({"ports": ports, "users": [SOMEBODY, "nobody-of-that-name"]}))


@contextmanager
def listening() -> Iterator[tuple[Running, int]]:
    """A supervisor whose workload listens on a port that is closed."""
    port = free_port()
    with running_supervisor() as running:
        try:
            lay(running, port)
            running.ensure("listener", LISTENER, str(port), ready={"kind": "tcp", "port": port})
            running.until_state("listener", "ready")
            yield running, port
        finally:
            running.end()
            packet_filter.remove(table_name(running.folder.path))


def test_it_is_closed_before_anything_listens_and_until_all_is_stopped() -> None:
    with listening() as (running, port):
        place = running.folder.path
        log = running.folder.log.read_text()
        assert log.index(f"ports {port}: for the OS users") < log.index("listener: started pid")
        assert tried(NOBODY, [port]) == {port: REFUSED}
        assert tried(SOMEBODY, [port]) == tried("root", [port]) == {port: REACHED}
        assert running.client.call("list")["warnings"] == []

        killed = running.kill_supervisor()
        assert tried(NOBODY, [port]) == {port: REFUSED}
        running.until(lambda: running.answers() and running.pid != killed, "another supervisor")
        assert tried(NOBODY, [port]) == {port: REFUSED}

        running.client.call("shutdown")
        running.until(lambda: rules_left(place) is None, "nothing is left")


def test_who_removes_or_changes_the_rules_has_them_for_seconds_only() -> None:
    with listening() as (running, port):
        packet_filter.remove(table_name(running.folder.path))
        assert tried(NOBODY, [port]) == {port: REACHED}
        running.until(lambda: tried(NOBODY, [port]) == {port: REFUSED}, "closed again")
        assert "it is made anew" in running.folder.log.read_text()


def test_another_port_of_a_new_spec_is_closed_before_its_workload_starts() -> None:
    with listening() as (running, port):
        other = next(number for number in range(port + 1, 33000) if is_free(number))
        lay(running, other)
        running.ensure("listener", LISTENER, str(other), ready={"kind": "tcp", "port": other})
        running.until(lambda: running.one("listener")["state"] == "ready" and not is_free(other), "it listens there")
        assert tried(NOBODY, [other]) == {other: REFUSED}
        lay(running)  # the spec says that all may
        running.ensure("sleeper")
        running.until(lambda: tried(NOBODY, [other]) == {other: REACHED}, "open")


def test_two_side_by_side_and_one_whose_folder_was_just_removed(tmp_path: Path) -> None:
    lost = table_name(tmp_path / "lost")
    packet_filter.replace(lost, str(tmp_path / "lost"), [1], [0])
    with listening() as (one, port):
        assert lost not in packet_filter.tables()
        with listening() as (other, another):
            other.client.call("shutdown")
            other.until(lambda: rules_left(other.folder.path) is None, "its rules are gone")
            assert another != port and tried(NOBODY, [port]) == {port: REFUSED}
        assert rules_left(one.folder.path) == table_name(one.folder.path)


@pytest.mark.parametrize("ports", [(), (1,)], ids=["nothing to close", "something to close"])
def test_without_the_right_to_set_packet_filters_it_runs_and_says_so(ports: tuple[int, ...]) -> None:
    """As root in most containers."""
    rights = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"]
    with running_supervisor() as running:
        running.client.call("shutdown")
        running.until(lambda: not running.answers(), "it is down")
        lay(running, *ports)
        command = [*rights, sys.executable, "-m", "controller.supervisor", "--cluster-folder", str(running.folder.path), "--no-watcher"]
        running.processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, cwd=CHECKOUT))
        running.until(running.answers, "the supervisor answers")
        running.ensure("sleeper")
        running.until_state("sleeper", "ready")
        warnings = running.client.call("list")["warnings"]
        if not ports:
            assert warnings == []
            return
        ((message, fix),) = [(one["message"], one["fix"]) for one in warnings]
        assert message == f"{OPEN}: root may not set packet filters here (no CAP_NET_ADMIN)"
        assert "--cap-add NET_ADMIN" in fix and "reachableBy" in fix
        assert running.folder.log.read_text().count(OPEN) == 1
        assert LocalSubstrate(running.folder.path).observe().warnings == (f"{message}; {fix}",)
