"""The BigDataCluster resource: as ``bdc create`` makes it, and what its status says."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import cast

from bdc.contexts import Place
from bdc.errors import UserError

Json = dict[str, object]

API_VERSION = "openbdc.dev/v1alpha1"
KIND = "BigDataCluster"
DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/bigdataclusters.openbdc.dev"
COLLECTION = "/apis/openbdc.dev/v1alpha1/namespaces/{namespace}/bigdataclusters"


def path(place: Place, name: str) -> str:
    """Its API path."""
    return f"{COLLECTION.format(namespace=place.namespace)}/{name}"


def authority(place: Place) -> str:
    """The certificates with which the servers of the namespace's cluster are verified; empty where none is said. BdcError."""
    from bdc import kubectl

    found = kubectl.read(place, COLLECTION.format(namespace=place.namespace)) or {}
    items = cast("list[Json]", found.get("items") or [])
    said = [cast(Json, item.get("status") or {}).get("authority") for item in items]
    return next((text for text in said if isinstance(text, str)), "")


def document(name: str, place: Place, spec: Json | None) -> Json:
    """The resource: ``spec`` is a read bdc.yaml; None: all defaults."""
    wanted = (spec or {}).get("spec") or {"profile": "kubernetes"}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name, "namespace": place.namespace}, "spec": wanted}


def read_spec(file: pathlib.Path) -> Json:
    """A bdc.yaml; UserError when it is none. Its fields are checked by the API server, against the schema of the controller there."""
    import yaml

    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{file} is no YAML", where=str(file), why=" ".join(str(error).split())[:300]) from error
    if not isinstance(found, dict) or found.get("kind") != KIND:
        hint = "'bdc config init --source kubernetes' writes one"
        raise UserError(f"{file} is no spec of a cluster", where=str(file), why=f"its kind is not {KIND}", hint=hint)
    if found.get("apiVersion") != API_VERSION:
        raise UserError(f"{file} has another format", where=str(file), why=f"its apiVersion is not {API_VERSION}")
    return found


def name_in(spec: Json) -> str | None:
    """The cluster's name in a read bdc.yaml."""
    metadata = spec.get("metadata")
    found = metadata.get("name") if isinstance(metadata, dict) else None
    return str(found) if found else None


def profile_in(spec: Json) -> str | None:
    """Its profile."""
    inner = spec.get("spec")
    found = inner.get("profile") if isinstance(inner, dict) else None
    return str(found) if found else None


def status_of(resource: Json) -> Json:
    """What the controller says about the spec as it is now; empty while it has not seen it."""
    status = cast(Json, resource.get("status") or {})
    generation = cast(Json, resource["metadata"]).get("generation", 0)
    return status if int(str(status.get("observedGeneration") or -1)) >= int(str(generation)) else {}


def condition(status: Json, kind: str) -> Json:
    """One of its conditions; empty where it is not there."""
    found = cast("list[Json]", status.get("conditions") or [])
    return next((one for one in found if one.get("type") == kind), {})


def instances(status: Json) -> Iterator[Json]:
    """The leaves of the status tree: name, state, details."""
    for service in cast("list[dict[str, list[Json]]]", status.get("services") or []):
        for resource in cast("list[dict[str, list[Json]]]", service.get("resources") or []):
            yield from resource.get("instances") or [cast(Json, resource)]
