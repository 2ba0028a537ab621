"""What a spec makes of the gateway."""

from __future__ import annotations

import json
from typing import Any

import pytest

from controller.certificates.machine import machine_hosts_of
from controller.errors import SpecError
from controller.facts import Facts
from controller.loop import local_host
from controller.profiles import render_profile
from controller.spec import ClusterSpec, load_spec, port_numbers
from controller.spec.edit import set_value
from controller.status import addresses
from controller.workloads import all_workloads
from pools.gateway.settings import AS_LISTED
from pools.gateway.workloads import PROXY_USER
from pools.workload import Workload

FACTS = Facts(sealing_key="a2V5", issuer="openbdc:x")


def spec(**changes: str) -> ClusterSpec:
    text = render_profile("local", "demo")
    for path, value in {"gateway__enabled": "true", **changes}.items():
        text = set_value(text, "spec." + path.replace("__", "."), value)
    return load_spec(text)


def made(**changes: str) -> dict[str, Workload]:
    return {entry.name: entry for entry in all_workloads(spec(**changes), FACTS)}


def settings(workload: Workload) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(workload.files[0].content)
    return found


def site(workload: Workload) -> str:
    return next(file.content for file in workload.files if file.path == "core-site.xml")


def test_it_is_off_unless_asked_for() -> None:
    found = made(gateway__enabled="false")
    assert "gateway" not in found
    assert "proxyuser" not in site(found["nmnode-0"]) + site(found["storage-0-0"])
    assert [endpoint.name for endpoint in found["nmnode-0"].endpoints] == ["webhdfs", "hdfs"]
    assert port_numbers(spec(gateway__enabled="false")).gateway is None


def test_hdfs_believes_it_from_loopback_and_webhdfs_is_shown_behind_it() -> None:
    found = made(ports__base="100")
    assert settings(found["gateway"])["hdfs"] == {
        "namenode": "{host:nmnode-0}:31670",
        "rpc": "{host:nmnode-0}:31600",
        "datanodes": ["{host:storage-0-0}:31611", "{host:storage-0-1}:31614"],
        "proxy_user": PROXY_USER,
        "encrypted": False,
    }
    for name in ("nmnode-0", "storage-0-0", "storage-0-1"):
        assert f"<name>hadoop.proxyuser.{PROXY_USER}.hosts</name><value>127.0.0.1</value>" in site(found[name])
    assert found["gateway"].pool == "gateway"
    assert {secret.name for secret in found["gateway"].secrets} == {"tls-gateway.crt", "tls-gateway.key", "tls-ca.crt"}
    whole = spec(ports__base="100")
    shown = {entry["name"]: entry["endpoint"] for entry in addresses(tuple(found.values()), lambda workload: local_host(whole, workload))}
    assert (shown["gateway"], shown["webhdfs"]) == ("https://127.0.0.1:30543", "https://127.0.0.1:30543/webhdfs/v1")
    assert shown["controller"] == "http://127.0.0.1:30180"
    assert shown["gateway-spark"] == "sc://127.0.0.1:30543/;use_ssl=true"


def test_it_alone_may_be_reached_from_elsewhere() -> None:
    found = made(gateway__bind="192.0.2.7")
    assert settings(found["gateway"])["addresses"] == ["192.0.2.7"]
    assert settings(found["gateway"])["controller"] == "http://127.0.0.1:30080"
    hosts = machine_hosts_of(spec(gateway__bind="192.0.2.7"), tuple(found.values()))
    assert set(hosts) == {"gateway"}
    assert "192.0.2.7" in hosts["gateway"]
    whole = made(network__bind="192.0.2.8", gateway__bind="0.0.0.0")
    assert settings(whole["gateway"])["controller"] == "https://192.0.2.8:30080"
    text = render_profile("local", "demo").replace(
        "  network:\n", "  gateway: {enabled: true}\n  network:\n    tls: {certificate: /a, key: /b}\n"
    )
    given = next(entry for entry in all_workloads(load_spec(text), FACTS) if entry.name == "gateway")
    assert (settings(given)["same_certificate"], given.secrets[0].name) == (True, "tls-given.crt")
    assert settings(given)["controller"] == "https://127.0.0.1:30080"


def test_without_hdfs_it_is_before_the_api_alone() -> None:
    found = made(pools__storage__enabled="false")
    assert settings(found["gateway"])["hdfs"] is None
    assert [endpoint.name for endpoint in found["gateway"].endpoints] == ["gateway", "gateway-data-pool"]
    assert settings(found["gateway"])["spark_host"] is None
    assert settings(found["gateway"])["apps"] == "{host:app-proxy}:30778"
    assert settings(made(pools__app__enabled="false")["gateway"])["apps"] is None


@pytest.mark.parametrize(("changes", "message"), [
    ({"gateway__bind": "here"}, "spec.gateway.bind: 'here' is not an IP address"),
    ({"ports__gateway": "30080"}, "30080"),
])  # fmt: skip
def test_what_is_refused(changes: dict[str, str], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        spec(**changes)


@pytest.mark.parametrize(("tls", "scheme"), [("false", "http"), ("true", "https")])
def test_in_a_pod_it_reaches_others_by_their_services(tls: str, scheme: str) -> None:
    facts = Facts(sealing_key="a2V5", issuer="openbdc:x", listen="0.0.0.0", controller="openbdc")
    found = {one.name: one for one in all_workloads(spec(security__tls__enabled=tls), facts)}
    told = settings(found["gateway"])
    assert (told["addresses"], told["controller"]) == (["0.0.0.0"], f"{scheme}://{{host:openbdc}}:30080")
    assert (told["hdfs"]["namenode"], told["apps"]) == ("{host:nmnode-0}:31570", "{host:app-proxy}:30778")
    assert (told["flight"], told["flight_encrypted"]) == (["{host:compute-0}:31471"], tls == "true")
    assert told["hdfs"]["encrypted"] == (tls == "true")
    assert told["spark_host"] == AS_LISTED, "each server has a Service of its own"
    judging = json.loads(found["compute-0"].files[0].content)
    assert (judging["controller"], judging["issuer"]) == (told["controller"], "openbdc:x")
    assert judging["controller_file"] == ("{secrets}/ca.crt" if tls == "true" else None)
    assert [one.name for one in found["gateway"].endpoints] == ["gateway", "webhdfs", "gateway-data-pool", "gateway-spark"]
    assert [port.name for port in found["gateway"].ports] == ["api", "metrics"]
    core = next(file.content for file in found["nmnode-0"].files if file.path == "core-site.xml")
    assert f"hadoop.proxyuser.{PROXY_USER}.hosts</name><value>*<" in "".join(core.split())


def test_in_a_pod_it_shows_a_customers_certificate_which_kubernetes_lays() -> None:
    facts = Facts(sealing_key="a2V5", issuer="openbdc:x", listen="0.0.0.0", controller="openbdc")
    (plain,) = [one for one in all_workloads(spec(kubernetes__tlsSecret="cert"), facts) if one.name == "gateway"]
    assert plain.secrets == (), "nobody makes an authority for it"
    encrypted = spec(kubernetes__tlsSecret="cert", security__tls__enabled="true")
    (found,) = [one for one in all_workloads(encrypted, facts) if one.name == "gateway"]
    told = settings(found)
    assert (told["certificate_file"], told["certificate_from"]) == ("/etc/openbdc/tls/tls.crt", "spec.kubernetes.tlsSecret")
    assert [secret.name for secret in found.secrets] == ["tls-ca.crt"] and told["same_certificate"] is False
    assert settings(made(kubernetes__tlsSecret="cert")["gateway"])["certificate_file"] == "{secrets}/tls.crt", "one machine has no Secrets"


def test_the_compute_pool_knows_the_controllers_logins_where_a_gateway_passes_them_on() -> None:
    found = made()
    assert settings(found["gateway"])["flight"]
    compute = json.loads(found["compute-0"].files[0].content)
    assert compute["controller"] == settings(found["gateway"])["controller"] and compute["issuer"] == settings(found["gateway"])["issuer"]
    assert json.loads(made(gateway__enabled="false")["compute-0"].files[0].content)["controller"] is None
