"""The whole way of a user: `bdc create` on a real node, SQL and files through port-forwards, delete, and again from the kept volumes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.services.kubernetes import Node
from tests.services.kubernetes.product import SMALL, load_images

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(1500)]
NAME = "cli"


@pytest.fixture
def spec(kubernetes_node: Node, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    load_images(kubernetes_node)
    for name in ("KUBECONFIG", "PATH"):
        monkeypatch.setenv(name, kubernetes_node.environment[name])
    monkeypatch.setenv("BDC_PASSWORD", "Some-pass-1234")
    path = home / "bdc.yaml"
    document = {"apiVersion": "openbdc.dev/v1alpha1", "kind": "BigDataCluster", "metadata": {"name": NAME}, "spec": SMALL}
    path.write_text(yaml.safe_dump(document))
    yield path
    kubernetes_node.kubectl("delete", "namespace", NAME, "--ignore-not-found", "--wait=false")


def bdc(*words: str, seconds: float = 700) -> str:
    """As a process of its own; its standard output."""
    command = [sys.executable, "-m", "azdata_like_cli", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout


def test_create_use_delete_and_create_again(kubernetes_node: Node, spec: Path, home: Path) -> None:
    bdc("create", "--spec", str(spec))
    assert json.loads(bdc("status", "-o", "json"))["state"] == "ready"
    bdc("sql", "query", "CREATE TABLE kept AS SELECT 42 AS answer")
    (home / "house.csv").write_bytes(os.urandom(100_000))
    bdc("hdfs", "cp", str(home / "house.csv"), "hdfs:/house.csv")
    bdc("hdfs", "cp", "hdfs:/house.csv", str(home / "again.csv"))
    assert (home / "again.csv").read_bytes() == (home / "house.csv").read_bytes()
    assert bdc("logs", "master-0", "--lines", "1")
    left = json.loads(bdc("delete", NAME, "--yes", "-o", "json"))["volume_claims"]
    assert "data-master-0-0" in left
    bdc("create", "--spec", str(spec))
    assert json.loads(bdc("sql", "query", "SELECT answer FROM kept", "-o", "json")) == [{"answer": 42}]
    assert json.loads(bdc("delete", NAME, "--yes", "--volumes", "-o", "json"))["volume_claims"] == []
    assert kubernetes_node.get("secrets", "-n", NAME)["items"] == []
