"""The product on a test cluster's node, as somebody would install it: images laid into the node, ``helm install``, one custom resource."""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.services.kubernetes.build import ROOT
from tests.services.kubernetes.cluster import Node

IMAGES = ROOT / ".cache" / "images"
NEEDED = ("controller", "compute", "data", "storage", "app", "test-postgresql")
CHART = ROOT / "helm" / "openbdc"
MASTER_PORT = 31433
READY_SECONDS = 300.0
"""Limit of a failure; ``python -m benchmarks k8s-create`` holds the figure."""

Row = tuple[object, ...]
Json = dict[str, Any]

SMALL: Json = {
    "profile": "kubernetes",
    "pools": {
        "master": {"memoryMegabytes": 64},
        "compute": {"replicas": 1, "memoryMegabytes": 512},
        "data": {"shards": 2, "memoryMegabytes": 512},
        "storage": {"enabled": True, "dataNodes": 1, "replication": 1, "spark": {"memoryMegabytes": 512, "cores": 1}},
    },
    "kubernetes": {"storage": {"claims": {name: {"size": "1Gi"} for name in ("master", "data", "nameNode", "dataNode", "app")}}},
}
"""Fits beside everything else on a machine of 2 cores."""


def missing_images() -> list[str]:
    """Of those that the node needs."""
    return [name for name in NEEDED if not (IMAGES / f"{name}.tar").exists()]


def load_images(node: Node) -> None:
    """Lay the product's images into the node, once for each node. Fails where they are not built."""
    missing = missing_images()
    if missing:
        pytest.fail(f"images are missing: {', '.join(missing)}. Next: scripts/images.sh --local-bases")
    if not (node.folder / "product-images").exists():
        node.load_images(*(IMAGES / f"{name}.tar" for name in NEEDED))
        (node.folder / "product-images").touch()


@dataclass
class Product:
    """A release and its cluster, both named like their namespace."""

    node: Node
    name: str
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    master: int | None = None

    def install(self, *options: str) -> None:
        """``helm install``, and wait until the controller's pod is ready."""
        login = {"stringData": {"username": "admin", "password": self.password}}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "openbdc-admin"}, **login}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(secret))
        wait = ("--wait", "--timeout", "240s")
        self.node.run("helm", "install", self.name, str(CHART), "-n", self.name, *wait, *options, seconds=260)

    def apply(self, spec: Json) -> None:
        """The custom resource with this spec."""
        manifest = {"apiVersion": "openbdc.dev/v1alpha1", "kind": "BigDataCluster", "metadata": {"name": self.name, "namespace": self.name}}
        self.kubectl("apply", "-f", "-", stdin=json.dumps({**manifest, "spec": spec}))

    def kubectl(self, *arguments: str, stdin: str | None = None, seconds: float = 120) -> str:
        """In its namespace."""
        return self.node.kubectl("-n", self.name, *arguments, stdin=stdin, seconds=seconds)

    def get(self, *arguments: str) -> Any:
        """``kubectl get`` in its namespace."""
        return self.node.get("-n", self.name, *arguments)

    def status(self) -> Json:
        """Of the custom resource; empty while there is none."""
        status: Json = self.get("bigdatacluster", self.name).get("status", {})
        return status

    def authority(self) -> Path:
        """What the resource says is to be trusted, as a file."""
        path = self.node.folder / f"{self.name}-ca.crt"
        path.write_text(self.status()["authority"])
        return path

    def condition(self, kind: str) -> Json:
        """A condition of the custom resource; empty while it has none of that kind."""
        return next((dict(condition) for condition in self.status().get("conditions", []) if condition["type"] == kind), {})

    def ready(self) -> bool:
        """Does the resource say so, of the spec of now?"""
        resource = self.get("bigdatacluster", self.name)
        status = resource.get("status", {})
        return status.get("observedGeneration") == resource["metadata"]["generation"] and status.get("state") == "ready"

    def until(self, good: Callable[[], bool], what: str, seconds: float = READY_SECONDS) -> float:
        """Wait; the seconds that it took. AssertionError with the resource's own words and the pods'."""
        began = time.monotonic()
        while not good():
            if time.monotonic() - began > seconds:
                raise AssertionError(f"not within {seconds:.0f} s: {what}\n{self.shown()}")
            time.sleep(0.2)
        return time.monotonic() - began

    def wait_ready(self, seconds: float = READY_SECONDS) -> float:
        """Until the resource says ready."""
        return self.until(self.ready, "the cluster is ready", seconds)

    def shown(self) -> str:
        """What somebody would look at first."""
        asked = (
            ["get", "bigdatacluster", "-o", "jsonpath={.items[*].status.message}"],
            ["get", "pods,pvc"],
            ["get", "events", "--sort-by=.lastTimestamp"],
            ["logs", "deployment/openbdc", "--tail=25"],
        )
        return "\n".join(self._said(*arguments)[-3000:] for arguments in asked)

    def _said(self, *arguments: str) -> str:
        try:
            return self.kubectl(*arguments, seconds=30)
        except RuntimeError as error:
            return str(error)

    def sql(self, **more: object) -> psycopg.Connection[Row]:
        """A connection from outside to the master, as the first admin or as ``more`` says."""
        if self.master is None:
            self.master = self.node.reach_service(self.name, "master-0", MASTER_PORT)
        login = {"host": "127.0.0.1", "port": self.master, "user": "admin", "password": self.password, "dbname": "bdc", "autocommit": True}
        try:
            return psycopg.connect(**{"connect_timeout": 10, **login, **more})  # type: ignore[arg-type]
        except psycopg.OperationalError:
            self.master = None  # a pod of the same name may have another address now
            raise

    def secret(self, name: str, key: str) -> str:
        """A value of a Secret."""
        return base64.b64decode(self.get("secret", name)["data"][key]).decode()

    def bdc(self, *arguments: str, output: str | None = "json", secret: str | None = None, seconds: float = 180) -> Any:
        """Run ``bdc`` here, logged in to this cluster; its parsed JSON. ``secret``: its standard input. RuntimeError if it fails."""
        environment = {**self.node.environment, "BDC_CONFIG": str(self.node.folder / f"bdc-{self.name}"), "BDC_PASSWORD": self.password}
        done = subprocess.run(
            [sys.executable, "-m", "azdata_like_cli", *arguments, *(["-o", output] if output else [])],
            env=environment, input=secret or "", capture_output=True, text=True, timeout=seconds,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"bdc {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()[-3000:]}")
        return json.loads(done.stdout) if output == "json" and done.stdout.strip() else done.stdout

    def login(self) -> None:
        """``bdc login``."""
        self.bdc("login", self.name, "--kubernetes", "--kube-namespace", self.name, output=None)

    def pods(self, selector: str = "openbdc.dev/cluster") -> list[Json]:
        """Of the pools."""
        found: list[Json] = self.get("pods", "-l", selector)["items"]
        return found


@contextmanager
def product(node: Node, name: str) -> Iterator[Product]:
    """A namespace of that name for a release; it goes at the end, with everything in it."""
    load_images(node)
    node.kubectl("create", "namespace", name)
    made = Product(node, name)
    try:
        yield made
    finally:
        remove(made)


def remove(made: Product) -> None:
    """The resource first: its finalizer needs a controller."""
    if made.node.kubectl("get", "crd", "bigdataclusters.openbdc.dev", "--ignore-not-found"):
        made.kubectl("delete", "bigdatacluster", "--all", "--timeout=100s", seconds=120)
    made.node.run("helm", "uninstall", made.name, "-n", made.name, "--ignore-not-found", "--wait", seconds=120)
    made.node.kubectl("delete", "namespace", made.name, "--timeout=110s")
