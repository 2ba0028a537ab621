"""A cluster in pods that speaks TLS, with a gateway: everybody verifies everybody, certificates are exchanged while it runs, and one port
of the node leads to the API, to HDFS as oneself, and to apps."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import cast

import psycopg
import pytest

from tests.services.kubernetes import Node
from tests.services.kubernetes.namespaces import NODE_IP
from tests.services.kubernetes.product import SMALL, Json, Product, product

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(900)]
SPEC: Json = {
    **SMALL,
    "security": {"tls": {"enabled": True}},
    "gateway": {"enabled": True},
    "kubernetes": {**SMALL["kubernetes"], "endpoints": {"gateway": {"type": "NodePort"}}},
}
APP = """
name: add
version: v1
runtime: Python
src: ./app.py
entrypoint: handler
replicas: 1
poolsize: 1
inputs: {x: int}
output: {y: int}
"""
CODE = "def handler(x):\n    return {'y': x + 1}\n"
ANN = "ann's pass phrase"


@pytest.fixture(scope="module")
def vault(kubernetes_node: Node) -> Iterator[Product]:
    with product(kubernetes_node, "vault") as made:
        made.install()
        made.apply(SPEC)
        made.wait_ready()
        made.login()
        yield made


@pytest.fixture(scope="module")
def authority(vault: Product) -> Path:
    """What the resource says is to be trusted, as a file."""
    path = vault.node.folder / "vault-ca.crt"
    path.write_text(vault.status()["authority"])
    return path


@pytest.fixture(scope="module")
def gateway(vault: Product) -> str:
    """By a port of the node."""
    (port,) = vault.get("service", "gateway-outside")["spec"]["ports"]
    return f"https://127.0.0.1:{vault.node.reach(NODE_IP, port['nodePort'])}"


def session(vault: Product, authority: Path) -> psycopg.Connection[tuple[object, ...]]:
    return vault.sql(sslmode="verify-full", sslrootcert=str(authority))


def served(vault: Product) -> dict[str, tuple[object, object]]:
    """Certificate → whether it is what its server shows, and its fingerprint."""
    rows: list[Json] = vault.bdc("cert", "list")
    return {str(row["name"]): (row["served"], row["fingerprint"]) for row in rows if row["name"] != "ca"}


def test_everybody_speaks_tls_and_verifies(vault: Product, authority: Path) -> None:
    addresses = {str(one["name"]): str(one["endpoint"]) for one in vault.bdc("endpoint", "list")}
    assert addresses["controller"] == f"https://openbdc.{vault.name}.svc:30080"
    assert addresses["data-pool"].startswith("grpc+tls://")
    with session(vault, authority) as master:
        columns = [{"name": "a", "type": "bigint"}]
        master.execute("CALL bdc.create_data_table('t', %s, 'HASH(a)')", [json.dumps(columns)])
        master.execute("INSERT INTO t SELECT g FROM generate_series(1, 1000) g")
        assert master.execute("SELECT sum(a) FROM t").fetchone() == (500500,)
        assert master.pgconn.ssl_in_use
    with pytest.raises(psycopg.OperationalError, match=r"encrypted connections only|no encryption"):
        vault.sql(sslmode="disable")


def test_certificates_are_exchanged_while_it_runs(vault: Product, authority: Path) -> None:
    before, pods = served(vault), {pod["metadata"]["uid"] for pod in vault.pods()}
    assert set(before) == {"compute-0", "control", "data-0", "data-1", "gateway", "master-0"}
    with session(vault, authority) as master:
        vault.bdc("cert", "rotate", output=None)
        # the kubelet lays the new files when it next looks at a pod: within a minute and a half, and at once where the pod changed
        vault.kubectl("annotate", "pods", "--selector", "openbdc.dev/cluster", "tests/looked-at=now")

        def exchanged() -> bool:
            now = served(vault)
            return all(now[name][0] and now[name][1] != before[name][1] for name in before)

        vault.until(exchanged, "all servers show their new certificates")
        assert master.execute("SELECT count(*) FROM t").fetchone() == (1000,)
    with session(vault, authority) as master:
        assert master.execute("SELECT sum(a) FROM t").fetchone() == (500500,)
    assert {pod["metadata"]["uid"] for pod in vault.pods()} == pods
    assert not sum(one["restartCount"] for pod in vault.pods() for one in pod["status"]["containerStatuses"])


def asked(url: str, authority: Path, token: str | None = None, body: object = None) -> Json:
    headers = {"Content-Type": "application/json"} | ({} if token is None else {"Authorization": f"Bearer {token}"})
    data = None if body is None else json.dumps(body).encode()
    trust = ssl.create_default_context(cafile=str(authority))
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=60, context=trust) as answer:
        return cast(Json, json.load(answer))


def test_one_port_of_the_node_leads_to_api_files_and_apps(vault: Product, authority: Path, gateway: str, tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text(APP)
    (tmp_path / "app.py").write_text(CODE)
    vault.bdc("app", "create", "-s", str(tmp_path), seconds=300)
    vault.bdc("user", "add", "ann", "--password-stdin", secret=f"{ANN}\n", output=None)
    vault.bdc("hdfs", "mkdir", "hdfs:/everybody", output=None)
    vault.bdc("hdfs", "chmod", "777", "/everybody", output=None)
    try:
        vault.password, admins = ANN, vault.password
        vault.bdc("login", "-e", gateway, "--ca", str(authority), "-u", "ann", "--name", "outside", output=None)
        assert vault.bdc("whoami")["name"] == "ann"
        house = tmp_path / "house.csv"
        house.write_text("1,2\n")
        vault.bdc("hdfs", "cp", str(house), "hdfs:/everybody/house.csv", output=None)
        (row,) = vault.bdc("hdfs", "ls", "/everybody")
        assert row["owner"] == "ann"
        token = vault.bdc("auth", "token", output=None).strip()
    finally:
        vault.password = admins
        vault.bdc("context", "set", vault.name, output=None)
        with suppress(RuntimeError):
            vault.bdc("context", "delete", "outside", output=None)
    login = {"username": "admin", "password": vault.password}
    token = str(asked(f"{gateway}/api/v1/token", authority, body=login)["access_token"])
    assert asked(f"{gateway}/api/app/add/v1/run", authority, token, {"x": 1})["outputParameters"] == {"y": 2}
    with pytest.raises(urllib.error.HTTPError, match="401"):
        asked(f"{gateway}/webhdfs/v1/everybody?op=LISTSTATUS", authority)
