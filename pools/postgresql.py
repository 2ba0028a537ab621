"""A PostgreSQL server as a workload: the master, and the scratch server beside each compute replica.

Pure: settings in, a ``Workload`` out. What both servers share is decided here: SCRAM for every login, loopback only unless there
is TLS or the network is guarded, nothing of a statement in the log, small when idle, fast shutdown on stop.

A note for supervisors: after ``kill -9`` of the postmaster its backends live on (each in a session of its own) until they next wait
for the client, and a new postmaster refuses to start while one of them holds the shared memory. So whoever restarts this workload
must first end every descendant of the old process and wait until they are gone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from pools.ldap import CA_FILE, Ldap
from pools.workload import ConfigFile, Endpoint, PoolName, Port, Prepare, Probe, Secret, Workload

DATA = "{data}/pgdata"
SUPERUSER_FILE = "superuser"
OLDEST_SUPPORTED = 15
EXTENSION_PATH_SINCE = 18
"""Older servers look for extensions in their own folder only."""

ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": "16777216", "MALLOC_MMAP_THRESHOLD_": "8388608"}
"""glibc's, in bytes. By default a backend gives the memory of each batch of foreign rows back and has it mapped and zeroed anew for the
next one, which is a quarter of its system time; so up to 16 MiB stay with a session until it ends."""


class ListenError(ValueError):
    """The server would be reached from outside of this machine without TLS."""


@dataclass(frozen=True)
class Tls:
    """Paths of a certificate and its key, as the server's process sees them (placeholders allowed)."""

    certificate: str
    key: str


@dataclass(frozen=True)
class PostgresqlServer:
    """Everything that tells one server from another.

    name, pool, service, resource, pool_instance, requires: as in ``Workload``.
    """

    name: str
    pool: PoolName
    resource: str
    superuser: str
    superuser_secret: str
    """Name in the cluster's secret store of the superuser's first password."""
    port: int
    """TCP port; also the number in the socket's file name."""
    addresses: tuple[str, ...] = ("127.0.0.1",)
    """Where TCP listens; empty: only the unix socket in ``{run}``."""
    networks: tuple[str, ...] = ("127.0.0.1/32", "::1/128")
    """Clients that pg_hba.conf lets in (CIDR), always by SCRAM, by TLS where there is ``tls``, and outside of loopback unless the server is
    ``guarded``."""
    tls: Tls | None = None
    guarded: bool = False
    """True: something outside of the server lets only the cluster's own pods reach it (a NetworkPolicy), so it may listen without TLS."""
    ldap: Ldap | None = None
    """Whose passwords a directory checks; its clients come by TLS, or on loopback. None: nobody's."""
    durable: bool = True
    """False: no fsync, minimal WAL: for data that may vanish with the process."""
    version: int = 18
    """Major version: settings that older servers do not know are left out."""
    shared_buffers_mb: int = 64
    work_mem_mb: int = 16
    connections: int = 100
    statement_timeout_ms: int = 0
    """Default of every session, 0: none. A session may set its own."""
    extension_folder: bool = False
    """True: ``{config}/extension`` is searched for extensions: by PostgreSQL 18; an older one is started by ``pools.master.old_server``."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """More lines of postgresql.conf; they win over those written here."""
    files: tuple[ConfigFile, ...] = ()
    secrets: tuple[Secret, ...] = ()
    """More than the superuser's password."""
    endpoints: tuple[Endpoint, ...] = ()
    pool_instance: str | None = None
    requires: tuple[str, ...] = ()


def server_workload(server: PostgresqlServer) -> Workload:
    """The workload; ``ListenError`` where it would be reached from outside without TLS, ``ValueError`` for a version that can't work."""
    if not server.guarded:
        refuse_open_listening(server.addresses, server.tls)
    if server.version < OLDEST_SUPPORTED:
        raise ValueError(f"PostgreSQL {server.version} is too old; {OLDEST_SUPPORTED} is the oldest that works")
    return Workload(
        name=server.name,
        pool=server.pool,
        service="sql",
        resource=server.resource,
        pool_instance=server.pool_instance,
        command=(*_program(server), "-D", DATA, "--config-file={config}/postgresql.conf", "--hba-file={config}/pg_hba.conf"),
        environment={"TZ": "UTC", "LC_ALL": "C.UTF-8", **ALLOCATOR, **(server.ldap.environment() if server.ldap is not None else {})},
        files=(
            ConfigFile("postgresql.conf", postgresql_conf(server)),
            ConfigFile("pg_hba.conf", pg_hba_conf(server)),
            *((ConfigFile(CA_FILE, server.ldap.ca, literal=True),) if server.ldap is not None else ()),
            *server.files,
        ),
        secrets=(Secret(server.superuser_secret, SUPERUSER_FILE), *server.secrets),
        ports=(Port("sql", server.port),) if server.addresses else (),
        prepare=(_initdb(server),),
        ready=Probe("exec", command=("{program:pg_isready}", "-q", "-h", "{run}", "-p", str(server.port), "-d", "postgres", "-t", "3")),
        endpoints=server.endpoints,
        requires=server.requires,
        outward=(server.ldap.port,) if server.ldap is not None else (),
        stop_signal="INT",
        stop_seconds=20.0,
        ready_seconds=120.0,
    )


def _program(server: PostgresqlServer) -> tuple[str, ...]:
    if not server.extension_folder or server.version >= EXTENSION_PATH_SINCE:
        return ("{program:postgres}",)
    return ("{python}", "-m", "pools.master.old_server", "{run}/postgresql", "{config}/extension", "{program:postgres}")


def refuse_open_listening(addresses: tuple[str, ...], tls: Tls | None) -> None:
    """Raise ``ListenError`` when an address is not loopback and there is no TLS."""
    outside = [address for address in addresses if not is_loopback(address)]
    if outside and tls is None:
        raise ListenError(
            f"PostgreSQL may not listen on {', '.join(outside)} without TLS: passwords and rows would cross the network in clear. "
            "Listen on 127.0.0.1, or give a certificate and a PostgreSQL that is built with TLS "
            "(a system one or the image; the one from the wheel is not)."
        )


def is_loopback(address: str) -> bool:
    """Can only this machine reach ``address`` (a host name or an IP address)?"""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _initdb(server: PostgresqlServer) -> Prepare:
    """initdb writes beside the final folder and is renamed when complete, so that a half-made folder is never taken for a server's."""
    script = 'initdb="$1"; data="$2"; shift 2; "$initdb" -D "$data.new" "$@" && mv "$data.new" "$data"'
    options = [
        f"--username={server.superuser}",
        "--pwfile={secrets}/" + SUPERUSER_FILE,
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--no-instructions",
    ]
    if server.version >= 16:
        options.append("--set=shared_buffers=16MB")
    if server.version >= 17:
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    else:
        options += ["--lc-collate=C.UTF-8", "--lc-ctype=C.UTF-8"]
    if not server.durable:
        options.append("--no-sync")
    return Prepare(
        name="initdb",
        command=("/bin/sh", "-c", script, "initdb", "{program:initdb}", DATA, *options),
        creates=DATA,
        removes=str(PurePosixPath(DATA)) + ".new",
    )


def postgresql_conf(server: PostgresqlServer) -> str:
    """The whole file; what it does not name stays at PostgreSQL's default."""
    settings: dict[str, str] = {
        "listen_addresses": quoted(",".join(server.addresses)),
        "port": str(server.port),
        "unix_socket_directories": "'{run}'",
        "unix_socket_permissions": "0700",
        "max_connections": str(server.connections),
        "password_encryption": "scram-sha-256",
        "tcp_keepalives_idle": "60",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "statement_timeout": str(server.statement_timeout_ms),
        **_memory(server),
        **_logging(),
    }
    if not server.durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "wal_level": "minimal", "max_wal_senders": "0"}
    if server.tls is not None:
        settings |= {
            "ssl": "on",
            "ssl_cert_file": quoted(server.tls.certificate),
            "ssl_key_file": quoted(server.tls.key),
            "ssl_min_protocol_version": "'TLSv1.2'",
        }
    if server.extension_folder and server.version >= EXTENSION_PATH_SINCE:
        settings["extension_control_path"] = "'{config}:$system'"
    settings |= server.settings
    return "".join(f"{name} = {value}\n" for name, value in settings.items())


def _memory(server: PostgresqlServer) -> dict[str, str]:
    """Small when idle: only touched pages of shared_buffers count, and processes that would wait for work that never comes are off."""
    settings = {
        "shared_buffers": f"{server.shared_buffers_mb}MB",
        "work_mem": f"{server.work_mem_mb}MB",
        "maintenance_work_mem": "64MB",
        "huge_pages": "off",
        "jit": "off",
        "max_logical_replication_workers": "0",
        "max_worker_processes": "4",
        "max_parallel_workers": "2",
        "max_parallel_workers_per_gather": "2",
        "autovacuum_naptime": "60s",
        "autovacuum_max_workers": "2",
    }
    if server.version >= 18:
        settings["io_method"] = "sync"
    return settings


def _logging() -> dict[str, str]:
    """To standard error, without any statement: a failed ``ALTER ROLE … PASSWORD`` must not land in a log file."""
    return {
        "logging_collector": "off",
        "log_destination": "stderr",
        "log_line_prefix": "'%m [%p] %q%u@%d '",
        "log_statement": "none",
        "log_min_duration_statement": "-1",
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
        "log_checkpoints": "off",
        "log_autovacuum_min_duration": "-1",
    }


def pg_hba_conf(server: PostgresqlServer) -> str:
    """SCRAM everywhere, also on the unix socket: who shares the pool's OS user still has to know the password. But for members of
    ``ldap.role``, whose password goes to the directory."""
    found = ["local all all scram-sha-256"]
    for network in server.networks if server.addresses else ():
        loopback = ipaddress.ip_network(network).is_loopback
        plain = server.guarded or (server.tls is None and loopback)
        if server.ldap is not None:
            found.append(server.ldap.line(network, plain=plain and loopback))
        found.append(f"{'host' if plain else 'hostssl'} all all {network} scram-sha-256")
    return "\n".join(found) + "\n"


def quoted(value: str) -> str:
    """``value`` as a string of postgresql.conf."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
