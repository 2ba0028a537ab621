"""Keeps the certificates of a running cluster: looked at now and then, replaced before they expire, laid where they are used."""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from controller.certificates.keeper import Certificates, Kept, Wanted, kept_of, utc_now
from controller.certificates.probe import served
from controller.errors import ConflictError, ControllerError, UnknownNameError
from controller.log import Log
from controller.spec import ClusterSpec
from pools.app.workloads import PODS_PORT
from pools.encryption import GIVEN
from pools.workload import Workload

EVERY_SECONDS = 30.0
GIVEN_LEFT = datetime.timedelta(days=21)
"""So long before its end the doctor asks for a successor of a customer's certificate."""
log = Log("certificates")


@dataclass(frozen=True)
class CertificateEnds:
    """What differs between substrates.

    hosts      which certificates there are to be, and for which names and addresses
    publish    keeps values in the cluster's secret store and has them laid where they are used; ControllerError
    authority  path of a file with the authorities' certificates, for this process itself
    given      the customer's certificate (PEM) where the spec names one; ControllerError
    foreign    whether the master's is a customer's that somebody else replaces, without telling
    """

    hosts: Callable[[ClusterSpec, tuple[Workload, ...]], Wanted]
    publish: Callable[[Mapping[str, str]], None]
    authority: Callable[[], str]
    given: Callable[[ClusterSpec], str | None] = lambda spec: None
    foreign: Callable[[ClusterSpec], bool] = lambda spec: False


@dataclass(frozen=True)
class Served:
    """Of one certificate: who shows it. ``postgresql``: it is asked for TLS first."""

    workload: str
    host: str
    port: int
    postgresql: bool


@dataclass(frozen=True)
class Shown:
    """A certificate and what is in use: ``served``: the fingerprint that its server shows now; None: it does not answer, or has none."""

    kept: Kept
    served: str | None
    used_by: str


class Renewal:
    """``reload(spec, replaced)`` makes the master load its files again, or only where they are ``replaced``. Thread-safe: all that is
    shared lies in the store."""

    def __init__(
        self,
        certificates: Certificates,
        ends: CertificateEnds,
        workloads: Callable[[ClusterSpec], tuple[Workload, ...]],
        host: Callable[[str], str],
        reload: Callable[[ClusterSpec, bool], object],
    ) -> None:
        self.certificates = certificates
        self._ends = ends
        self._workloads = workloads
        self._host = host
        self._reload = reload
        self._looked = 0.0
        self._spec: ClusterSpec | None = None

    def __call__(self, spec: ClusterSpec) -> None:
        """A look, where the last one is a while ago or was for another spec. What fails is logged, and tried again: the cluster goes on
        with what it has."""
        if time.monotonic() - self._looked < EVERY_SECONDS and spec == self._spec:
            return
        self._looked, self._spec = time.monotonic(), spec
        try:
            self.look(spec)
        except ControllerError as error:
            log.warning("certificates can't be kept", message=error.message, hint=error.hint)

    def look(self, spec: ClusterSpec) -> None:
        """Make, lay and load what is due."""
        if names := self._names(spec):
            self._told(self.certificates.ensure(names, spec.spec.security.tls.certificate_days))
            self._publish(spec)
        if self._ends.foreign(spec):
            with contextlib.suppress(ControllerError):  # the master is away: it reads its files when it starts
                self._reload(spec, True)

    def rotate(self, spec: ClusterSpec, names: frozenset[str]) -> list[str]:
        """New certificates now; ``names`` empty: all. UnknownNameError, ConflictError without TLS. A sentence each."""
        known = self._known(spec)
        if unknown := names - known.keys():
            raise UnknownNameError(
                f"there is no certificate of {sorted(unknown)[0][:60]!r}", where="names", hint=f"there are: {', '.join(sorted(known))}"
            )
        said = self.certificates.rotate(known, spec.spec.security.tls.certificate_days, names or frozenset(known))
        self._told(said)
        self._publish(spec)
        return said

    def rotate_authority(self, spec: ClusterSpec, *, at_once: bool) -> list[str]:
        """See ``Certificates.rotate_authority``."""
        said = self.certificates.rotate_authority(self._known(spec), spec.spec.security.tls.certificate_days, at_once=at_once)
        self._told(said)
        self._publish(spec)
        return said

    def shown(self, spec: ClusterSpec) -> list[Shown]:
        """All certificates, with what their servers show now."""
        places = {one.workload: one for one in self._served(spec)}
        found = []
        for kept in self.certificates.listing():
            place = places.get(kept.name)
            seen = served(place.host, place.port, postgresql=place.postgresql) if place is not None else None
            found.append(Shown(kept, seen, "signs" if kept.signs else "is trusted" if kept.name == "ca" else _use(place)))
        return found

    def given(self, spec: ClusterSpec) -> Kept | None:
        """The customer's; ``due``: when it is to be replaced at the latest, by whoever gave it. ControllerError, CertificateError."""
        pem = self._ends.given(spec)
        return None if pem is None else kept_of(GIVEN, pem, GIVEN_LEFT)

    def left(self, spec: ClusterSpec) -> dict[str, float]:
        """Seconds until each certificate in use ends, the signing authority's (``ca``) and the customer's (``given``) among them."""
        now, found = utc_now(), [kept for kept in self.certificates.listing() if kept.signs or kept.name != "ca"]
        given = self.given(spec)
        return {kept.name: (kept.expires - now).total_seconds() for kept in (*found, *((given,) if given is not None else ()))}

    # ---- within

    def _names(self, spec: ClusterSpec) -> Wanted:
        return self._ends.hosts(spec, self._workloads(spec))

    def _known(self, spec: ClusterSpec) -> Wanted:
        names = self._names(spec)
        if not names:
            raise ConflictError("this cluster has no certificates of its own: it speaks no TLS", where="spec.security.tls.enabled")
        return names

    def _publish(self, spec: ClusterSpec) -> None:
        values = self.certificates.unpublished()
        if values is not None:
            self._ends.publish(values)
            self.certificates.published(values)
        # PostgreSQL alone has to be told; in a pod the files come some time after they were replaced, so it is looked at, not remembered
        master = next((one for one in self._served(spec) if one.workload == "master-0"), None)
        kept = next((one for one in self.certificates.listing() if one.name == "master-0"), None)
        if master is not None and kept is not None:
            seen = served(master.host, master.port, postgresql=True)
            if seen is not None and seen != kept.fingerprint:
                self._reload(spec, False)

    def _served(self, spec: ClusterSpec) -> list[Served]:
        """Where each certificate is shown."""
        found: dict[str, Served] = {}
        for workload in self._workloads(spec):
            ports = {port.name: port.number for port in workload.ports}
            for secret in workload.secrets:
                name = secret.name.removeprefix("tls-").removesuffix(".crt")
                kind = next((kind for kind in ("api", "sql", "http", "data", PODS_PORT) if kind in ports), None)
                if secret.name == f"tls-{name}.crt" and kind is not None and name != "ca":
                    found[name] = Served(name, self._host(workload.name), ports[kind], kind == "sql")
        return list(found.values())

    @staticmethod
    def _told(said: list[str]) -> None:
        for sentence in said:
            log.info("certificate", did=sentence)


def _use(place: Served | None) -> str:
    return "nobody" if place is None else f"{place.host}:{place.port}"
