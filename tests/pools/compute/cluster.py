"""A master, its setup, a scratch server and the compute service as real processes, from the real workload descriptions."""

from __future__ import annotations

import base64
import os
import pathlib
import secrets as random_secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from controller.substrates.local.programs import artifacts
from pools.compute.settings import Limits
from pools.compute.workloads import ComputeSettings
from pools.compute.workloads import workloads as compute_workloads
from pools.master.offload.building import built
from pools.master.roles import drop_role, ensure_role
from pools.master.workloads import SUPERUSER, MasterSettings
from pools.master.workloads import workloads as master_workloads
from pools.workload import Workload
from tests.patience import PATIENCE
from tests.pools.compute.standin import PASSWORD
from tests.pools.master import substrate
from tests.services.postgresql import bin_folder, free_port, reachable_folder
from virtualization.plan import QueryContext  # noqa: F401 (an import that fails here fails the fixture, not the process)

from pools.compute.wire.scram import Verifier  # isort: skip


@dataclass
class Cluster:
    folder: pathlib.Path
    master: MasterSettings
    compute: ComputeSettings
    secrets: dict[str, str]
    public_key: str
    service: Workload
    process: subprocess.Popen[bytes] = field(init=False)
    running: substrate.Running = field(init=False)

    def connect(self, user: str, password: str = PASSWORD, database: str = "bdc", port: int | None = None) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=port or self.master.port, user=user, password=password, dbname=database, autocommit=True
        )

    def admin(self, database: str = "bdc") -> psycopg.Connection:
        return self.connect(SUPERUSER, self.secrets["master-superuser"], database)

    def direct(self, user: str, password: str = PASSWORD, database: str = "bdc") -> psycopg.Connection:
        return self.connect(user, password, database, self.compute.ports[0])

    @property
    def _superuser_dsn(self) -> str:
        return f"host=127.0.0.1 port={self.master.port} user={SUPERUSER} password={self.secrets['master-superuser']} dbname=postgres"

    def add_user(self, name: str, *roles: str) -> None:
        ensure_role(self._superuser_dsn, name, str(Verifier.of(PASSWORD)), roles or ("user",))

    def drop_user(self, name: str) -> None:
        drop_role(self._superuser_dsn, name)

    @property
    def log(self) -> str:
        return (self.folder / "service.log").read_text()

    def start_service(self) -> None:
        folder = self.folder / "compute"
        substrate.lay(self.service, folder, self.secrets)
        command = [substrate.render(part, self.service, folder) for part in self.service.command]
        with (self.folder / "service.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **self.service.environment})
        deadline = time.monotonic() + PATIENCE
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.compute.ports[0])) == 0:
                    return
            assert self.process.poll() is None and time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def stop_service(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextmanager
def running_cluster(limits: Limits | None = None, app_proxy: str | None = None, ticket_key: bytes | None = None) -> Iterator[Cluster]:
    key = X25519PrivateKey.generate()
    public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
    secrets = {name: random_secrets.token_urlsafe(24) for name in ("master-superuser", "pool-password", "scratch-password")}
    secrets["sealing.key"] = base64.b64encode(key.private_bytes_raw()).decode()
    secrets |= {} if ticket_key is None else {"ticket.key": base64.b64encode(ticket_key).decode()}
    port, pool_port = free_port(), free_port()
    module = str(built(bin_folder() / "pg_config", 18, artifacts() / "modules"))
    master = MasterSettings(port=port, pool_ports=(pool_port,), sealing_key=public, offload=module, settings={"fsync": "off"})
    compute = ComputeSettings(ports=(pool_port,), master_port=port, limits=limits or Limits(stop_seconds=1), app_proxy=app_proxy)
    scratch, service = compute_workloads(compute)
    server, job = master_workloads(master)
    with reachable_folder() as folder:
        cluster = Cluster(folder, master, compute, secrets, public, service)
        with (
            substrate.started(server, folder / "master", secrets) as cluster.running,
            substrate.started(scratch, folder / "compute", secrets),
        ):
            done = substrate.run_job(job, folder / "setup", secrets)
            assert done.returncode == 0, done.stderr
            cluster.start_service()
            try:
                yield cluster
            finally:
                if cluster.process.poll() is None:
                    cluster.stop_service()
