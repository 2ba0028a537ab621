"""What the doctor's checks stand on in tests: a real API server, or lists that are given."""

from __future__ import annotations

from typing import Any

from controller.kubernetes.api import Api
from controller.kubernetes.doctor.ground import Ground
from controller.operations.doctor import Check, Finding, examined
from tests.controller.substrates.kubernetes.snapshots import spec, workloads

Json = dict[str, Any]
VERSION = "0.1.0"


class GivenApi:
    """A stand-in: ``nodes=[…]`` is what a list of that kind holds."""

    def __init__(self, **lists: list[Json]) -> None:
        self.lists = lists

    def list(self, path: str, selector: str = "", fields: str = "") -> list[Json]:
        return self.lists.get(path.rpartition("/")[2], [])


def ground(api: Api | GivenApi, namespace: str = "bdc", **changes: str) -> Ground:
    """Of a cluster of the default spec, changed as ``snapshots.spec`` does it."""
    of = spec(**changes)
    return Ground(api, namespace, "demo", VERSION, lambda: of, lambda: workloads(of))  # type: ignore[arg-type] # a stand-in


def found(check: Check) -> list[Finding]:
    """What a check says, as the doctor does."""
    return examined({"check": check})


def bad(check: Check) -> dict[str, str]:
    """Message → fix, of what is not in order."""
    return {one.message: one.fix or "" for one in found(check) if one.state != "ok"}
