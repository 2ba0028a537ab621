"""``bdc create NAME --profile kubernetes``: checks, the first admin's Secret, the chart, the resource; then the controller's words."""

from __future__ import annotations

import base64
import pathlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from azdata_like_cli.kubernetes import chart, checks, following, resource
from bdc import kubectl
from bdc.contexts import Place
from bdc.errors import ConflictError, UserError

Json = dict[str, object]

ADMIN_SECRET = "openbdc-admin"  # noqa: S105 - the Secret's name


@dataclass(frozen=True)
class Admin:
    """The first admin. ``made``: by this call; else the Secret was there."""

    username: str
    password: str
    made: bool


@dataclass(frozen=True)
class Wanted:
    """What is to be created. ``spec``: a read bdc.yaml, or None for the defaults."""

    name: str
    place: Place
    spec: Json | None
    values: tuple[pathlib.Path, ...]
    seconds: float


def check(wanted: Wanted) -> None:
    """Everything that can be known before anything is made; the first thing that is wrong, with what to do about it."""
    checks.programs()
    checks.server(wanted.place)
    checks.rights(wanted.place, namespace_is_there=checks.namespace_is_there(wanted.place))
    checks.alone(wanted.place, wanted.name)


def lay_admin(place: Place, username: str, password: Callable[[], str], given: str | None) -> Admin:
    """The Secret ``openbdc-admin``, and its namespace: made where it is not there. ``password`` asks; ``given``: the environment's.

    What is there holds, as the controller reads it once: ConflictError when another password is given.
    """
    namespace = f"/api/v1/namespaces/{place.namespace}"
    found = kubectl.read(place, f"{namespace}/secrets/{ADMIN_SECRET}")
    if found is not None:
        return _existing(place, cast("dict[str, str]", found.get("data") or {}), given)
    admin = Admin(username, given or password(), made=True)
    if not checks.namespace_is_there(place):
        kubectl.create(place, "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place.namespace}})
    kubectl.create(place, f"{namespace}/secrets", _secret(admin))
    return admin


def _secret(admin: Admin) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": ADMIN_SECRET, "labels": {"app.kubernetes.io/name": "openbdc"}},
        "stringData": {"username": admin.username, "password": admin.password},
    }


def _existing(place: Place, data: dict[str, str], given: str | None) -> Admin:
    where = f"Secret {ADMIN_SECRET}, namespace {place.namespace}"
    try:
        username, password = (base64.b64decode(data[key]).decode() for key in ("username", "password"))
    except (KeyError, ValueError) as error:
        hint = f"kubectl delete secret {ADMIN_SECRET} --namespace {place.namespace}; then again"
        raise UserError("the Secret of the first admin holds no username and password", where=where, hint=hint) from error
    if given is not None and given != password:
        raise ConflictError(
            "the namespace holds a first admin with another password",
            where=where,
            why="it was made by an earlier create, and the controller may have read it already",
            hint="leave BDC_PASSWORD out to use that one; 'bdc user passwd' changes it later",
        )
    return Admin(username, password, made=False)


def bring_up(wanted: Wanted, show: following.Show) -> Json:
    """Chart, resource, and until all is ready; the resource at the end. KeyboardInterrupt says what it leaves."""
    place, name = wanted.place, wanted.name
    wait = following.Wait(place, wanted.seconds, show)
    again = f"'bdc create {name} --profile kubernetes --namespace {place.namespace}' goes on; 'bdc delete {name}' removes what is there"
    with _interruptible("interrupted: the controller is being installed, the cluster is not asked for yet", again):
        chart.install(place, name, wanted.values)
        following.controller_ready(wait)
    with _interruptible(f"interrupted: the controller goes on with cluster {name!r} by itself", again):
        kubectl.apply(place, resource.document(name, place, wanted.spec))
        return following.cluster_ready(wait, name)


@contextmanager
def _interruptible(message: str, hint: str) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(UserError(message, hint=hint, code="interrupted")) from None
