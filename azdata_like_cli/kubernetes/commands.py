"""What ``bdc create``, ``delete``, ``start``, ``stop``, ``backup`` and ``restore`` do where the cluster is one on Kubernetes."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING

from azdata_like_cli import output, passwords
from azdata_like_cli.answers import Value
from azdata_like_cli.kubernetes import archive, creating, deleting, following, places, resource, resting
from azdata_like_cli.kubernetes import backup as backups
from azdata_like_cli.progress import WorkloadProgress, size
from bdc.errors import UserError
from bdc.names import cluster_name

if TYPE_CHECKING:
    from azdata_like_cli.groups.lifecycle import Asked

Json = dict[str, object]


def wanted_by(profile: str | None, spec: pathlib.Path | None) -> bool:
    """Whether ``bdc create`` means Kubernetes: by the profile, else by what the spec was made from."""
    if profile is not None and (profile == "local" or spec is None):
        return profile == places.PROFILE
    if spec is None or not spec.is_file():
        return False
    try:
        return resource.profile_in(resource.read_spec(spec)) == places.PROFILE
    except UserError:
        return False  # told by whoever reads it in earnest, with lines


def create(asked: Asked) -> Value:
    """Install, ask for the cluster, follow it, log in."""
    from azdata_like_cli.groups.session import sign_in_after_create

    wanted = _wanted(asked)
    place = wanted.place
    creating.check(wanted)
    admin = creating.lay_admin(place, asked.username, lambda: asked.password()[0], passwords.from_environment())
    if not admin.made:
        output.message(f"The Secret {creating.ADMIN_SECRET} is there: its admin {admin.username} is the cluster's first.")
    with WorkloadProgress(f"Creating cluster {wanted.name} in namespace {place.namespace} ({place.context})") as show:
        made = creating.bring_up(wanted, show)
    sign_in_after_create(places.controller_of(place), admin.username, admin.password)
    data: Json = {"name": wanted.name, "context": place.context, "namespace": place.namespace, "username": admin.username}
    status = made.get("status")
    if isinstance(status, dict):
        data["endpoints"] = status.get("endpoints")
    secret = f"kubectl get secret {creating.ADMIN_SECRET} --namespace {place.namespace}"
    return Value(data=data, sentence=f"Cluster {wanted.name} is ready. Its first admin: {secret}\nNext: bdc status")


def _wanted(asked: Asked) -> creating.Wanted:
    spec = resource.read_spec(asked.spec) if asked.spec is not None else None
    named = resource.name_in(spec) if spec is not None else None
    if asked.name and named and asked.name != named:
        raise UserError(
            f"the spec is of cluster {named!r}, not of {asked.name!r}", where=str(asked.spec), hint="give one name, or the same"
        )
    name = cluster_name(asked.name or named or "")
    return creating.Wanted(name, places.chosen_place(name), spec, asked.values, float(asked.timeout))


def delete(name: str, *, volumes: bool) -> Value:
    """Take the cluster down and forget its contexts."""
    from azdata_like_cli.groups.session import forget_cluster

    place = places.place_of(name)
    with WorkloadProgress(f"Deleting cluster {name} in namespace {place.namespace} ({place.context})") as show:
        left = deleting.take_down(place, name, volumes=volumes, wait=following.Wait(place, 600.0, show))
    forget_cluster(places.controller_of(place))
    kept = f" {len(left)} volume claims are kept; 'bdc create' takes them up again: {', '.join(left)}" if left else ""
    data: Json = {"name": name, "context": place.context, "namespace": place.namespace, "volume_claims": left}
    sentence = f"Cluster {name} is deleted.{kept}\nThe namespace stays: kubectl delete namespace {place.namespace}"
    return Value(data=data, sentence=sentence)


def check_delete(name: str) -> str:
    """Before anybody is asked: NotFoundError where there is none. What will be lost, in a sentence."""
    place = places.place_of(name)
    deleting.check(place, name)
    return f"Cluster {name} in namespace {place.namespace} of {place.context}"


def start(name: str, seconds: float) -> Value:
    """After ``stop``."""
    place = places.place_of(name)
    with WorkloadProgress(f"Starting cluster {name} in namespace {place.namespace} ({place.context})") as show:
        resting.start(place, name, following.Wait(place, seconds, show))
    return Value(data={"name": name, "namespace": place.namespace}, sentence=f"Cluster {name} is ready.")


def stop(name: str, seconds: float) -> Value:
    """No pod of a pool runs until ``start``."""
    place = places.place_of(name)
    with WorkloadProgress(f"Stopping cluster {name} in namespace {place.namespace} ({place.context})") as show:
        resting.stop(place, name, "bdc stop", following.Wait(place, seconds, show))
    data: Json = {"name": name, "namespace": place.namespace}
    return Value(data=data, sentence=f"Cluster {name} is stopped.\nNext: bdc start {name}")


def backup(name: str, file: pathlib.Path, seconds: float) -> Value:
    """Its volumes, users and keys into a file of this machine."""
    place = places.place_of(name)
    with WorkloadProgress(f"Backing up cluster {name} in namespace {place.namespace} ({place.context})") as show:
        done = backups.backup(backups.Course(name, place, seconds, show), file)
    return Value(data=done, sentence=f"Wrote {file}: {done['files']} files, {size(float(str(done['bytes'])))}.")


def restore(name: str | None, file: pathlib.Path, values: tuple[pathlib.Path, ...], seconds: float) -> Value:
    """A cluster from a backup of Kubernetes or of one machine."""
    found = archive.check(file)
    wanted = cluster_name(name or found.name)
    place = places.chosen_place(wanted)
    with WorkloadProgress(f"Restoring {file} into namespace {place.namespace} ({place.context})") as show:
        backups.restore(backups.Course(wanted, place, seconds, show, values), found)
    data: Json = {"name": wanted, "context": place.context, "namespace": place.namespace, "made_at": found.made_at}
    login = f"bdc login {wanted} --kubernetes --kube-context {place.context} --kube-namespace {place.namespace}"
    return Value(data=data, sentence=f"Cluster {wanted} is as it was at {found.made_at}.\nNext: {login}")
