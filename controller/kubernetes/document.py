"""The custom resource as the text that operations read and write (``controller.operations.document.SpecDocument``).

Kubernetes keeps data, not texts: what was written with its comments lies in an annotation, and holds as long as it says what the spec says.
"""

from __future__ import annotations

import yaml

from controller.errors import ConflictError, SpecError
from controller.kubernetes.api import Api, ApiError, Json
from controller.kubernetes.names import DOCUMENT
from controller.kubernetes.resource import Resource, document
from controller.spec import ClusterSpec, dump_spec, load_spec
from controller.spec.crd import product_version
from controller.spec.parse import spec_of

MANAGER = "bdc"
"""Field manager of what people write by way of the API: the spec is theirs, the rest the controller's."""
TRIES = 5


class ResourceDocument:
    """``SpecDocument`` of ``resource``; reads and writes the cluster's object anew each time."""

    machine_only: tuple[str, ...] = ("spec.pools.master.postgresql.bin", "spec.network.tls", "spec.network.bind", "spec.gateway.bind")

    def __init__(self, api: Api, resource: Resource) -> None:
        self.image_tag: str | None = product_version()
        self._api = api
        self._resource = resource
        self.machine_hint = "these are for one machine; on Kubernetes the images and spec.kubernetes say it"

    def read(self) -> str:
        """The text as it was written, or one made from the data where somebody else changed them."""
        found = self._object()
        text = (found["metadata"].get("annotations") or {}).get(DOCUMENT)
        try:
            spec = spec_of(document(found), self._resource.where)
        except SpecError:
            return text or yaml.safe_dump(document(found), sort_keys=False, allow_unicode=True)
        return text if text is not None and _says(text, spec) else dump_spec(spec)

    def write(self, text: str) -> None:
        """Replace the spec. ConflictError when others change it all the time."""
        wanted = load_spec(text)
        if wanted.name != self._resource.name:
            raise ConflictError(f"the name of a cluster can't change (it is {self._resource.name!r})", where="metadata.name")
        for _ in range(TRIES):
            found = self._object()
            steps: list[Json] = [
                {"op": "test", "path": "/metadata/resourceVersion", "value": found["metadata"]["resourceVersion"]},
                {"op": "add", "path": "/metadata/annotations", "value": {**(found["metadata"].get("annotations") or {}), DOCUMENT: text}},
                {"op": "add", "path": "/spec", "value": wanted.model_dump(mode="json", by_alias=True)["spec"]},
            ]
            try:
                self._api.edit(self._resource.path(), steps, manager=MANAGER)
            except ApiError as error:
                if not error.conflict and "test" not in error.message:
                    raise
                continue
            return
        raise ConflictError("the resource is changed by others all the time", where=self._resource.where, hint="try again")

    def _object(self) -> Json:
        found = self._api.get(self._resource.path())
        if found is None:
            raise ConflictError(f"there is no {self._resource.where}", where=self._resource.where, hint="kubectl apply -f bdc.yaml")
        return found


def _says(text: str, spec: ClusterSpec) -> bool:
    try:
        return load_spec(text) == spec
    except SpecError:
        return False
