"""A home of its own for each test, and ways to run the command: in process, and as a process."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from azdata_like_cli.kubernetes import following
from azdata_like_cli.main import main
from tests.azdata_like_cli.standin_controller import PASSWORD, StandinController, standin_controller
from tests.helm.chart import namespace
from tests.interrupts import heeded
from tests.services.kubernetes import ControlPlane

ADMIN_PASSWORD = "Some-pass-1234"

FOREIGN = (
    *("BDC_PASSWORD", "AZDATA_PASSWORD", "BDC_NEW_PASSWORD", "BDC_SOURCE_PASSWORD", "BDC_USERNAME", "AZDATA_USERNAME"),
    *("PGPASSWORD", "PGDATABASE", "PGPASSFILE", "BDC_NO_LOGIN", "BDC_LOCAL_PROGRAM"),
)


@dataclasses.dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in FOREIGN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BDC_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("BDC_HOME", str(tmp_path / "clusters-home"))
    return tmp_path


@pytest.fixture
def bdc(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command in this process; returns exit code and both outputs."""

    def run(*words: str, stdin: str = "") -> Outcome:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        capfdbinary.readouterr()
        code = heeded(main(words))
        out, err = capfdbinary.readouterr()
        return Outcome(code, out.decode(), err.decode())

    return run


@pytest.fixture
def process() -> Run:
    """Runs the command as a process of its own."""

    def run(*words: str, stdin: str | None = "", **environment: str) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "azdata_like_cli", *words],
            input=stdin, capture_output=True, text=True, env={**os.environ, **environment}, timeout=60, check=False,
        )  # fmt: skip
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def controller() -> Iterator[StandinController]:
    with standin_controller(endpoints={"controller": "http://x", "webhdfs": "http://127.0.0.1:1/webhdfs/v1"}) as found:
        yield found


@pytest.fixture
def logged_in(bdc: Run, controller: StandinController, monkeypatch: pytest.MonkeyPatch) -> StandinController:
    with monkeypatch.context() as patch:
        patch.setenv("BDC_PASSWORD", PASSWORD)
        outcome = bdc("login", "--endpoint", controller.url)
    assert outcome.code == 0, outcome.err
    return controller


@pytest.fixture
def kube(kubernetes_api: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> ControlPlane:
    """Kubernetes without a node, as this machine's kubectl and helm see it."""
    for name in ("KUBECONFIG", "PATH"):
        monkeypatch.setenv(name, kubernetes_api.environment[name])
    monkeypatch.setenv("BDC_NO_LOGIN", "1")
    monkeypatch.setenv("BDC_PASSWORD", ADMIN_PASSWORD)
    monkeypatch.setattr(following, "PERIOD", 0.2)
    return kubernetes_api


@pytest.fixture
def place(kube: ControlPlane) -> Iterator[str]:
    """A namespace for a cluster ``sales``."""
    with namespace(kube) as name:
        yield name
        free = ["kubectl", "patch", "bigdatacluster", "sales", "-n", name, "--type=merge", "-p", '{"metadata":{"finalizers":null}}']
        subprocess.run(free, env=kube.environment, capture_output=True)  # where there is one: it must not outlive the test
        subprocess.run(["helm", "uninstall", "openbdc", "--ignore-not-found", "-n", name], env=kube.environment, capture_output=True)
