"""A namespace of its own for each test, on the API server that the whole run shares."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from controller.kubernetes.api import Api, Json, path_of
from controller.kubernetes.definition import ensure_definition
from controller.spec.model import API_VERSION, KIND
from tests.services.kubernetes import ControlPlane


@dataclass(frozen=True)
class Place:
    """A namespace, and the API as the administrator."""

    plane: ControlPlane
    api: Api
    namespace: str

    def path(self, kind: str, name: str | None = None, version: str = "v1") -> str:
        return path_of(version, kind, self.namespace, name)

    def resource(self, name: str) -> Json:
        """The BigDataCluster; an error where there is none."""
        found = self.api.get(self.path(KIND, name, API_VERSION))
        assert found is not None, f"no {name}"
        return found

    def make(self, name: str, spec: Json | None = None, *, dry_run: bool = False) -> Json:
        """A BigDataCluster."""
        manifest = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec or {}}
        return self.api.create(self.path(KIND, version=API_VERSION), manifest, dry_run=dry_run)

    def condition(self, name: str, kind: str) -> Json:
        """One of its conditions; empty while there is none."""
        listed = self.resource(name).get("status", {}).get("conditions", [])
        return next((entry for entry in listed if entry["type"] == kind), {})


@pytest.fixture(scope="session")
def definition(kubernetes_api: ControlPlane) -> Iterator[ControlPlane]:
    """With the CustomResourceDefinition."""
    with kubernetes_api.api() as client:
        ensure_definition(Api(client))
    yield kubernetes_api


@contextmanager
def own_namespace(plane: ControlPlane) -> Iterator[Place]:
    namespace = f"crd-{secrets.token_hex(4)}"
    with plane.api() as client:
        api = Api(client)
        api.create(path_of("v1", "Namespace"), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        yield Place(plane, api, namespace)
        api.delete(path_of("v1", "Namespace", None, namespace))


@pytest.fixture
def place(definition: ControlPlane) -> Iterator[Place]:
    """For tests that leave something behind."""
    with own_namespace(definition) as found:
        yield found


@pytest.fixture(scope="module")
def ground(definition: ControlPlane) -> Iterator[Place]:
    """For tests that only ask."""
    with own_namespace(definition) as found:
        yield found


def impersonating(plane: ControlPlane, user: str) -> Api:
    """The API as somebody else."""
    client = plane.api()
    client.default_headers = {**copy.copy(client.default_headers), "Impersonate-User": user}
    return Api(client)
