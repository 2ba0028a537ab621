from __future__ import annotations

import json

import pytest

from controller.errors import SpecError
from controller.facts import Facts
from controller.plan import by_requirement
from controller.profiles import render_profile
from controller.spec import ClusterSpec, load_spec
from controller.spec.edit import set_value
from controller.workloads import all_workloads
from pools.workload import Workload


def spec(**changes: str) -> ClusterSpec:
    text = render_profile("local", "demo")
    for path, value in changes.items():
        text = set_value(text, "spec." + path.replace("__", "."), value)
    return load_spec(text)


def workloads(**changes: str) -> dict[str, Workload]:
    return {entry.name: entry for entry in all_workloads(spec(**changes), Facts(sealing_key="a2V5"))}


def test_the_local_profile_has_what_the_architecture_says() -> None:
    found = workloads()
    assert set(found) == {
        "control",
        "master-0",
        "master-setup",
        "compute-0-scratch",
        "compute-0",
        "data-0",
        "data-1",
        "nmnode-0",
        "storage-0-0",
        "storage-0-1",
        "hdfs-setup",
        "spark-connect-0",
    }
    assert by_requirement(tuple(found.values()))[0].name == "control"
    numbers = {name: [port.number for port in entry.ports] for name, entry in found.items() if entry.ports}
    assert numbers["control"] == [30080]
    assert numbers["master-0"] == [31433]
    assert numbers["compute-0"] == [31434, 31471]
    assert (numbers["data-0"], numbers["data-1"]) == ([31450], [31451])
    assert numbers["storage-0-1"] == [31513, 31514, 31515]


def test_ports_of_all_workloads_are_those_of_the_spec() -> None:
    found = workloads(ports__base="1000")
    numbers = [port.number for entry in found.values() for port in entry.ports]
    assert len(set(numbers)) == len(numbers)
    assert min(numbers) == 31080


def test_what_the_spec_says_arrives_where_it_counts() -> None:
    found = workloads(
        pools__master__maxConnections="50",
        pools__master__memoryMegabytes="32",
        pools__master__statementTimeoutSeconds="7",
        pools__compute__replicas="2",
        pools__compute__memoryMegabytes="600",
        pools__compute__queueSeconds="9",
        pools__storage__dataNodeMemoryMegabytes="99",
    )
    conf = found["master-0"].files[0].content
    assert "max_connections = 50\n" in conf
    assert "shared_buffers = 32MB\n" in conf
    assert "statement_timeout = 7000\n" in conf
    assert '"sealing_key": "a2V5"' in found["master-setup"].files[0].content
    assert "31435" in found["master-setup"].files[0].content
    limits = json.loads(found["compute-1"].files[0].content)["limits"]
    assert (limits["memory_mb"], limits["query_memory_mb"], limits["wait_seconds"]) == (600, 300, 9)
    assert "-Xmx99m" in found["storage-0-0"].command


def test_without_storage_nothing_of_it_remains() -> None:
    assert not [name for name, entry in workloads(pools__storage__enabled="false").items() if entry.pool == "storage"]


def test_who_made_the_cluster_is_hdfs_superuser_and_the_master_knows_where_hdfs_is() -> None:
    found = {entry.name: entry for entry in all_workloads(spec(), Facts(first_admin="ada"))}
    assert all("<value>ada=supergroup</value>" in found[name].files[0].content for name in ("nmnode-0", "storage-0-0", "storage-0-1"))
    assert '"storage_location": "hdfs://{host:nmnode-0}:31500"' in found["master-setup"].files[0].content


def test_no_secret_is_in_any_description() -> None:
    for entry in workloads().values():
        for secret in entry.secrets:
            assert secret.file
        assert "PASSWORD" not in " ".join(entry.environment)


def test_beyond_loopback_controller_and_master_speak_tls_and_the_rest_stays() -> None:
    text = render_profile("local", "demo")
    text = set_value(text, "spec.pools.master.postgresql.bin", "/usr/lib/postgresql/17/bin")
    text = text.replace("bind: 127.0.0.1 ", "tls: {certificate: /c.pem, key: /k.pem}\n    bind: 10.0.0.5 ")
    found = {entry.name: entry for entry in all_workloads(load_spec(text), Facts(postgresql_version=17))}
    assert found["control"].endpoints[0].protocol == "https"
    conf = found["master-0"].files[0].content
    assert "listen_addresses = '127.0.0.1,10.0.0.5'" in conf
    assert "ssl = on" in conf
    assert "hostssl all all 0.0.0.0/0 scram-sha-256" in found["master-0"].files[1].content


def test_a_postgresql_that_is_too_old_is_a_spec_error() -> None:
    with pytest.raises(SpecError, match="too old"):
        all_workloads(spec(), Facts(postgresql_version=12))
