"""A pass on Kubernetes: what stands around ``reconcile_once``. Reads the resource; the leader takes it on (definition, finalizer, first
admin, keys), deletes it in order, refuses a second one; who does not lead shows what the leader wrote."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from controller.accepted import remembered
from controller.auth.users import Users, create_first_admin
from controller.errors import ControllerError, SpecError
from controller.identity import USUAL_ADMIN, remember_first_admin
from controller.kubernetes import conditions
from controller.kubernetes.api import Api, ApiError, Json, path_of
from controller.kubernetes.definition import ensure_definition
from controller.kubernetes.deletion import Deletion, namespace_ends
from controller.kubernetes.leading import LeaderSubstrate
from controller.kubernetes.lease import Lease
from controller.kubernetes.names import ADMIN, FINALIZER, STOPPED, kept_metadata
from controller.kubernetes.record import ResourceRecord, did_something
from controller.kubernetes.resource import Resource, utc_now
from controller.kubernetes.secrets import ClusterSecrets
from controller.kubernetes.store import SecretStore
from controller.log import Log
from controller.reconcile import Outcome, Parts, reconcile_once
from controller.secret_values import SEALING_KEY, TICKET_KEY
from controller.spec.model import API_VERSION, KIND
from controller.status import ClusterStatus

WAIT = 5.0
WAIT_DELETING = 1.0
WAIT_CONFLICT = 0.2
RESTARTS = "restarts: "
"""In the substrate's sentence: a pod is made anew, because of the field that it names."""
PASSWORD_BYTES = 18
log = Log("pass")


@dataclass
class Passes:
    """``Passes(…)(parts)`` is one pass. ``ended``: called once the resource is gone, with whether everything was to be forgotten."""

    api: Api
    resource: Resource
    lease: Lease
    store: SecretStore
    secrets: ClusterSecrets
    substrate: LeaderSubstrate
    record: ResourceRecord
    ended: Callable[[bool], None]
    _told: str = field(default="", init=False)
    _away_since: str = field(default="", init=False)

    def __call__(self, parts: Parts) -> Outcome:
        """One pass. Never raises ControllerError."""
        try:
            self._look()
        except ControllerError as error:
            return _failed(f"{self._since()} {_sentence(error)}; the pools go on as they are")
        self._away_since = ""
        if not self.resource.there:
            return _failed(_sentence_of_absence(self.resource))
        try:
            if self._ends_with_its_namespace():
                return self._release("the namespace is being deleted, with all that the cluster has in it")
            with self.store.steady():
                return self._pass(parts)
        except ControllerError as error:
            if isinstance(error, ApiError) and error.conflict:
                return Outcome("looks again: somebody changed the resource or a Secret meanwhile", WAIT_CONFLICT)
            failed = _failed(_sentence(error))
            return self._shown(failed) if self.lease.held else failed

    def _pass(self, parts: Parts) -> Outcome:
        self.substrate.own(owner_of(self.resource.found))
        if not self.lease.held:
            return self._follow(parts)
        self._refuse_others()
        if self.resource.deleting:
            return self._delete()
        refused = self._not_ours()
        if refused is not None:
            return refused
        self._take_on()
        if self._stopped() is not None:
            return self._rest()
        outcome = reconcile_once(parts)
        if outcome.spec is not None:
            self.substrate.adopt()
        self._tell(outcome)
        return outcome

    def let_go(self) -> None:
        """This process ends. Where the whole namespace does, rights and all, no other controller can remove the finalizer later."""
        try:
            if self.resource.there and namespace_ends(self.api, self.resource.namespace):
                self.resource.look()
                self.resource.release()
        except ControllerError as error:
            log.warning("the finalizer can't be removed", message=error.message)

    def _look(self) -> None:
        """The resource; where its kind is unknown the definition was deleted, and is applied again."""
        try:
            self.resource.look()
        except ApiError as error:
            if error.number != 404:
                raise
            ensure_definition(self.api)
            self.resource.look()

    def _since(self) -> str:
        """When the resource could not be read for the first time: an outage is told with its beginning."""
        self._away_since = self._away_since or f"since {utc_now():%Y-%m-%d %H:%M:%S} UTC"
        return self._away_since

    def _follow(self, parts: Parts) -> Outcome:
        """What the leader sees, for the API."""
        holder = self.lease.holder or "nobody yet"
        self.secrets.load(SEALING_KEY)
        try:
            spec = remembered(self.store) or self.resource.spec()
            desired = self.substrate.wanted(spec, parts.workloads(spec))
        except SpecError as error:
            return _failed(_sentence(error))
        return Outcome(f"follows: {holder} leads", WAIT, None, spec, desired, self.record.last())

    def _refuse_others(self) -> None:
        """A namespace holds one cluster: others that nobody takes on are told so."""
        if self.resource.deleting:
            return
        for other in self.resource.others:
            metadata = other["metadata"]
            if FINALIZER in (metadata.get("finalizers") or []):
                continue
            message = (
                f"namespace {self.resource.namespace} belongs to the cluster {self.resource.name}, and a namespace holds one: make"
                f" {metadata['name']} in a namespace of its own (helm install there), and delete this one: kubectl -n"
                f" {self.resource.namespace} delete bdc {metadata['name']}"
            )
            self.resource.show(
                {"state": "error", "health": "unknown", "message": message}, conditions.refusal("SecondCluster", message), other
            )

    def _not_ours(self) -> Outcome | None:
        """An older resource of this namespace that another controller has taken on is the namespace's cluster."""
        mine = _age(self.resource.found)
        taken = [other for other in self.resource.others if FINALIZER in (other["metadata"].get("finalizers") or []) and _age(other) < mine]
        if not taken:
            return None
        first = min(taken, key=_age)["metadata"]["name"]
        message = (
            f"namespace {self.resource.namespace} belongs to the older cluster {first}, and a namespace holds one: nothing is done for"
            f" {self.resource.name}; delete one of them: kubectl -n {self.resource.namespace} delete bdc {self.resource.name}"
        )
        self.resource.show({"state": "error", "health": "unknown", "message": message}, conditions.refusal("SecondCluster", message))
        return _failed(message)

    def _take_on(self) -> None:
        """What must be there before the first pool is."""
        self.resource.hold()
        if None in self.secrets.public_keys():  # later each pass looks after all of them
            self.secrets.ensure((SEALING_KEY, TICKET_KEY))
        users = Users(self.store)
        if not users.all():
            name, password = self._first_admin()
            remember_first_admin(self.store, name)
            create_first_admin(self.store, name, password)
            log.info("the first admin is made", user=name, secret=ADMIN)

    def _first_admin(self) -> tuple[str, str]:
        """From the Secret of whoever installed; made with a random password where there is none."""
        path = path_of("v1", "Secret", self.resource.namespace, ADMIN)
        found = self.api.get(path)
        if found is None:
            password = secrets.token_urlsafe(PASSWORD_BYTES)
            metadata = kept_metadata(ADMIN, self.resource.namespace, self.resource.name)
            data = {"username": USUAL_ADMIN, "password": password}
            manifest = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "stringData": data}
            self.api.create(path_of("v1", "Secret", self.resource.namespace), manifest)
            return USUAL_ADMIN, password
        place = f"Secret {self.resource.namespace}/{ADMIN}"
        try:
            data = {key: base64.b64decode(value).decode() for key, value in (found.get("data") or {}).items()}
        except ValueError:
            raise ControllerError(
                f"{place} holds no text", where=place, hint="username and password of the first admin belong there"
            ) from None
        if not data.get("password"):
            raise ControllerError(
                f"{place} has no key 'password'", where=place, hint=f"delete it, and one is made: kubectl delete secret {ADMIN}"
            )
        return data.get("username") or USUAL_ADMIN, data["password"]

    def _stopped(self) -> str | None:
        """Why nothing is to run, from the annotation; None: it is to run."""
        found = (self.resource.found["metadata"].get("annotations") or {}).get(STOPPED)
        return None if found is None else str(found)

    def _rest(self) -> Outcome:
        """One step on the way to a cluster of which nothing runs, or the word that it is so."""
        deletion = Deletion(self.api, self.resource.namespace, self.resource.name, self.substrate)
        waits = deletion.rest()
        start = f"kubectl -n {self.resource.namespace} annotate bigdatacluster {self.resource.name} {STOPPED}-"
        said = waits or f"is stopped ({self._stopped() or 'by its annotation'}); to start it: {start}"
        message = f"{self.resource.name} {said}"
        services = self.resource.status.get("services", [])
        status = {"state": "unready" if waits else "stopped", "health": "unknown", "message": message, "services": services}
        self.resource.show({**self.resource.status, **status}, conditions.pause(message, "True" if waits else "False"))
        tree: ClusterStatus | None = self.record.last()
        return Outcome(message, WAIT_DELETING if waits else WAIT, None, None, (), tree)

    def _delete(self) -> Outcome:
        """One step of the ordered deletion."""
        if FINALIZER not in (self.resource.found["metadata"].get("finalizers") or []):
            return Outcome("it is being deleted, and others hold it", WAIT)
        deletion = Deletion(self.api, self.resource.namespace, self.resource.name, self.substrate)
        waits = deletion.step()
        if waits is not None:
            message = f"{self.resource.name} {waits}"
            services = self.resource.status.get("services", [])
            status = {"state": "stopped", "health": "unknown", "message": message, "services": services}
            self.resource.show(status, conditions.deletion(message))
            return Outcome(message, WAIT_DELETING)
        if not self._forgets():
            return self._release("its claims are kept")
        self.ended(True)  # before the store goes: nothing is to make it again
        deletion.forget()
        return self._release("its claims are deleted", ended=True)

    def _ends_with_its_namespace(self) -> bool:
        """Then whoever looks lets go at once, leader or not: a Lease can't be renewed there, nor the store made again, and all pods go."""
        return self.resource.deleting and namespace_ends(self.api, self.resource.namespace)

    def _release(self, why: str, *, ended: bool = False) -> Outcome:
        """Remove the finalizer; the process ends. ``ended``: it knows already."""
        self.resource.release()
        log.info("the cluster is deleted", name=self.resource.name, why=why)
        if not ended:
            self.ended(False)
        return Outcome("the cluster is deleted", WAIT)

    def _forgets(self) -> bool:
        """By the resource itself: the spec may be invalid by now."""
        kubernetes = (self.resource.found.get("spec") or {}).get("kubernetes") or {}
        return bool((kubernetes.get("storage") or {}).get("onDelete") == "delete")

    def _shown(self, outcome: Outcome) -> Outcome:
        try:
            self.record.show(outcome)
        except ControllerError as error:
            return replace(outcome, failure=f"{outcome.failure}; {_sentence(error)}")
        return outcome

    def _tell(self, outcome: Outcome) -> None:
        """An event for what a pass did; the same sentence once."""
        if outcome.sentence != self._told and did_something(outcome):
            self.resource.events().tell("Restarting" if RESTARTS in outcome.sentence else "Applied", outcome.sentence)
        self._told = outcome.sentence


def owner_of(found: Json) -> Json:
    """A reference to the resource, with which its objects go when it does."""
    metadata = found["metadata"]
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _age(found: Json) -> tuple[str, str]:
    return str(found["metadata"]["creationTimestamp"]), str(found["metadata"]["name"])


def _failed(sentence: str) -> Outcome:
    return Outcome(f"failed: {sentence}", WAIT, sentence)


def _sentence(error: ControllerError) -> str:
    return error.message + (f" (next: {error.hint})" if error.hint else "")


def _sentence_of_absence(resource: Resource) -> str:
    try:
        resource.found  # noqa: B018 (its error says what is missing)
    except ControllerError as error:
        return _sentence(error)
    raise AssertionError("it is there")
