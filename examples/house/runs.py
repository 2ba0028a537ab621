"""Runs of an experiment and models with an alias: MLflow's where its client is installed and ``MLFLOW_TRACKING_URI`` names a server.

Without one the same is kept in a folder: a line of JSON for each run. MLflow with its server is 950 MB, more than everything else here.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

PACKAGES = ("pyspark", "pandas", "numpy")


@dataclass(frozen=True)
class Run:
    """``params`` and ``tags`` are texts, ``metrics`` numbers."""

    name: str
    params: dict[str, str]
    metrics: dict[str, float]
    tags: dict[str, str] = field(default_factory=dict)


def environment() -> dict[str, str]:
    """Versions of what made the models."""
    return {"python": sys.version.split()[0], **{name: importlib.metadata.version(name) for name in PACKAGES}}


class Experiment:
    """A name, its runs, and the aliases of its models."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder
        folder.mkdir(exist_ok=True)

    @property
    def where(self) -> str:
        """For people."""
        return os.environ["MLFLOW_TRACKING_URI"] if self._tracked else str(self._folder.name)

    @property
    def _tracked(self) -> bool:
        return "MLFLOW_TRACKING_URI" in os.environ and importlib.util.find_spec("mlflow") is not None

    def log(self, run: Run) -> None:
        """Keep it."""
        if self._tracked:
            import mlflow

            mlflow.set_experiment(self.name)
            with mlflow.start_run(run_name=run.name):
                mlflow.log_params(run.params)
                mlflow.log_metrics(run.metrics)
                mlflow.set_tags(run.tags)
                mlflow.log_dict(environment(), "environment.json")
        line = {"experiment": self.name, "run": run.name, "params": run.params, "metrics": run.metrics, "tags": run.tags}
        with (self._folder / "runs.jsonl").open("a") as file:
            file.write(json.dumps({**line, "environment": environment()}) + "\n")

    def runs(self) -> list[Run]:
        """All of them, the first first."""
        lines = (json.loads(line) for line in (self._folder / "runs.jsonl").read_text().splitlines())
        return [Run(one["run"], one["params"], one["metrics"], one["tags"]) for one in lines if one["experiment"] == self.name]

    def best(self, metric: str) -> Run:
        """The run with the highest."""
        return max(self.runs(), key=lambda run: run.metrics[metric])

    def alias(self, model: str, alias: str, run: Run) -> None:
        """``models:/MODEL@ALIAS`` is this run's from now on."""
        path = self._folder / "aliases.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**known, f"{model}@{alias}": run.name}))

    def aliased(self, model: str, alias: str) -> str:
        """The run's name."""
        return str(json.loads((self._folder / "aliases.json").read_text())[f"{model}@{alias}"])
