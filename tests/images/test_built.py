"""The images as built: each starts on a node under the rules that pods of a cluster have, and holds what its README promises; and what
must not lie in a layer."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest

from controller.spec.kubernetes import Images
from controller.substrates.kubernetes.containers import CONFINED
from controller.substrates.kubernetes.programs import CLASSPATHS, IMAGES, PROGRAMS, PYTHON, reference
from pools.workload import PoolName
from tests.images.test_locks import PROGRAMS as STARTED
from tests.patience import eventually
from tests.services.kubernetes import Node
from tests.services.kubernetes.product import IMAGES as ARCHIVES
from tests.services.kubernetes.product import load_images

pytestmark = pytest.mark.kubernetes

NAMESPACE = "images"
HEAD = 'set -eu; id -u; touch /opt/mine 2> /dev/null && exit 1; test -w "$HOME"'
SERVE = """
$BIN/initdb -D /tmp/data -A scram-sha-256 --pwfile=/etc/hostname -U me --locale-provider=builtin --builtin-locale=C.UTF-8 > /dev/null
$BIN/postgres -D /tmp/data -c listen_addresses= -c unix_socket_directories=/tmp $TLS & server=$!
until $BIN/pg_isready -q -h /tmp; do sleep 0.1; done
export PGPASSWORD=$(cat /etc/hostname)
$BIN/psql -h /tmp -U me -d postgres -At -c "create extension postgres_fdw" -c "select 'ssl ' || current_setting('ssl')"
kill -INT $server; wait $server
"""
CERTIFY = """
openssl req -new -x509 -days 2 -nodes -subj /CN=test -keyout /tmp/key -out /tmp/certificate 2> /dev/null; chmod 600 /tmp/key
export TLS="-c ssl=on -c ssl_cert_file=/tmp/certificate -c ssl_key_file=/tmp/key"
"""
JAVA = """
$PYTHON -c "import $MODULES, pyspark_bdc"
$SPARK_PYTHON -c "import pyspark.sql.connect.session, pandas, pyarrow, pyspark_bdc"
$SPARK_PYTHON -c "import pools" 2> /dev/null && exit 1
$JAVA -XX:-UsePerfData -cp "$HADOOP" org.apache.hadoop.util.VersionInfo
$JAVA -XX:-UsePerfData -cp "$SPARK/jars/*" org.apache.spark.deploy.SparkSubmit --version 2>&1
"""
APP = """
$PYTHON -c "import $MODULES, bdc, fastapi, pyarrow, onnxruntime, uvloop"
bdc --version
uv --version
$PYTHON -m pools.app.service --help
"""
SCRIPTS: dict[PoolName, str] = {
    "control": '$PYTHON -c "import $MODULES"',
    "master": CERTIFY + SERVE,
    "compute": '$PYTHON -c "import $MODULES, pyodbc; print(pyodbc.drivers())"; $PYTHON -m pools.compute.service --help\n' + SERVE,
    "data": '$PYTHON -c "import $MODULES"; $PYTHON -m pools.data.service --help',
    "storage": JAVA,
    "app": APP,
}
"""What a pod of each pool's image runs to its end; variables: ``variables``."""

SAYS: dict[PoolName, str] = {
    "control": "",
    "master": r"^ssl on$",
    "compute": r"MariaDB[\s\S]*usage: .*pools.compute.service[\s\S]*^ssl off$",
    "data": r"usage: .*pools.data.service",
    "storage": r"Hadoop 3\.[\s\S]*version 4\.",
    "app": r"\d+\.\d+[\s\S]*uv \d[\s\S]*usage: .*pools.app.service",
}


def variables(pool: PoolName) -> dict[str, str]:
    """For a pool's script: its programs, where the substrate looks for them."""
    programs = PROGRAMS.get(pool, {})
    found = {"HOME": "/tmp", "TLS": "", "PYTHON": PYTHON, "MODULES": ", ".join(STARTED.get({"control": "controller"}.get(pool, pool), ()))}
    if "postgres" in programs:
        found["BIN"] = programs["postgres"].removesuffix("/postgres")
    if pool == "storage":
        found |= {"JAVA": programs["java"], "HADOOP": CLASSPATHS["hadoop"]}
        found |= {"SPARK": programs["spark-home"], "SPARK_PYTHON": programs["spark-python"]}
    return found


def pod(pool: PoolName) -> dict[str, Any]:
    user = IMAGES[pool].user
    container = {
        "name": "it",
        "image": reference(pool, Images(), importlib.metadata.version("openbdc-cluster")),
        "imagePullPolicy": "Never",
        "command": ["/bin/sh", "-c", f"{HEAD}\n{SCRIPTS[pool]}"],
        "env": [{"name": name, "value": value} for name, value in variables(pool).items()],
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        "resources": {"requests": {"cpu": "200m"}},  # without a share of its own it gets next to nothing of a busy machine
        "securityContext": CONFINED,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pool, "namespace": NAMESPACE},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": user, "fsGroup": user, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
        },
    }


@pytest.fixture(scope="module")
def ended(kubernetes_node: Node) -> Iterator[Node]:
    """All images' pods side by side, each run to its end."""
    load_images(kubernetes_node)
    kubernetes_node.load_images(ARCHIVES / "app.tar")
    kubernetes_node.kubectl("create", "namespace", NAMESPACE)
    kubernetes_node.kubectl(
        "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": [pod(pool) for pool in SCRIPTS]})
    )
    yield kubernetes_node
    kubernetes_node.kubectl("delete", "namespace", NAMESPACE)


@pytest.mark.parametrize("pool", SCRIPTS)
def test_it_does_its_work_unprivileged_on_a_read_only_root(ended: Node, pool: PoolName) -> None:
    def phase() -> str:
        return str(ended.get("pod", "-n", NAMESPACE, pool)["status"].get("phase"))

    eventually(lambda: phase() in ("Succeeded", "Failed"), f"the pod of {pool} ends", 240)
    said = ended.kubectl("logs", "-n", NAMESPACE, pool)
    assert phase() == "Succeeded", said[-3000:]
    assert said.splitlines()[0] == str(IMAGES[pool].user)
    assert re.search(SAYS[pool], said, re.MULTILINE), said[-3000:]


LEFT_OUT = re.compile(
    r"^(run/secrets/.|root/\.cache/.|var/cache/pip/.|root/\.config|root/\.m2|source/|tools/|tmp/[^.]"
    r"|var/lib/apt/lists/.*(?:Release|Packages)|etc/apt/apt\.conf\.d/99mmdebstrap)"
)


@pytest.mark.parametrize("name", ["controller", "compute", "data", "storage", "app", "test-postgresql"])
def test_no_layer_holds_anything_of_the_machine_that_built_it(name: str) -> None:
    """Neither what reached the registries, nor the addresses that it named, nor what only the build used."""
    wanted = [address.encode() for address in addresses()]
    with tarfile.open(ARCHIVES / f"{name}.tar") as archive:
        manifest = json.load(archive.extractfile("manifest.json"))[0]  # type: ignore[arg-type]
        told = archive.extractfile(manifest["Config"]).read()  # type: ignore[union-attr]
        assert [address for address in wanted if address in told] == []
        left, named = [], []
        for layer in manifest["Layers"]:
            with tarfile.open(fileobj=archive.extractfile(layer)) as files:
                for file in files:
                    path = file.name.removeprefix("./")
                    if LEFT_OUT.match(path):
                        left.append(path)
                    if wanted and file.isfile() and file.size < 1_000_000:
                        content = files.extractfile(file).read()  # type: ignore[union-attr]
                        named += [path for address in wanted if address in content]
    assert (left, named) == ([], [])


def addresses() -> list[str]:
    """Of the indexes and proxies in the configuration of this machine's pip and apt."""
    pip = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True).stdout
    apt = subprocess.run(["apt-config", "dump"], capture_output=True, text=True).stdout
    lines = pip.splitlines() + [line for line in apt.splitlines() if "proxy" in line.lower()]
    return sorted({host for line in lines for host in re.findall(r"://(?:[^/@\s'\"]*@)?([A-Za-z0-9.-]+)", line)} - {"localhost"})
