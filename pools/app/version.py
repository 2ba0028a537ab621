"""One version of one app, as it is served."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from apps.runtimes import RUNTIMES
from apps.spec import AppSpec
from apps.worker.pool import Workers
from pools.app.history import History
from pools.app.log import AppLog
from pools.app.predictions import Predictions
from pools.app.tally import Tally

State = Literal["WaitingforCreate", "Creating", "Ready", "Error"]
"""The original's words. ``Ready``: it answers; ``reason`` may then tell of an update that was refused."""


@dataclass(frozen=True)
class Kept:
    """What is kept of it on disk, beside its unpacked package in folder ``code``."""

    name: str
    version: str
    digest: str
    code: str
    created_at: float
    created_by: str
    wish: int = 0
    """The spec's ``traffic`` until it was given: it may take a restart until the version is ready."""

    @property
    def label(self) -> str:
        """``house@v1``."""
        return f"{self.name}@{self.version}"

    def json(self) -> dict[str, object]:
        """For the file."""
        return asdict(self)


@dataclass
class Version:
    """``spec`` and ``workers``: None until it was ready once. ``busy``: it is being brought up, or replaced."""

    kept: Kept
    log: AppLog
    history: History
    state: State = "WaitingforCreate"
    reason: str = "waits for its turn"
    since: float = field(default_factory=time.time)
    spec: AppSpec | None = None
    workers: Workers | None = None
    busy: bool = False
    predictions: Predictions | None = None
    tally: Tally = field(default_factory=Tally)

    def turn(self, state: State, reason: str) -> None:
        """A new state."""
        self.state, self.reason, self.since = state, reason, time.time()
        self.log.say(f"{self.kept.label}: {state}: {reason}")

    def summary(self) -> dict[str, object]:
        """A row of the list."""
        return {
            "name": self.kept.name, "version": self.kept.version, "state": self.state, "reason": self.reason,
            "runtime": self.spec.runtime if self.spec else None, "digest": self.kept.digest,
        }  # fmt: skip

    def description(self, base: str) -> dict[str, Any]:
        """The original's fields, and some more. ``base``: the proxy's address."""
        spec, address = self.spec, f"{base}/api/app/{self.kept.name}/{self.kept.version}"
        return {
            **self.summary(),
            "since": self.since,
            "settled": not self.busy,
            "input_param_defs": _parameters(spec.inputs if spec else {}),
            "output_param_defs": _parameters(spec.outputs if spec else {}),
            "links": {"app": f"{address}/run", "swagger": f"{address}/swagger.json", **_inference(spec, address)},
            "created_at": self.kept.created_at,
            "created_by": self.kept.created_by,
            "workers": spec.workers if spec else None,
            "timeout": spec.timeout if spec else None,
            "memory_mb": spec.resources.memory_mb if spec else None,
            "prediction_log": self.predictions is not None,
            "threads": spec.resources.threads if spec else None,
            "calls": self.tally.calls,
            "failed_calls": self.tally.failed,
            "worker_restarts": self.workers.restarts if self.workers else 0,
        }


def _inference(spec: AppSpec | None, address: str) -> dict[str, str]:
    return {"inference": f"{address}/v2"} if spec is not None and RUNTIMES[spec.runtime].model else {}


def _parameters(kinds: Any) -> list[dict[str, str]]:  # noqa: ANN401 (a mapping of names to types)
    return [{"name": name, "type": kind} for name, kind in kinds.items()]
