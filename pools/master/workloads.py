"""The master's workloads: the server ``master-0`` and the job ``master-setup``. Pure and cheap to import: no database driver in here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from pools.encryption import AUTHORITY, CERTIFICATE, CLIENT_SECRETS, KEY, libpq, server_secrets
from pools.ldap import Ldap
from pools.master.extension import extension_files
from pools.postgresql import PostgresqlServer, Tls, quoted, server_workload
from pools.workload import ConfigFile, Endpoint, Port, Probe, Secret, Workload

SUPERUSER = "bdc_controller"
SUPERUSER_SECRET = "master-superuser"  # noqa: S105 - the name of a secret, not one
POOL_SECRET = "pool-password"  # noqa: S105 - likewise

FRONT = "master-0-tls"
"""TLS in front of a PostgreSQL that was built without."""

VANISHED_CLIENT = "500ms"
"""How soon a statement is stopped, at its sources too, when its client is gone (PostgreSQL's default: when it next sends something)."""
REFUSED_MILLISECONDS = 500


@dataclass(frozen=True)
class MasterSettings:
    """What the spec decides about the master pool."""

    port: int = 31433
    """TCP port of ``master-0``."""
    addresses: tuple[str, ...] = ("127.0.0.1",)
    """Where it listens; anything beyond loopback needs ``tls``, or that it is ``guarded``."""
    networks: tuple[str, ...] = ("127.0.0.1/32", "::1/128")
    """Clients that are let in (CIDR)."""
    tls: Tls | None = None
    encrypted: str | None = None
    """Name under which the cluster's authority made the master's certificate (``pools/encryption.py``): it is served instead of ``tls``,
    everybody is verified by it, and who comes without TLS is refused beyond loopback. None: it made none."""
    front: bool = False
    """With ``encrypted``: PostgreSQL itself has no TLS, so ``master-0-tls`` stands in front of it."""
    clients: Mapping[str, str] = field(default_factory=dict)
    """What libpq is told about the master's TLS; ``{secrets}`` in it is the client's own."""
    ldap: Ldap | None = None
    """The directory that checks the passwords of its own people; None: PostgreSQL has them all."""
    delays: bool = False
    """PostgreSQL has ``auth_delay``: a wrong password is answered no sooner than after half a second, as at the compute pool."""
    guarded: bool = False
    """A NetworkPolicy lets only the cluster's own pods reach it."""
    database: str = "bdc"
    """The first user database: the one that clients are pointed to."""
    more_databases: tuple[str, ...] = ()
    """Further user databases; a missing one is made, none is ever dropped."""
    pool_hosts: tuple[str, ...] = ("127.0.0.1",)
    """Addresses of the compute pool's replicas as the master reaches them; ``pool_ports`` runs beside it."""
    pool_ports: tuple[int, ...] = (31434,)
    pool_encrypted: bool = False
    """postgres_fdw asks the compute pool over TLS and verifies it; else it says nothing, and on one machine stays on loopback."""
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
    """``master-0``, ``master-0-tls`` where it is needed, and ``master-setup``. Raises ``pools.postgresql.ListenError`` for listening beyond
    loopback without TLS."""
    fronts = (_front(settings),) if settings.encrypted is not None and settings.front else ()
    return (_server(settings), *fronts, _setup(settings))


def _server(settings: MasterSettings) -> Workload:
    own = settings.encrypted is not None and not settings.front
    return server_workload(
        PostgresqlServer(
            name="master-0",
            pool="master",
            resource="master",
            superuser=SUPERUSER,
            superuser_secret=SUPERUSER_SECRET,
            port=settings.port,
            addresses=() if settings.front else settings.addresses,
            networks=settings.networks,
            tls=Tls(CERTIFICATE, KEY) if own else settings.tls,
            guarded=settings.guarded,
            ldap=settings.ldap,
            version=settings.version,
            statement_timeout_ms=round(settings.statement_timeout_seconds * 1000),
            extension_folder=True,
            settings={"client_connection_check_interval": VANISHED_CLIENT, **_modules(settings)} | dict(settings.settings),
            files=tuple(ConfigFile(f"extension/{name}", content) for name, content in extension_files().items()),
            secrets=_secrets(settings),
            endpoints=() if settings.front else (_endpoint(settings),),
        )
    )


def _secrets(settings: MasterSettings) -> tuple[Secret, ...]:
    """To postgres_fdw the authority is a file too: the pool is asked over TLS where PostgreSQL can."""
    if settings.encrypted is not None and not settings.front:
        return server_secrets(settings.encrypted)
    return CLIENT_SECRETS if settings.pool_encrypted else ()


def _endpoint(settings: MasterSettings) -> Endpoint:
    return Endpoint(
        name="sql-server-master",
        description="SQL: master instance (PostgreSQL)",
        address="postgresql://{host:master-0}:{port:sql}/" + settings.database,
        protocol="postgresql",
    )


def _front(settings: MasterSettings) -> Workload:
    """Of the same OS user as the server, whose socket only that user reaches."""
    assert settings.encrypted is not None
    content = {
        "addresses": list(settings.addresses),
        "port": settings.port,
        "socket": "{run}/.s.PGSQL." + str(settings.port),
        "clients": "{run}/clients",
        "certificate_file": CERTIFICATE,
        "certificate_key_file": KEY,
    }
    return Workload(
        name=FRONT,
        pool="master",
        service="sql",
        resource="master",
        pool_instance="master-0",
        command=("{python}", "-m", "pools.master.front", "--config", "{config}/front.json"),
        files=(ConfigFile("front.json", json.dumps(content, indent=2) + "\n"),),
        secrets=server_secrets(settings.encrypted),
        ports=(Port("sql", settings.port),),
        ready=Probe("tcp", "sql", host=settings.addresses[0] if settings.addresses[0] != "0.0.0.0" else None),  # noqa: S104 (asked on loopback)
        endpoints=(_endpoint(settings),),
        requires=("master-0",),
        ready_seconds=30.0,
        memory_mb=128,
    )


def _modules(settings: MasterSettings) -> dict[str, str]:
    delaying = {"shared_preload_libraries": "'auth_delay'", "auth_delay.milliseconds": str(REFUSED_MILLISECONDS)} if settings.delays else {}
    return delaying | ({} if settings.offload is None else {"session_preload_libraries": quoted(f'"{settings.offload}"')})


def _setup(settings: MasterSettings) -> Workload:
    """The extension's digest is part of the job's content, so that a newer extension runs the job again."""
    content = {
        "dsn": "host={host:master-0} port=" + f"{settings.port} user={SUPERUSER} dbname=postgres" + libpq(settings.clients),
        "password_file": "{secrets}/superuser",
        "pool_password_file": "{secrets}/pool",
        "pool_hosts": list(settings.pool_hosts),
        "pool_ports": list(settings.pool_ports),
        "databases": list(dict.fromkeys((settings.database, *settings.more_databases))),
        "sealing_key": settings.sealing_key,
        "storage_location": settings.storage_location,
        "data_shards": settings.data_shards,
        "flight_addresses": list(settings.flight_addresses),
        # where the master finds it: in pods every workload has its secrets in the same place
        "pool_authority": AUTHORITY if settings.pool_encrypted else None,
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
        secrets=(
            Secret(SUPERUSER_SECRET, "superuser"),
            Secret(POOL_SECRET, "pool"),
            *(CLIENT_SECRETS if settings.encrypted is not None else ()),
        ),
        requires=(FRONT,) if settings.front else ("master-0",),
        ready_seconds=120.0,
    )


def extension_digest() -> str:
    """Changes whenever a file of the extension does."""
    digest = hashlib.sha256()
    for name, content in sorted(extension_files().items()):
        digest.update(f"{name}\0{content}\0".encode())
    return digest.hexdigest()[:16]
