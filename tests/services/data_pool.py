"""A small data pool of real processes, started in seconds: a master with the extension, shards, compute replicas (no scratch server).

    with data_pool(shards=2) as pool:
        with pool.connect("alice") as connection: ...           # SQL at the master, as a user
        client = pool.client("alice")                            # Flight at the coordinator
        load = client.ask("begin", {"table": "public.t", "mode": "append"})
        client.put(load, {0: table_of_shard_0}); client.ask("commit", …)
        pool.shards[0].kill(); pool.shards[0].start()

The fixture ``data_pool`` (tests/conftest.py) keeps one for the whole run: make tables of your own in it, and leave it healthy.
"""

from __future__ import annotations

import base64
import json
import os
import pathlib
import re
import secrets as random_secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pyarrow as pa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from pyarrow import flight

from pools.compute.settings import Limits, ServiceSettings, ShardAddress
from pools.data.settings import Limits as ShardLimits
from pools.data.settings import ShardSettings
from pools.master.roles import ensure_role
from pools.master.scram import scram_verifier
from pools.master.workloads import SUPERUSER, MasterSettings
from pools.master.workloads import workloads as master_workloads
from pools.memory import ALLOCATION
from pools.tickets import Signer, make_private_key
from tests.pools.master import substrate
from tests.services.forkserver import Forked, Forks
from tests.services.postgresql import free_port, reachable_folder

PASSWORD = "Some-pass-1234"
DATABASE = "bdc"
READY_SECONDS = 120
STOP_SECONDS = 60


@dataclass
class Service:
    """One of our processes, which listens on ``port`` when it is ready."""

    name: str
    module: str
    port: int
    folder: pathlib.Path
    settings: str
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | Forked | None = None
    forks: Forks | None = None
    """Start it sooner."""

    def start(self) -> None:
        """Returns when it listens."""
        self.folder.mkdir(exist_ok=True)
        config = self.folder / "config.json"
        config.write_text(self.settings)
        log = self.folder / "log"
        if self.forks is not None:
            self.process = self.forks.start(self.module, ["--config", str(config)], log, self.environment)
        else:
            with log.open("ab") as sink:
                command = [sys.executable, "-m", self.module, "--config", str(config)]
                self.process = subprocess.Popen(command, stdout=sink, stderr=sink, env={**os.environ, **self.environment})
        deadline = time.monotonic() + READY_SECONDS
        while not listens(self.port):
            assert self.process.poll() is None and time.monotonic() < deadline, self.log[-4000:]
            time.sleep(0.03)

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """In good order; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def end(self) -> None:
        """Whatever state it is in, it does not run afterwards. That it does not stop in good order is an error all the same."""
        if self.process is None or self.process.poll() is not None:
            return
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    @property
    def log(self) -> str:
        """All that it wrote."""
        return (self.folder / "log").read_text(errors="replace")


def listens(port: int) -> bool:
    """Does anybody take connections there?"""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Client:
    """A client of the coordinator, as Spark is one."""

    def __init__(self, location: str, user: str, password: str = PASSWORD, database: str = DATABASE) -> None:
        self.flight = flight.FlightClient(location)
        header = (b"bdc-database", database.encode())
        token = self.flight.authenticate_basic_token(user.encode(), password.encode(), flight.FlightCallOptions(headers=[header]))
        self.headers = [header, token]
        self.options = flight.FlightCallOptions(headers=self.headers, timeout=60)

    def ask(self, action: str, body: Mapping[str, Any], seconds: float = 60) -> dict[str, Any]:
        """One action; its error is a FlightError with JSON in it: see ``refusal``."""
        options = flight.FlightCallOptions(headers=self.headers, timeout=seconds)
        (result,) = self.flight.do_action(flight.Action(action, json.dumps(body).encode()), options)
        answer: dict[str, Any] = json.loads(result.body.to_pybytes())
        return answer

    def put(
        self, load: Mapping[str, Any], rows: Mapping[int, pa.Table], partition: int = 0, attempt: int = 0, *, relay: bool = False
    ) -> list[Any]:
        """Send each shard its rows, directly or through the coordinator; the winner's entry for ``commit``."""
        counts = {}
        for shard in load["shards"]:
            table = rows.get(shard["number"])
            if table is None:
                continue
            command: dict[str, Any] = {"ticket": shard["ticket"], "partition": partition, "attempt": attempt}
            if relay:
                answer = send(self.flight, command | {"shard": shard["number"]}, table, self.options)
            else:
                with flight.FlightClient(shard["address"]) as direct:
                    answer = send(direct, command, table)
            counts[shard["number"]] = answer["rows"]
        return [partition, attempt, counts]

    def load(self, table: str, rows: Mapping[int, pa.Table], mode: str = "append", **more: object) -> dict[str, Any]:
        """Begin, put, commit."""
        begun = self.ask("begin", {"table": table, "mode": mode, **more})
        winner = self.put(begun, rows)
        return self.ask("commit", {"load": begun["load"], "winners": [winner]})

    def close(self) -> None:
        """End the connection."""
        self.flight.close()


def send(
    client: flight.FlightClient, command: Mapping[str, Any], table: pa.Table, options: flight.FlightCallOptions | None = None
) -> dict[str, Any]:
    """One stream as the protocol has it; the shard's answer."""
    descriptor = flight.FlightDescriptor.for_command(json.dumps(command).encode())
    writer, reader = client.do_put(descriptor, table.schema, options or flight.FlightCallOptions(timeout=60))
    with writer:
        writer.write_table(table, max_chunksize=10_000)
        writer.write_metadata(json.dumps({"rows": table.num_rows}).encode())
        writer.done_writing()
        answer = reader.read()
    assert answer is not None
    said: dict[str, Any] = json.loads(answer.to_pybytes())
    return said


def refusal(error: BaseException) -> dict[str, Any]:
    """The JSON object in a Flight error."""
    text = str(error)
    said, _ = json.JSONDecoder().raw_decode(text[text.index("{") :])
    assert isinstance(said, dict)
    return said


@dataclass
class DataPool:
    """See the module."""

    folder: pathlib.Path
    master: MasterSettings
    secrets: dict[str, str]
    signer: Signer
    shards: list[Service]
    replicas: list[Service]
    flight_ports: list[int]
    master_process: substrate.Running | None = None

    def connect(self, user: str, password: str = PASSWORD, database: str = DATABASE, port: int | None = None) -> psycopg.Connection[Any]:
        """At the master, or (``port``) at a replica; autocommit."""
        return psycopg.connect(
            host="127.0.0.1", port=port or self.master.port, user=user, password=password, dbname=database, autocommit=True
        )

    def admin(self, database: str = DATABASE) -> psycopg.Connection[Any]:
        """The master's superuser."""
        return self.connect(SUPERUSER, self.secrets["master-superuser"], database)

    def direct(self, user: str, replica: int = 0) -> psycopg.Connection[Any]:
        """SQL at a compute replica."""
        return self.connect(user, port=self.replicas[replica].port)

    def client(self, user: str, password: str = PASSWORD, database: str = DATABASE, replica: int = 0) -> Client:
        """Flight at a compute replica."""
        return Client(f"grpc://127.0.0.1:{self.flight_ports[replica]}", user, password, database)

    def add_user(self, name: str, *roles: str, password: str = PASSWORD) -> None:
        """As ``bdc user create``; ``roles``: user, admin."""
        superuser = self.secrets["master-superuser"]
        dsn = f"host=127.0.0.1 port={self.master.port} user={SUPERUSER} password={superuser} dbname=postgres"
        ensure_role(dsn, name, scram_verifier(password), roles or ("user",))

    def stop_master(self) -> None:
        """In good order; ``start_master`` brings it back."""
        assert self.master_process is not None
        self.master_process.stop()

    def start_master(self) -> None:
        """Returns when it takes connections."""
        server, _ = master_workloads(self.master)
        self.master_process = substrate.start(server, self.folder / "master", self.secrets)


@contextmanager
def data_pool(
    shards: int = 2, replicas: int = 1, shard_limits: ShardLimits | None = None, forks: Forks | None = None
) -> Iterator[DataPool]:
    """Start one (about 6 s), stop it and remove it at the end. Users ``admin`` (admin) and ``alice``, ``bob`` (user) are there. ``forks``:
    for tests, which need not pay a second of imports at each start."""
    sealing = X25519PrivateKey.generate()
    signer = Signer(make_private_key())
    ports = [free_port() for _ in range(shards + 2 * replicas + 1)]
    shard_ports, sql_ports, flight_ports = ports[:shards], ports[shards : shards + replicas], ports[shards + replicas : -1]
    secrets = {name: random_secrets.token_urlsafe(24) for name in ("master-superuser", "pool-password")}
    master = MasterSettings(
        port=ports[-1],
        pool_hosts=("127.0.0.1",) * replicas,
        pool_ports=tuple(sql_ports),
        sealing_key=base64.b64encode(sealing.public_key().public_bytes_raw()).decode(),
        settings={"fsync": "off"},
        data_shards=shards,
        flight_addresses=tuple(f"127.0.0.1:{port}" for port in flight_ports),
    )
    with reachable_folder("openbdc-data-") as folder, ExitStack() as stack:
        keys = {
            "sealing.key": base64.b64encode(sealing.private_bytes_raw()),
            "ticket.key": make_secret(signer),
            "pool-password": secrets["pool-password"],
        }
        for name, content in keys.items():
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        shard_services = [_shard(folder, number, port, signer, shard_limits) for number, port in enumerate(shard_ports)]
        addresses = tuple(ShardAddress(number, "127.0.0.1", port) for number, port in enumerate(shard_ports))
        computes = [_replica(folder, number, sql_ports[number], flight_ports[number], master, addresses) for number in range(replicas)]
        pool = DataPool(folder, master, secrets, signer, shard_services, computes, flight_ports)
        stack.callback(_tell_internal_errors, pool)
        stack.callback(_stop_master, pool)
        for service in (*pool.shards, *pool.replicas):
            service.forks = forks
        for service in (*pool.shards, *pool.replicas):  # replicas end first; one that does not end keeps no other from it
            stack.callback(service.end)
        for shard in pool.shards:
            shard.start()
        pool.start_master()
        _, job = master_workloads(master)
        done = substrate.run_job(job, folder / "setup", secrets)
        assert done.returncode == 0, done.stderr
        for replica in pool.replicas:
            replica.start()
        pool.add_user("admin", "admin")
        pool.add_user("alice")
        pool.add_user("bob")
        yield pool


def _tell_internal_errors(pool: DataPool) -> None:
    """Tests see a reference into a log that goes with the pool."""
    for service in (*pool.replicas, *pool.shards):
        _, *found = re.split(r"\[error    \] (?=internal error|a Flight call failed|an operation failed)", service.log)
        for each in found:
            print(f"{service.name}: {each[:4000]}", file=sys.__stderr__)


def make_secret(signer: Signer) -> bytes:
    """The private key's file."""
    return base64.b64encode(signer._all()[0].private_bytes_raw())


def _shard(folder: pathlib.Path, number: int, port: int, signer: Signer, limits: ShardLimits | None) -> Service:
    home = folder / f"data-{number}"
    settings = ShardSettings(port, number, str(home / "rows"), signer.public_key, limits=limits or ShardLimits(memory_mb=1024))
    return Service(f"data-{number}", "pools.data.service", port, home, settings.json(), ALLOCATION | {"TZ": "UTC"})


def _replica(
    folder: pathlib.Path, number: int, port: int, flight_port: int, master: MasterSettings, shards: Sequence[ShardAddress]
) -> Service:
    settings = ServiceSettings(
        port=port,
        master_host="127.0.0.1",
        master_port=master.port,
        pool_password_file=str(folder / "pool-password"),
        sealing_key_file=str(folder / "sealing.key"),
        replica=number,
        work_folder=str(folder / f"compute-{number}"),
        shards=tuple(shards),
        ticket_key_file=str(folder / "ticket.key"),
        flight_port=flight_port,
        limits=Limits(stop_seconds=1),
    )
    return Service(f"compute-{number}", "pools.compute.service", port, folder / f"compute-{number}", settings.json(), ALLOCATION)


def _stop_master(pool: DataPool) -> None:
    if pool.master_process is not None:
        pool.master_process.stop()
