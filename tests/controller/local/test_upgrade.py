"""Rolling from one version to the next: in order, probed, and all of it back when one does not come up."""

from __future__ import annotations

from typing import Any

import pytest

from controller.local import upgrade
from controller.local.progress import Progress
from controller.local.upgrade import RollError, roll
from controller.supervisor.rendered import Rendered


def rendered(name: str, python: str, kind: str = "service") -> Rendered:
    return Rendered(name=name, command=(python, "-m", name), pool="data", run=name, kind=kind)


class StandInRuns:
    """Everything that is changed is ready at the second look; ``broken``: programs with which a workload fails."""

    def __init__(self, *broken: tuple[str, str]) -> None:
        self.broken = set(broken)
        self.running: dict[str, Rendered] = {}
        self.calls: list[tuple[str, str]] = []
        self.looks = 0

    def change(self, workload: Rendered) -> None:
        self.calls.append((workload.name, workload.command[0]))
        self.running[workload.name] = workload
        self.looks = 0

    def entries(self) -> list[dict[str, Any]]:
        self.looks += 1
        return [{"name": name, "state": self._state(name), "reason": "so it is"} for name in self.running]

    def _state(self, name: str) -> str:
        workload = self.running[name]
        if (name, workload.command[0]) in self.broken:
            return "failed"
        return "starting" if self.looks < 2 else "done" if workload.kind == "job" else "ready"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upgrade, "PERIOD", 0.0)
    monkeypatch.setattr(upgrade, "FAILED_SECONDS", 0.0)


OLD = {name: rendered(name, "old") for name in ("master-0", "setup", "data-0", "data-1")}
NEW = [[rendered("master-0", "new")], [rendered("setup", "new", "job")], [rendered("data-0", "new"), rendered("data-1", "new")]]


def test_group_after_group() -> None:
    runs = StandInRuns()
    roll(NEW, OLD, runs, Progress(), 60)
    assert runs.calls == [("master-0", "new"), ("setup", "new"), ("data-0", "new"), ("data-1", "new")]


def test_one_that_fails_brings_back_what_was_changed_and_nothing_else() -> None:
    runs = StandInRuns(("setup", "new"))
    with pytest.raises(RollError) as failure:
        roll(NEW, OLD, runs, Progress(), 60)
    assert (failure.value.name, failure.value.back) == ("setup", True)
    assert runs.calls == [("master-0", "new"), ("setup", "new"), ("master-0", "old"), ("setup", "old")]
    assert {workload.command[0] for workload in runs.running.values()} == {"old"}


def test_installed_over_the_old_version_there_is_no_way_back_and_it_says_so() -> None:
    runs = StandInRuns(("data-0", "new"))
    with pytest.raises(RollError) as failure:
        roll(NEW, None, runs, Progress(), 60)
    assert not failure.value.back and ("master-0", "old") not in runs.calls


def test_one_that_never_answers_ends_with_the_time() -> None:
    runs = StandInRuns()
    runs.change(rendered("other", "old"))
    with pytest.raises(RollError, match="not there yet") as failure:
        upgrade._until_ready(["data-9"], runs, Progress(), 0.0)
    assert failure.value.name == "data-9"
