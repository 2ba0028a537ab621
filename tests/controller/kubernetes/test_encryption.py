"""TLS of a cluster in pods, on a real API server: what is made and laid where, and how the controller itself comes to speak it."""

from __future__ import annotations

import base64
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.certificates.authority import Pair, certificate_of, hosts_of, signed_by
from controller.certificates.keystore import holds
from controller.certificates.renewal import Renewal
from controller.kubernetes.api import Json
from controller.kubernetes.encryption import service_hosts
from controller.kubernetes.names import SECRETS
from controller.kubernetes.resource import Resource
from controller.spec import ClusterSpec
from controller.spec.model import API_VERSION, KIND
from tests.controller.kubernetes.conftest import Place
from tests.controller.kubernetes.running import operator
from tests.patience import PATIENCE, eventually
from tests.services.postgresql import free_port

TLS: Json = {"security": {"tls": {"enabled": True}}}


def laid(place: Place) -> dict[str, str]:
    """The cluster's secret store."""
    found = place.api.get(place.path("Secret", SECRETS)) or {}
    return {name: base64.b64decode(value).decode("latin-1") for name, value in (found.get("data") or {}).items()}


def authority_of(place: Place) -> str | None:
    """What the resource says."""
    found: str | None = place.resource("demo").get("status", {}).get("authority")
    return found


def items(place: Place, workload: str, volume: str) -> set[str]:
    """The keys of the secret store that a pod mounts."""
    found = place.api.get(place.path("StatefulSet", workload, "apps/v1"))
    assert found is not None
    volumes = {one["name"]: one for one in found["spec"]["template"]["spec"]["volumes"]}
    return {item["key"] for item in volumes[volume]["secret"]["items"]}


def test_certificates_are_made_and_each_pod_mounts_its_own(place: Place) -> None:
    place.make("demo", TLS)
    with operator(place) as one:
        eventually(lambda: place.api.get(place.path("StatefulSet", "data-1", "apps/v1")) is not None, "the shards are made")
        assert items(place, "data-1", "data-1-secrets") == {"ticket.pub", "tls-ca.crt", "tls-data-1.crt", "tls-data-1.key"}
        app = place.path("StatefulSet", "app-proxy", "apps/v1")
        eventually(lambda: place.api.get(app) is not None, "the app proxy is made")
        assert items(place, "app-proxy", "app-proxy-secrets") == {
            "ticket.pub",
            "app-pods.key",
            "tls-ca.crt",
            "tls-app-proxy.crt",
            "tls-app-proxy.key",
        }
        namenode = place.path("StatefulSet", "nmnode-0", "apps/v1")
        eventually(lambda: place.api.get(namenode) is not None, "the NameNode is made")
        mine = {"tls-ca.crt", "tls-nmnode-0.crt", "tls-nmnode-0.key", "tls-nmnode-0.p12"}
        assert items(place, "nmnode-0", "nmnode-0-secrets") == mine
        before = laid(place)
        certificate, authority = certificate_of(before["tls-master-0.crt"]), certificate_of(before["tls-ca.crt"])
        names = {f"master-0.{place.namespace}.svc", "master-0", "localhost", "127.0.0.1"}
        assert signed_by(certificate, authority) and names <= set(hosts_of(certificate))
        assert f"openbdc.{place.namespace}.svc" in hosts_of(certificate_of(before["tls-control.crt"]))
        eventually(lambda: authority_of(place) == before["tls-ca.crt"], "the resource tells the authority")
        rotated_and_laid_again(place, one.running.controller.services.certificates, before)


def rotated_and_laid_again(place: Place, renewal: Renewal | None, before: dict[str, str]) -> None:
    assert renewal is not None
    sets = place.api.get(place.path("StatefulSet", "data-0", "apps/v1"))
    renewal.rotate(place_spec(place), frozenset({"data-0"}))
    after = laid(place)
    assert {name for name in before if before[name] != after[name]} == {"tls-data-0.crt", "tls-data-0.key"}
    renewal.rotate(place_spec(place), frozenset({"nmnode-0"}))
    again = laid(place)
    assert {name for name in before if after[name] != again[name]} == {f"tls-nmnode-0.{kind}" for kind in ("crt", "key", "p12")}
    assert holds(again["tls-nmnode-0.p12"].encode("latin-1"), Pair(again["tls-nmnode-0.crt"], again["tls-nmnode-0.key"]))
    now = place.api.get(place.path("StatefulSet", "data-0", "apps/v1"))
    assert sets is not None and now is not None
    assert now["spec"]["template"] == sets["spec"]["template"], "a renewal restarts nothing"
    place.api.merge(place.path("Secret", SECRETS), {"data": {"tls-data-0.key": None}})
    eventually(lambda: laid(place).get("tls-data-0.key") == after["tls-data-0.key"], "what was taken away is laid again")
    assert renewal.left(place_spec(place)).keys() >= {"ca", "control", "master-0", "compute-0", "data-0", "data-1"}


def place_spec(place: Place) -> ClusterSpec:
    resource = Resource(place.api, place.namespace, "demo")
    resource.look()
    return resource.spec()


def test_files_of_pods_are_refused(place: Place) -> None:
    place.make("demo", {"network": {"tls": {"certificate": "/etc/a.crt", "key": "/etc/a.key"}}})
    with operator(place):
        eventually(lambda: "spec.kubernetes.tlsSecret" in place.resource("demo").get("status", {}).get("message", ""), "it says what to do")


@contextmanager
def process(place: Place, port: int, health: int, log: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "controller.kubernetes", "--namespace", place.namespace, "--name", "demo"]
    command += ["--kubeconfig", str(place.plane.kubeconfig), "--bind", "127.0.0.1", "--port", str(port), "--health-port", str(health)]
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as found:
        try:
            yield
        finally:
            found.terminate()
            found.wait(PATIENCE)


def asked(url: str, trust: ssl.SSLContext | None = None) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10, context=trust) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def test_the_controller_speaks_tls_as_soon_as_the_spec_says_so(place: Place, tmp_path: Path) -> None:
    place.make("demo")
    port, health = free_port(), free_port()
    plain, encrypted, probed = f"http://127.0.0.1:{port}/healthz", f"https://127.0.0.1:{port}/healthz", f"http://127.0.0.1:{health}/healthz"
    with process(place, port, health, tmp_path / "one"):
        eventually(lambda: asked(plain) and asked(probed), "it answers")
        place.api.merge(place.path(KIND, "demo", API_VERSION), {"spec": TLS})
        eventually(lambda: authority_of(place) is not None, "the authority is told")
        trust = ssl.create_default_context(cadata=authority_of(place))
        eventually(lambda: asked(encrypted, trust), "it answers with a certificate of the cluster's authority")
        assert not asked(plain)
        assert not asked(encrypted), "whoever trusts other authorities does not believe it"
        eventually(lambda: asked(probed), "the kubelet needs no certificate")
    with process(place, port, health, tmp_path / "two"):
        eventually(lambda: asked(probed), "it answers again")
        assert asked(encrypted, trust), "from its first moment"
        place.api.merge(place.path(KIND, "demo", API_VERSION), {"spec": {"security": None}})
        eventually(lambda: asked(plain), "without TLS it is reached without")
    said = (tmp_path / "one").read_text() + (tmp_path / "two").read_text()
    assert "PRIVATE KEY" not in said and '"level": "error"' not in said


@pytest.mark.parametrize("name", ["compute-0", "gateway"])
def test_names_of_a_service(name: str) -> None:
    assert service_hosts(name, "sales")[2] == f"{name}.sales.svc"
