"""A stand-in for the API server and the node behind it: keeps what is applied, and has the pod of each set run at the next ``tick``, unless
its image is a broken one."""

from __future__ import annotations

import copy
import itertools
from typing import Any, cast

from controller.kubernetes.api import Api, path_of_object
from controller.substrates.kubernetes.states import container_names, settled

Json = dict[str, Any]
SETS = ("StatefulSet", "Deployment", "Job")


class StandInApi:
    """``restarts``: the names of the sets whose pod is made anew, in their order; ``broken``: tags of images that end at once, by group."""

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.restarts: list[str] = []
        self.broken: set[tuple[str, str]] = set()
        self._numbers = itertools.count(1)

    @property
    def api(self) -> Api:
        """For who asks for the real one."""
        return cast(Api, self)

    def list(self, path: str, selector: str = "", fields: str = "") -> list[Json]:
        if path.endswith("/pods"):
            return [self._pod(manifest) for manifest in self.sets() if settled(manifest) or self._ends(manifest)]
        return [copy.deepcopy(manifest) for at, manifest in self.objects.items() if at.rpartition("/")[0] == path]

    def apply(self, manifest: Json) -> Json:
        path = path_of_object(manifest)
        before = self.objects.get(path)
        number = next(self._numbers)
        old: Json = (
            before["metadata"]
            if before
            else {"uid": f"uid-{number}", "creationTimestamp": f"2026-01-01T{number // 60:02}:{number % 60:02}:00Z"}
        )
        changed = before is None or before.get("spec") != manifest.get("spec")
        metadata = {**old, **manifest["metadata"], "generation": old.get("generation", 0) + changed}
        if before is not None and changed and manifest["kind"] in SETS:
            self.restarts.append(manifest["metadata"]["name"])
        self.objects[path] = copy.deepcopy({**(before or {}), **manifest, "metadata": metadata})
        return copy.deepcopy(self.objects[path])

    def merge(self, path: str, change: Json) -> Json:
        self.objects[path]["metadata"].setdefault("annotations", {}).update(change["metadata"]["annotations"])
        return copy.deepcopy(self.objects[path])

    def delete(self, path: str, **_options: object) -> bool:
        return self.objects.pop(path, None) is not None

    def text(self, _path: str, _query: object) -> str:
        return "it is broken\n"

    def sets(self) -> list[Json]:
        return [manifest for manifest in self.objects.values() if manifest["kind"] in SETS]

    def tick(self) -> None:
        """What was applied runs."""
        for manifest in self.sets():
            if not self._ends(manifest):
                generation = manifest["metadata"]["generation"]
                manifest["status"] = {"observedGeneration": generation, "updatedReplicas": 1, "readyReplicas": 1, "succeeded": 1}
                if manifest["kind"] == "Job":
                    manifest["status"]["conditions"] = [{"type": "Complete", "status": "True"}]

    def tags(self) -> dict[str, str]:
        """Set → the tag of its main container's image."""
        return {one["metadata"]["name"]: _tag(one) for one in self.sets()}

    def _ends(self, manifest: Json) -> bool:
        return (manifest["metadata"]["labels"]["openbdc.dev/workload"], _tag(manifest)) in self.broken

    def _pod(self, manifest: Json) -> Json:
        template, metadata = manifest["spec"]["template"], manifest["metadata"]
        running = {"state": {"running": {}}, "ready": True, "started": True}
        ended = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 3}}}
        done = {"state": {"terminated": {"exitCode": 0}}}
        state = ended if self._ends(manifest) else running
        names = container_names(template["spec"])
        before = [{"name": one["name"], **(state if one["name"] in names else done)} for one in template["spec"].get("initContainers", ())]
        status = {"initContainerStatuses": before, "containerStatuses": [{"name": names[-1], **state}], "phase": "Running"}
        labels = {**template["metadata"]["labels"], "batch.kubernetes.io/job-name": metadata["name"]}
        pod = {"name": f"{metadata['name']}-0", "labels": labels, "creationTimestamp": metadata["creationTimestamp"]}
        return {"metadata": pod, "spec": copy.deepcopy(template["spec"]), "status": status}


def _tag(manifest: Json) -> str:
    image: str = manifest["spec"]["template"]["spec"]["containers"][0]["image"]
    return image.rpartition(":")[2]
