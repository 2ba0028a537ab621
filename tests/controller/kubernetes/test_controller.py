"""Whole controllers on a real API server. It has no node: pods stay Pending, which is what these tests look at."""

from __future__ import annotations

import base64
import json

import pytest

from controller.auth.users import Users
from controller.errors import ConflictError
from controller.kubernetes.api import Json, path_of
from controller.kubernetes.deletion import Deletion
from controller.kubernetes.document import ResourceDocument
from controller.kubernetes.names import ADMIN, FINALIZER, SECRETS, STOPPED, STORE
from controller.kubernetes.resource import Resource
from controller.profiles import render_profile
from controller.spec.edit import set_value
from controller.spec.model import API_VERSION, KIND
from tests.controller.kubernetes.conftest import Place, impersonating
from tests.controller.kubernetes.running import Operator, operator
from tests.controller.substrate import StandInSubstrate, workload
from tests.patience import eventually


def change(place: Place, spec: Json, name: str = "demo") -> None:
    place.api.merge(place.path(KIND, name, API_VERSION), {"spec": spec})


def there(place: Place, kind: str, name: str, version: str = "v1") -> bool:
    return place.api.get(place.path(kind, name, version)) is not None


def gone(place: Place, name: str = "demo") -> bool:
    return not there(place, KIND, name, API_VERSION)


def test_the_life_of_a_cluster(place: Place) -> None:
    """One controller and its resource from the first look to the end."""
    with operator(place) as one:
        eventually(lambda: "no BigDataCluster" in one.details(), "the missing resource is told")
        place.make("demo")
        taken_on(place, one)
        stopped_and_started(place)
        refused_and_corrected(place)
        second_one_refused(place)
        place.api.delete(place.path(KIND, "demo", API_VERSION))
        eventually(lambda: gone(place), "the resource goes")
        eventually(lambda: one.ends, "the process is told to begin anew")
    assert {name for name in (SECRETS, STORE) if there(place, "Secret", name)} == {SECRETS, STORE}
    claim = place.api.get(place.path("PersistentVolumeClaim", "data-master-0-0"))
    assert claim is not None
    assert "deletionTimestamp" not in claim["metadata"]
    assert not there(place, "StatefulSet", "master-0", "apps/v1")


def taken_on(place: Place, one: Operator) -> None:
    eventually(lambda: "StorageClass" in place.condition("demo", "Degraded").get("message", ""), "the missing StorageClass is told")
    found = place.resource("demo")
    assert place.condition("demo", "Accepted")["status"] == "True"
    assert (found["status"]["state"], found["status"]["health"], found["status"]["controller"]) == ("error", "unhealthy", "one")
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"]
    assert found["metadata"]["finalizers"] == [FINALIZER]
    admin = place.api.get(place.path("Secret", ADMIN))
    assert admin is not None
    password = base64.b64decode(admin["data"]["password"]).decode()
    assert Users(one.store).verify("admin", password) is not None
    assert password not in place.plane.kubectl("-n", place.namespace, "describe", "bdc", "demo")
    master = place.path("StatefulSet", "master-0", "apps/v1")
    owned = place.api.get(master)
    assert owned is not None
    assert owned["metadata"]["ownerReferences"][0]["uid"] == found["metadata"]["uid"]
    place.api.delete(master)
    eventually(lambda: (place.api.get(master) or owned)["metadata"]["uid"] != owned["metadata"]["uid"], "it is made again")


def stopped_and_started(place: Place) -> None:
    """By the annotation; addresses stay."""
    master, service = place.path("StatefulSet", "master-0", "apps/v1"), place.path("Service", "master-0")
    before = place.api.get(service)
    resource = place.path(KIND, "demo", API_VERSION)
    place.api.merge(resource, {"metadata": {"annotations": {STOPPED: "bdc stop"}}})
    eventually(lambda: place.resource("demo")["status"]["state"] == "stopped", "the status says so")
    assert place.api.get(master) is None and not place.api.list(place.path("Pod"), "openbdc.dev/workload")
    assert "is stopped (bdc stop); to start it: kubectl" in place.condition("demo", "Ready")["message"]
    place.api.merge(resource, {"metadata": {"annotations": {STOPPED: None}}})
    eventually(lambda: place.api.get(master) is not None, "it is made again")
    after = place.api.get(service)
    assert before is not None and after is not None and after["metadata"]["uid"] == before["metadata"]["uid"]


def refused_and_corrected(place: Place) -> None:
    """What only the controller can refuse."""
    change(place, {"ports": {"compute": 31433}})
    eventually(lambda: place.condition("demo", "Accepted")["status"] == "False", "the change is refused")
    assert "31433" in place.condition("demo", "Accepted")["message"]
    assert there(place, "StatefulSet", "master-0", "apps/v1")
    change(place, {"ports": {"compute": None}, "pools": {"data": {"shards": 1}}})
    eventually(lambda: "shards" in place.condition("demo", "Accepted")["message"], "so is one that may lose rows")
    change(place, {"pools": {"data": {"shards": 2}}})
    eventually(lambda: place.condition("demo", "Accepted")["status"] == "True", "it is accepted again")


def second_one_refused(place: Place) -> None:
    place.make("other")
    eventually(lambda: place.condition("other", "Accepted").get("reason") == "SecondCluster", "the second is refused")
    assert f"kubectl -n {place.namespace} delete bdc other" in place.condition("other", "Accepted")["message"]
    assert "finalizers" not in place.resource("other")["metadata"]
    place.api.delete(place.path(KIND, "other", API_VERSION))
    assert gone(place, "other")  # nothing holds it


def test_of_two_controllers_one_acts_and_the_other_follows_and_takes_over(place: Place) -> None:
    place.make("demo")
    with operator(place, identity="two") as two, operator(place, identity="one") as one:
        eventually(lambda: one.leads or two.leads, "one of them leads")
        first, second = (one, two) if one.leads else (two, one)
        eventually(lambda: place.resource("demo").get("status"), "the leader writes a status")
        assert not second.leads
        eventually(lambda: second.loop.wake(1.0) and second.loop.status()["services"], "the other one shows what the leader saw")
        assert place.resource("demo")["status"]["controller"] == first.running.lease.identity
        tellers = (first.tells_metrics, second.tells_metrics)
        assert [tells() for tells in tellers] == [True, False]  # nothing is counted twice
        first.running.lease.stop()
        eventually(lambda: second.leads, "the other one takes over")
        assert [tells() for tells in tellers] == [False, True]
        change(place, {"pools": {"compute": {"replicas": 2}}})
        eventually(lambda: place.resource("demo")["status"]["controller"] == second.running.lease.identity, "and acts")


@pytest.mark.kubernetes
def test_a_second_cluster_is_refused_by_a_controller_of_its_own_too(place: Place) -> None:
    place.make("demo")
    with operator(place):
        eventually(lambda: FINALIZER in place.resource("demo")["metadata"].get("finalizers", []), "the first is taken on")
        place.make("other")
        with operator(place, "other"):
            eventually(
                lambda: "older cluster demo" in place.condition("other", "Accepted").get("message", ""), "it says which one is older"
            )


@pytest.mark.kubernetes
def test_a_deletion_that_forgets_takes_claims_and_secrets_along(place: Place) -> None:
    place.make("demo", {"kubernetes": {"storage": {"onDelete": "delete"}}})
    claim = place.path("PersistentVolumeClaim", "data-master-0-0")
    with operator(place) as one:
        eventually(lambda: place.api.get(claim), "there is a claim")
        place.api.delete(place.path(KIND, "demo", API_VERSION))
        eventually(lambda: gone(place), "the resource goes")
        eventually(lambda: one.ends, "the process is told to begin anew")
    assert not any(there(place, "Secret", name) for name in (SECRETS, STORE))
    eventually(lambda: place.api.get(claim) is None, "the claim goes")


def test_what_uses_others_ends_before_them(place: Place) -> None:
    substrate = StandInSubstrate()
    names = ("master-0", "data-0", "compute-0", "spark-connect-0", "nmnode-0")
    for name in names:
        substrate.ensure(workload(name))
        pod(place, name)
    deletion = Deletion(place.api, place.namespace, "demo", substrate)
    said = []
    for stage in (("compute-0", "spark-connect-0"), ("data-0", "nmnode-0"), ("master-0",)):
        substrate.calls.clear()
        said.append(deletion.step() or "")
        assert substrate.calls == [f"stop {name}" for name in stage]
        substrate.calls.clear()
        assert f"waits for {', '.join(f'{name}-pod' for name in stage)}" in (deletion.step() or "")
        assert substrate.calls == []
        for name in stage:
            place.api.delete(place.path("Pod", f"{name}-pod"), grace=0)
    assert deletion.step() is None
    assert ["first" in said[0], "first" in said[1], "last" in said[2]] == [True] * 3


def pod(place: Place, name: str) -> None:
    labels = {"openbdc.dev/cluster": "demo", "openbdc.dev/workload": name}
    spec = {"containers": [{"name": "c", "image": "x"}]}
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"{name}-pod", "labels": labels}, "spec": spec}
    eventually(lambda: there(place, "ServiceAccount", "default"), "the namespace is ready")
    place.api.create(place.path("Pod"), manifest)


@pytest.mark.kubernetes
def test_a_namespace_that_is_deleted_is_not_held_up(place: Place) -> None:
    place.make("demo")
    namespace = path_of("v1", "Namespace", None, place.namespace)
    with operator(place):
        eventually(lambda: there(place, "StatefulSet", "master-0", "apps/v1"), "it runs")
        place.api.delete(namespace)
        # Kubernetes looks again after 15 s, then later and later, while anything is left
        eventually(lambda: place.api.get(namespace) is None, "the namespace goes", 240)


@pytest.mark.kubernetes
def test_without_the_api_server_it_says_so_answers_and_goes_on_afterwards(place: Place) -> None:
    place.make("demo")
    with operator(place) as one:
        eventually(lambda: place.resource("demo").get("status", {}).get("services"), "it was observed")
        with place.plane.without("apiserver"):
            eventually(lambda: "does not answer" in one.details(), "the status says it")
            assert "the pools go on" in one.loop.status()["details"]
            assert one.loop.status()["services"]
            assert one.loop.spec().name == "demo"
            assert [user["name"] for user in Users(one.store).all()] == ["admin"]
        eventually(lambda: "does not answer" not in one.details(), "it observes again")


def test_a_first_admin_without_a_password_is_told(place: Place) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": ADMIN}, "stringData": {"username": "ann"}}
    place.api.create(place.path("Secret"), secret)
    place.make("demo")
    with operator(place) as one:
        eventually(lambda: "has no key 'password'" in place.condition("demo", "Degraded").get("message", ""), "it is told")
        assert not there(place, "StatefulSet", "master-0", "apps/v1")
        place.api.merge(place.path("Secret", ADMIN), {"stringData": {"password": "short"}})
        eventually(lambda: one.loop.wake(5.0) and "8" in place.condition("demo", "Degraded")["message"], "the rule is told")
        place.api.merge(place.path("Secret", ADMIN), {"stringData": {"password": "long enough for it"}})
        eventually(lambda: one.loop.wake(5.0) and there(place, "StatefulSet", "master-0", "apps/v1"), "it goes on")
        assert Users(one.store).get("ann")["roles"] == ["admin", "user"]


def test_the_text_of_an_operation_is_kept_until_somebody_changes_the_data(place: Place) -> None:
    place.make("demo")
    document = ResourceDocument(place.api, Resource(place.api, place.namespace, "demo"))
    assert "kind: BigDataCluster" in document.read()
    text = set_value(render_profile("kubernetes", "demo"), "spec.pools.compute.replicas", "2")
    document.write(text)
    assert document.read() == text
    assert place.resource("demo")["spec"]["pools"]["compute"]["replicas"] == 2
    place.plane.kubectl("-n", place.namespace, "scale", "bdc/demo", "--replicas=3")
    assert "#" not in document.read()
    assert "replicas: 3" in document.read()
    with pytest.raises(ConflictError, match="name of a cluster can't change"):
        document.write(render_profile("kubernetes", "other"))


@pytest.mark.kubernetes
def test_a_right_that_is_missing_is_named_with_the_next_step(place: Place) -> None:
    account = f"system:serviceaccount:{place.namespace}:openbdc"
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    rules: list[Json] = [{**everything, "apiGroups": ["", "openbdc.dev", "coordination.k8s.io", "networking.k8s.io", "policy", "batch"]}]
    rules.append({"apiGroups": ["apps"], "resources": ["*"], "verbs": ["list", "watch"]})
    rbac = "rbac.authorization.k8s.io/v1"
    role = {"apiVersion": rbac, "kind": "Role", "metadata": {"name": "less"}, "rules": rules}
    subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": account}
    binding: Json = {"apiVersion": rbac, "kind": "RoleBinding", "metadata": {"name": "less"}, "subjects": [subject]}
    binding["roleRef"] = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "less"}
    both = {"kind": "List", "apiVersion": "v1", "items": [role, binding]}
    place.plane.kubectl("-n", place.namespace, "apply", "-f", "-", stdin=json.dumps(both))
    place.make("demo")
    with operator(place, api=impersonating(place.plane, account)):
        eventually(lambda: "statefulsets.apps" in place.condition("demo", "Degraded").get("message", ""), "the right is named")
        assert "kubectl auth can-i --list" in place.condition("demo", "Degraded")["message"]
        assert place.condition("demo", "Accepted")["status"] == "True"
