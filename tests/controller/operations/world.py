"""A controller without a machine: real passes over a stand-in substrate, the spec in memory."""

from __future__ import annotations

import pathlib

from controller.errors import NotReadyError
from controller.facts import Facts
from controller.operations.assembly import Operating, operating
from controller.operations.record import Operation
from controller.profiles import render_profile
from controller.reconcile import Outcome, Parts, reconcile_once
from controller.spec import ClusterSpec, load_spec
from controller.spec.edit import set_value
from controller.status import ClusterStatus
from controller.store import FolderStore
from controller.substrate import ObservedWorkload
from controller.workloads import all_workloads
from tests.controller.substrate import StandInSubstrate


class Document:
    """The spec in memory; ``fails``: what the next write raises."""

    machine_only = ("spec.network.bind",)
    machine_hint = "on the machine"

    def __init__(self) -> None:
        self.image_tag: str | None = "1.0"
        self.text = set_value(render_profile("local", "demo"), "spec.ports.base", "100")
        self.writes = 0
        self.fails: Exception | None = None

    def read(self) -> str:
        return self.text

    def write(self, text: str) -> None:
        if self.fails:
            raise self.fails
        self.text, self.writes = text, self.writes + 1


class World:
    """``operating`` stands on it; ``wake`` is a pass, after which everything takes its next step."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.document = Document()
        self.substrate = StandInSubstrate()
        self.store = FolderStore(folder / "store")
        self.parts = Parts(
            lambda: load_spec(self.document.text), self.store, self.substrate, lambda spec: all_workloads(spec, Facts()), lambda _spec: None
        )
        self.substrate.running["control"] = ObservedWorkload("control", "ready", "started by the substrate")
        self.outcome: Outcome | None = None
        self.settle()
        self.operating: Operating = operating(self.parts, self, self.document, self.dsn)

    def dsn(self, _spec: ClusterSpec) -> str:
        raise NotReadyError("the master does not run here")

    def wake(self, _wait: float = 0.0) -> bool:
        self.outcome = reconcile_once(self.parts)
        self.substrate.tick()
        return True

    def settle(self) -> None:
        self.wake()
        while self.status()["state"] != "ready":
            self.wake()

    def spec(self) -> ClusterSpec:
        assert self.outcome is not None and self.outcome.spec is not None
        return self.outcome.spec

    def status(self) -> ClusterStatus:
        assert self.outcome is not None and self.outcome.status is not None
        return self.outcome.status

    def changed(self, path: str, value: str) -> str:
        """The spec's text with one field changed."""
        return set_value(self.document.text, path, value)

    def carry_out(self, number: int, steps: int = 60) -> Operation:
        """Step after step until it has ended."""
        for _ in range(steps):
            if not self.operating.engine.advance():
                break
        return self.operating.operations.get(number)
