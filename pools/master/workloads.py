"""The master's workloads: the server ``master-0`` and the job ``master-setup``. Pure and cheap to import: no database driver in here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from pools.master.extension import extension_files
from pools.postgresql import PostgresqlServer, Tls, quoted, server_workload
from pools.workload import ConfigFile, Endpoint, Secret, Workload

SUPERUSER = "bdc_controller"
SUPERUSER_SECRET = "master-superuser"  # noqa: S105 - the name of a secret, not one
POOL_SECRET = "pool-password"  # noqa: S105 - likewise

VANISHED_CLIENT = "500ms"
"""How soon a statement is stopped, at its sources too, when its client is gone (PostgreSQL's default: when it next sends something)."""


@dataclass(frozen=True)
class MasterSettings:
    """What the spec decides about the master pool."""

    port: int = 31433
    """TCP port of ``master-0``."""
    addresses: tuple[str, ...] = ("127.0.0.1",)
    """Where it listens; anything beyond loopback needs ``tls``."""
    networks: tuple[str, ...] = ("127.0.0.1/32", "::1/128")
    """Clients that are let in (CIDR)."""
    tls: Tls | None = None
    database: str = "bdc"
    """The first user database: the one that clients are pointed to."""
    more_databases: tuple[str, ...] = ()
    """Further user databases; a missing one is made, none is ever dropped."""
    pool_hosts: tuple[str, ...] = ("127.0.0.1",)
    """Addresses of the compute pool's replicas as the master reaches them; ``pool_ports`` runs beside it."""
    pool_ports: tuple[int, ...] = (31434,)
    sealing_key: str | None = None
    """The cluster's public sealing key, base64; None: ``bdc.sealing_key()`` says that there is none yet."""
    storage_location: str | None = None
    """``hdfs://host:port`` of the cluster's own HDFS: the data source ``hdfs`` of the user databases above. None: there is no HDFS."""
    data_shards: int = 0
    """Shards of the data pool: where there are any, the user databases get the data source ``data_pool``."""
    flight_addresses: tuple[str, ...] = ()
    """``host:port`` of each compute replica's Flight endpoint: what ``bdc.flight_address()`` answers with. Empty without shards."""
    statement_timeout_seconds: float = 0
    """Default time limit of a statement, 0: none. A session may set its own."""
    version: int = 18
    """Major version of the PostgreSQL that ``{program:postgres}`` is."""
    offload: str | None = None
    """Path of the module that hands whole queries to the compute pool (``pools.master.offload``); None: sessions do without."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """More lines of postgresql.conf, values as they stand there."""


def workloads(settings: MasterSettings) -> tuple[Workload, ...]:
    """``master-0`` and ``master-setup``. Raises ``pools.postgresql.ListenError`` for listening beyond loopback without TLS."""
    return (_server(settings), _setup(settings))


def _server(settings: MasterSettings) -> Workload:
    return server_workload(
        PostgresqlServer(
            name="master-0",
            pool="master",
            resource="master",
            superuser=SUPERUSER,
            superuser_secret=SUPERUSER_SECRET,
            port=settings.port,
            addresses=settings.addresses,
            networks=settings.networks,
            tls=settings.tls,
            version=settings.version,
            statement_timeout_ms=round(settings.statement_timeout_seconds * 1000),
            extension_folder=True,
            settings={"client_connection_check_interval": VANISHED_CLIENT, **_modules(settings)} | dict(settings.settings),
            files=tuple(ConfigFile(f"extension/{name}", content) for name, content in extension_files().items()),
            endpoints=(
                Endpoint(
                    name="sql-server-master",
                    description="SQL: master instance (PostgreSQL)",
                    address="postgresql://{host:master-0}:{port:sql}/" + settings.database,
                    protocol="postgresql",
                ),
            ),
        )
    )


def _modules(settings: MasterSettings) -> dict[str, str]:
    return {} if settings.offload is None else {"session_preload_libraries": quoted(f'"{settings.offload}"')}


def _setup(settings: MasterSettings) -> Workload:
    """The extension's digest is part of the job's content, so that a newer extension runs the job again."""
    content = {
        "dsn": "host={host:master-0} port=" + f"{settings.port} user={SUPERUSER} dbname=postgres",
        "password_file": "{secrets}/superuser",
        "pool_password_file": "{secrets}/pool",
        "pool_hosts": list(settings.pool_hosts),
        "pool_ports": list(settings.pool_ports),
        "databases": list(dict.fromkeys((settings.database, *settings.more_databases))),
        "sealing_key": settings.sealing_key,
        "storage_location": settings.storage_location,
        "data_shards": settings.data_shards,
        "flight_addresses": list(settings.flight_addresses),
    }
    return Workload(
        name="master-setup",
        kind="job",
        pool="control",
        service="sql",
        resource="master",
        command=("{python}", "-m", "pools.master.setup", "--config", "{config}/setup.json"),
        environment={"OPENBDC_EXTENSION": extension_digest()},
        files=(ConfigFile("setup.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n"),),
        secrets=(Secret(SUPERUSER_SECRET, "superuser"), Secret(POOL_SECRET, "pool")),
        requires=("master-0",),
        ready_seconds=120.0,
    )


def extension_digest() -> str:
    """Changes whenever a file of the extension does."""
    digest = hashlib.sha256()
    for name, content in sorted(extension_files().items()):
        digest.update(f"{name}\0{content}\0".encode())
    return digest.hexdigest()[:16]
