"""What a real API server makes of the CustomResourceDefinition."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from controller.kubernetes.api import Api, ApiError, Json
from controller.kubernetes.definition import PATH, DefinitionError, ensure_definition
from controller.kubernetes.resource import document
from controller.profiles import profile_names, render_profile
from controller.spec import ClusterSpec
from controller.spec.crd import VERSION_ANNOTATION, definition
from controller.spec.model import API_VERSION, KIND
from controller.spec.parse import spec_of
from tests.controller.kubernetes.conftest import Place, impersonating


def nested(path: str, value: object) -> Json:
    """``a.b`` and a value → ``{"a": {"b": value}}``."""
    for key in reversed(path.split(".") if path else []):
        value = {key: value}
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("profile", profile_names())
def test_a_profile_is_accepted_and_means_the_same(ground: Place, profile: str) -> None:
    text: Any = yaml.safe_load(render_profile(profile, "demo"))
    stored = ground.make("demo", text["spec"], dry_run=True)
    assert spec_of(document(stored), "resource") == spec_of(text, "profile")


def test_an_empty_spec_gets_the_defaults_of_the_model(ground: Place) -> None:
    stored = ground.make("demo", dry_run=True)
    read = spec_of(document(stored), "resource")
    assert read == ClusterSpec.model_validate({"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "demo"}})
    assert stored["spec"]["pools"]["compute"]["replicas"] == 1
    assert "base" not in stored["spec"].get("ports", {})


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("pools.storage", {"replication": 3}, "lower replication or raise dataNodes"),
        ("pools.storage", {"replication": 1, "dataNodes": 0}, "should be greater than or equal to 1"),
        ("pools.compute.replicas", 99, "should be less than or equal to 16"),
        ("pools.compute.replicas", "two", "must be of type integer"),
        ("pools.compute.replicsa", 2, "unknown field"),
        ("network.bind", "localhost", "is not an IP address"),
        ("", {"network": {"bind": "0.0.0.0"}, "security": {"tls": {"enabled": False}}}, "leave security.tls.enabled out"),
        ("network.tls", {"certificate": "/a"}, "both or not at all"),
        ("pools.master.databases", ["a", "a"], "listed twice"),
        ("pools.master.databases", ["template1"], "PostgreSQL's own"),
        ("pools.master.databases", ["Upper"], "should match"),
        ("pools.storage.spark.conf", {"master": "x"}, "start with 'spark.'"),
        ("kubernetes.pods", {"mster": {}}, "known here: master, compute"),
        ("kubernetes.storage.claims", {"x": {}}, "known here: master, data"),
        ("kubernetes.endpoints", {"x": {}}, "known here: master, compute, webhdfs"),
        ("kubernetes.endpoints", {"master": {"type": "NodePort"}}, "reached from outside needs TLS"),
        ("kubernetes.endpoints", {"master": {"ingress": {"host": "a.example"}}}, "only webhdfs and app speak HTTP"),
    ],
)
def test_what_is_refused_says_why(ground: Place, path: str, value: object, said: str) -> None:
    with pytest.raises(ApiError, match=said) as caught:
        ground.make("demo", nested(path, value), dry_run=True)
    assert caught.value.number in (400, 422)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("network", {"bind": "::1"}),
        ("network", {"bind": "0.0.0.0", "tls": {"certificate": "/a", "key": "/b"}}),
        ("network.tls", {"certificate": None, "key": None}),
        ("pools.storage", {"enabled": False, "replication": 3}),
        ("pools.storage.spark.conf", {"spark.sql.shuffle.partitions": "8"}),
        ("kubernetes.endpoints", {"master": {"type": "ClusterIP"}, "webhdfs": {"ingress": {"host": "a.example"}}}),
        ("kubernetes", {"tlsSecret": "t", "endpoints": {"master": {"type": "LoadBalancer"}}}),
    ],
)
def test_what_is_right_is_taken(ground: Place, path: str, value: object) -> None:
    ground.make("demo", nested(path, value), dry_run=True)


@pytest.mark.parametrize(("name", "said"), [("a" * 21, "at most 20 characters"), ("1a", "should match"), ("a.b", "should match")])
def test_names_that_are_none(ground: Place, name: str, said: str) -> None:
    with pytest.raises(ApiError, match=said):
        ground.make(name, dry_run=True)


def test_scale_is_the_compute_pool(place: Place) -> None:
    place.make("demo")
    place.plane.kubectl("-n", place.namespace, "scale", "bdc/demo", "--replicas=3")
    assert place.resource("demo")["spec"]["pools"]["compute"]["replicas"] == 3


def test_the_status_is_apart_from_the_spec(place: Place) -> None:
    made = place.make("demo")
    manifest = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "demo", "namespace": place.namespace}}
    path = place.path(KIND, "demo", API_VERSION) + "/status"
    status = {"state": "ready", "message": "all is ready", "services": [{"name": "sql", "resources": []}]}
    after = place.api.apply({**manifest, "status": status}, path=path)
    assert after["metadata"]["generation"] == made["metadata"]["generation"]
    assert after["status"] == status
    lines = place.plane.kubectl("-n", place.namespace, "get", "bdc").splitlines()
    assert lines[0].split() == ["NAME", "STATE", "HEALTH", "MESSAGE", "AGE"]
    assert "all is ready" in lines[1]
    assert "at most" not in place.plane.kubectl("explain", "bdc.spec.pools.compute.replicas").split("FIELD")[0]


def test_applied_again_it_stays_and_a_newer_one_is_left(place: Place) -> None:
    assert "is applied" in ensure_definition(place.api)
    newer = {"metadata": {"annotations": {VERSION_ANNOTATION: "99.1"}}}
    before = place.api.merge(PATH, newer)
    try:
        assert "OpenBDC 99.1 stays" in ensure_definition(place.api)
        found = place.api.get(PATH)
        assert found is not None
        assert found["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    finally:
        place.api.merge(PATH, {"metadata": {"annotations": {VERSION_ANNOTATION: "0.0.9"}}})
    assert "is applied" in ensure_definition(place.api)
    found = place.api.get(PATH)
    assert found is not None
    assert found["metadata"]["annotations"][VERSION_ANNOTATION] == definition()["metadata"]["annotations"][VERSION_ANNOTATION]


def test_a_definition_that_serves_another_version_is_named(place: Place) -> None:
    other = copy.deepcopy(definition())
    other["metadata"] = {"name": "x", "annotations": {VERSION_ANNOTATION: "99.1"}}
    other["spec"]["versions"][0]["name"] = "v1"

    class Other(Api):
        def get(self, path: str) -> Json:
            return other

    with pytest.raises(DefinitionError, match=r"is of OpenBDC 99\.1 and serves v1; this controller is of .* speaks v1alpha1") as caught:
        ensure_definition(Other(place.plane.api()))
    assert "helm upgrade" in (caught.value.hint or "")


def test_without_the_right_it_says_how_to_do_it_by_hand(place: Place) -> None:
    with pytest.raises(DefinitionError, match="forbidden") as caught:
        ensure_definition(impersonating(place.plane, "nobody"))
    assert "kubectl apply --server-side" in (caught.value.hint or "")
