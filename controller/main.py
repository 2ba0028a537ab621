"""The controller of a cluster on one machine: ``python -m controller.main --cluster-folder F [--secrets-folder S]``."""

from __future__ import annotations

import argparse
import pathlib
import sys
from typing import TYPE_CHECKING

from controller.accepted import read_spec_file, spec_in_force
from controller.api.auditing import unwritten
from controller.auth.keys import adopt_key_files
from controller.certificates.machine import machine_hosts_of
from controller.certificates.policy import encrypted
from controller.certificates.renewal import CertificateEnds
from controller.errors import ControllerError, NotReadyError
from controller.facts import facts
from controller.log import Log, configure
from controller.service import Controller, Ends, assemble
from controller.serving import Address, serve
from controller.spec import ClusterSpec, port_numbers
from controller.store import FolderStore
from controller.substrates.local.document import LocalSpecDocument
from controller.workloads import control_workload
from pools.audit import Trail
from pools.encryption import AUTHORITY_FILE, CERTIFICATE_FILE, KEY_FILE

if TYPE_CHECKING:
    from controller.substrates.local.substrate import LocalSubstrate

AUDIT = "audit.jsonl"
log = Log("controller")


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; 1 with one sentence on standard error when it can't start."""
    parser = argparse.ArgumentParser(prog="python -m controller.main", description=__doc__)
    parser.add_argument("--cluster-folder", type=pathlib.Path, required=True, help="holds bdc.yaml and store/")
    parser.add_argument("--secrets-folder", type=pathlib.Path, help="where the substrate lays the controller's secrets")
    options = parser.parse_args(arguments)
    configure()
    try:
        from controller.substrates.local.substrate import LocalSubstrate

        folder: pathlib.Path = options.cluster_folder
        secrets: pathlib.Path = options.secrets_folder or folder / "workloads" / "control" / "secrets"
        spec = spec_in_force(folder)
        built = build(folder, secrets, LocalSubstrate(folder), spec)
    except ControllerError as error:
        log.error("can't start", code=error.code, message=error.message, hint=error.hint)
        sys.stderr.write(f"{error.message}\n")
        return 1
    return serve(built, address(spec, secrets))


def build(folder: pathlib.Path, secrets: pathlib.Path, substrate: LocalSubstrate, spec: ClusterSpec) -> Controller:
    """The controller of the cluster in ``folder``."""
    store = FolderStore(folder / "store")
    adopt_key_files(store)
    files = {secret.name: secrets / secret.file for secret in control_workload(spec).secrets}
    ends = Ends(
        store,
        substrate,
        lambda: read_spec_file(folder / "bdc.yaml"),
        lambda current: facts(folder, current),
        lambda name: laid_secret(files.get(name, secrets / name)),
        document=LocalSpecDocument(folder),
        run=lambda workload: str(folder / "run" / (workload.pool_instance or workload.name)),
        cluster=spec.name,
        rotate=substrate.rotate,
        audit=Trail(secrets.parent / "data" / AUDIT, "control", unwritten),
        certificates=CertificateEnds(
            machine_hosts_of,
            substrate.renew,
            lambda: str(secrets / AUTHORITY_FILE),
            lambda current: laid_secret(secrets / CERTIFICATE_FILE) if current.spec.network.tls.certificate is not None else None,
        ),
    )
    return assemble(ends, spec.spec.security.login)


def address(spec: ClusterSpec, secrets: pathlib.Path) -> Address:
    """What can't change while it runs: port and address; ``secrets``: where the certificate is laid, if there is one."""
    host, port = spec.spec.network.bind, port_numbers(spec).controller
    if not encrypted(spec):
        return Address(host, port)
    return Address(host, port, str(secrets / CERTIFICATE_FILE), str(secrets / KEY_FILE))


def laid_secret(path: pathlib.Path) -> str:
    """A secret that the supervisor laid; NotReadyError while it is not there."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise NotReadyError(
            f"{path} can't be read: {error.strerror}", where=str(path), hint="'bdc start' lays it, then try again"
        ) from None


if __name__ == "__main__":
    sys.exit(main())
