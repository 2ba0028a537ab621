"""The controller's service, whatever it runs on: the REST API in the main thread's event loop, the reconcile loop in a thread of its own.

What differs between substrates comes in as ``Ends``. The service can be stopped and killed at any time; pools go on without it, and the
next one picks up from the store and what the substrate reports.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from controller.api.audit_services import GATEWAY, AuditServices
from controller.api.auditing import Auditing
from controller.api.services import Services
from controller.app_pods import AppPods
from controller.apps import Apps
from controller.auth.directory.examining import directory_checks
from controller.auth.directory.logins import DirectoryLogins
from controller.auth.directory.watching import DirectoryWatch
from controller.auth.keys import TokenKeys
from controller.auth.rotation import Rotation, RotationEnds
from controller.auth.throttle import Throttle
from controller.auth.tokens import Tokens
from controller.auth.users import Users
from controller.certificates.examining import certificate_checks
from controller.certificates.keeper import Certificates
from controller.certificates.policy import encrypted
from controller.certificates.renewal import CertificateEnds, Renewal
from controller.errors import NotReadyError
from controller.facts import Facts
from controller.gateway_trail import GatewayTrail
from controller.identity import cluster_id
from controller.jobs import Jobs
from controller.loop import WAKE_WAIT, Loop, local_host
from controller.metrics import Meters
from controller.metrics_cluster import ClusterMetrics, Ways
from controller.on_demand import Demand
from controller.operations.assembly import operating
from controller.operations.doctor import Check
from controller.operations.document import SpecDocument
from controller.operations.guard import guarded
from controller.operations.tables import DataTables
from controller.pool_requests import Replica
from controller.reconcile import WAIT_MOVING, WAIT_SETTLED, Outcome, Parts, Record, reconcile_once
from controller.roles import RoleSync, master_dsn, reload_configuration
from controller.spark import Spark
from controller.spark_places import SparkPlaces
from controller.spec import ClusterSpec, port_numbers
from controller.spec.model import Login
from controller.store import Store
from controller.substrate import Substrate
from controller.workloads import MASTER_SECRET, all_workloads, master_clients, spark_settings
from pools.app.workloads import PROXY
from pools.audit import Trail
from pools.postgresql import is_loopback
from pools.storage.spark import TOKEN_SECRET, SparkSettings
from pools.workload import Workload

MASTER = "master-0"


@dataclass(frozen=True)
class Ends:
    """What a controller stands on.

    read_spec   the spec as people wrote it; SpecError when it is invalid
    facts       what the spec can't hold
    secret      a value of the cluster's secret store by its name; NotReadyError while there is none
    record      where the status is shown; None: in the store
    one_pass    what a pass is (``reconcile_once``, or what stands around it)
    host        under which name people reach a workload
    document    where the spec is read and written as a text; None: this controller has no operations
    acting      whether this controller carries operations out (on Kubernetes: is the leader)
    speaking    whether it speaks for the cluster's metrics (there: is the last leader that it knows, also while nobody can tell)
    checks      what `bdc doctor` finds out about that on which the cluster stands
    run         the folder ``{run}`` of a workload, where it is on this machine
    cluster     its name
    certificates  how they are laid and trusted; None: there is no TLS here
    audit       the controller's own audit trail
    rotate      replaces keys that pools hold
    keys_laid_seconds  so much later they are used; 0: at once
    """

    store: Store
    substrate: Substrate
    read_spec: Callable[[], ClusterSpec]
    facts: Callable[[ClusterSpec], Facts]
    secret: Callable[[str], str]
    record: Record | None = None
    one_pass: Callable[[Parts], Outcome] = reconcile_once
    host: Callable[[ClusterSpec, Workload], str] = local_host
    wait_settled: float = WAIT_SETTLED
    wait_moving: float = WAIT_MOVING
    document: SpecDocument | None = None
    acting: Callable[[], bool] = lambda: True
    speaking: Callable[[], bool] = lambda: True
    checks: Callable[[Loop], Mapping[str, Check]] = lambda _view: {}
    run: Callable[[Workload], str] = lambda workload: workload.pool_instance or workload.name
    cluster: str = ""
    certificates: CertificateEnds | None = None
    audit: Trail = field(default_factory=lambda: Trail(None, "control"))
    rotate: Callable[[str, str, int], None] = lambda _kind, _step, _seconds: None
    keys_laid_seconds: int = 0


@dataclass(frozen=True)
class Controller:
    """The parts of a running controller."""

    loop: Loop
    services: Services
    watch: DirectoryWatch


def assemble(ends: Ends, login: Login) -> Controller:
    """Put the parts together; nothing runs yet. ``login``: limits that hold until the first pass has read the spec."""
    store = ends.store
    users, keys, identity = Users(store), TokenKeys(store), cluster_id(store)
    tokens = Tokens(identity, keys, users, login.token_hours, login.access_minutes)
    throttle = Throttle(login.attempts, login.lockout_seconds)

    def dsn(spec: ClusterSpec) -> str:
        tls = master_clients(spec, ends.facts(spec))
        if "sslrootcert" in tls and ends.certificates is not None:
            tls = {**tls, "sslrootcert": ends.certificates.authority()}
        return master_dsn(spec, ends.secret(MASTER_SECRET), ends.substrate.host(MASTER), tls)

    renewal = _renewal(ends, dsn)
    roles, directory = RoleSync(users, store, dsn), DirectoryLogins(users, store)

    def settings(spec: ClusterSpec) -> SparkSettings | None:
        return spark_settings(spec, ends.facts(spec))

    def accepted(spec: ClusterSpec) -> None:
        tokens.limit(spec.spec.security.login.token_hours, spec.spec.security.login.access_minutes)
        directory.configure(spec.spec.security.directory, spec.spec.security.login.token_hours)
        throttle.limit(spec.spec.security.login.attempts, spec.spec.security.login.lockout_seconds)
        if renewal is not None and ends.acting():
            renewal(spec)
        if ends.acting():
            rotation.look()

    jobs = Jobs(store, settings)
    app_pods = AppPods(
        store, ends.facts, ends.substrate.host, ends.secret, ends.certificates.authority if ends.certificates is not None else None
    )
    parts = Parts(
        guarded(ends.read_spec, store, DataTables(lambda: dsn(loop.spec())).placed_or_unknown),
        store,
        ends.substrate,
        lambda spec: all_workloads(spec, ends.facts(spec)),
        roles,
        lambda spec, observed: (*jobs.wanted(spec, observed), *app_pods.wanted(spec, observed)),
        record=ends.record,
        accepted=accepted,
        wait_settled=ends.wait_settled,
        wait_moving=ends.wait_moving,
    )
    rotation = Rotation(
        store,
        RotationEnds(
            ends.rotate,
            lambda: dsn(loop.spec()),
            lambda: _replicas(ends, loop),
            lambda: loop.users_changed(),
            ends.keys_laid_seconds,
            lambda: ends.facts(loop.spec()).sealing_key,
        ),
    )
    meters = Meters()
    loop = Loop(parts, roles.pending, ends.one_pass, ends.host, meters.passed)
    spark = Spark(
        Demand(store),
        SparkPlaces(store),
        jobs,
        ends.substrate,
        loop.spec,
        settings,
        lambda: ends.secret(TOKEN_SECRET),
        lambda: loop.wake(WAKE_WAIT),
    )
    authority = ends.certificates.authority if ends.certificates is not None else str
    apps = Apps(tokens, lambda: _app_proxy(ends, loop.spec()), lambda: _apps_changed(ends, loop))
    services = Services(
        cluster_id=identity,
        users=users,
        keys=keys,
        tokens=tokens,
        throttle=throttle,
        directory=directory,
        view=loop,
        sealing_key=lambda: _sealing_key(ends.facts(loop.spec())),
        audit=AuditServices(
            Auditing(ends.audit),
            lambda: _replicas(ends, loop),
            lambda: dsn(loop.spec()),
            apps,
            _gateway_trail(ends, loop, tokens, authority),
        ),
        rotation=rotation,
        spark=spark,
        apps=apps,
        certificates=renewal,
        metrics=ClusterMetrics(
            meters,
            Ways(ends.substrate.host, lambda: dsn(loop.spec()), ends.run, authority),
            loop.status,
            loop.desired,
            jobs.all,
            ends.speaking,
            certificates=(lambda: renewal.left(loop.spec())) if renewal is not None else dict,
        ),
        checks=lambda: {**ends.checks(loop), **certificate_checks(renewal, loop.spec), **directory_checks(directory)},
        meters=meters,
        operating=operating(parts, loop, ends.document, dsn, ends.acting) if ends.document is not None else None,
    )
    keys.all()
    watch = DirectoryWatch(directory, loop.wake, ends.acting)
    return Controller(loop, services, watch)


def _app_proxy(ends: Ends, spec: ClusterSpec) -> tuple[str, int] | None:
    port = port_numbers(spec).app
    return None if port is None else (ends.substrate.host(PROXY), port)


def _gateway_trail(ends: Ends, loop: Loop, tokens: Tokens, authority: Callable[[], str]) -> GatewayTrail:
    return GatewayTrail(
        tokens,
        lambda: next((one for one in loop.desired() if one.name == GATEWAY), None),
        ends.run,
        ends.substrate.host,
        authority,
        lambda: loop.spec().spec.kubernetes.tls_secret is not None,
    )


def _apps_changed(ends: Ends, loop: Loop) -> None:
    """In pods there are others to be made, or to go."""
    if not is_loopback(ends.facts(loop.spec()).listen):
        loop.wake()


def _renewal(ends: Ends, dsn: Callable[[ClusterSpec], str]) -> Renewal | None:
    """None: this controller keeps no certificates."""
    if ends.certificates is None:
        return None
    return Renewal(
        Certificates(ends.store, ends.cluster),
        ends.certificates,
        lambda spec: all_workloads(spec, ends.facts(spec)),
        ends.substrate.host,
        lambda spec, replaced: reload_configuration(dsn(spec), replaced=replaced),
    )


def _replicas(ends: Ends, loop: Loop) -> tuple[Replica, ...]:
    """Of the compute pool, as the last pass wanted them."""
    spec = loop.spec()
    listen, sure = ends.facts(spec).listen, {"sslmode": "prefer"}  # on loopback, as the master does
    if encrypted(spec, listen) and not is_loopback(listen) and ends.certificates is not None:
        sure = {"sslmode": "verify-full", "sslrootcert": ends.certificates.authority()}
    database = spec.spec.pools.master.databases[0]
    return tuple(
        Replica(one.name, {"host": ends.substrate.host(one.name), "port": str(port.number), "dbname": database, **sure})
        for one in loop.desired()
        if one.pool == "compute"
        for port in one.ports
        if port.name == "sql"
    )


def _sealing_key(found: Facts) -> str:
    if found.sealing_key is None:
        raise NotReadyError("the cluster has no sealing key yet", hint="'bdc start' lays it")
    return found.sealing_key
