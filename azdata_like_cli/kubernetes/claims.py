"""The volumes of a cluster of which nothing runs, read and written through pods that do nothing but hold them."""

from __future__ import annotations

import contextlib
import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, cast

from azdata_like_cli.kubernetes import following, pods
from azdata_like_cli.kubernetes.archive import Entry
from bdc import kubectl
from bdc.contexts import Place
from bdc.errors import ServiceError

Json = dict[str, object]

DATA = "/var/lib/openbdc/data"
CONTAINER = "copy"
LABEL = "openbdc.dev/copies"
HOLDING = "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"
KEPT = ("serviceAccountName", "securityContext", "imagePullSecrets", "nodeSelector", "tolerations")
"""Of the pool's own pod: the volume is read and written as its user, where it may run."""
NOT_OURS = "lost+found"
"""Of the file system; its root's alone."""


@dataclass(frozen=True)
class Volume:
    """What a StatefulSet keeps. ``pool``: which one it is of; ``template``: of its pod."""

    workload: str
    pool: str
    template: Json

    @property
    def pod(self) -> str:
        """The name of the pod that holds it for us."""
        return f"copy-{self.workload}"

    def manifest(self) -> Json:
        """That pod."""
        container = cast("list[Json]", self.template["containers"])[0]
        same: Json = {key: container[key] for key in ("image", "imagePullPolicy", "securityContext") if key in container}
        mount = {"name": "data", "mountPath": DATA}
        claim = {"name": "data", "persistentVolumeClaim": {"claimName": f"data-{self.workload}-0"}}
        kept: Json = {key: self.template[key] for key in KEPT if key in self.template}
        spec: Json = {
            **kept,
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": CONTAINER, **same, "command": ["/bin/sh", "-c", HOLDING], "volumeMounts": [mount]}],
            "volumes": [claim],
        }
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": self.pod, "labels": {LABEL: self.workload}}, "spec": spec}


def volumes(place: Place, name: str) -> tuple[Volume, ...]:
    """Of all sets that run now."""
    path = f"/apis/apps/v1/namespaces/{place.namespace}/statefulsets?labelSelector=openbdc.dev%2Fcluster%3D{name}"
    found = cast("list[dict[str, Json]]", (kubectl.read(place, path) or {}).get("items") or [])
    return tuple(sorted((_volume(one) for one in found), key=lambda one: one.workload))


def _volume(manifest: dict[str, Json]) -> Volume:
    metadata = cast("dict[str, dict[str, str]]", manifest["metadata"])
    template = cast("dict[str, Json]", manifest["spec"]["template"])["spec"]
    return Volume(str(metadata["name"]), metadata["labels"]["app.kubernetes.io/component"], template)


@contextmanager
def held(place: Place, all_of_them: tuple[Volume, ...], wait: following.Wait) -> Iterator[None]:
    """Pods for all volumes inside of the block; they are gone after it."""
    path = f"/api/v1/namespaces/{place.namespace}/pods"
    try:
        for volume in all_of_them:
            kubectl.create(place, path, volume.manifest())
        wait.until(lambda: _starting(place), "the volumes' pods")
        yield
    finally:
        kubectl.call(place, "delete", "pods", "--selector", LABEL, "--ignore-not-found", "--wait=true", "--grace-period=1")


def _starting(place: Place) -> list[tuple[str, pods.Seen]] | None:
    listed = kubectl.read(place, f"/api/v1/namespaces/{place.namespace}/pods?labelSelector={LABEL.replace('/', '%2F')}") or {}
    found = [(cast("dict[str, str]", pod["metadata"])["name"], pods.seen(place, pod)) for pod in cast("list[Json]", listed["items"])]
    return None if all(seen.state == "ready" for _, seen in found) else found


def entries(place: Place, volume: Volume) -> Iterator[Entry]:
    """Files and folders of a volume, named from its root on. ServiceError with what tar said."""
    words = ("tar", "cf", "-", f"--exclude=./{NOT_OURS}", "-C", DATA, ".")
    with _running(place, volume, words, stdout=subprocess.PIPE) as process, _archive_of(process.stdout, volume) as archive:
        for entry in archive:
            entry.name = entry.name.removeprefix("./")
            if entry.isdir() and entry.name != ".":
                yield entry, None
            elif entry.isfile():
                yield entry, archive.extractfile(entry)
            elif entry.islnk():
                raise ServiceError(f"{entry.name} of {volume.workload} is a hard link, which a backup can't hold", where=volume.workload)


@contextmanager
def _archive_of(stream: IO[bytes] | None, volume: Volume) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            yield archive
    except tarfile.TarError as error:
        raise ServiceError(f"the volume of {volume.workload} could not be read whole", where=volume.pod, why=str(error)) from error


def fill(place: Place, volume: Volume, content: Iterator[Entry]) -> None:
    """Put these in the place of all that is there. ServiceError with what tar said: most often that the volume is too small."""
    script = f"find {DATA} -mindepth 1 -maxdepth 1 ! -name {NOT_OURS} -exec rm -rf {{}} + && exec tar xpf - -C {DATA}"
    with _running(place, volume, ("/bin/sh", "-c", script), stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # tar's own words say why
            with tarfile.open(fileobj=process.stdin, mode="w|") as archive:
                for entry, file in content:
                    archive.addfile(entry, file)
            process.stdin.flush()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()


@contextmanager
def _running(place: Place, volume: Volume, words: tuple[str, ...], **streams: int) -> Iterator[subprocess.Popen[bytes]]:
    """A command in the volume's pod; ServiceError when it does not end well."""
    stdin = ["--stdin"] if "stdin" in streams else []
    command = kubectl.command(place, "exec", *stdin, volume.pod, "--container", CONTAINER, "--", *words)
    with tempfile.TemporaryFile() as said:
        given = {"stdin": subprocess.DEVNULL, **streams}
        with subprocess.Popen(command, stderr=said, **given) as process:  # type: ignore[call-overload]
            try:
                yield process
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            said.seek(0)
            raise ServiceError(
                f"the volume of {volume.workload} could not be copied", where=volume.pod, why=_last(said), hint="is it large enough?"
            )


def _last(said: IO[bytes]) -> str:
    lines = io.TextIOWrapper(said, errors="replace").read().strip().splitlines()
    return "\n".join(lines[-5:])
