from __future__ import annotations

import json
from typing import Any

import pytest

from controller.errors import SubstrateError
from controller.substrates.kubernetes.groups import groups
from controller.substrates.kubernetes.listing import Listing
from controller.substrates.kubernetes.manifests import manifests
from controller.substrates.kubernetes.place import RESTART
from controller.substrates.kubernetes.rendering import Filling
from controller.substrates.kubernetes.substrate import KubernetesSubstrate
from pools.workload import Workload
from tests.controller.substrates.kubernetes.snapshots import FILES, FOLDER, HOUSE, group, place, rendered, spec, workloads

Json = dict[str, Any]


def made(name: str, **changes: str) -> dict[str, Json]:
    """Manifests of one pod group by ``Kind/name``, Jobs by kind."""
    of = spec(**changes)
    return {
        manifest["kind"] if manifest["kind"] == "Job" else f"{manifest['kind']}/{manifest['metadata']['name']}": manifest
        for manifest in manifests(group(name, of), place(of)).all
    }


def everything() -> list[Json]:
    of = spec()
    return [manifest for entry in groups(workloads(of)) for manifest in manifests(entry, place(of)).all]


@pytest.mark.parametrize("name", FILES)
def test_manifests_are_those_that_were_reviewed(name: str) -> None:
    assert rendered(name) == (FOLDER / f"{name}.yaml").read_text(encoding="utf-8"), (
        "python -m tests.controller.substrates.kubernetes.snapshots"
    )


def test_every_container_is_confined() -> None:
    templates = [manifest["spec"]["template"]["spec"] for manifest in everything() if "template" in manifest.get("spec", {})]
    assert len(templates) == 12
    for spec_ in templates:
        assert spec_["securityContext"]["runAsNonRoot"] is True
        assert spec_["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec_["automountServiceAccountToken"] is False
        for container in (*spec_.get("initContainers", ()), *spec_["containers"]):
            confined = container["securityContext"]
            assert confined["readOnlyRootFilesystem"] is True
            assert confined["allowPrivilegeEscalation"] is False
            assert confined["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}


def test_a_pod_sees_only_the_secrets_that_it_needs() -> None:
    spec_ = made("data-0")["StatefulSet/data-0"]["spec"]["template"]["spec"]
    (laid,) = [volume["secret"]["items"] for volume in spec_["volumes"] if "secret" in volume]
    assert [item["key"] for item in laid] == ["ticket.pub"], "public halves"
    spec_ = made("compute-0")["Deployment/compute-0"]["spec"]["template"]["spec"]
    kept = {volume["name"]: [item["key"] for item in volume["secret"]["items"]] for volume in spec_["volumes"] if "secret" in volume}
    assert kept == {
        "compute-0-scratch-secrets": ["scratch-password"],
        "compute-0-secrets": ["pool-password", "sealing.key", "scratch-password", "ticket.key"],
    }


def test_no_placeholder_is_left_and_everything_has_an_owner_but_the_claims() -> None:
    for manifest in everything():
        assert manifest["metadata"]["ownerReferences"][0]["name"] == "demo"
        text = json.dumps({key: value for key, value in manifest.items() if key != "data"})
        assert not [word for word in ("{data}", "{config}", "{run}", "{program:", "{host:", "{python}") if word in text]
        for claim in manifest.get("spec", {}).get("volumeClaimTemplates", ()):
            assert "ownerReferences" not in claim["metadata"]


def test_what_the_spec_says_about_kubernetes_arrives() -> None:
    found = made(
        "data-1",
        kubernetes__images="{registry: registry.test/bdc, tag: '7', pullSecrets: [cred], pullPolicy: Always}",
        kubernetes__storage="{storageClass: fast, claims: {data: {size: 40Gi}}}",
        kubernetes__pods="{data: {nodeSelector: {disk: ssd}, tolerations: [{key: db, operator: Exists}], spread: required,"
        " spreadBy: zone, resources: {cpuRequest: '2', memoryLimit: 3Gi}}}",
    )["StatefulSet/data-1"]["spec"]
    pod = found["template"]["spec"]
    container = pod["containers"][0]
    assert container["image"] == "registry.test/bdc/openbdc/data:7"
    assert (container["imagePullPolicy"], pod["imagePullSecrets"]) == ("Always", [{"name": "cred"}])
    assert container["resources"] == {"requests": {"cpu": "2", "memory": "256Mi"}, "limits": {"memory": "3Gi"}}
    claim = found["volumeClaimTemplates"][0]["spec"]
    assert (claim["storageClassName"], claim["resources"]["requests"]["storage"]) == ("fast", "40Gi")
    assert pod["nodeSelector"] == {"disk": "ssd"}
    assert pod["tolerations"] == [{"key": "db", "operator": "Exists"}]
    assert pod["topologySpreadConstraints"][0]["whenUnsatisfiable"] == "DoNotSchedule"


def test_an_exposed_endpoint_gets_a_service_of_its_own_and_its_policy_opens() -> None:
    found = made("nmnode-0", kubernetes__endpoints="{webhdfs: {annotations: {a: b}, ingress: {host: hdfs.example.com, tlsSecret: cert}}}")
    outside = found["Service/nmnode-0-outside"]
    assert (outside["spec"]["type"], outside["metadata"]["annotations"]) == ("ClusterIP", {"a": "b"})
    assert found["Ingress/nmnode-0-outside"]["spec"]["tls"] == [{"hosts": ["hdfs.example.com"], "secretName": "cert"}]
    assert {"ports": [{"port": 31570, "protocol": "TCP"}]} in found["NetworkPolicy/nmnode-0"]["spec"]["ingress"]


def test_apps_may_have_an_ingress() -> None:
    found = made("app-proxy", kubernetes__endpoints="{app: {ingress: {host: apps.example.com, ingressClass: nginx}}}")
    (rule,) = found["Ingress/app-proxy-outside"]["spec"]["rules"]
    assert rule["http"]["paths"][0]["backend"]["service"] == {"name": "app-proxy-outside", "port": {"number": 30778}}
    assert {"ports": [{"port": 30778, "protocol": "TCP"}]} in found["NetworkPolicy/app-proxy"]["spec"]["ingress"]


def test_a_certificate_makes_the_master_speak_tls_and_nothing_else() -> None:
    found = made("master-0", kubernetes__tlsSecret="cert")
    volumes = found["StatefulSet/master-0"]["spec"]["template"]["spec"]["volumes"]
    assert {"name": "tls", "secret": {"secretName": "cert", "defaultMode": 0o440}} in volumes
    files = found["ConfigMap/master-0"]["data"]
    assert "ssl_key_file = '/etc/openbdc/tls/tls.key'" in files["postgresql.conf"]
    assert "hostssl all all 0.0.0.0/0 scram-sha-256" in files["pg_hba.conf"]


def test_the_gateway_shows_that_certificate_too_and_has_no_other() -> None:
    found = made("gateway", gateway="{enabled: true}", kubernetes__tlsSecret="cert", security="{tls: {enabled: true}}")
    pod = found["Deployment/gateway"]["spec"]["template"]["spec"]
    assert {"name": "tls", "secret": {"secretName": "cert", "defaultMode": 0o440}} in pod["volumes"]
    assert {"name": "tls", "mountPath": "/etc/openbdc/tls", "readOnly": True} in pod["containers"][0]["volumeMounts"]
    (own,) = [volume["secret"] for volume in pod["volumes"] if volume.get("secret", {}).get("secretName") == "openbdc-secrets"]
    assert [item["path"] for item in own["items"]] == ["ca.crt"], "what it verifies the controller and the compute pool with"
    told = json.loads(found["ConfigMap/gateway"]["data"]["gateway.json"])
    assert (told["certificate_file"], told["certificate_key_file"]) == ("/etc/openbdc/tls/tls.crt", "/etc/openbdc/tls/tls.key")


def test_other_files_make_a_new_pod_and_another_job() -> None:
    before, after = made("master-setup"), made("master-setup", pools__master__databases="[bdc, sales]")
    assert before["Job"]["metadata"]["name"] != after["Job"]["metadata"]["name"]
    before, after = made("data-0"), made("data-0", pools__data__retentionSeconds="900")
    annotations = [found["StatefulSet/data-0"]["spec"]["template"]["metadata"]["annotations"][RESTART] for found in (before, after)]
    assert annotations[0] != annotations[1]
    same = made("data-0", pools__data__shards="3")["StatefulSet/data-0"]["spec"]["template"]
    assert same == before["StatefulSet/data-0"]["spec"]["template"], "another shard restarts none of those that are there"


def test_a_pod_is_planned_as_a_whole() -> None:
    requires = {workload.name: workload.requires for workload in workloads(spec())}
    assert requires["compute-0-scratch"] == ("master-setup",)
    assert requires["compute-0"] == ("master-setup", "compute-0-scratch")


def test_what_can_not_be_said_in_a_pod_is_an_error_with_its_name() -> None:
    workload = Workload(name="x-0", pool="data", service="sql", resource="x", command=("{program:java}",))
    with pytest.raises(SubstrateError, match="pool data holds no program 'java'"):
        manifests(groups((workload,))[0], place(spec()))
    with pytest.raises(SubstrateError, match="has no folder"):
        Filling(workload, place(spec())).text("{cluster}")
    long = Workload(name="x" * 60, pool="data", service="sql", resource="x", command=("true",))
    with pytest.raises(SubstrateError, match="too long for Kubernetes"):
        groups((long,))


def test_outside_of_a_pass_a_workload_can_still_be_described() -> None:
    substrate = KubernetesSubstrate(None, place(spec()))  # type: ignore[arg-type] # nothing is asked of the API
    found = {workload.name: workload for workload in workloads(spec())}
    assert len(substrate.content_hash(found["spark-connect-0"])) == 16
    assert substrate.content_hash(found["control"]) == ""
    assert substrate.host("data-0") == "data-0.bdc.svc"


def stand(name: str, ready: bool, image: str = "old") -> Json:
    """A shard's set as it is there."""
    made_ = made(name, kubernetes__images="{tag: '" + image + "'}")[f"StatefulSet/{name}"]
    made_["metadata"] |= {"creationTimestamp": "2026-11-22T08:00:00Z", "generation": 1}
    return {**made_, "status": {"observedGeneration": 1, "readyReplicas": int(ready)}}


class NoApi:
    """Takes nothing: to apply is an error."""

    def apply(self, manifest: Json) -> Json:
        raise AssertionError(f"{manifest['metadata']['name']} is applied")


@pytest.mark.parametrize(
    ("shards", "waits"),
    [({"data-0": True, "data-1": False}, True), ({"data-0": True, "data-1": True}, False), ({"data-0": False, "data-1": False}, False)],
)
def test_a_ready_pod_is_not_restarted_while_another_of_its_kind_is_away(shards: dict[str, bool], waits: bool) -> None:
    of = spec()
    substrate = KubernetesSubstrate(NoApi(), place(of))  # type: ignore[arg-type]
    substrate._there = Listing({f"StatefulSet/{name}": stand(name, ready) for name, ready in shards.items()})
    wanted = next(workload for workload in substrate.wanted(of, workloads(of)) if workload.name == "data-0")
    if waits:
        assert substrate.ensure(wanted) == "waits with its restart until data-1 is back"
    else:
        with pytest.raises(AssertionError, match="is applied"):
            substrate.ensure(wanted)


def test_pods_of_a_version_hold_what_opens_its_package_and_nothing_else() -> None:
    found = made("app-house-v1-0a0b0c", security="{tls: {enabled: true}}")
    assert not any(name.startswith("Service/") for name in found)
    deployment = found["Deployment/app-house-v1-0a0b0c"]
    pod = deployment["spec"]["template"]["spec"]
    secrets = [item["key"] for volume in pod["volumes"] if "secret" in volume for item in volume["secret"]["items"]]
    assert (deployment["spec"]["replicas"], secrets) == (2, [f"app-pod-{HOUSE.code}", "tls-ca.crt"])
    assert pod["containers"][0]["resources"]["limits"] == {"cpu": "3", "memory": f"{3 * 512 * 5 // 4 + 128}Mi"}
    assert all(volume["emptyDir"].get("sizeLimit") for volume in pod["volumes"] if "emptyDir" in volume), "a node's disk is for all"
    writable = {mount["name"] for mount in pod["containers"][0]["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {volume["name"] for volume in pod["volumes"] if "emptyDir" in volume}
