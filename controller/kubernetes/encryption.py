"""TLS of a cluster in pods: under which names its servers are reached, where their certificates lie, and the controller's own.

The authority and all keys are documents of the store (Secret ``openbdc-store``). Servers' certificates are keys of the Secret
``openbdc-secrets`` too, of which each pod mounts its own; the kubelet changes the files of pods that run, within a minute or two. The
controller mounts nothing: it writes its own pair beside itself, from the store.
"""

from __future__ import annotations

import pathlib
import shutil
from collections.abc import Mapping

from controller.certificates.keeper import Certificates
from controller.certificates.policy import LOOPBACK, encrypted, wanted
from controller.certificates.renewal import CertificateEnds
from controller.kubernetes.names import CONTROLLER_SERVICE
from controller.kubernetes.secrets import ClusterSecrets
from controller.spec import ClusterSpec
from controller.store import FILE_MODE, write_atomic
from pools.encryption import AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE
from pools.workload import Workload

CONTROL = "control"
DOMAIN = "cluster.local"
"""Kubernetes' usual one. Nobody of ours writes it out; people's programs may."""


def service_hosts(service: str, namespace: str) -> tuple[str, ...]:
    """Every name of a Service inside of Kubernetes, and loopback, where port-forwards end."""
    return (service, f"{service}.{namespace}", f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.{DOMAIN}", *LOOPBACK)


class Encryption:
    """Of one cluster. ``folder``: for this process alone; ``listen``: where pools listen (``Facts.listen``)."""

    def __init__(self, certificates: Certificates, secrets: ClusterSecrets, namespace: str, folder: pathlib.Path, listen: str) -> None:
        self._certificates = certificates
        self._secrets = secrets
        self._namespace = namespace
        self._folder = folder
        self._listen = listen
        self.files: tuple[str, str] | None = None
        """Certificate and key that the API is to be served with; None: it speaks no TLS."""

    @property
    def ends(self) -> CertificateEnds:
        """For ``Renewal``."""
        return CertificateEnds(self._hosts, self._publish, self.authority, foreign=lambda spec: spec.spec.kubernetes.tls_secret is not None)

    def authority(self) -> str:
        """Path of a file with the authorities' certificates of now."""
        return self._lay(AUTHORITY_FILE, self._certificates.bundle())

    def bundle(self, spec: ClusterSpec | None) -> str:
        """What everybody may know and verifies with; empty where there is no TLS. ControllerError."""
        with_tls = spec is not None and (encrypted(spec, self._listen) or spec.spec.gateway.enabled)
        return self._certificates.bundle() if with_tls else ""

    def look(self, spec: ClusterSpec) -> bool:
        """Lay this controller's own certificate as it is now; whether it is to be served in another way than before. ControllerError."""
        before = self.files
        pair = self._certificates.pair(CONTROL) if encrypted(spec, self._listen) else None
        if pair is None:
            self.files = None
        else:
            key = self._lay(KEY_FILE, pair.key)
            self.files = self._lay(CERTIFICATE_FILE, pair.certificate), key
        return self.files != before

    def close(self) -> None:
        """Nothing of it stays on the disk."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _hosts(self, spec: ClusterSpec, workloads: tuple[Workload, ...]) -> dict[str, tuple[str, ...]]:
        return wanted(spec, workloads, lambda name: service_hosts(CONTROLLER_SERVICE if name == CONTROL else name, self._namespace))

    def _publish(self, values: Mapping[str, str]) -> None:
        self._secrets.publish(values)

    def _lay(self, name: str, text: str) -> str:
        path = self._folder / name
        if not path.is_file() or path.read_text(encoding="ascii") != text:
            write_atomic(path, text.encode(), FILE_MODE)
        return str(path)
