from __future__ import annotations

import json

import pytest
import yaml

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
        "app-proxy",
    }
    assert by_requirement(tuple(found.values()))[0].name == "control"
    numbers = {name: [port.number for port in entry.ports] for name, entry in found.items() if entry.ports}
    assert numbers["control"] == [30080]
    assert numbers["master-0"] == [31433]
    assert numbers["compute-0"] == [31434, 31471]
    assert (numbers["data-0"], numbers["data-1"]) == ([31450], [31451])
    assert numbers["app-proxy"] == [30778]
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


def beyond(more: str = "", *, postgresql_tls: bool = True) -> dict[str, Workload]:
    text = render_profile("local", "demo").replace("bind: 127.0.0.1 ", f"{more}bind: 10.0.0.5 ")
    return {entry.name: entry for entry in all_workloads(load_spec(text), Facts(postgresql_tls=postgresql_tls))}


def test_beyond_loopback_everybody_speaks_tls_and_only_controller_and_master_leave_it() -> None:
    found = beyond()
    assert found["control"].endpoints[0].protocol == "https"
    conf = found["master-0"].files[0].content
    assert "listen_addresses = '127.0.0.1,10.0.0.5'" in conf
    assert "ssl = on" in conf
    assert "hostssl all all 0.0.0.0/0 scram-sha-256" in found["master-0"].files[1].content
    compute = json.loads(found["compute-0"].files[0].content)
    assert (compute["host"], compute["tls_required"]) == ("127.0.0.1", False)
    assert compute["master_tls"] == {"sslmode": "verify-full", "sslrootcert": "{secrets}/ca.crt"}
    assert [shard["tls"] for shard in compute["shards"]] == [True, True]
    assert json.loads(found["data-0"].files[0].content)["certificate_file"] == "{secrets}/tls.crt"
    assert "sslmode=verify-full" in found["master-setup"].files[0].content


def test_in_front_of_a_postgresql_without_tls_stands_one_with_it() -> None:
    found = beyond(postgresql_tls=False)
    assert "listen_addresses = ''" in found["master-0"].files[0].content
    assert "ssl = on" not in found["master-0"].files[0].content
    front = found["master-0-tls"]
    assert json.loads(front.files[0].content)["addresses"] == ["127.0.0.1", "10.0.0.5"]
    assert [endpoint.name for endpoint in front.endpoints] == ["sql-server-master"]
    assert found["master-setup"].requires == ("master-0-tls",)
    assert front.pool == found["master-0"].pool


def test_a_certificate_of_the_spec_is_shown_to_people_only() -> None:
    found = beyond("tls: {certificate: /c.pem, key: /k.pem}\n    ")
    names = {name: [secret.name for secret in found[name].secrets if secret.name.endswith(".crt")] for name in ("control", "compute-0")}
    assert names == {"control": ["tls-given.crt", "tls-ca.crt"], "compute-0": ["tls-compute-0.crt", "tls-ca.crt"]}
    assert json.loads(found["compute-0"].files[0].content)["master_tls"] == {"sslmode": "require", "channel_binding": "require"}


def test_on_loopback_nothing_of_it_is_there() -> None:
    assert not [secret.name for entry in workloads().values() for secret in entry.secrets if secret.name.startswith("tls-")]


def test_a_postgresql_that_is_too_old_is_a_spec_error() -> None:
    with pytest.raises(SpecError, match="too old"):
        all_workloads(spec(), Facts(postgresql_version=12))


def test_in_pods_everybody_listens_where_others_reach_him_and_nothing_names_loopback() -> None:
    found = {entry.name: entry for entry in all_workloads(spec(), Facts(sealing_key="a2V5", listen="0.0.0.0"))}
    files = {(entry.name, file.path): file.content for entry in found.values() for file in entry.files}
    assert "listen_addresses = '0.0.0.0'" in files["master-0", "postgresql.conf"]
    assert "host all all 0.0.0.0/0 scram-sha-256" in files["master-0", "pg_hba.conf"]
    assert "listen_addresses = ''" in files["compute-0-scratch", "postgresql.conf"]
    assert json.loads(files["master-setup", "setup.json"])["pool_hosts"] == ["{host:compute-0}"]
    assert json.loads(files["data-0", "data.json"])["host"] == "0.0.0.0"
    assert "<name>dfs.namenode.rpc-bind-host</name><value>0.0.0.0</value>" in files["nmnode-0", "hdfs-site.xml"]
    assert "<name>dfs.datanode.address</name><value>0.0.0.0:31510</value>" in files["storage-0-0", "hdfs-site.xml"]
    own_business = {("spark-connect-0", "spark-defaults.conf")}  # its driver talks to itself
    assert {place for place, content in files.items() if "127.0.0.1" in content and "sql" not in place[1]} == own_business


def test_the_app_proxy_stays_on_loopback_but_in_a_pod() -> None:
    def of(pool: dict[str, object], listen: str = "127.0.0.1", controller: str = "control", **network: str) -> list[Workload]:
        text = yaml.safe_load(render_profile("local", "demo"))
        text["spec"]["pools"]["app"], text["spec"]["network"] = pool, network
        facts = Facts(sealing_key="key", ticket_key="key", listen=listen, controller=controller)
        found = all_workloads(load_spec(yaml.safe_dump(text)), facts)
        return [entry for entry in found if entry.pool == "app"]

    (proxy,) = of({})
    assert json.loads(proxy.files[0].content)["controller"] == "http://{host:control}:30080"
    (outside,) = of({"enabled": True}, bind="192.0.2.1")
    settings = json.loads(outside.files[0].content)
    assert (settings["controller"], settings["host"], settings["authority"]) == ("https://192.0.2.1:30080", "127.0.0.1", "{secrets}/ca.crt")
    assert of({"enabled": False}) == []
    (pod,) = of({}, "0.0.0.0", "openbdc")
    settings = json.loads(pod.files[0].content)
    assert (settings["controller"], settings["host"]) == ("http://{host:openbdc}:30080", "0.0.0.0")
    assert (settings["address"], settings["pod"]) == ("http://{host:app-proxy}:30778", True), "its Service's name, not where it listens"
    assert settings["ticket_keys_file"] == "{secrets}/ticket.pub"
