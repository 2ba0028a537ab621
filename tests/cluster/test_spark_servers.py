"""Spark Connect servers of one's own: each admin is himself in HDFS, and no other's token opens his server."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Iterator

import pytest
import yaml

from controller.profiles import render_profile
from tests.services import spark as spark_tests
from tests.services.cluster import Stage, folder

pytestmark = (
    pytest.mark.full
)  # two Sparks beside a cluster of its own; what is decided about servers is in tests/controller/api/test_spark.py
WRITE = """
import sys
from pyspark.sql import SparkSession
SparkSession.builder.remote(sys.stdin.readline().strip()).getOrCreate().range(3).write.parquet(sys.argv[1])
"""


@dataclasses.dataclass(frozen=True)
class Visit(Stage):
    """Another admin of the same cluster, with a configuration of his own."""

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "BDC_CONFIG": str(self.folder / "visit")}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    spark_tests.install()
    with folder() as found:
        spec = yaml.safe_load(render_profile("local", found.cluster))
        spec["spec"].setdefault("pools", {}).setdefault("storage", {})["spark"] = {"servers": 2}
        (found.folder / "bdc.yaml").write_text(yaml.safe_dump(spec))
        found.bdc("create", "--spec", str(found.folder / "bdc.yaml"))
        yield found


def remote(stage: Stage) -> str:
    started = stage.bdc("spark", "start")
    assert isinstance(started, dict)
    return str(started["remote"])


def write(address: str, path: str) -> subprocess.CompletedProcess[str]:
    """Three rows into HDFS, by a client of the server at ``address``."""
    python = spark_tests.install()
    return subprocess.run([python, "-c", WRITE, path], input=address + "\n", text=True, capture_output=True, timeout=200, check=False)


def test_each_admin_is_himself_in_hdfs(stage: Stage) -> None:
    stage.bdc("user", "add", "bea", "--role", "admin", "--password-stdin", secret="second-password\n")
    visit = Visit(stage.folder, "second-password", stage.cluster)
    visit.bdc("login", stage.cluster, "-u", "bea")
    of_admin, of_bea = remote(stage), remote(visit)
    for address, path in ((of_admin, "/tmp/a"), (of_bea, "/tmp/b")):
        done = write(address, path)
        assert done.returncode == 0, done.stderr[-3000:]
    rows = stage.bdc("hdfs", "ls", "hdfs:/tmp")
    assert isinstance(rows, list)
    assert {row["path"]: row["owner"] for row in rows}.items() >= {"/tmp/a": "admin", "/tmp/b": "bea"}.items()

    stolen = of_bea.replace(of_bea.partition("/;")[0], of_admin.partition("/;")[0])  # her token, his server
    assert "UNAUTHENTICATED" in write(stolen, "/tmp/c").stderr
    visit.bdc("spark", "stop", output=None)
    assert write(of_admin, "/tmp/d").returncode == 0
