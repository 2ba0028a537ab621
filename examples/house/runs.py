"""Runs of an experiment and versions of a model with an alias: MLflow's, where its client is installed and ``MLFLOW_TRACKING_URI`` names a
server (docs/guide/mlflow.md).

Without one the same is kept in a folder: a line of JSON for each run, and a file for each version.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

PACKAGES = ("pyspark", "pandas", "numpy")
MLMODEL = """flavors:
  onnx: {data: model.onnx, onnx_version: null, providers: [CPUExecutionProvider]}
  python_function: {loader_module: mlflow.onnx, data: model.onnx}
"""


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


class Experiment(Protocol):
    """A name, its runs, and versions of models with their aliases. ``where``: for people."""

    where: str

    def log(self, run: Run) -> None:
        """Keep it, and what made it."""

    def runs(self) -> list[Run]:
        """All of them, the first first."""

    def alias(self, model: str, alias: str, run: Run) -> None:
        """``models:/MODEL@ALIAS`` is this run's from now on."""

    def attach(self, model: str, alias: str, onnx: Path) -> None:
        """The model's file: with it ``models:/MODEL@ALIAS`` can be fetched."""

    def aliased(self, model: str, alias: str) -> str:
        """The run's name."""


def experiment(name: str, folder: Path) -> Experiment:
    """Of MLflow, or kept in ``folder``."""
    tracked = "MLFLOW_TRACKING_URI" in os.environ and importlib.util.find_spec("mlflow") is not None
    return Tracked(name) if tracked else Kept(name, folder)


def best(found: Experiment, metric: str) -> Run:
    """The run with the highest."""
    return max(found.runs(), key=lambda run: run.metrics[metric])


class Tracked:
    """At the server of ``MLFLOW_TRACKING_URI``, with its client alone (``mlflow-skinny``)."""

    def __init__(self, name: str) -> None:
        import mlflow

        self.where = os.environ["MLFLOW_TRACKING_URI"]
        self._client = mlflow.MlflowClient()
        self._mlflow = mlflow
        self._id = mlflow.set_experiment(name).experiment_id

    def log(self, run: Run) -> None:
        """With the packages that made it, as pip and as a person reads them."""
        with self._mlflow.start_run(run_name=run.name):
            self._mlflow.log_params(run.params)
            self._mlflow.log_metrics(run.metrics)
            self._mlflow.set_tags(run.tags)
            made = environment()
            self._mlflow.log_dict(made, "environment.json")
            self._mlflow.log_text("".join(f"{name}=={made[name]}\n" for name in PACKAGES), "requirements.txt")

    def runs(self) -> list[Run]:
        """MLflow keeps tags of its own beside ours."""
        return [
            Run(
                found.info.run_name,
                dict(found.data.params),
                dict(found.data.metrics),
                {name: value for name, value in found.data.tags.items() if not name.startswith("mlflow.")},
            )
            for found in self._found()
        ]

    def alias(self, model: str, alias: str, run: Run) -> None:
        """A version of the registered model, whose files are the run's."""
        made = next(found for found in reversed(self._found()) if found.info.run_name == run.name)
        if not self._client.search_registered_models(f"name = '{model}'"):
            self._client.create_registered_model(model)
        version = self._client.create_model_version(model, f"{made.info.artifact_uri}/model", made.info.run_id)
        self._client.set_registered_model_alias(model, alias, version.version)

    def attach(self, model: str, alias: str, onnx: Path) -> None:
        """As a model folder among the run's files."""
        version = self._client.get_model_version_by_alias(model, alias)
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "MLmodel").write_text(MLMODEL + f"mlflow_version: {self._mlflow.__version__}\nrun_id: {version.run_id}\n")
            shutil.copy(onnx, Path(folder, "model.onnx"))
            self._client.log_artifacts(version.run_id, folder, "model")

    def aliased(self, model: str, alias: str) -> str:
        """Of the version's run."""
        return str(self._client.get_run(self._client.get_model_version_by_alias(model, alias).run_id).info.run_name)

    def _found(self) -> list[Any]:
        return list(self._client.search_runs([self._id], order_by=["attributes.start_time ASC"]))


class Kept:
    """In a folder."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.where = folder.name
        self._folder = folder
        folder.mkdir(exist_ok=True)

    def log(self, run: Run) -> None:
        """A line."""
        line = {"experiment": self.name, "run": run.name, "params": run.params, "metrics": run.metrics, "tags": run.tags}
        with (self._folder / "runs.jsonl").open("a") as file:
            file.write(json.dumps({**line, "environment": environment()}) + "\n")

    def runs(self) -> list[Run]:
        """Those of this experiment."""
        lines = (json.loads(line) for line in (self._folder / "runs.jsonl").read_text().splitlines())
        return [Run(one["run"], one["params"], one["metrics"], one["tags"]) for one in lines if one["experiment"] == self.name]

    def alias(self, model: str, alias: str, run: Run) -> None:
        """An entry."""
        (self._folder / "aliases.json").write_text(json.dumps({**self._aliases(), f"{model}@{alias}": run.name}))

    def attach(self, model: str, alias: str, onnx: Path) -> None:
        """A copy beside the runs."""
        shutil.copy(onnx, self._folder / f"{model}-{self.aliased(model, alias)}.onnx")

    def aliased(self, model: str, alias: str) -> str:
        """As it is written down."""
        return str(self._aliases()[f"{model}@{alias}"])

    def _aliases(self) -> dict[str, str]:
        path = self._folder / "aliases.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}
