"""The doctor: each finding with its fix, a check that fails is a finding, and nothing is found in a cluster that is well."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from dataclasses import replace

from controller.errors import NotReadyError
from controller.local.doctor import doctor, machine_checks
from controller.operations.doctor import Finding, cluster_checks, examined, ok, worst
from tests.controller.operations.world import World


class Seen(World):
    """With logs."""

    lines: tuple[str, ...] = (
        "INFO all is well",
        'ERROR:  relation "t" does not exist',
        "bdc-c-master@postgres FATAL:  the database system is starting up",
    )

    def tail(self, _workload: str, _lines: int) -> tuple[str, ...]:
        return self.lines


def test_a_cluster_that_is_well(tmp_path: pathlib.Path) -> None:
    found = examined(cluster_checks(Seen(tmp_path)))
    assert worst(found) == "ok" and {one.check for one in found} == {"workloads", "logs"}


def test_what_is_wrong_comes_with_the_next_command(tmp_path: pathlib.Path) -> None:
    world = Seen(tmp_path)
    running = world.substrate.running
    running["data-0"] = replace(running["data-0"], state="failed", reason="it ended with exit code 1")
    running["compute-0"] = replace(running["compute-0"], restarts=7)
    world.lines = ("2026 FATAL: could not write: No space left on device",)
    world.wake()
    running["data-0"] = replace(running["data-0"], state="failed")
    found = {(one.state, one.fix) for one in examined(cluster_checks(world)) if one.state != "ok"}
    assert ("problem", "bdc logs data-0") in found
    assert ("warning", "bdc logs compute-0 --lines 1000 shows why it ended") in found
    assert ("warning", "bdc logs master-0 --lines 300") in found


def test_a_check_that_fails_is_a_finding_and_the_others_go_on() -> None:
    def away() -> Iterator[Finding]:
        raise NotReadyError("the controller has just started", hint="try again in a second")
        yield ok("")

    def broken() -> list[Finding]:
        raise RuntimeError("a defect")

    found = examined({"away": away, "broken": broken, "fine": lambda: [ok("fine")]})
    assert [(one.check, one.state) for one in found] == [("away", "unknown"), ("broken", "unknown"), ("fine", "ok")]
    assert found[0].fix == "try again in a second" and worst(found) == "unknown"


def test_every_check_of_this_machine_says_something() -> None:
    found = doctor(None)["findings"]
    assert isinstance(found, list)
    assert {one["check"] for one in found} == machine_checks().keys()
    assert [one for one in found if one["state"] == "unknown" or (one["state"] != "ok" and not one["fix"])] == []
