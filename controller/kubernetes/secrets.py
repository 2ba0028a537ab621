"""The cluster's secret store on Kubernetes: the Secret ``openbdc-secrets``, a key per secret, which pods mount by single keys.

A missing value is made, a value that is there is never replaced. Which ones were made is remembered in the store (digests): one that is
lost is taken from memory, and where that is not possible the pass says so instead of making another one, with which the master could not
be reached nor credentials of data sources be opened.

Certificates (``tls-…``) come from the store, where the cluster's authority keeps them. They are replaced, and so are the keys that
``bdc key rotate`` means (``rotating.py``); nothing else ever is.
"""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping

from controller.certificates.keystore import keystores
from controller.errors import ControllerError, NotReadyError, StoreError
from controller.kubernetes import rotating
from controller.kubernetes.api import Api, Json, path_of
from controller.kubernetes.derived import DERIVED, derived
from controller.kubernetes.names import SECRETS, kept_metadata
from controller.secret_values import (
    SEALING_KEY,
    TICKET_KEY,
    TICKET_KEYS,
    new_value,
    sealing_public_key,
    ticket_public_key,
    ticket_public_keys,
)
from controller.store import Store
from pools.encryption import PREFIX

FILE = "secrets.json"
"""In the store: name → digest of the value."""


class ClusterSecrets:
    """Values by name; kept in memory once they were seen. ``certificates``: those of the store, as entries of this Secret."""

    def __init__(self, api: Api, store: Store, namespace: str, cluster: str, certificates: Callable[[], Mapping[str, str]] = dict) -> None:
        self._api = api
        self._store = store
        self._namespace = namespace
        self._cluster = cluster
        self._certificates = certificates
        self._path = path_of("v1", "Secret", namespace, SECRETS)
        self._mutex = threading.Lock()
        self._known: dict[str, bytes] = {}

    def value(self, name: str) -> str:
        """One of them; NotReadyError while it is not made."""
        self.load(name)
        with self._mutex:
            if name not in self._known:
                raise NotReadyError(f"the secret {name} is not made yet", where=f"Secret {self._namespace}/{SECRETS}")
            return self._known[name].decode()

    def load(self, name: str) -> None:
        """Look for one that is not in memory yet: somebody else may have made it."""
        with self._mutex:
            if name not in self._known:
                self._known |= _data(self._api.get(self._path))

    def ensure(self, names: Iterable[str], *, whole: bool = False) -> tuple[str, ...]:
        """Have all of ``names``; returns those that were made now. StoreError for one that was lost. A certificate that nobody has made
        yet is left out: its pod waits for it. ``whole``: these are all that anybody wants, and what was made from others goes with who
        wanted it."""
        wanted = set(names)
        with self._mutex:
            secret = self._api.get(self._path)
            there = _data(secret)
            values = self._values(sorted(wanted - set(there)), there)
            tokens = derived(wanted, _there(there, values))
            changes = values | rotating.due(there, time.time())
            changes |= {name: value for name, value in tokens.items() if there.get(name) != value}
            changes |= keystores(wanted, _there(there, changes))
            if whole:
                changes |= dict.fromkeys(name for name in set(there) - wanted if name.startswith(DERIVED))
            if changes:
                there = _data(self._add(secret, changes))
            self._known |= there
        missing = tuple(values)
        made = {name: _digest(there[name]) for name in missing if not name.startswith(PREFIX) and name != TICKET_KEYS}
        if made:
            self._store.update(FILE, lambda before: {**(before or {}), **made})
        return missing

    def publish(self, certificates: Mapping[str, str]) -> None:
        """Have these as they are, whatever was there. ControllerError; ApiError where somebody else wrote meanwhile."""
        with self._mutex:
            secret = self._api.get(self._path)
            there = _data(secret)
            given = {name: value.encode() for name, value in certificates.items() if name.startswith(PREFIX)}
            differ = {name: value for name, value in given.items() if there.get(name) != value}
            differ |= keystores(there, there | differ)
            if differ:
                self._known |= _data(self._add(secret, differ))

    def rotate(self, kind: str, step: str, seconds: int) -> None:
        """``kind``: tickets or sealing. ``add``: another key, used once all pods have it; the one before holds for ``seconds`` more.
        ``drop``: those before not at all; for tickets another key at once. ConflictError, ControllerError."""
        with self._mutex:
            secret = self._api.get(self._path)
            there = _data(secret)
            if rotating.KEYS[kind] not in there:
                raise NotReadyError(f"the secret {rotating.KEYS[kind]} is not made yet", where=f"Secret {self._namespace}/{SECRETS}")
            now = time.time()
            changes = rotating.begun(kind, there, now, seconds) if step == "add" else rotating.stolen(kind, there, now)
            self._known |= _data(self._add(secret, changes))

    def public_keys(self) -> tuple[str | None, str | None]:
        """Of the sealing key and the ticket key; None while there is none."""
        sealing, ticket = self._known.get(SEALING_KEY), self._known.get(TICKET_KEY)
        return (
            None if sealing is None else sealing_public_key(sealing),
            None if ticket is None else ticket_public_key(ticket),
        )

    def _values(self, names: list[str], there: rotating.Values) -> rotating.Changes:
        """Of those that are missing, but for those that are made from others."""
        names = [name for name in names if not name.startswith(DERIVED)]
        made = self._certificates() if any(name.startswith(PREFIX) for name in names) else {}
        found: rotating.Changes = {name: self._again(name) for name in names if not name.startswith(PREFIX) and name != TICKET_KEYS}
        if TICKET_KEYS in names:
            found[TICKET_KEYS] = ticket_public_keys(there.get(TICKET_KEY) or found[TICKET_KEY] or b"")
        return found | {name: made[name].encode() for name in names if name.startswith(PREFIX) and name in made}

    def _again(self, name: str) -> bytes:
        known = self._known.get(name)
        if known is not None:
            return known
        if name in (self._store.read(FILE) or {}):
            raise StoreError(
                f"Secret {self._namespace}/{SECRETS} has lost {name}, with which the cluster was made",
                where=f"Secret {self._namespace}/{SECRETS}",
                hint="restore it from a backup (kubectl apply); without one, delete the cluster and its volume claims and make it again",
            )
        return new_value(name)

    def _add(self, secret: Json | None, values: Mapping[str, bytes | None]) -> Json:
        data = {name: None if value is None else base64.b64encode(value).decode() for name, value in values.items()}
        if secret is not None:
            change = {"metadata": {"resourceVersion": secret["metadata"]["resourceVersion"]}, "data": data}
            return self._api.merge(self._path, change)
        manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "Opaque",
            "metadata": kept_metadata(SECRETS, self._namespace, self._cluster),
            "data": data,
        }
        return self._api.create(path_of("v1", "Secret", self._namespace), manifest)


def _there(*found: Mapping[str, bytes | None]) -> dict[str, bytes]:
    """Together, but for those that are to go."""
    return {name: value for values in found for name, value in values.items() if value is not None}


def _data(secret: Json | None) -> dict[str, bytes]:
    try:
        return {name: base64.b64decode(value) for name, value in ((secret or {}).get("data") or {}).items()}
    except ValueError as error:
        raise ControllerError(f"Secret {SECRETS} can't be read: {error}", where=SECRETS) from None


def _digest(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()[:16]
