"""HDFS's daemons as they are told to run: with TLS in pods, without it on one machine."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

from pools.encryption import KEYSTORE_PASSWORD
from pools.storage.workloads import StorageSettings, workloads
from pools.workload import Workload

PORTS = ({"data": 1, "http": 2, "ipc": 3},)
PLAIN = StorageSettings(31500, 31570, PORTS, replication=1)
PODS = replace(PLAIN, listen="0.0.0.0", encrypted=True)


def of(settings: StorageSettings) -> dict[str, Workload]:
    return {one.name: one for one in workloads(settings)}


def site(workload: Workload, name: str = "hdfs-site.xml") -> dict[str, str]:
    """Empty where the file is not laid."""
    text = next((file.content for file in workload.files if file.path == name), "<configuration/>")
    return {str(entry.findtext("name")): str(entry.findtext("value")) for entry in ElementTree.fromstring(text)}


def test_in_pods_all_http_ports_speak_tls() -> None:
    found = of(PODS)
    for name in ("nmnode-0", "storage-0-0"):
        one = found[name]
        assert site(one)["dfs.http.policy"] == "HTTPS_ONLY"
        assert site(one, "ssl-server.xml")["ssl.server.keystore.location"] == "{secrets}/tls.p12"
        assert f"tls-{name}.p12" in {secret.name for secret in one.secrets}
        assert one.ready is not None and one.ready.kind == "https" and one.metrics is not None and one.metrics.encrypted
        assert KEYSTORE_PASSWORD not in one.command and not any("password" in word.lower() for word in one.command)
    assert site(found["nmnode-0"])["dfs.namenode.https-address"] == "{host:nmnode-0}:31570"
    assert site(found["nmnode-0"])["dfs.namenode.https-bind-host"] == "0.0.0.0"
    assert site(found["storage-0-0"])["dfs.datanode.https.address"] == "0.0.0.0:2"
    setup = found["hdfs-setup"]
    assert "https://{host:nmnode-0}:31570/webhdfs/v1" in setup.command and "{secrets}/ca.crt" in setup.command
    assert {secret.name for secret in setup.secrets} == {"tls-ca.crt"}
    shown = {one.name: one.address for one in found["nmnode-0"].endpoints}
    assert shown["webhdfs"] == "https://{host}:{port:http}/webhdfs/v1" and shown["hdfs-files"] == "https://{host}:{port:http}"


def test_a_datanode_that_encrypts_is_compiled_for_it() -> None:
    """With the first compiler alone Java does AES without the processor's help: 40 MB/s instead of 300."""
    assert "-XX:TieredStopAtLevel=1" in of(PLAIN)["storage-0-0"].command
    assert "-XX:TieredStopAtLevel=1" not in of(PODS)["storage-0-0"].command


def test_on_one_machine_nothing_changes() -> None:
    for one in of(PLAIN).values():
        assert one.secrets == () and "dfs.http.policy" not in site(one)
        assert "https" not in " ".join(one.command) and not site(one, "ssl-server.xml")
