"""The spec on one machine: ``bdc.yaml``. It is its owner's (root's), since it names programs that ``bdc start`` runs as root; so the
controller asks the supervisor, which has ``python -m controller.local amend`` check and write it."""

from __future__ import annotations

from pathlib import Path

from controller.errors import ConflictError, ControllerError, RequestError, StoreError, SubstrateError
from controller.substrates.local.layout import ClusterHome
from controller.supervisor.client import SupervisorClient
from controller.supervisor.errors import SupervisorError

MACHINE_ONLY = (
    "spec.pools.master.postgresql.bin",
    "spec.network.tls",
    "spec.network.bind",
    "spec.gateway",
    "spec.pools.storage.reachableBy",
)
AMEND_SECONDS = 300.0
"""Jars may have to be fetched, and the master's module built."""


class AmendError(RequestError):
    """The machine refused the new spec: a program is missing, a port taken."""

    code = "amend_refused"


class LocalSpecDocument:
    """``SpecDocument`` of the cluster in ``folder``."""

    machine_only = MACHINE_ONLY
    image_tag: str | None = None

    def __init__(self, folder: Path) -> None:
        self._home = ClusterHome(folder)
        self.machine_hint = f"on the machine, as its owner: change {self._home.spec}, then bdc start {self._home.name}"

    def read(self) -> str:
        """The file's text."""
        try:
            return self._home.spec.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise StoreError(f"{self._home.spec} can't be read: {error}", where=str(self._home.spec)) from None

    def write(self, text: str) -> None:
        """By way of the supervisor."""
        try:
            SupervisorClient(self._home.path, AMEND_SECONDS).call("amend", text=text)
        except SupervisorError as error:
            raise _translated(error) from error


def _translated(error: SupervisorError) -> ControllerError:
    if error.code in ("supervisor_unreachable", "shutting_down"):
        return SubstrateError(error.message, where="supervisor", hint=error.hint)
    if error.code in ("busy", "conflict"):
        return ConflictError(error.message, where="spec", hint=error.hint)
    return AmendError(error.message, where="spec", hint=error.hint)
