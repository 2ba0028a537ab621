"""The controller of a cluster on Kubernetes: ``python -m controller.kubernetes --namespace N --name C``.

Inside of a pod it finds the API server by itself; outside (an operator's own machine, tests) ``--kubeconfig`` names it.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import secrets
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace

from controller.accepted import remembered
from controller.api.auditing import unwritten
from controller.certificates.keeper import Certificates
from controller.errors import ControllerError
from controller.facts import Facts
from controller.identity import cluster_id, first_admin, issuer
from controller.kubernetes.api import Api, connect
from controller.kubernetes.definition import ensure_definition
from controller.kubernetes.document import ResourceDocument
from controller.kubernetes.encryption import Encryption
from controller.kubernetes.leading import LeaderSubstrate
from controller.kubernetes.lease import Lease
from controller.kubernetes.names import CONTROLLER_SERVICE
from controller.kubernetes.passes import Passes
from controller.kubernetes.record import ResourceRecord
from controller.kubernetes.resource import Resource
from controller.kubernetes.rotating import LAID_SECONDS
from controller.kubernetes.secrets import ClusterSecrets
from controller.kubernetes.store import SecretStore
from controller.kubernetes.watching import Watching
from controller.log import Log, configure
from controller.reconcile import Outcome, Parts
from controller.service import Controller, Ends, assemble
from controller.serving import Address, Serving
from controller.spark_places import SparkPlaces
from controller.spec import ClusterSpec
from controller.spec.crd import product_version
from controller.spec.model import Login
from controller.spec.ports import DEFAULTS
from pools.audit import Keep, Trail
from pools.workload import Workload

EVERYWHERE = "0.0.0.0"  # noqa: S104 (a pod; NetworkPolicies say who may come)
WAIT_SETTLED, WAIT_MOVING = 30.0, 5.0
AUDIT_KEEP = Keep(2 << 20, 8)
"""The pod's folder is small and goes with it; its log has each entry too."""

log = Log("controller")


@dataclass(frozen=True)
class Running:
    """A controller that was put together, and what starts and ends beside it."""

    controller: Controller
    lease: Lease
    watching: Watching
    passes: Passes
    serving: Serving
    encryption: Encryption


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; 1 with one sentence on standard error when it can't start."""
    options = _parser().parse_args(arguments)
    configure()
    try:
        api = connect(options.kubeconfig, options.context)
        log.info("definition", did=ensure_definition(api))
        address = Address(options.bind, options.port, health=options.health_port)
        running = build(api, options.namespace, options.name, options.identity, address=address)
    except ControllerError as error:
        log.error("can't start", code=error.code, message=error.message, hint=error.hint)
        sys.stderr.write(f"{error.message}\n{error.hint or ''}\n")
        return 1
    begin(running)
    try:
        return running.serving.run(running.controller)
    finally:
        let_go(running)


def terminate() -> None:
    """This process ends in order; another one begins with nothing in memory."""
    os.kill(os.getpid(), signal.SIGTERM)


def build(
    api: Api,
    namespace: str,
    name: str,
    identity: str,
    end: Callable[[], None] = terminate,
    address: Address = Address(EVERYWHERE, DEFAULTS["controller"]),  # noqa: B008 (frozen)
) -> Running:
    """Put the parts together; nothing runs yet. ``end``: called once the cluster is deleted; ``address``: of the API, TLS apart."""
    from controller.kubernetes.doctor.ground import Ground
    from controller.kubernetes.doctor.table import checks
    from controller.substrates.kubernetes.place import Place
    from controller.substrates.kubernetes.substrate import KubernetesSubstrate

    store = SecretStore(api, namespace, name)
    certificates = Certificates(store, name)
    hidden = ClusterSecrets(api, store, namespace, name, certificates.values)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="openbdc-"))
    encryption = Encryption(certificates, hidden, namespace, folder, EVERYWHERE)
    lease, resource = Lease(api, namespace, name, identity), Resource(api, namespace, name)
    substrate = LeaderSubstrate(lambda owner: KubernetesSubstrate(api, Place(namespace, name, product_version(), owner)), lease, hidden)

    def host(workload: Workload) -> str:
        return f"{CONTROLLER_SERVICE}.{namespace}.svc" if workload.pool == "control" else substrate.host(workload.name)

    def facts(_spec: ClusterSpec) -> Facts:
        sealing, ticket = hidden.public_keys()
        return Facts(
            sealing_key=sealing,
            ticket_key=ticket,
            first_admin=first_admin(store),
            spark_users=SparkPlaces(store).users(),
            listen=EVERYWHERE,
            postgresql_ldap=True,  # PostgreSQL's public image is Debian's build, with all its modules
            postgresql_delays=True,
            issuer=issuer(cluster_id(store)),
            controller=CONTROLLER_SERVICE,
        )

    def ended(forgotten: bool) -> None:
        if forgotten:
            store.close()
        end()

    def served() -> Address:
        certificate, key = encryption.files or (None, None)
        return replace(address, certificate=certificate, key=key)

    serving = Serving(served)

    def one_pass(parts: Parts) -> Outcome:
        outcome = passes(parts)
        if outcome.spec is not None:
            encrypt(encryption, outcome.spec, serving)
        return outcome

    record = ResourceRecord(resource, host, identity, encryption.bundle)
    passes = Passes(api, resource, lease, store, hidden, substrate, record, ended)
    ends = Ends(
        store,
        substrate,
        resource.spec,
        facts,
        hidden.value,
        record=record,
        one_pass=one_pass,
        cluster=name,
        certificates=encryption.ends,
        rotate=hidden.rotate,
        keys_laid_seconds=LAID_SECONDS,
        host=lambda _spec, workload: host(workload),
        wait_settled=WAIT_SETTLED,
        wait_moving=WAIT_MOVING,
        document=ResourceDocument(api, resource),
        acting=lambda: lease.held,
        audit=Trail(pathlib.Path(tempfile.gettempdir()) / "audit.jsonl", "control", unwritten, AUDIT_KEEP, sys.stdout.write),
        speaking=lambda: lease.named,
        checks=lambda loop: checks(Ground(api, namespace, name, product_version(), loop.spec, loop.desired)),
    )
    controller = assemble(ends, Login())
    known = remembered(store)
    if known is not None:  # of a cluster with TLS nobody is to be answered without it, not even in the first second
        encrypt(encryption, known, serving)
    return Running(controller, lease, Watching(api, namespace, name, lambda: controller.loop.wake()), passes, serving, encryption)


def encrypt(encryption: Encryption, spec: ClusterSpec, serving: Serving) -> None:
    """Serve with the certificate of now, or without one, as the spec says; what fails is tried again with the next pass."""
    try:
        if encryption.look(spec):
            serving.switch()
    except ControllerError as error:
        log.warning("the API's certificate can't be laid", message=error.message, hint=error.hint)


def begin(running: Running) -> None:
    """What runs beside the service."""
    running.lease.start(lambda: running.controller.loop.wake())
    running.watching.start()


def let_go(running: Running) -> None:
    """At the end: where the whole namespace is being deleted nobody else will remove the finalizer; then the next may lead."""
    running.watching.stop()
    running.passes.let_go()
    running.lease.stop()
    running.encryption.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m controller.kubernetes", description=__doc__)
    parser.add_argument("--namespace", required=True, help="where the resource and all its objects are")
    parser.add_argument("--name", required=True, help="of the BigDataCluster")
    parser.add_argument("--kubeconfig", help="outside of a pod; the default is a pod's own service account")
    parser.add_argument("--context", help="of the kubeconfig")
    parser.add_argument("--bind", default=EVERYWHERE, help="address of the REST API")
    parser.add_argument("--port", type=int, default=DEFAULTS["controller"], help="of the REST API")
    parser.add_argument("--health-port", type=int, help="says without TLS that this process serves, for the kubelet; default: none")
    pod = os.environ.get("HOSTNAME") or socket.gethostname()
    parser.add_argument("--identity", default=f"{pod}-{secrets.token_hex(3)}", help="in the Lease that says which controller leads")
    return parser


if __name__ == "__main__":
    sys.exit(main())
