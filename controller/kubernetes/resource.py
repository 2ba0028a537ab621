"""The custom resource of this controller's cluster: read once per pass (one list call, which shows others in the namespace too), its
status written when it differs."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from controller.errors import NotReadyError
from controller.kubernetes.api import Api, ApiError, Json, path_of
from controller.kubernetes.conditions import Condition, merged
from controller.kubernetes.events import Events
from controller.kubernetes.names import FINALIZER
from controller.spec import ClusterSpec
from controller.spec.model import API_VERSION, KIND
from controller.spec.parse import spec_of

Clock = Callable[[], datetime.datetime]


def utc_now() -> datetime.datetime:
    """The time that conditions carry."""
    return datetime.datetime.now(datetime.UTC)


class Resource:
    """The resource ``name`` of ``namespace`` as it was at the last ``look``."""

    def __init__(self, api: Api, namespace: str, name: str, clock: Clock = utc_now) -> None:
        self.namespace = namespace
        self.name = name
        self.others: list[Json] = []
        self._api = api
        self._clock = clock
        self._found: Json | None = None

    @property
    def where(self) -> str:
        """For messages."""
        return f"{KIND} {self.namespace}/{self.name}"

    @property
    def found(self) -> Json:
        """The object; NotReadyError where there is none."""
        if self._found is None:
            raise NotReadyError(
                f"there is no {self.where} yet",
                where=self.where,
                hint="bdc config init --profile kubernetes --name "
                f"{self.name} --file bdc.yaml; kubectl -n {self.namespace} apply -f bdc.yaml",
            )
        return self._found

    @property
    def there(self) -> bool:
        """Whether it existed at the last look."""
        return self._found is not None

    @property
    def deleting(self) -> bool:
        """Whether somebody deleted it and it waits for the finalizer."""
        return "deletionTimestamp" in self.found["metadata"]

    @property
    def status(self) -> Json:
        """What was shown last; empty before that."""
        return self.found.get("status") or {}

    def now(self) -> str:
        """As Kubernetes writes times."""
        return self._clock().strftime("%Y-%m-%dT%H:%M:%SZ")

    def look(self) -> None:
        """Read it. ApiError."""
        everything = self._api.list(path_of(API_VERSION, KIND, self.namespace))
        self._found = next((entry for entry in everything if entry["metadata"]["name"] == self.name), None)
        self.others = [entry for entry in everything if entry["metadata"]["name"] != self.name]

    def spec(self) -> ClusterSpec:
        """What people wrote; SpecError."""
        return spec_of(document(self.found), self.where)

    def path(self, name: str | None = None) -> str:
        """Of a resource of this namespace."""
        return path_of(API_VERSION, KIND, self.namespace, name or self.name)

    def events(self, object_: Json | None = None) -> Events:
        """To tell what happened to it."""
        return Events(self._api, self.namespace, object_ or self.found)

    def show(self, status: Json, conditions: tuple[Condition, ...], object_: Json | None = None) -> bool:
        """Write the status if it differs (events for conditions that turned); whether it did. ``object_``: another resource."""
        resource = object_ or self.found
        metadata, before = resource["metadata"], resource.get("status") or {}
        generation = int(metadata.get("generation", 1))
        listed = merged(conditions, before.get("conditions") or [], generation, self._clock())
        wanted = {**status, "observedGeneration": generation, "conditions": listed}
        if before == wanted:
            return False
        manifest = {"apiVersion": API_VERSION, "kind": KIND, "metadata": _named(metadata), "status": wanted}
        try:
            written = self._api.apply(manifest, path=f"{self.path(metadata['name'])}/status")
        except ApiError as error:
            if error.number == 404:  # deleted meanwhile
                return False
            raise
        if object_ is None:
            self._found = written
        self.events(resource).turned(before.get("conditions") or [], listed)
        return True

    def hold(self) -> None:
        """Add the finalizer, so that a deletion waits for us."""
        finalizers = self.found["metadata"].get("finalizers") or []
        if FINALIZER not in finalizers:
            self._found = self._with_finalizers([*finalizers, FINALIZER])

    def release(self) -> None:
        """Remove the finalizer: the object goes, if it is being deleted. ApiError."""
        finalizers = self.found["metadata"].get("finalizers") or []
        try:
            self._found = self._with_finalizers([entry for entry in finalizers if entry != FINALIZER])
        except ApiError as error:
            if error.number != 404:
                raise

    def _with_finalizers(self, finalizers: list[str]) -> Json:
        metadata = {"resourceVersion": self.found["metadata"]["resourceVersion"], "finalizers": finalizers}
        return self._api.merge(self.path(), {"metadata": metadata})


def document(found: Json) -> dict[str, Any]:
    """The resource as ``bdc.yaml`` would hold it."""
    return {
        "apiVersion": found["apiVersion"],
        "kind": found["kind"],
        "metadata": {"name": found["metadata"]["name"]},
        "spec": found.get("spec") or {},
    }


def _named(metadata: Json) -> Json:
    return {"name": metadata["name"], "namespace": metadata["namespace"]}
