"""A data pool behind a gateway: a replica of its compute pool that takes the logins of the gateway's controller."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator
from contextlib import contextmanager

from pyarrow import flight

from pools.compute.settings import Limits, ServiceSettings, ShardAddress
from tests.controller.api.service import ISSUER
from tests.pools.gateway.running import Running, gateway
from tests.services.data_pool import Client, DataPool, Service
from tests.services.postgresql import free_port


class LoggedIn(Client):
    """With a login's token, through the gateway."""

    def __init__(self, running: Running, token: str | None, database: str = "bdc") -> None:
        self.flight = flight.FlightClient(
            f"grpc+tls://127.0.0.1:{running.port}", tls_root_certs=pathlib.Path(running.certificates.root).read_text()
        )
        self.headers = [(b"bdc-database", database.encode())]
        if token is not None:
            self.headers.append((b"authorization", f"Bearer {token}".encode()))
        self.options = flight.FlightCallOptions(headers=self.headers, timeout=120)


@contextmanager
def replica(pool: DataPool, folder: pathlib.Path, controller: str, flight_port: int) -> Iterator[Service]:
    """One more of the pool's, on that Flight port."""
    found = ServiceSettings.read(pool.replicas[0].folder / "config.json")
    settings = dataclasses.replace(
        found,
        port=free_port(),
        flight_port=flight_port,
        work_folder=str(folder),
        shards=tuple(ShardAddress(shard.number, shard.host, shard.port) for shard in found.shards),
        limits=Limits(stop_seconds=1),
        controller=controller,
        issuer=ISSUER,
    )
    made = Service("compute-behind", "pools.compute.service", settings.port, folder, settings.json(), forks=pool.replicas[0].forks)
    made.start()
    try:
        yield made
    finally:
        made.end()


@contextmanager
def flights(pool: DataPool, folder: pathlib.Path) -> Iterator[Running]:
    """The gateway."""
    port = free_port()
    with (
        gateway(folder, flight=(f"127.0.0.1:{port}",)) as running,
        replica(pool, folder / "compute", str(running.api.client.base_url).rstrip("/"), port),
    ):
        yield running
