"""bdc through kubectl's real port-forwards: a pod behind the Services ``openbdc`` and ``master-0`` hands connections on to a stand-in for
the controller, and to a real PostgreSQL, of this test."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import bdc as sdk
from tests.azdata_like_cli.conftest import Run
from tests.azdata_like_cli.standin_controller import PASSWORD, StandinController, standin_controller
from tests.helm.chart import namespace
from tests.patience import eventually
from tests.services.kubernetes import Node
from tests.services.kubernetes.images import PYTHON
from tests.services.postgresql import PostgresqlServer

pytestmark = pytest.mark.kubernetes

RELAY = """
import asyncio, sys

async def copy(reader, writer):
    while block := await reader.read(65536):
        writer.write(block)
        await writer.drain()
    writer.close()

async def serve(port, host, remote):
    async def connected(reader, writer):
        far_reader, far_writer = await asyncio.open_connection(host, remote)
        await asyncio.gather(copy(reader, far_writer), copy(far_reader, writer), return_exceptions=True)
    async with await asyncio.start_server(connected, "0.0.0.0", port) as server:
        await server.serve_forever()

async def main():
    pairs = [word.split(",") for word in sys.argv[1:]]
    await asyncio.gather(*(serve(int(port), host, int(remote)) for port, host, remote in pairs))

asyncio.run(main())
"""


@dataclass(frozen=True)
class There:
    """A namespace in which something answers."""

    node: Node
    namespace: str
    controller: StandinController

    def forwards(self) -> list[str]:
        """Port-forwards into it that run on this machine."""
        found = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = entry.read_bytes().decode().split("\0")
            except OSError:
                continue
            if "port-forward" in words and self.namespace in words:
                found.append(" ".join(words))
        return found


@pytest.fixture
def there(kubernetes_node: Node, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[There]:
    for name in ("KUBECONFIG", "PATH"):
        monkeypatch.setenv(name, kubernetes_node.environment[name])
    monkeypatch.setenv("BDC_PASSWORD", PASSWORD)
    with namespace(kubernetes_node) as name:
        endpoints = {"controller": f"http://openbdc.{name}.svc:30080", "master": f"master-0.{name}.svc,31433"}
        with standin_controller(endpoints=endpoints) as controller:
            own = kubernetes_node.expose(int(str(urllib.parse.urlsplit(controller.url).port)))
            master = kubernetes_node.expose(postgresql.port)
            _run_relay(kubernetes_node, name, {30080: own, 31433: master})
            yield There(kubernetes_node, name, controller)


def _run_relay(node: Node, name: str, ports: dict[int, tuple[str, int]]) -> None:
    arguments = [f"{port},{host},{remote}" for port, (host, remote) in ports.items()]
    probe = {"tcpSocket": {"port": 30080}, "periodSeconds": 1}
    container = {"name": "relay", "image": PYTHON, "command": ["python3", "-c", RELAY, *arguments], "readinessProbe": probe}
    pod = {"containers": [container], "terminationGracePeriodSeconds": 0}
    documents: list[dict[str, Any]] = [_object("Pod", "relay", name, {"spec": pod})]
    for service, port in (("openbdc", 30080), ("master-0", 31433)):
        spec = {"selector": {"app": "relay"}, "ports": [{"port": port}]}
        documents.append(_object("Service", service, name, {"spec": spec}))
    node.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}))
    node.kubectl("wait", "-n", name, "--for=condition=Ready", "pod/relay", "--timeout=100s")


def _object(kind: str, name: str, where: str, more: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": where, "labels": {"app": "relay"}}, **more}


def test_login_and_commands_through_port_forwards(bdc: Run, there: There) -> None:
    outcome = bdc("login", "demo", "--kubernetes", "--kube-namespace", there.namespace, "-o", "json")
    assert outcome.code == 0, outcome.err
    assert outcome.json["controller"] == f"http://openbdc.{there.namespace}.svc:30080"
    assert bdc("status", "-o", "json").json["state"] == "ready"
    assert bdc("logs", "control", "-n", "1").out == "second \\x1b[31mred\n"
    assert bdc("endpoint", "list", "-e", "master", "-o", "json").json["endpoint"] == f"master-0.{there.namespace}.svc,31433"
    assert bdc("login").code == 0  # the active context's
    assert there.forwards() == []
    (row,) = bdc("context", "list", "-o", "json").json
    assert row["controller"].endswith(f"/{there.namespace}")


def test_sql_through_a_port_forward(bdc: Run, there: There, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bdc("login", "demo", "--kubernetes", "--kube-namespace", there.namespace).code == 0
    monkeypatch.setenv("BDC_PASSWORD", postgresql.password)
    outcome = bdc("sql", "query", "SELECT 1 + 1 AS two", "-u", postgresql.user, "-d", "postgres", "-o", "json")
    assert outcome.code == 0, outcome.err
    assert outcome.json == [{"two": 2}]
    assert there.forwards() == []
    with sdk.connect(password=postgresql.password) as session:
        session.context = session.context.__class__(**{**session.context.__dict__, "username": postgresql.user, "database": "postgres"})
        assert len(there.forwards()) == 0  # on first use
        assert session.sql_address().host == "127.0.0.1"
        assert len(there.forwards()) == 2  # the shell that holds it, and kubectl
    assert there.forwards() == []


def test_the_forward_goes_with_a_killed_command(bdc: Run, there: There) -> None:
    assert bdc("login", "demo", "--kubernetes", "--kube-namespace", there.namespace).code == 0
    command = [sys.executable, "-m", "azdata_like_cli", "logs", "control", "--follow"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "first\n"
        assert there.forwards()
        running.kill()
    eventually(lambda: there.forwards() == [], "kubectl is gone")


def test_nobody_behind_the_service(bdc: Run, there: There) -> None:
    assert bdc("login", "demo", "--kubernetes", "--kube-namespace", there.namespace).code == 0
    there.node.kubectl("delete", "pod", "relay", "-n", there.namespace, "--wait=true")
    outcome = bdc("status")
    assert outcome.code == 3
    assert "openbdc is not running" in outcome.err
    assert there.forwards() == []
