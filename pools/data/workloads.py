"""What the data pool runs: one service per shard. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from pools.data.settings import Limits, ShardSettings
from pools.memory import ALLOCATION
from pools.workload import ConfigFile, Port, Probe, Workload

FLIGHT_PORT = "data"
"""The name of a shard's port."""


@dataclass(frozen=True)
class DataSettings:
    """Settings of the data pool."""

    ports: tuple[int, ...]
    """One TCP port per shard."""

    ticket_public_key: str
    """Standard base64 of 32 bytes."""

    limits: Limits = field(default_factory=Limits)
    """Of each shard."""


def workloads(settings: DataSettings) -> tuple[Workload, ...]:
    """``data-<n>`` for each port."""
    return tuple(_shard(settings, number) for number in range(len(settings.ports)))


def _shard(settings: DataSettings, number: int) -> Workload:
    name = f"data-{number}"
    service = ShardSettings(
        port=settings.ports[number],
        number=number,
        data_folder="{data}",
        ticket_public_key=settings.ticket_public_key,
        limits=settings.limits,
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
        ports=(Port(FLIGHT_PORT, settings.ports[number]),),
        # the port opens when the file is open and its segments are known
        ready=Probe("tcp", FLIGHT_PORT),
        stop_seconds=settings.limits.stop_seconds + 15,
        ready_seconds=60,
        memory_mb=settings.limits.memory_mb,
    )
