"""What the compute pool runs: per replica the service and a scratch PostgreSQL of its own. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pools.compute.settings import Limits, ServiceSettings, ShardAddress
from pools.encryption import AUTHORITY, CERTIFICATE, GIVEN, KEY, PREFIX, server_secrets
from pools.memory import ALLOCATION
from pools.metrics_listener import metrics_place
from pools.postgresql import PostgresqlServer, is_loopback, server_workload
from pools.workload import ConfigFile, Endpoint, Port, Probe, Secret, Workload

MASTER = "master-0"
SETUP = "master-setup"
SCRATCH_USER = "scratch"
FILES_AUTHORITY = "BDC_HDFS_AUTHORITY"
"""Variable that names a file with certificates for ``virtualization.connectors.hdfs.webhdfs``."""
SCRATCH_PORT = 5432
"""Only part of the socket's file name: the scratch server has no TCP."""


@dataclass(frozen=True)
class ComputeSettings:
    """Settings of the compute pool."""

    ports: tuple[int, ...]
    """One TCP port per replica."""

    master_port: int
    flight_ports: tuple[int, ...] = ()
    """One Arrow Flight port per replica, for loads of the data pool; empty where there is none."""

    shards: tuple[ShardAddress, ...] = ()
    """The data pool; ``host`` may be a placeholder."""

    app_proxy: str | None = None
    """``HOST:PORT`` of the app proxy, with placeholders; None: queries can't call apps."""

    controller: str | None = None
    """``http(s)://host:port`` of the controller, whose logins the Flight endpoint takes too, of ``issuer``; None: it does not."""

    issuer: str = ""
    same: bool = False
    """The controller shows a customer's certificate."""

    listen: str = "127.0.0.1"
    """Address that the replicas bind to. The scratch server has a socket only."""

    master_tls: Mapping[str, str] = field(default_factory=dict)
    """What libpq is told about the master's TLS."""

    encrypted: bool = False
    """TLS, with certificates of the cluster's authority, to clients, the master and the shards. Beyond loopback nobody comes in without."""

    files_encrypted: bool = False
    """The cluster's own HDFS is reached by WebHDFS over TLS, with certificates of the same authority."""

    limits: Limits = field(default_factory=Limits)
    scratch_shared_buffers_mb: int = 32
    scratch_work_mem_mb: int = 32
    postgresql_version: int = 18
    """Major version of the scratch server's program."""

    scratch_extra: Mapping[str, str] = field(default_factory=dict)
    """More lines of the scratch server's postgresql.conf."""


def workloads(settings: ComputeSettings) -> tuple[Workload, ...]:
    """``compute-<n>-scratch`` and ``compute-<n>`` for each port."""
    return tuple(one for replica in range(len(settings.ports)) for one in (_scratch(settings, replica), _service(settings, replica)))


def _scratch(settings: ComputeSettings, replica: int) -> Workload:
    instance = f"compute-{replica}"
    return server_workload(
        PostgresqlServer(
            name=f"{instance}-scratch",
            pool="compute",
            resource=instance,
            pool_instance=instance,
            superuser=SCRATCH_USER,
            superuser_secret="scratch-password",  # noqa: S106 (its name)
            port=SCRATCH_PORT,
            addresses=(),
            durable=False,
            version=settings.postgresql_version,
            shared_buffers_mb=settings.scratch_shared_buffers_mb,
            work_mem_mb=settings.scratch_work_mem_mb,
            connections=2 * settings.limits.running + 8,
            settings={"autovacuum": "off", "timezone": "UTC"} | dict(settings.scratch_extra),
        )
    )


def _loads(settings: ComputeSettings, replica: int) -> dict[str, Any]:
    """What the service is told about the data pool, and about apps."""
    told: dict[str, Any] = {"ticket_key_file": "{secrets}/ticket.key"} if _signs(settings) else {}
    if settings.app_proxy is not None:
        told["app_proxy"] = settings.app_proxy
    if settings.shards:
        told |= {"shards": settings.shards, "flight_port": settings.flight_ports[replica]}
    return told


def _logins(settings: ComputeSettings) -> dict[str, Any]:
    """What the service is told about the controller."""
    if settings.controller is None or not settings.shards:
        return {}
    told: dict[str, Any] = {"controller": settings.controller, "issuer": settings.issuer}
    if settings.controller.startswith("https:"):
        told |= {"controller_file": f"{{secrets}}/{GIVEN}.crt" if settings.same else AUTHORITY, "controller_same": settings.same}
    return told


def _signs(settings: ComputeSettings) -> bool:
    """Does it make tickets: for shards, or for the app proxy?"""
    return bool(settings.shards) or settings.app_proxy is not None


def _encryption(settings: ComputeSettings) -> dict[str, Any]:
    if not settings.encrypted:
        return {}
    return {
        "certificate_file": CERTIFICATE,
        "certificate_key_file": KEY,
        "authority_file": AUTHORITY,
        "tls_required": not is_loopback(settings.listen),
    }


def _service(settings: ComputeSettings, replica: int) -> Workload:
    instance, metrics = f"compute-{replica}", metrics_place(settings.listen)
    service = ServiceSettings(
        port=settings.ports[replica],
        host=settings.listen,
        master_host=f"{{host:{MASTER}}}",
        master_port=settings.master_port,
        pool_password_file="{secrets}/pool-password",  # noqa: S106 (its path)
        sealing_key_file="{secrets}/sealing.key",
        replica=replica,
        work_folder="{data}",
        history_file="{data}/history.jsonl",
        audit_file="{data}/audit.jsonl",
        scratch=f"host={{run}} port={SCRATCH_PORT} user={SCRATCH_USER} dbname=postgres",
        scratch_password_file="{secrets}/scratch-password",  # noqa: S106 (its path)
        metrics=metrics.where,
        limits=settings.limits,
        master_tls=dict(settings.master_tls),
        **_encryption(settings),
        **_loads(settings, replica),
        **_logins(settings),
    )
    loading = bool(settings.shards)
    flight = Endpoint(
        "data-pool" if replica == 0 else f"data-pool-{replica}",
        "Data pool: loads and reads over Arrow Flight",
        ("grpc+tls" if settings.encrypted else "grpc") + "://{host}:{port:flight}",
        "grpc",
    )
    return Workload(
        name=instance,
        pool="compute",
        service="sql",
        resource=instance,
        pool_instance=instance,
        command=("{python}", "-m", "pools.compute.service", "--config", "{config}/compute.json"),
        environment={**ALLOCATION, **({FILES_AUTHORITY: AUTHORITY} if settings.files_encrypted else {})},
        files=(ConfigFile("compute.json", service.json()),),
        secrets=(
            Secret("pool-password", "pool-password"),
            Secret("sealing.key", "sealing.key"),
            Secret("scratch-password", "scratch-password"),
            *((Secret("ticket.key", "ticket.key"),) if _signs(settings) else ()),
            *(server_secrets(instance) if settings.encrypted else ()),
            *((Secret(f"{PREFIX}{GIVEN}.crt", f"{GIVEN}.crt"),) if settings.controller is not None and settings.same else ()),
        ),
        ports=(
            Port("sql", settings.ports[replica]),
            *((Port("flight", settings.flight_ports[replica]),) if loading else ()),
            *metrics.ports,
        ),
        ready=Probe("tcp", "sql"),
        endpoints=(
            Endpoint(instance, "Compute pool, direct SQL over virtual tables", "{host}:{port:sql}", "postgresql"),
            *((flight,) if loading else ()),
        ),
        requires=(SETUP, f"{instance}-scratch"),
        stop_seconds=settings.limits.stop_seconds + 5,
        ready_seconds=60,
        memory_mb=settings.limits.memory_mb,
        metrics=metrics.scrape,
    )
