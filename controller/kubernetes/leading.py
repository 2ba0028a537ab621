"""The substrate as the controller on Kubernetes uses it: made anew for each resource (its objects are owned by it), secrets laid before
anything that mounts them, and nothing done once another controller may lead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from controller.errors import ControllerError, SubstrateError
from controller.kubernetes.api import Json
from controller.kubernetes.lease import Lease
from controller.kubernetes.secrets import ClusterSecrets
from controller.spec import ClusterSpec
from controller.substrate import Observed, Substrate
from pools.workload import Workload


class Keeping(Substrate, Protocol):
    """A substrate that keeps what pods hold in volume claims."""

    def adopt(self) -> None:
        """Remember which claims there are, so that a lost one is noticed."""
        ...


class LeaderSubstrate:
    """``Substrate`` around the one that ``make`` gives for an owner reference (None: there is no resource yet)."""

    def __init__(self, make: Callable[[Json | None], Keeping], lease: Lease, secrets: ClusterSecrets) -> None:
        self._make = make
        self._lease = lease
        self._secrets = secrets
        self._owner: Json | None = None
        self._inner = make(None)

    def own(self, owner: Json) -> None:
        """Objects belong to this resource from now on."""
        if owner != self._owner:
            self._owner, self._inner = owner, self._make(owner)

    def wanted(self, spec: ClusterSpec, desired: tuple[Workload, ...]) -> tuple[Workload, ...]:
        """Makes the secrets that are missing. SubstrateError for a certificate that would be read from files of the pods."""
        if spec.spec.network.tls.certificate is not None:
            raise SubstrateError(
                "network.tls names files, and pods have none (next: lay the certificate into a Secret, and name it in"
                " spec.kubernetes.tlsSecret)",
                where="spec.network.tls",
            )
        if self._lease.held:
            self._secrets.ensure((secret.name for workload in desired for secret in workload.secrets), whole=True)
        return self._inner.wanted(spec, desired)

    def observe(self) -> Observed:
        """What is there now."""
        with _with_next_step():
            return self._inner.observe()

    def adopt(self) -> None:
        """Only as the leader: sets remember their volume claims (the inner one's own business, if it has any)."""
        if self._lease.held:
            self._inner.adopt()

    def content_hash(self, workload: Workload) -> str:
        """Of the inner one."""
        with _with_next_step():
            return self._inner.content_hash(workload)

    def ensure(self, workload: Workload) -> str:
        """Only as the leader."""
        self._check()
        with _with_next_step():
            return self._inner.ensure(workload)

    def stop(self, name: str, forget: bool = True) -> None:
        """Only as the leader, but for what somebody asked this controller to end (a Spark job)."""
        if forget:
            self._check()
        with _with_next_step():
            self._inner.stop(name, forget)

    def clients(self, workload: Workload) -> int | None:
        """Of the inner one."""
        return self._inner.clients(workload)

    def host(self, name: str) -> str:
        """Of the inner one."""
        return self._inner.host(name)

    def tail(self, name: str, lines: int) -> tuple[str, ...]:
        """Of the inner one."""
        return self._inner.tail(name, lines)

    def _check(self) -> None:
        if not self._lease.held:
            raise SubstrateError(
                f"this controller does not lead any more ({self._lease.holder or 'nobody'} does)", where="Lease", hint="the leader goes on"
            )


@contextmanager
def _with_next_step() -> Iterator[None]:
    """A pass keeps an error's message only; here people read it in the resource, so it says what to do too."""
    try:
        yield
    except ControllerError as error:
        if error.hint is None:
            raise
        raise SubstrateError(f"{error.message} (next: {error.hint})", where=error.where) from error
