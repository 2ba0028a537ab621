"""Rotation of the keys that pools hold: the one that signs tickets, and the one for which credentials of data sources are sealed.

Both overlap: what the old key made goes on. Tickets: the old one verifies for as long as a ticket may live. Sealing: all credentials in the
master's catalogs are sealed anew (by the compute pool, which alone can open them), and once more now and then while the old key still opens
what a client had sealed for it. ``compromised``: the old key is worth nothing at once; loads and Flight logins begin anew, and for the
sealing key all credentials are sealed anew first. In pods that can't be at once: the kubelet lays keys minutes later, so the stolen one
goes as soon as the compute pool has sealed everything for the new one (``Rotation.look``).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from controller.errors import ConflictError, ControllerError
from controller.log import Log
from controller.operations.tables import master_errors
from controller.pool_requests import Replica, ask, owner_secret
from controller.store import Store

Kind = Literal["tickets", "sealing"]
FILE = "rotation.json"
"""In the store: ``sealing``: until when an older sealing key opens (Unix seconds); ``stolen``: from then on it may
go, which was stolen; 0: it was not."""
TICKET_SECONDS = 7 * 24 * 3600 + 3600
"""A load may stay open for a week, and clocks may differ by a quarter of an hour."""
SEALED_SECONDS = 24 * 3600
LOOK_SECONDS = 600.0
STOLEN_SECONDS = 30.0
"""The same while a stolen key still opens."""
FOUND = "SELECT id::text, name, location, credential FROM bdc.source_definitions WHERE credential ? 'sealed' ORDER BY name"
CHANGED = """
    UPDATE bdc.source_definitions SET credential = jsonb_set(credential, '{sealed}', to_jsonb(%s::text))
    WHERE id = %s::uuid AND credential ->> 'sealed' = %s
"""
log = Log("keys")


@dataclass(frozen=True)
class RotationEnds:
    """``replace(kind, step, seconds)``: see the supervisor's ``rotate``. ``laid_seconds``: so much later all have the new key, and it is
    used; 0: at once. ``dsn`` (of the master's superuser) and ``replicas`` raise ControllerError while they are unknown; ``changed``:
    public keys are others now; ``sealing_key``: the public half of the key in use, base64."""

    replace: Callable[[str, str, int], None]
    dsn: Callable[[], str]
    replicas: Callable[[], tuple[Replica, ...]]
    changed: Callable[[], None]
    laid_seconds: int = 0
    sealing_key: Callable[[], str | None] = lambda: None


@dataclass(frozen=True)
class Sealed:
    """What became of the credentials: ``said``, a sentence each; ``kept``: how many could not be sealed anew; ``keys``: public halves of
    those for which a replica of the compute pool seals now."""

    said: list[str]
    kept: int = 0
    keys: frozenset[str] = frozenset()


class Rotation:
    """Of one cluster."""

    def __init__(self, store: Store, ends: RotationEnds) -> None:
        self._store = store
        self._ends = ends
        self._looked = float("-inf")
        self._stolen = False

    def rotate(self, kind: Kind, *, compromised: bool = False) -> list[str]:
        """A sentence for each thing that was done. ConflictError where that can't be done; ControllerError of what is away: asked again, it
        goes on with another key."""
        return self._tickets(self._ends.replace, compromised) if kind == "tickets" else self._sealing(self._ends.replace, compromised)

    def look(self) -> None:
        """Seal anew what came for an older key, now and then while that still opens; a stolen one then goes. What fails is logged, and
        tried again."""
        if time.monotonic() - self._looked < (STOLEN_SECONDS if self._stolen else LOOK_SECONDS):
            return
        self._looked = time.monotonic()
        try:
            noted = self._store.read(FILE) or {}
            opens, stolen = time.time() < float(noted.get("sealing", 0)), float(noted.get("stolen", 0))
            self._stolen = opens and stolen > 0
            if opens:
                done = self._sealed_anew()
                for sentence in done.said:
                    log.info("sealing", did=sentence)
                if self._stolen and time.time() >= stolen:
                    self._drop(done)
        except ControllerError as error:
            log.warning("credentials can't be sealed anew", message=error.message)

    def _drop(self, done: Sealed) -> None:
        """The stolen key, once nothing is sealed for it any more, and the compute pool was laid the new one."""
        if done.kept:
            log.warning("the stolen sealing key opens still: credentials could not be sealed anew", left=done.kept)
        elif done.keys <= {self._ends.sealing_key()}:
            self._ends.replace("sealing", "drop", 0)
            self._store.write(FILE, {})
            self._stolen = False
            log.info("sealing", did="the stolen key opens nothing any more")

    def _tickets(self, replace: Callable[[str, str, int], None], compromised: bool) -> list[str]:
        later = self._ends.laid_seconds
        if not (later and compromised):
            replace("tickets", "add", 0 if compromised else TICKET_SECONDS)
        if later and not compromised:
            return [f"a new key signs tickets in {later // 60} minutes, when all pods have it; the one before verifies for another week"]
        if not compromised:
            return ["a new key signs tickets; the one before verifies for another week, so that loads and Flight logins go on"]
        replace("tickets", "drop", 0)
        if later:
            return [f"a new key signs tickets; until all pods have it, within {later // 60} minutes, loads and reads of the data pool fail"]
        return ["a new key signs tickets; the one before is worth nothing: loads under way fail, Flight clients log in again"]

    def _sealing(self, replace: Callable[[str, str, int], None], compromised: bool) -> list[str]:
        self._ends.replicas()  # before anything is changed: whoever is away now is told so
        owner_secret(self._ends.dsn())
        if later := self._ends.laid_seconds:
            return self._sealing_later(replace, compromised, later)
        self._store.write(FILE, {"sealing": time.time() + SEALED_SECONDS})
        replace("sealing", "add", SEALED_SECONDS)
        self._ends.changed()
        sealed = self._sealed_anew()
        done = ["credentials are sealed for a new key; what is sealed for the one before opens for another day", *sealed.said]
        if compromised:
            if sealed.kept:
                raise ConflictError("; ".join(done), where="sealing", hint="give these credentials again, then rotate again")
            replace("sealing", "drop", 0)
            done[0] = "credentials are sealed for a new key; the one before opens nothing any more: change passwords at the sources too"
        return done

    def _sealing_later(self, replace: Callable[[str, str, int], None], compromised: bool, later: int) -> list[str]:
        """In pods."""
        replace("sealing", "add", SEALED_SECONDS)
        self._stolen = compromised or bool((self._store.read(FILE) or {}).get("stolen"))
        now = time.time()  # in use after ``later``; laid in this order everywhere after as long again
        self._store.write(FILE, {"sealing": now + later + SEALED_SECONDS, "stolen": now + 2 * later if self._stolen else 0})
        said = f"a new key is used in {later // 60} minutes, when all pods have it; credentials are sealed anew in a quarter of an hour"
        if not compromised:
            return [said, "what is sealed for the one before opens for another day"]
        return [said, "then the one before opens nothing any more: change the passwords at the sources now"]

    def _sealed_anew(self) -> Sealed:
        """In all databases."""
        from pools.master.databases import each_database, has_extension

        replica, secret = self._replica(), owner_secret(self._ends.dsn())
        said: list[str] = []
        kept, keys = 0, set[str]()
        with master_errors():
            for database, connection in each_database(self._ends.dsn()):
                if not has_extension(connection):
                    continue
                rows = [(str(one), str(name), str(place), _read(given)) for one, name, place, given in connection.execute(FOUND).fetchall()]
                wanted = [{"sealed": given["sealed"], "location": place, "user": given.get("user")} for _, _, place, given in rows]
                answers = ask(replica, secret, {"action": "reseal", "credentials": wanted}) if wanted else []
                count = 0
                for (number, name, _, given), answer in zip(rows, answers, strict=True):
                    keys.add(str(answer.get("key")))
                    if answer["problem"]:
                        kept += 1
                        said.append(f'database "{database}": the credential of {name} could not be sealed anew: {answer["problem"]}')
                    elif answer["sealed"]:
                        count += connection.execute(CHANGED, [answer["sealed"], number, given["sealed"]]).rowcount
                if count:
                    said.append(f'database "{database}": {count} credentials sealed anew')
        return Sealed(said, kept, frozenset(keys))

    def _replica(self) -> Replica:
        found = self._ends.replicas()
        if not found:
            raise ConflictError("there is no compute pool that could seal credentials anew", where="spec.pools.compute.replicas")
        return found[0]


def _read(given: object) -> dict[str, str]:
    content = json.loads(given) if isinstance(given, str) else given
    assert isinstance(content, dict)
    return content
