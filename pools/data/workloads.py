"""What the data pool runs: one service per shard. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from pools.data.settings import Limits, ShardSettings
from pools.encryption import CERTIFICATE, KEY, server_secrets
from pools.memory import ALLOCATION
from pools.metrics_listener import metrics_place
from pools.workload import ConfigFile, Port, Probe, Secret, Workload

TICKET_KEYS = "ticket.pub"
"""Public halves of the keys that sign tickets: of no secret, but laid like one."""
FLIGHT_PORT = "data"
"""The name of a shard's port."""


@dataclass(frozen=True)
class DataSettings:
    """Settings of the data pool."""

    ports: tuple[int, ...]
    """One TCP port per shard."""

    ticket_public_key: str
    """Standard base64 of 32 bytes."""

    keys_laid: bool = False
    """The keys come as the secret ``ticket.pub``, which is laid anew when they are rotated; ``ticket_public_key`` is not needed then."""

    limits: Limits = field(default_factory=Limits)
    """Of each shard."""

    listen: str = "127.0.0.1"
    """Address that the shards bind to."""

    encrypted: bool = False
    """TLS, with certificates of the cluster's authority."""


def workloads(settings: DataSettings) -> tuple[Workload, ...]:
    """``data-<n>`` for each port."""
    return tuple(_shard(settings, number) for number in range(len(settings.ports)))


def _shard(settings: DataSettings, number: int) -> Workload:
    name, metrics = f"data-{number}", metrics_place(settings.listen)
    service = ShardSettings(
        port=settings.ports[number],
        number=number,
        data_folder="{data}",
        ticket_public_key="" if settings.keys_laid else settings.ticket_public_key,
        ticket_keys_file="{secrets}/ticket.pub" if settings.keys_laid else None,
        host=settings.listen,
        metrics=metrics.where,
        limits=settings.limits,
        certificate_file=CERTIFICATE if settings.encrypted else None,
        certificate_key_file=KEY if settings.encrypted else None,
    )
    return Workload(
        name=name,
        pool="data",
        service="sql",
        resource=name,
        command=("{python}", "-m", "pools.data.service", "--config", "{config}/data.json"),
        # DuckDB's sessions take their time zone from the environment; rows know UTC only
        environment=ALLOCATION | {"TZ": "UTC"},
        files=(ConfigFile("data.json", service.json()),),
        secrets=(
            *((Secret(TICKET_KEYS, TICKET_KEYS),) if settings.keys_laid else ()),
            *(server_secrets(name) if settings.encrypted else ()),
        ),
        ports=(Port(FLIGHT_PORT, settings.ports[number]), *metrics.ports),
        # the port opens when the file is open and its segments are known
        ready=Probe("tcp", FLIGHT_PORT),
        stop_seconds=settings.limits.stop_seconds + 15,
        ready_seconds=60,
        memory_mb=settings.limits.memory_mb,
        metrics=metrics.scrape,
    )
