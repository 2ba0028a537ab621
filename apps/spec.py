"""What an app is: the fields of its ``spec.yaml``, after everything was checked. ``apps.reading`` makes it from the text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from apps.schedule import Schedule

MEMORY_MB, THREADS, TIMEOUT_SECONDS = 512, 1, 30.0


@dataclass(frozen=True)
class Resources:
    """Of one worker: ``memory_mb`` megabytes of data, ``threads`` of numerical libraries."""

    memory_mb: int = MEMORY_MB
    threads: int = THREADS


@dataclass(frozen=True)
class AppSpec:
    """One version of one app.

    inputs, outputs  name → type (a key of ``apps.types.TYPES``), in the order of the file
    src              the file to run, relative to the folder
    entrypoint       the function in it; None where the runtime needs none
    replicas, poolsize  their product is how many workers run, and so how many calls at once
    secrets          names of variables whose values the cluster keeps
    requirements     None: those of ``requirements.txt`` where there is one; the name of such a file; or the requirements themselves
    timeout          seconds that a call may take
    traffic          percent of the calls of ``NAME@live`` that it gets once it is ready; 100: it is live
    schedule         when it runs by itself; None: never
    prediction_log   whether inputs and outputs of calls are kept (``options`` of the file)
    """

    name: str
    version: str
    runtime: str
    src: str
    entrypoint: str | None = None
    replicas: int = 1
    poolsize: int = 1
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    requirements: str | tuple[str, ...] | None = None
    resources: Resources = Resources()
    timeout: float = TIMEOUT_SECONDS
    traffic: int = 0
    schedule: Schedule | None = None
    prediction_log: bool = False

    @property
    def label(self) -> str:
        """``house@v1``."""
        return f"{self.name}@{self.version}"

    @property
    def workers(self) -> int:
        """How many calls it serves at once."""
        return self.replicas * self.poolsize

    def init(self, folder: str) -> dict[str, object]:
        """What a worker is told before anything else: no secret, nothing of the cluster."""
        return {
            "runtime": self.runtime,
            "folder": folder,
            "src": self.src,
            "entrypoint": self.entrypoint,
            "inputs": dict(self.inputs),
            "outputs": dict(self.outputs),
            "memory_mb": self.resources.memory_mb,
            "threads": self.resources.threads,
            "timeout": self.timeout,
        }

    def key(self) -> str:
        """For comparing two specs: every field, in one text."""
        return json.dumps(
            self.init("")
            | {
                "label": self.label,
                "workers": self.workers,
                "timeout": self.timeout,
                "secrets": self.secrets,
                "traffic": self.traffic,
                "schedule": self.schedule.json() if self.schedule else None,
                "prediction_log": self.prediction_log,
            },
            sort_keys=True,
        )
