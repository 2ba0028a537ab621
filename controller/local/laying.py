"""Laying a cluster on disk: spec with its port block, OS users, folders, secrets, public.json. Each step repeatable, so that a create
that was killed anywhere is completed by the next one."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path

import controller
from controller.certificates.given import given_values
from controller.certificates.keeper import Certificates, utc_now
from controller.certificates.machine import machine_hosts_of
from controller.certificates.policy import bound, encrypted
from controller.errors import ConflictError, ControllerError, SubstrateError
from controller.facts import MODULES, facts, postgresql_version
from controller.identity import cluster_id, remember_first_admin
from controller.local import daemon
from controller.local.errors import LocalError
from controller.local.locking import ports_lock
from controller.local.lost_secrets import find_again
from controller.local.progress import Progress
from controller.spec import ClusterSpec, load_spec, port_numbers
from controller.spec.edit import set_value
from controller.status import endpoints
from controller.store import FILE_MODE, write_atomic
from controller.substrates.local import programs
from controller.substrates.local.claims import PortClaims, claimant
from controller.substrates.local.closed_ports import lay_closed
from controller.substrates.local.layout import PUBLIC_MODE, ClusterHome, cluster_homes, make_open
from controller.substrates.local.mlflow import check_mlflow, mlflow_folder, mlflow_program
from controller.substrates.local.ports import check_free, choose_base, cluster_folder_of, is_free, owners
from controller.substrates.local.reachability import check_reachable
from controller.substrates.local.secret_store import SEALING_KEY, TICKET_KEY, ensure_secrets, sealing_public_key, ticket_public_key
from controller.substrates.local.substrate import LocalSubstrate
from controller.substrates.local.users import ensure_users, ids
from controller.workloads import all_workloads
from pools.encryption import PREFIX
from pools.master.offload.building import NotBuiltError, built
from pools.workload import Workload

LONGEST_SOCKET = 107
MODULE_MODE = 0o755
SOCKET_ROOM = len("/run/compute-0/.s.PGSQL.65535.lock")


def read_spec(home: ClusterHome) -> ClusterSpec:
    """The cluster's spec as it lies there."""
    return load_spec(home.spec.read_text(encoding="utf-8"), str(home.spec))


def lay_spec(home: ClusterHome, text: str, claims: PortClaims) -> ClusterSpec:
    """Write bdc.yaml with a port block that is free (or our own already), and claim it. ConflictError names the owner of a taken port."""
    spec = load_spec(text)
    with ports_lock():
        if spec.spec.ports.base is not None:
            check_ports(home, spec, claims)
        else:
            reserved = {port for other in cluster_homes() if other.name != home.name for port in _ports(other)}
            base = choose_base(lambda offset: port_numbers(spec, offset).named(), reserved, lambda ports: claims.take(ports) is None)
            text = set_value(text, "spec.ports.base", str(base))
        make_open(home.path)
        home.write_spec(text, None)
    return load_spec(text)


def check_ports(home: ClusterHome, spec: ClusterSpec, claims: PortClaims) -> None:
    """Claim them; ConflictError for a port that somebody else has. What runs of this very cluster may have it."""
    named = port_numbers(spec).named()
    claimed = claims.take(port for _, port in named)
    if claimed is not None:
        raise ConflictError(
            f"port {claimed} is claimed by another create or start on this machine (pid {claimant(claimed) or 'unknown'})",
            where=f"port {claimed}",
            hint="wait for it to end and try again, or set another block with spec.ports.base (for example 100)",
        )
    own = daemon.processes(home)
    taken = {port: what for what, port in named if not is_free(port)}
    found_owners = owners(taken)
    for port, what in taken.items():
        found = found_owners[port]
        if found.pid is None or (found.pid not in own and cluster_folder_of(found.pid) != home.path):
            check_free([(what, port)])


def lay(home: ClusterHome, spec: ClusterSpec, progress: Progress, admin: str | None = None) -> tuple[Workload, ...]:
    """Users, folders, secrets, public.json; returns all workloads. Finds every program first, so that a missing one is told at once.
    ``admin``: the first admin's name, at create."""
    check_path_length(home)
    find_postgresql(spec)
    if spec.spec.pools.storage.enabled:
        find_java()  # before the jars: what takes nothing but a look comes first
        find_jars(progress)
    find_mlflow(spec, progress)
    users = ensure_users(home)
    control = ids(users["control"]) if users else None
    home.make(control)
    home.write_spec(home.spec.read_text(encoding="utf-8"), control)
    if admin is not None:
        remember_first_admin(home.store, admin)
    if users:
        check_reachable(_must_reach(home, spec), *ids(users["master"]), users["master"])
    lay_module(home, spec, progress)
    workloads = all_workloads(spec, facts(home.path, spec))  # there may be no keys yet
    random = {secret.name for workload in workloads for secret in workload.secrets if not secret.name.startswith(PREFIX)}
    find_again(home, {SEALING_KEY, TICKET_KEY, *random}, workloads, users, progress)
    ensure_secrets(home.secrets, {SEALING_KEY, TICKET_KEY, *random})
    lay_certificates(home, spec, workloads)
    write_public(home, spec, workloads)
    lay_closed(home, spec, workloads, users)
    workloads = all_workloads(spec, facts(home.path, spec))  # it reads the public keys from public.json, as the controller does
    substrate = LocalSubstrate(home.path)
    for workload in at_once(workloads):  # what starts on first use looks for its programs then
        substrate.rendered(workload)
    own_store(home, control)
    return workloads


def lay_certificates(home: ClusterHome, spec: ClusterSpec, workloads: tuple[Workload, ...]) -> None:
    """Those that are missing, due or made for other names; the spec's own as its files are now. They are laid where they are used when
    the workloads start, and at once by ``renew``."""
    names = machine_hosts_of(spec, workloads)
    if not names and spec.spec.network.tls.certificate is None:
        return
    certificates = Certificates(home.store, spec.name)
    certificates.ensure(names, spec.spec.security.tls.certificate_days)
    values = certificates.values()
    for name, value in {**values, **given_values(spec, utc_now())}.items():
        path = home.secrets / name
        if not path.is_file() or path.read_text() != value:
            write_atomic(path, value.encode(), FILE_MODE)
    certificates.published(values)


def at_once(workloads: tuple[Workload, ...]) -> tuple[Workload, ...]:
    """Those that run as soon as the cluster does: create and start wait for them."""
    return tuple(workload for workload in workloads if workload.on_demand is None)


def find_postgresql(spec: ClusterSpec) -> None:
    """The server's programs are there, and can be run on this machine."""
    try:
        programs.check_postgresql(spec.spec.pools.master.postgresql.bin)
    except programs.ProgramMissingError as error:
        raise LocalError("program_missing", error.message, where="postgresql", hint=error.hint) from error


def lay_module(home: ClusterHome, spec: ClusterSpec, progress: Progress) -> None:
    """The master's module, built where it is not there yet, in the cluster's own folder: sessions can't begin without a library that the
    server's settings name. Without a C compiler the cluster does without the module, and says so."""
    given = spec.spec.pools.master.postgresql.bin
    if spec.spec.pools.master.offload != "auto":
        return
    try:
        pg_config = Path(programs.program("pg_config", given))
        found = built(pg_config, postgresql_version(given), programs.artifacts() / "modules")
        folder = home.path / MODULES
        make_open(folder)
        if not (folder / found.name).is_file():
            write_atomic(folder / found.name, found.read_bytes(), MODULE_MODE)
    except (NotBuiltError, programs.ProgramMissingError) as error:
        progress.tell("master-0", "preparing", f"queries are handed to the compute pool in parts only: {error.message} ({error.hint})")


def find_jars(progress: Progress) -> None:
    """Fetch Hadoop's jars where they are not there yet."""
    try:
        programs.classpath("hadoop", lambda sentence: progress.tell("hadoop", "preparing", sentence))
    except programs.ProgramMissingError as error:
        raise SubstrateError(error.message, where="hadoop", hint=error.hint) from error


def find_java() -> None:
    """From here on this very Java: the controller has another PATH than whoever runs this, and must not find another one."""
    try:
        os.environ["BDC_JAVA"] = programs.program("java")
    except programs.ProgramMissingError as error:
        raise LocalError("program_missing", error.message, where="java", hint=error.hint) from error


def find_mlflow(spec: ClusterSpec, progress: Progress) -> None:
    """Without it all the rest runs, and its address says what is missing."""
    if not spec.spec.pools.app.tracking.enabled:
        return
    try:
        check_mlflow(spec)
    except programs.ProgramMissingError as error:
        progress.tell("tracking", "preparing", f"{error.message}; all else runs ({error.hint})")


def write_public(home: ClusterHome, spec: ClusterSpec, workloads: tuple[Workload, ...]) -> None:
    """What any local client may read."""
    found = endpoints(workloads, lambda name: bound(spec, name))
    content = {
        "name": spec.name,
        "id": cluster_id(home.store),
        "controller": next(entry["endpoint"] for entry in found if entry["name"] == "controller"),
        "endpoints": found,
        "sealing_public_key": sealing_public_key(home.secrets),
        "ticket_public_key": ticket_public_key(home.secrets),
        "authority": Certificates(home.store, spec.name).bundle() if encrypted(spec) or spec.spec.gateway.enabled else "",
    }
    write_atomic(home.public, json.dumps(content, indent=1, ensure_ascii=False).encode(), PUBLIC_MODE)


def own_store(home: ClusterHome, control: tuple[int, int] | None) -> None:
    """Everything in the store belongs to the control user, also what we wrote as root. Never by way of a link: the control user could
    put one in a folder's place at any moment, so names are looked up in opened folders."""
    if control is None:
        return
    for _, folders, files, opened in os.fwalk(home.store_folder):
        for name in (*folders, *files):
            with contextlib.suppress(FileNotFoundError):  # a running controller writes beside and renames
                os.chown(name, *control, dir_fd=opened, follow_symlinks=False)


def check_path_length(home: ClusterHome) -> None:
    """PostgreSQL's socket lies in the cluster's folder, and the kernel takes 107 bytes for its path."""
    if len(os.fsencode(home.path)) + SOCKET_ROOM > LONGEST_SOCKET:
        raise SubstrateError(
            f"{home.path} is too long a path for the sockets in it (at most {LONGEST_SOCKET - SOCKET_ROOM} bytes)",
            where=str(home.path),
            hint="set BDC_HOME to a shorter path",
        )


def _must_reach(home: ClusterHome, spec: ClusterSpec) -> dict[str, Path]:
    given = spec.spec.pools.master.postgresql.bin
    paths = {
        "the cluster's folder": home.path,
        "the Python interpreter": Path(sys.executable),
        "the cluster's program": Path(controller.__file__).parent,
    }
    try:
        paths["PostgreSQL"] = Path(programs.program("postgres", given))
        if mlflow_program(spec) is not None:
            paths["MLflow"] = mlflow_folder(spec) / "mlflow"
        if spec.spec.pools.storage.enabled:
            paths["Java"] = Path(programs.program("java"))
            paths["Hadoop's jars"] = Path(programs.classpath("hadoop").split(":")[0])
    except programs.ProgramMissingError as error:
        raise SubstrateError(error.message, where="programs", hint=error.hint) from error
    return paths


def _ports(home: ClusterHome) -> tuple[int, ...]:
    """The ports of another cluster, running or not; a spec that can't be read reserves nothing."""
    try:
        return tuple(port for _, port in port_numbers(read_spec(home)).named())
    except (OSError, ControllerError):
        return ()
