"""The service's settings: a JSON file that the workload description writes. Secrets are files of their own, named here by path."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Limits:
    """What one replica allows."""

    running: int = 8
    """Queries (of different sessions) that run at once; the rest wait."""

    wait_seconds: float = 60.0
    """How long a query may wait for its place before it is refused with 53300."""

    connections: int = 500
    """Open connections; the next one is refused with 53300."""

    memory_mb: int | None = 2048
    """Resident memory of the process above which the largest query is cancelled; None: no guard."""

    query_memory_mb: int | None = 1024
    """Memory of one query before its executor spills; None: the executor's own default."""

    idle_seconds: float | None = None
    """A connection that asks nothing for so long is closed; None: never (postgres_fdw keeps its connections)."""

    idle_transaction_seconds: float | None = 3600.0
    """The same inside a transaction: open cursors hold a source's resources."""

    login_seconds: float = 30.0
    """From the connection to the end of the login."""

    send_seconds: float = 600.0
    """A client that takes no byte for so long is cut off."""

    history: int = 1000
    """Queries that are over and that ``bdc.query_history`` still shows; 0: none are kept."""

    stop_seconds: float = 5.0
    """After SIGTERM running statements may go on for so long."""


@dataclass(frozen=True)
class ShardAddress:
    """Where shard ``number`` of the data pool listens (Arrow Flight)."""

    number: int
    host: str
    port: int
    tls: bool = False

    @property
    def location(self) -> str:
        """As Flight clients take it."""
        return f"{'grpc+tls' if self.tls else 'grpc'}://{self.host}:{self.port}"


@dataclass(frozen=True)
class ServiceSettings:
    """Of one replica."""

    port: int
    master_host: str
    master_port: int
    pool_password_file: str
    """Password of role ``bdc_pool`` at the master."""

    sealing_key_file: str
    """Opens the credentials of data sources."""

    host: str = "127.0.0.1"
    replica: int = 0
    """The keys of this replica's sessions name it: a cancel request that meets another replica does nothing."""

    work_folder: str | None = None
    """For spilling; None: the executor's default."""

    history_file: str | None = None
    """Where the history of queries outlives the process; None: it does not."""

    audit_file: str | None = None
    """The audit trail of this replica; None: none is kept."""

    scratch: str | None = None
    """Connection string of the scratch PostgreSQL, without password; None: there is none, and what DuckDB can't do is refused."""

    scratch_password_file: str | None = None

    certificate_file: str | None = None
    """PEM chain that SQL and Flight are served with; None: no TLS."""

    certificate_key_file: str | None = None

    authority_file: str | None = None
    """PEM certificates of which those of shards must be signed by one, where they speak TLS."""

    master_tls: Mapping[str, str] = field(default_factory=dict)
    """Settings of libpq for the master: ``sslmode`` and so on."""

    tls_required: bool = False
    """Clients without TLS are refused (Flight takes none anyway); False: on loopback both are taken."""

    shards: tuple[ShardAddress, ...] = ()
    """The data pool; empty: there is none, and nothing of it is started."""

    ticket_key_file: str | None = None
    """Private half of the cluster's ticket key (``pools/tickets.py``); needed when there are shards."""

    flight_port: int | None = None
    """Arrow Flight endpoint for loads and reads from outside; None: there is none; 0: any free port."""

    app_proxy: str | None = None
    """``HOST:PORT`` of the app proxy, which ``predict`` and ``bdc.score`` ask; None: there is none, or it can't be reached."""

    controller: str | None = None
    """``http(s)://host:port``: whose logins the Flight endpoint takes too, as the gateway passes them on; None: none."""

    issuer: str = ""
    """Of these logins' tokens."""

    controller_file: str | None = None
    """PEM certificates of which the controller's must be signed by one, where it speaks TLS."""

    controller_same: bool = False
    """The controller shows the very certificate in that file (a customer's), whatever its names."""

    metrics: str | None = None
    """Where metrics are asked for (``pools/metrics_listener.py``): ``{run}`` on one machine, ``HOST:PORT`` in a pod; None: nowhere."""

    limits: Limits = field(default_factory=Limits)

    def authority(self) -> bytes | None:
        """The certificates that verify the shards; None: they speak no TLS. OSError."""
        return None if self.authority_file is None else pathlib.Path(self.authority_file).read_bytes()

    @classmethod
    def read(cls, path: pathlib.Path) -> ServiceSettings:
        """From the JSON file; ValueError names what is wrong."""
        try:
            content = json.loads(path.read_text())
        except (OSError, json.JSONDecodeError) as error:
            raise ValueError(f"{path}: {error}") from error
        limits = content.pop("limits", {})
        shards = content.pop("shards", [])
        kinds: list[tuple[dict[str, object], type]] = [(content, cls), (limits, Limits), *((shard, ShardAddress) for shard in shards)]
        for given, known in kinds:
            unknown = set(given) - {entry.name for entry in dataclasses.fields(known)}
            if unknown:
                raise ValueError(f"{path}: unknown settings: {', '.join(sorted(unknown))}")
        try:
            settings = cls(**content, shards=tuple(ShardAddress(**shard) for shard in shards), limits=Limits(**limits))
        except TypeError as error:
            raise ValueError(f"{path}: {error}") from error
        if settings.shards and settings.ticket_key_file is None:
            raise ValueError(f"{path}: ticket_key_file: needed when there are shards")
        if settings.app_proxy is not None and settings.ticket_key_file is None:
            raise ValueError(f"{path}: ticket_key_file: needed when there is an app proxy")
        return settings

    def json(self) -> str:
        """As ``read`` takes it."""
        return json.dumps(dataclasses.asdict(self), indent=2)
