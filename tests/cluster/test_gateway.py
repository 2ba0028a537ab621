"""A cluster of this machine with its gateway: logged in through it, files as the caller, its certificate exchanged."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.apps.folders import python
from tests.cluster.closed import check_closed, hdfs_as_nobody
from tests.patience import PATIENCE, eventually
from tests.services import spark as spark_tests
from tests.services.cluster import Stage, folder
from tests.strangers import only_root

pytestmark = pytest.mark.full
SPEC = """apiVersion: openbdc.dev/v1alpha1
kind: BigDataCluster
metadata: {{name: {name}}}
spec:
  gateway: {{enabled: true}}
  pools: {{data: {{shards: 0}}, storage: {{dataNodes: 1, replication: 1, spark: {{servers: 2}}}}}}
"""


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with folder() as place:
        place.create_from(SPEC)
        place.bdc("user", "add", "alice", "--password-stdin", secret="correct horse battery")
        yield place


def audit(stage: Stage, text: str) -> list[str]:
    found = stage.folder / "home" / "clusters" / stage.cluster / "logs"
    return [
        line
        for path in found.rglob("nmnode-0*")
        for line in path.read_text(errors="replace").splitlines()
        if text in line and "cmd=" in line
    ]


def test_one_address_and_one_login(stage: Stage, tmp_path: Path) -> None:
    gateway = stage.endpoint("gateway")
    assert stage.endpoint("webhdfs") == f"{gateway}/webhdfs/v1"
    given, back = tmp_path / "a.csv", tmp_path / "b.csv"
    given.write_bytes(b"1,2\n" * 100_000)
    # as who made the cluster, by the controller's own address
    stage.bdc("hdfs", "mkdir", "/sandbox")
    stage.bdc("hdfs", "chmod", "777", "/sandbox")
    # as somebody else, who knows nothing but the gateway
    other = Stage(stage.folder, "correct horse battery", stage.cluster)
    other.bdc("login", "-e", gateway, "-u", "alice", "--name", "outside", "--ca", str(stage.authority))

    other.bdc("hdfs", "cp", str(given), "hdfs:/sandbox/a.csv", "--context", "outside")
    other.bdc("hdfs", "cp", "hdfs:/sandbox/a.csv", str(back), "--context", "outside")
    assert back.read_bytes() == given.read_bytes()
    rows = stage.bdc("hdfs", "ls", "/sandbox", "--context", stage.cluster)
    assert isinstance(rows, list)
    assert [(row["path"], row["owner"]) for row in rows] == [("/sandbox/a.csv", "alice")]
    eventually(lambda: audit(stage, "ugi=alice (auth:PROXY) via openbdc-gateway"), "the NameNode's audit log names the caller")

    def audited(*more: str) -> list[dict[str, Any]]:
        found = stage.bdc("audit", "query", "--user", "alice", "--context", stage.cluster, *more)
        assert isinstance(found, list)
        return found

    # one login, told by the controller and the gateway under the same name
    eventually(lambda: len({one["action"] for one in audited("--action", "files")} & {"files.read", "files.write"}) == 2, "both are told")
    (read,) = audited("--action", "files.read")
    assert (read["service"], read["objects"], read["outcome"], read["bytes"]) == ("gateway", ["/sandbox/a.csv"], "allowed", 400_000)
    assert {"control", "gateway"} <= {one["service"] for one in audited("--session", read["session"])}


@only_root
def test_on_the_clusters_machine_other_os_users_have_this_way_only(stage: Stage) -> None:
    check_closed(stage)
    said = hdfs_as_nobody(stage, "ls", "/")
    assert "/tmp" in said and "exit 0" in said


def test_apps_with_the_same_login(stage: Stage, tmp_path: Path) -> None:
    gateway = stage.endpoint("gateway")
    stage.bdc("login", "-e", gateway, "--name", "outside-admin", "--ca", str(stage.authority))
    folder = python(tmp_path / "a", "def run(x):\n    return x + 1\n", "{x: int}")
    (folder / "data.bin").write_bytes(os.urandom(1_000_000))
    outside = ("--context", "outside-admin")
    created = stage.bdc("app", "create", str(folder), *outside)
    assert isinstance(created, dict) and created["state"] == "Ready"
    found = stage.bdc("app", "run", "t@v1", "-i", "x=41", *outside)
    assert isinstance(found, dict) and found["outputParameters"] == {"result": 42}
    stage.bdc("app", "delete", "t@v1", "--yes", "--live", *outside)


WRITES = """
import json, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.remote(json.load(sys.stdin)["remote"]).getOrCreate()
spark.range(1000).write.mode("overwrite").parquet("/sandbox/by-bea")
print("rows:", spark.read.parquet("/sandbox/by-bea").count())
"""


def test_spark_as_who_logged_in(stage: Stage, tmp_path: Path) -> None:
    """An admin who knows nothing but the gateway: his own server is started by his first call, and in HDFS it is him."""
    stage.bdc("user", "add", "bea", "--role", "admin", "--password-stdin", "--context", stage.cluster, secret="correct horse battery")
    gateway = stage.endpoint("gateway-spark")
    outside = Stage(stage.folder, "correct horse battery", stage.cluster)
    outside.bdc("login", "-e", stage.endpoint("gateway"), "-u", "bea", "--name", "bea-outside", "--ca", str(stage.authority))
    token = str(outside.bdc("auth", "token", "--context", "bea-outside", output=None)).strip()
    client = [str(spark_tests.install()), "-c", WRITES]
    trusting = {**os.environ, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(stage.authority)}

    def run(remote: str) -> subprocess.CompletedProcess[str]:
        given = json.dumps({"remote": remote})
        return subprocess.run(client, input=given, env=trusting, text=True, capture_output=True, timeout=PATIENCE, check=False)

    done = run(f"{gateway};token={token}")
    assert done.returncode == 0 and "rows: 1000" in done.stdout, done.stderr[-3000:]
    rows = stage.bdc("hdfs", "ls", "/sandbox", "--context", stage.cluster)
    assert isinstance(rows, list)
    assert [row["owner"] for row in rows if row["path"] == "/sandbox/by-bea"] == ["bea"]
    refused = run(f"{gateway};token={token[:-6]}AAAAAA")
    assert refused.returncode != 0 and "rows:" not in refused.stdout


def test_its_metrics_are_the_clusters(stage: Stage) -> None:
    """It tells the controller, by a socket, what it did; Prometheus may ask for all of it through the gateway, with a login."""
    address = stage.endpoint("gateway")
    context = ssl.create_default_context(cafile=str(stage.authority))
    with httpx.Client(base_url=address, verify=context, auth=("admin", stage.password), trust_env=False, timeout=PATIENCE) as client:
        assert client.get("/metrics").status_code == 404

        def told() -> list[str]:
            lines = client.get("/api/v1/bdc/metrics").text.splitlines()
            return [line for line in lines if line.startswith("openbdc_gateway_request_seconds_count{") and 'route="webhdfs"' in line]

        eventually(told, "it is asked")
        assert all('workload="gateway"' in line for line in told())
        lines = client.get("/api/v1/bdc/metrics").text.splitlines()
        left = {line.split('"')[1]: float(line.split()[-1]) for line in lines if line.startswith("openbdc_certificate_left_seconds{")}
        assert left.keys() == {"ca", "gateway"} and 80 * 86400 < left["gateway"] < left["ca"]


def test_its_certificate_is_exchanged_and_shown(stage: Stage) -> None:
    before = stage.certificates()
    assert set(before) == {"gateway"}
    stage.bdc("cert", "rotate", "--context", stage.cluster)

    def exchanged() -> bool:
        state, fingerprint = stage.certificates()["gateway"]
        return state == "served" and fingerprint != before["gateway"][1]

    eventually(exchanged, "the gateway shows its new certificate")
    address = stage.endpoint("gateway")
    answer = subprocess.run(
        ["curl", "-sS", "--noproxy", "*", "--cacert", str(stage.authority), f"{address}/webhdfs/v1/?op=LISTSTATUS"],
        capture_output=True, check=True,
    ).stdout  # fmt: skip
    assert json.loads(answer)["error"]["code"] == "invalid_token"
