"""What the cluster's authority has made, in ``certificates.json`` of the store (0600, or the Secret ``openbdc-store``).

    {"authorities": [{"certificate", "key", "made"}, newest first], "issued": {workload: {"certificate", "key"}}, "published": digest}

Life: a server's certificate ``days`` (spec, 90), renewed when a third of it is left; an authority ten years, its successor is made when two
are left. A new authority is trusted from the moment it is made (it is in the bundle that everybody verifies with) and signs only
``OVERLAP`` later, so that who looks at the bundle now and then never meets a certificate that it can't verify. An authority leaves the
bundle when it has expired, or when its successor has signed for another ``OVERLAP`` and nothing of its own is in use any more.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from controller.certificates.authority import (
    DAY,
    CertificateError,
    Pair,
    certificate_of,
    fingerprint,
    hosts_of,
    issue,
    name_of,
    new_authority,
    signed_by,
)
from controller.errors import StoreError
from controller.store import Store

FILE = "certificates.json"
AUTHORITY_DAYS = 3650
AUTHORITY_LEFT_DAYS = 730
"""A successor is made when an authority has so long to live."""
OVERLAP = datetime.timedelta(days=7)
"""So long a new authority is only trusted before it signs."""

Document = dict[str, Any]
Wanted = Mapping[str, tuple[str, ...]]
"""Workload → the names and addresses under which it is reached."""


def utc_now() -> datetime.datetime:
    """The clock of this machine."""
    return datetime.datetime.now(datetime.UTC)


@dataclass(frozen=True)
class Kept:
    """One certificate: ``name``: of its workload, or ``ca``; ``due``: when it is renewed; ``trusted``: signed by an authority of the
    bundle."""

    name: str
    subject: str
    hosts: tuple[str, ...]
    begins: datetime.datetime
    expires: datetime.datetime
    due: datetime.datetime
    fingerprint: str
    signs: bool = False


class Certificates:
    """Of one cluster. Every call reads the store: another controller, or root at ``bdc start``, may have changed it."""

    def __init__(self, store: Store, cluster: str, clock: Callable[[], datetime.datetime] = utc_now) -> None:
        self._store = store
        self._cluster = cluster
        self._clock = clock

    def ensure(self, wanted: Wanted, days: int) -> list[str]:
        """Have an authority, and for each workload a certificate that fits and is not due. A sentence for each that was made now."""
        return self._change(lambda document: self._ensured(document, wanted, days, frozenset()))

    def rotate(self, wanted: Wanted, days: int, names: frozenset[str]) -> list[str]:
        """New certificates for ``names`` now, whatever is left of the old ones."""
        return self._change(lambda document: self._ensured(document, wanted, days, names))

    def rotate_authority(self, wanted: Wanted, days: int, *, at_once: bool = False) -> list[str]:
        """A new authority, trusted from now on. ``at_once``: it signs now, and the old ones are not trusted any more, for an authority
        whose key is known to others: who has pinned the old one has to log in again."""

        def change(document: Document) -> list[str]:
            said = [self._add_authority(document)]
            if at_once:
                document["authorities"] = [{**document["authorities"][0], "made": 0.0}]
                said += self._ensured(document, wanted, days, frozenset(wanted))
            return said

        return self._change(change)

    def bundle(self) -> str:
        """All certificates that are trusted, PEM; empty while there are none."""
        return "".join(entry["certificate"] for entry in self._read()["authorities"])

    def pair(self, name: str) -> Pair | None:
        """A workload's."""
        entry = self._read()["issued"].get(name)
        return None if entry is None else Pair(entry["certificate"], entry["key"])

    def listing(self) -> list[Kept]:
        """The authorities, then what they issued."""
        document = self._read()
        signing = self._signing(document)
        found = [
            kept_of("ca", entry["certificate"], AUTHORITY_LEFT_DAYS * DAY, signs=entry is signing) for entry in document["authorities"]
        ]
        for name, entry in sorted(document["issued"].items()):
            certificate = certificate_of(entry["certificate"])
            found.append(kept_of(name, entry["certificate"], _life(certificate) / 3))
        return found

    def values(self) -> dict[str, str]:
        """Everything as entries of the cluster's secret store; the authorities' keys are not among them."""
        document = self._read()
        found = {"tls-ca.crt": "".join(entry["certificate"] for entry in document["authorities"])} if document["authorities"] else {}
        for name, entry in document["issued"].items():
            found |= {f"tls-{name}.crt": entry["certificate"], f"tls-{name}.key": entry["key"]}
        return found

    def unpublished(self) -> dict[str, str] | None:
        """The values, if they differ from those that were last handed to the secret store; else None."""
        values = self.values()
        return None if not values or self._read()["published"] == _digest(values) else values

    def published(self, values: Mapping[str, str]) -> None:
        """They are there now."""
        self._store.update(FILE, lambda before: {**_document(before), "published": _digest(values)})

    # ---- within

    def _read(self) -> Document:
        return self._checked(self._store.read(FILE))

    def _change(self, change: Callable[[Document], list[str]]) -> list[str]:
        """``change`` alters the copy that it gets; it may be called more than once."""
        said: list[str] = []

        def whole(before: Any) -> Any:  # noqa: ANN401 (what the file holds)
            document = self._checked(before)
            said[:] = change(document)
            return document

        self._store.update(FILE, whole)
        return said

    def _checked(self, content: Any) -> Document:  # noqa: ANN401 (what the file holds)
        """A copy; StoreError for what holds no certificates."""
        try:
            document = _document(content)
            for entry in (*document["authorities"], *document["issued"].values()):
                certificate_of(entry["certificate"])
                entry["key"].encode()
            return document
        except (CertificateError, ValueError, TypeError, KeyError, AttributeError) as error:
            place = self._store.where(FILE)
            raise StoreError(
                f"{place} does not hold the cluster's certificates: {error}",
                where=place,
                hint="restore it from a backup, or move it away: 'bdc start' makes a new authority, which everybody trusts by a new login",
            ) from None

    def _ensured(self, document: Document, wanted: Wanted, days: int, anew: frozenset[str]) -> list[str]:
        said = self._authorities(document)
        signing = self._signing(document)
        issued: dict[str, Any] = document["issued"]
        for name in [name for name in issued if name not in wanted]:
            del issued[name]
        for name, hosts in sorted(wanted.items()):
            why = "it was asked for" if name in anew else self._why(issued.get(name), hosts, document)
            if why is not None:
                made = issue(_pair(signing), f"{name} of {self._cluster}", hosts, self._clock(), days)
                issued[name] = {"certificate": made.certificate, "key": made.key}
                said.append(f"{name}: a new certificate ({why})")
        self._retire(document, signing)
        return said

    def _authorities(self, document: Document) -> list[str]:
        now, said = self._clock(), []
        alive = [entry for entry in document["authorities"] if certificate_of(entry["certificate"]).not_valid_after_utc > now]
        document["authorities"] = alive
        newest = certificate_of(alive[0]["certificate"]) if alive else None
        if newest is None or newest.not_valid_after_utc - now < AUTHORITY_LEFT_DAYS * DAY:
            said.append(self._add_authority(document))
        return said

    def _add_authority(self, document: Document) -> str:
        now = self._clock()
        made = new_authority(f"{self._cluster} {now:%Y-%m-%d}", now, AUTHORITY_DAYS)
        document["authorities"].insert(0, {"certificate": made.certificate, "key": made.key, "made": now.timestamp()})
        return f"a new authority ({fingerprint(certificate_of(made.certificate))})"

    def _signing(self, document: Document) -> Document | None:
        """The newest one that has been trusted long enough; the oldest where there is none."""
        entries = document["authorities"]
        limit = (self._clock() - OVERLAP).timestamp()
        return next((entry for entry in entries if entry["made"] <= limit), entries[-1] if entries else None)

    def _why(self, entry: Any, hosts: tuple[str, ...], document: Document) -> str | None:  # noqa: ANN401 (of the file)
        """Why a certificate is made now; None: the one that is there is good."""
        if entry is None:
            return "there was none"
        certificate, now = certificate_of(entry["certificate"]), self._clock()
        if set(hosts_of(certificate)) != set(hosts):
            return "it is reached under other names"
        if now >= certificate.not_valid_after_utc - _life(certificate) / 3 or now < certificate.not_valid_before_utc:
            return f"the old one is valid until {certificate.not_valid_after_utc:%Y-%m-%d}"
        signing = self._signing(document)
        if signing is None or not signed_by(certificate, certificate_of(signing["certificate"])):
            return "its authority has a successor"
        return None

    def _retire(self, document: Document, signing: Document | None) -> None:
        """Older authorities than the signing one, of which nothing is in use, some time after they had signed last: not all who listen
        have loaded their new certificates at once."""
        if signing is None or signing["made"] > (self._clock() - 2 * OVERLAP).timestamp():
            return
        used = [certificate_of(entry["certificate"]) for entry in document["issued"].values()]
        entries = document["authorities"]
        last = entries.index(signing)
        document["authorities"] = [
            entry
            for place, entry in enumerate(entries)
            if place <= last or any(signed_by(one, certificate_of(entry["certificate"])) for one in used)
        ]


def _document(content: Any) -> Document:  # noqa: ANN401 (what the file holds)
    """A deep copy with all keys."""
    given = json.loads(json.dumps(content)) if content is not None else {}
    return {
        "authorities": list(given.get("authorities") or []),
        "issued": dict(given.get("issued") or {}),
        "published": given.get("published"),
    }


def _pair(entry: Document | None) -> Pair:
    assert entry is not None  # _authorities has made one
    return Pair(entry["certificate"], entry["key"])


def _life(certificate: Any) -> datetime.timedelta:  # noqa: ANN401 (cryptography's)
    length: datetime.timedelta = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return length


def kept_of(name: str, pem: str, left: datetime.timedelta, *, signs: bool = False) -> Kept:
    """A certificate that is to be replaced when it has so long ``left``. CertificateError."""
    certificate = certificate_of(pem)
    begins, expires = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return Kept(name, name_of(certificate), hosts_of(certificate), begins, expires, expires - left, fingerprint(certificate), signs)


def _digest(values: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(dict(values), sort_keys=True).encode()).hexdigest()
