"""The master by a port of the node, with TLS, and the apps: what ``spec.kubernetes.endpoints`` and ``tlsSecret`` are for."""

from __future__ import annotations

import datetime
import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.certificates.authority import issue, new_authority
from tests.kubernetes import lake
from tests.patience import eventually
from tests.services.kubernetes.namespaces import NODE_IP
from tests.services.kubernetes.product import Json, Product

pytestmark = [pytest.mark.kubernetes, pytest.mark.full, pytest.mark.timeout(900)]
NAME, SECRET = "db.example.com", "master-tls"


@contextmanager
def spec_with(place: Product, change: Json) -> Iterator[None]:
    """The cluster with these fields of ``spec.kubernetes`` inside of the block, and as it was after it."""
    try:
        place.kubectl("patch", "bigdatacluster", place.name, "--type=merge", "--patch", json.dumps({"spec": {"kubernetes": change}}))
        place.wait_ready()
        yield
    finally:
        back = {key: None for key in change}
        place.kubectl("patch", "bigdatacluster", place.name, "--type=merge", "--patch", json.dumps({"spec": {"kubernetes": back}}))
        place.wait_ready()


def lay_certificate(place: Product, folder: Path) -> Path:
    """A Secret as cert-manager would make it; the file of its authority."""
    now = datetime.datetime.now(datetime.UTC)
    authority = new_authority("somebody", now, 30)
    pair = issue(authority, NAME, [NAME], now, 30)
    for name, text in (("tls.crt", pair.certificate), ("tls.key", pair.key), ("ca.crt", authority.certificate)):
        (folder / name).write_text(text)
    files = ("--cert", str(folder / "tls.crt"), "--key", str(folder / "tls.key"))
    place.kubectl("create", "secret", "tls", SECRET, *files)
    return folder / "ca.crt"


def test_the_master_is_reached_by_a_port_of_the_node_with_a_certificate(
    place: Product, expected: list[tuple[object, ...]], tmp_path: Path
) -> None:
    authority = lay_certificate(place, tmp_path)
    with spec_with(place, {"tlsSecret": SECRET, "endpoints": {"master": {"type": "NodePort"}}}):
        (port,) = place.get("service", "master-0-outside")["spec"]["ports"]
        way = {"host": NAME, "hostaddr": "127.0.0.1", "port": place.node.reach(NODE_IP, port["nodePort"])}
        with place.sql(**way, sslmode="verify-full", sslrootcert=str(authority)) as master:
            assert master.execute(lake.QUERY).fetchall() == expected
            assert master.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone() == (True,)
    assert "master-0-outside" not in {item["metadata"]["name"] for item in place.get("services")["items"]}
    place.kubectl("delete", "secret", SECRET)


def test_apps_are_reached_by_a_port_of_the_node(place: Product) -> None:
    with spec_with(place, {"endpoints": {"app": {"type": "NodePort"}}}):
        (port,) = place.get("service", "app-proxy-outside")["spec"]["ports"]
        way = f"http://127.0.0.1:{place.node.reach(NODE_IP, port['nodePort'])}/healthz"
        eventually(lambda: healthy(way), "the port of the node leads to the proxy")


def healthy(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return bool(json.load(answer) == {"status": "ok"})
    except OSError:
        return False
