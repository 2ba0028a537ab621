"""``bdc backup`` and ``bdc restore`` on Kubernetes: the file of one machine, from and into volumes.

The cluster is stopped in order while its volumes are read, so that master, data pool, HDFS, users and keys are of one moment. A restore
makes a cluster with the users and keys of the backup, stops it, puts the backup's files in the place of its own, and starts it: so claims,
images and rights are the controller's business here as everywhere.
"""

from __future__ import annotations

import base64
import pathlib
import time
from dataclasses import dataclass
from importlib.metadata import version
from typing import cast

from azdata_like_cli.kubernetes import archive, checks, claims, creating, deleting, following, resource, resting
from azdata_like_cli.kubernetes.places import not_there
from azdata_like_cli.local import Progress
from azdata_like_cli.progress import size
from bdc import kubectl
from bdc.contexts import Place
from bdc.errors import BdcError, ConflictError, ServiceError, UserError

Json = dict[str, object]

SECRETS, STORE = "openbdc-secrets", "openbdc-store"
FORGOTTEN = frozenset({"spec.json", "status.json", "on_demand.json"})
"""Of the store: what the controller finds out anew, or was said of another name."""
OF_A_MACHINE = (("network",), ("pools", "master", "postgresql"))
"""Fields of a spec that mean a machine."""


@dataclass(frozen=True)
class Course:
    """Which cluster, and how long each wait may take. ``values``: files for the chart of a cluster that is to be made."""

    name: str
    place: Place
    seconds: float
    show: following.Show
    values: tuple[pathlib.Path, ...] = ()

    @property
    def wait(self) -> following.Wait:
        """One more wait."""
        return following.Wait(self.place, self.seconds, self.show)

    def tell(self, workload: str, state: str, reason: str = "") -> None:
        """What is being copied."""
        self.show(Progress(workload, state, reason, 0.0))


def backup(course: Course, target: pathlib.Path) -> Json:
    """Write ``target``; the cluster runs again afterwards, also when the writing failed."""
    place, name = course.place, course.name
    if target.exists():
        raise UserError(f"{target} exists already", where=str(target), hint="choose another name, or move it away")
    found = kubectl.read(place, resource.path(place, name))
    if found is None:
        raise not_there(name, place)
    volumes = claims.volumes(place, name)
    if not volumes:
        raise ConflictError(f"nothing of cluster {name!r} runs", where=f"namespace {place.namespace}", hint=f"bdc start {name}; then again")
    pools = {volume.workload: volume.pool for volume in volumes}
    manifest: Json = {"name": name, "made_at": _now(), "version": version("openbdc"), "pools": pools, archive.SUBSTRATE: "kubernetes"}
    with archive.Writer(target, manifest) as out:
        try:
            resting.stop(place, name, "bdc backup", course.wait)
            _write(course, found, volumes, out)
            count = out.done()
        finally:
            resting.start(place, name, course.wait)
    return {"name": name, "file": str(target), "files": count, "bytes": target.stat().st_size}


def _write(course: Course, found: Json, volumes: tuple[claims.Volume, ...], out: archive.Writer) -> None:
    import yaml

    place = course.place
    document = {"apiVersion": found["apiVersion"], "kind": found["kind"], "metadata": {"name": course.name}, "spec": found["spec"]}
    out.add(archive.SPEC, yaml.safe_dump(document, sort_keys=False).encode())
    for secret, folder in ((SECRETS, archive.SECRETS), (STORE, archive.STORE)):
        read = kubectl.read(place, f"/api/v1/namespaces/{place.namespace}/secrets/{secret}") or {}
        for key, value in sorted(cast("dict[str, str]", read.get("data") or {}).items()):
            out.add(folder + key, base64.b64decode(value))
    with claims.held(place, volumes, course.wait):
        for volume in volumes:
            course.tell(volume.workload, "starting", "its volume is being read")
            for entry, content in claims.entries(place, volume):
                out.copy(f"{archive.WORKLOADS}{volume.workload}/data/{entry.name}", entry, content)
            course.tell(volume.workload, "done")


def restore(course: Course, found: archive.Found) -> Json:
    """A cluster as the backup's was; the resource. Nothing is left of it when that fails."""
    place, name = course.place, course.name
    made = creating.Wanted(name, place, _spec(found, name), course.values, course.seconds)
    creating.check(made)
    _check_empty(place, name)
    try:
        _lay_secrets(found, name, place)
        creating.bring_up(made, course.show)
        volumes = _volumes(found, place, name)
        resting.stop(place, name, "bdc restore", course.wait)
        with claims.held(place, volumes, course.wait):
            by_name = {volume.workload: volume for volume in volumes}
            for workload, entries in found.folders():
                if workload in by_name:
                    course.tell(workload, "starting", f"its volume gets {size(found.sizes[workload])}")
                    claims.fill(place, by_name[workload], entries)
                    course.tell(workload, "done")
        return resting.start(place, name, course.wait)
    except (BdcError, KeyboardInterrupt):
        _remove(course)
        raise


def _spec(found: archive.Found, name: str) -> Json:
    """The backup's under the new name, without what means a machine."""
    import yaml

    document = cast(Json, yaml.safe_load(found.spec))
    spec = cast(Json, document.get("spec") or {})
    for *above, last in OF_A_MACHINE:
        node = spec
        for key in above:
            node = cast(Json, node.get(key) or {})
        node.pop(last, None)
    return {**document, "metadata": {"name": name}, "spec": {**spec, "profile": "kubernetes"}}


def _check_empty(place: Place, name: str) -> None:
    """ConflictError where anything of a cluster is there: its keys or rows would be lost."""
    namespace = f"/api/v1/namespaces/{place.namespace}"
    there = [f"Secret {secret}" for secret in (SECRETS, STORE) if kubectl.read(place, f"{namespace}/secrets/{secret}") is not None]
    there += [f"claim {claim}" for claim in deleting.claims(place, name)]
    if kubectl.read(place, resource.path(place, name)) is not None:
        there.insert(0, f"cluster {name}")
    if there:
        raise ConflictError(
            f"namespace {place.namespace} is not empty: {', '.join(there[:5])}",
            where=f"kubeconfig context {place.context}",
            hint=f"restore into another one (--namespace, --name), or bdc delete {name} --kubernetes --volumes",
        )


def _lay_secrets(found: archive.Found, name: str, place: Place) -> None:
    """Namespace, and the Secrets that the controller would make itself."""
    if not checks.namespace_is_there(place):
        kubectl.create(place, "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place.namespace}})
    store = {key: value for key, value in found.store.items() if key not in FORGOTTEN}
    for secret, values in ((SECRETS, found.secrets), (STORE, store)):
        labels = {
            "app.kubernetes.io/managed-by": "openbdc", "app.kubernetes.io/part-of": name, "app.kubernetes.io/component": "control",
            "openbdc.dev/cluster": name,
        }  # fmt: skip
        data = {key: base64.b64encode(value).decode() for key, value in values.items()}
        metadata = {"name": secret, "labels": labels}
        kubectl.create(
            place,
            f"/api/v1/namespaces/{place.namespace}/secrets",
            {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": data},
        )


def _volumes(found: archive.Found, place: Place, name: str) -> tuple[claims.Volume, ...]:
    """Those that the backup has something for. ServiceError where a workload of the backup has none in the new cluster: shards and
    DataNodes that were taken away kept their folders, which nobody needs."""
    volumes = claims.volumes(place, name)
    filled = tuple(volume for volume in volumes if volume.workload in found.sizes)
    missing = [volume.workload for volume in volumes if volume.workload not in found.sizes]
    if missing:
        raise ServiceError(
            f"the backup holds nothing of {', '.join(missing)}", where=str(found.file), hint="its spec says that they are there"
        )
    return filled


def _remove(course: Course) -> None:
    """What a restore that failed has made."""
    place, name = course.place, course.name
    deleting.take_down(place, name, volumes=True, wait=course.wait)
    for secret in (SECRETS, STORE):
        kubectl.call(place, "delete", "secret", secret, "--ignore-not-found")


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
