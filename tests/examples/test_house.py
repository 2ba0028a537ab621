"""The house-price scenario: its notebooks run from start to end. What needs no Spark on the cluster of all tests, the whole demonstration
(a cluster and Spark of its own, two minutes) in the long tests and in `.ci/run`."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from types import ModuleType

import pytest

from tests.patience import PATIENCE
from tests.services.cluster import Stage

ROOT = pathlib.Path(__file__).parents[2]
HOUSE = ROOT / "examples" / "house"
PYTHON = ROOT / ".cache" / "house-venv" / "bin" / "python"
NOTEBOOKS = sorted(HOUSE.glob("*.ipynb"))


def module(path: pathlib.Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = found  # its dataclasses look there
    spec.loader.exec_module(found)
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_kept_without_what_it_printed(path: pathlib.Path) -> None:
    cells = json.loads(path.read_text())["cells"]
    assert not [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]
    assert len({cell["id"] for cell in cells}) == len(cells)
    assert path.stat().st_size < 20_000


def test_a_wrong_figure_ends_a_notebook(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = module(HOUSE / "steps.py")
    monkeypatch.setenv(steps.RECORD, str(tmp_path / "record"))
    steps.check(4, "rows", 506, 506)
    steps.check(9, "R²", 0.74, 0.7402, within=0.002)
    steps.left_out(9, "MLflow", "is not here")
    steps.measure(13, "seconds", 60, 61.0)
    steps.measure(17, "ratio", 2.5, 3.0, least=True)
    with pytest.raises(steps.StepError, match=r"step 4, rows: expected 506, found 505"):
        steps.check(4, "rows", 506, 505)
    with pytest.raises(steps.StepError):
        steps.check(9, "R²", 0.74, 0.75, within=0.002)
    told = Counter(entry["outcome"] for entry in steps.recorded(tmp_path / "record"))
    assert told == {"ok": 3, "WRONG": 2, "missed": 1, "left out": 1}


def test_runs_are_kept_and_the_best_gets_an_alias(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    runs = module(HOUSE / "runs.py")
    monkeypatch.setattr(runs, "PACKAGES", ("numpy",))
    experiment = runs.experiment("e", tmp_path / "runs")
    for name, found in (("a", 0.5), ("b", 0.9), ("c", 0.7)):
        experiment.log(runs.Run(name, {"seed": "1"}, {"test_r2": found}))
    runs.experiment("other", tmp_path / "runs").log(runs.Run("d", {}, {"test_r2": 1.0}))
    assert [run.name for run in experiment.runs()] == ["a", "b", "c"]
    experiment.alias("house", "candidate", runs.best(experiment, "test_r2"))
    assert experiment.aliased("house", "candidate") == "b"
    (tmp_path / "b.onnx").write_bytes(b"model")
    experiment.attach("house", "candidate", tmp_path / "b.onnx")
    assert (tmp_path / "runs" / "house-b.onnx").read_bytes() == b"model"


def test_the_next_demonstration_removes_what_a_killed_one_left(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HOUSE))
    monkeypatch.syspath_prepend(str(HOUSE.parent / "demo"))
    place = module(HOUSE / "place.py")
    monkeypatch.setattr(place, "BASE", tmp_path)
    folder = tmp_path / f"{place.PREFIX}killed"
    folder.mkdir()
    with (folder / place.HELD).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        left = subprocess.Popen(["sleep", "600"], env={**os.environ, **place.variables(folder)})
        place.leftovers()
        assert folder.is_dir() and left.poll() is None  # it runs
    place.leftovers()
    assert not folder.exists() and left.wait(10 * PATIENCE) == -signal.SIGTERM


@pytest.fixture(scope="module")
def installed() -> pathlib.Path:
    subprocess.run([ROOT / "scripts" / "demo-house.sh", "--install"], check=True)
    return PYTHON


@pytest.fixture
def place(cluster: Stage, tmp_path: pathlib.Path) -> Iterator[dict[str, str]]:
    """The variables that ``demo.py`` gives to notebooks; what they make in the cluster is taken away."""
    data = tmp_path / "data"
    data.mkdir()
    raw = module(ROOT / "examples" / "demo" / "raw.py")
    (data / "house.csv").write_bytes(raw.house_source().read_bytes())
    raw._without_b(data / "house.csv", data / "house_without_b.csv")
    for name in ("first.json", "model.onnx"):
        shutil.copy(ROOT / "examples" / "apps" / "house" / name, data)
    yield {
        **cluster.environment,
        "HOUSE_DATA": str(data),
        "HOUSE_CALLS": "100",
        "BDC_HOUSE_RECORD": str(tmp_path / "record"),
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(HOUSE))),
        "PATH": os.pathsep.join((str(PYTHON.parent), str(pathlib.Path(sys.executable).parent), os.environ["PATH"])),
    }
    with cluster.sql() as master:
        master.execute("DROP FOREIGN TABLE IF EXISTS house_csv; DROP TABLE IF EXISTS tax_rates")
    cluster.bdc("app", "delete", "house@v1", "--live", "--yes", output=None)
    for name in ("house.csv", "house_without_b.csv"):
        cluster.bdc("hdfs", "rm", f"hdfs:/sandbox/{name}", output=None)


def test_the_notebooks_run_without_spark(installed: pathlib.Path, place: dict[str, str], tmp_path: pathlib.Path) -> None:
    names = ("1-engineer.ipynb", "4-app.ipynb")
    (tmp_path / "work").mkdir()
    command = [installed, HOUSE / "execute.py", "--without", "spark", *(HOUSE / name for name in names)]
    done = subprocess.run(command, cwd=tmp_path / "work", env=place, capture_output=True, text=True, timeout=10 * PATIENCE, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    noted = [json.loads(line) for line in (tmp_path / "record").read_text().splitlines()]
    assert {3, 5, 12, 13, 14, 15, 16} == {entry["step"] for entry in noted if entry["outcome"] == "ok"}
    assert not [entry for entry in noted if entry["outcome"] == "WRONG"]
    for name in names:  # they are as they were
        assert not [cell for cell in json.loads((HOUSE / name).read_text())["cells"] if cell.get("outputs")]


def test_a_cell_that_fails_ends_it(installed: pathlib.Path, tmp_path: pathlib.Path) -> None:
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": "print('before')\n1 / 0", "outputs": [], "execution_count": None}
    path = tmp_path / "bad.ipynb"
    path.write_text(json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    done = subprocess.run([installed, HOUSE / "execute.py", path], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, "before" in done.stdout) == (1, True)
    assert "bad.ipynb: error" in done.stderr and "ZeroDivisionError" in done.stderr


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_the_whole_demonstration() -> None:
    done = subprocess.run([ROOT / "scripts" / "demo-house.sh", "--full"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    assert "step 18  processes: expected [], found []  ok" in done.stdout
    assert "step 17  columns with equal sums: expected 13, found 13  ok" in done.stdout
    assert "WRONG" not in done.stdout
