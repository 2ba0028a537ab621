"""The settings of what stands in front of MLflow: a JSON file that the workload description writes. It holds no secret."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from dataclasses import dataclass


@dataclass(frozen=True)
class TrackingSettings:
    """``socket``: MLflow's; ``controller``, ``issuer``, ``authority``: whose tokens are good, as of the app proxy's settings."""

    port: int
    socket: str
    data_folder: str
    controller: str
    issuer: str
    host: str = "127.0.0.1"
    authority: str | None = None
    missing: str | None = None
    """MLflow is not installed: what brings it, a sentence. None: it is."""
    body_bytes: int = 64 * 2**20
    """Of a request that is no file."""
    answer_seconds: float = 600.0
    """In which MLflow must begin to answer."""
    metrics: str | None = None
    """Where metrics are asked for (``pools/metrics_listener.py``); None: nowhere."""

    @classmethod
    def read(cls, path: pathlib.Path) -> TrackingSettings:
        """From the JSON file; ValueError names what is wrong."""
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise ValueError(f"{path}: {error}") from error

    def json(self) -> str:
        """As ``read`` takes it."""
        return json.dumps(dataclasses.asdict(self), indent=2)
