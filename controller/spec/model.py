"""The model of a cluster's spec: what may be written in ``bdc.yaml``, field by field.

The docstring after a field is its documentation: ``bdc config reference`` and the JSON schema are made from it. The model
keeps to what a Kubernetes structural schema can say (no unions of types, objects with a fixed set of keys), because the
same document becomes a custom resource there. Keys are written in camelCase, as everywhere in Kubernetes.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from controller.spec.directory import Directory
from controller.spec.gateway import Gateway
from controller.spec.kubernetes import HostName, Kubernetes
from controller.spec.section import Section
from controller.spec.storage import StoragePool

API_VERSION = "openbdc.dev/v1alpha1"
KIND = "BigDataCluster"
CLUSTER_NAME = r"^[a-z][a-z0-9-]{0,18}[a-z0-9]$|^[a-z]$"
DATABASE_NAME = r"^[a-z_][a-z0-9_]{0,62}$"

PortNumber = Annotated[int, Field(ge=1, le=65535)]
DatabaseName = Annotated[str, Field(pattern=DATABASE_NAME)]


class Metadata(Section):
    """Which cluster this is."""

    name: Annotated[str, Field(pattern=CLUSTER_NAME, max_length=20)]
    """Name of the cluster: lower-case letters, digits and '-', starting with a letter, at most 20 characters, because OS users
    (``bdc-<name>-compute``, 32 characters on Linux) and the Kubernetes namespace are made from it. It can't change after create."""


class Ports(Section):
    """Port numbers. Everything that is not given follows from ``base``, so that clusters of one machine lie side by side."""

    base: Annotated[int, Field(ge=-29000, le=30000)] | None = None
    """Added to every default number. null: `bdc create` takes the first free block (0, 100, 200, … 1100, then -100, -200, …) and
    writes it here: blocks below the range from which the kernel takes ports for outgoing connections (usually 32768 and up)."""
    controller: PortNumber | None = None
    """REST API of the controller. null: 30080 + base, the original product's number."""
    gateway: PortNumber | None = None
    """Gateway. null: 30443 + base, the original product's number."""
    master: PortNumber | None = None
    """PostgreSQL master. null: 31433 + base, the original product's number."""
    compute: PortNumber | None = None
    """First compute replica; replica *i* gets this + *i*. null: 31434 + base."""
    namenode: PortNumber | None = None
    """RPC of the HDFS NameNode. null: 31500 + base."""
    webhdfs: PortNumber | None = None
    """HTTP of the NameNode (WebHDFS). null: 31570 + base."""
    spark: PortNumber | None = None
    """Spark Connect. null: 31590 + base."""
    datanode: PortNumber | None = None
    """First DataNode port; DataNode *i* takes this + 3·*i* (data), + 1 (http) and + 2 (ipc). null: 31510 + base."""
    data: PortNumber | None = None
    """First shard of the data pool; shard *i* gets this + *i*. null: 31450 + base."""
    app: PortNumber | None = None
    """Proxy of the apps. null: 30778 + base, the original product's number."""
    tracking: PortNumber | None = None
    """MLflow tracking. null: 31487 + base."""
    flight: PortNumber | None = None
    """Arrow Flight of the first compute replica, for loads of the data pool; replica *i* gets this + *i*. null: 31471 + base."""


class Tls(Section):
    """A certificate of yours for controller and master, instead of one of the cluster's own authority. It is read at `bdc create` and
    `bdc start`: renew it by replacing the files and running `bdc start`, which interrupts nothing."""

    certificate: Annotated[str, Field(min_length=1)] | None = None
    """Path of a PEM file with the certificate chain. null: the cluster's authority makes one."""
    key: Annotated[str, Field(min_length=1)] | None = None
    """Path of the PEM file with the private key of ``certificate``. null: the cluster's authority makes one."""


class Network(Section):
    """Where the cluster's services listen."""

    bind: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """IP address the controller and the master listen on. Loopback by default; with any other one they speak TLS
    (``security.tls``). Compute, scratch and HDFS stay on loopback whatever is written here."""
    tls: Tls = Tls()
    """A certificate of yours."""


class Login(Section):
    """How people log in to the controller."""

    token_hours: Annotated[int, Field(ge=1, le=168)] = 12
    """Hours a login lasts: a working day by default, so that nobody logs in twice a day and a lost session dies overnight."""
    access_minutes: Annotated[int, Field(ge=1, le=1440)] = 30
    """Minutes for which one access token of a login is good; clients renew it by themselves. A log-out, a new password or a lost role
    counts at once at the controller, and at other services after so long at the latest; with the controller down they go on for so long."""
    attempts: Annotated[int, Field(ge=3, le=100)] = 10
    """Wrong passwords in a row, of one user, after which logins of that user are refused for ``lockoutSeconds``."""
    lockout_seconds: Annotated[int, Field(ge=1, le=86400)] = 60
    """Seconds for which a user is locked out. It ends by itself, and at once with `bdc user passwd` by an admin."""


class Encryption(Section):
    """TLS with certificates that the cluster's own authority makes and renews (`bdc cert list`)."""

    enabled: bool | None = None
    """Whether REST API, SQL and Flight, in pods WebHDFS too, speak TLS. null: as soon as one of them is reached from other machines
    (``network.bind``), and off while all stay on loopback, or on Kubernetes. true: always. false: never, which is refused beyond
    loopback."""
    names: Annotated[tuple[HostName, ...], Field(strict=False, max_length=50)] = ()
    """More names under which controller and master are reached (of a load balancer, an alias): they are put into the certificates, beside
    the addresses and names that the cluster knows by itself."""
    certificate_days: Annotated[int, Field(ge=1, le=825)] = 90
    """Days that a certificate lives. It is replaced, without any connection noticing, when a third of them is left."""


class Security(Section):
    """Logins and tokens."""

    login: Login = Login()
    """How people log in."""
    tls: Encryption = Encryption()
    """TLS."""
    directory: Directory = Directory()
    """LDAP directory whose people log in."""


class Postgresql(Section):
    """Which PostgreSQL the master runs."""

    bin: Annotated[str, Field(pattern=r"^/")] | None = None
    """Absolute path of the folder with ``postgres``, ``initdb`` and ``pg_config`` of a system PostgreSQL (15 or later). null: the
    PostgreSQL that comes with the product."""


class MasterPool(Section):
    """The master: the PostgreSQL that users connect to."""

    postgresql: Postgresql = Postgresql()
    """Which PostgreSQL runs."""
    databases: Annotated[tuple[DatabaseName, ...], Field(strict=False, min_length=1, max_length=50)] = ("bdc",)
    """User databases, made when they are named here first. The first one is what clients are pointed to. More can be made with
    CREATE DATABASE. Removing a name drops nothing."""
    max_connections: Annotated[int, Field(ge=10, le=1000)] = 100
    """Connections the master takes; PostgreSQL's own default."""
    statement_timeout_seconds: Annotated[int, Field(ge=1, le=604800)] | None = None
    """Seconds after which any statement of a user is cancelled. null: no limit, as in PostgreSQL."""
    memory_megabytes: Annotated[int, Field(ge=16, le=1048576)] = 64
    """Megabytes of ``shared_buffers``. Small by default: tables of the master are reference data, the large ones are virtual."""
    offload: Literal["auto", "off"] = "auto"
    """Whether the master hands whole queries over virtual tables to the compute pool: ``auto``: where its module could be built, which
    takes a C compiler at ``bdc create`` or ``bdc start``; ``off``: never, postgres_fdw ships what it can. A session has ``SET
    bdc.offload = off``."""


class ComputePool(Section):
    """The compute pool: plans and runs queries over virtual tables."""

    replicas: Annotated[int, Field(ge=1, le=16)] = 1
    """Compute services. One serves a machine well; more spread the load of many users."""
    memory_megabytes: Annotated[int, Field(ge=256, le=1048576)] = 1024
    """Resident megabytes of one replica (DuckDB, Arrow and Python together). A query that needs more than half of it spills to
    disk; when the whole is used up, the largest query is cancelled with a clear error."""
    running_queries: Annotated[int, Field(ge=1, le=1000)] = 8
    """Queries one replica runs at once; the next ones wait in a queue, so that memory per query stays useful."""
    queue_seconds: Annotated[int, Field(ge=1, le=86400)] = 60
    """Seconds a query may wait in that queue; then it is refused with a clear error."""
    history_queries: Annotated[int, Field(ge=0, le=100000)] = 1000
    """Queries that are over and that one replica remembers, with their texts, for ``bdc.query_history``. 0: none."""
    max_connections: Annotated[int, Field(ge=10, le=10000)] = 500
    """Connections one replica takes: one for each session of the master that reads virtual tables, and the direct ones."""


class DataPool(Section):
    """The data pool: tables whose rows lie spread over shards, written in parallel by Spark and SQL."""

    shards: Annotated[int, Field(ge=0, le=20)] = 2
    """Shards: one process with a file of its own each. 0: there is no data pool (about 150 MB of memory are saved; folders of shards that
    were there stay). New tables are spread over all shards there are; a table keeps the shards it was made with until it is resized."""
    memory_megabytes: Annotated[int, Field(ge=256, le=1048576)] = 1024
    """Resident megabytes of one shard, at most: queries and sorting that need more than 60 % of it spill to disk; when the whole is used
    up, new calls are refused with a clear error until there is room. An idle shard takes about 80."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    """Threads that one shard's queries compute with, besides one for each load under way. 1: with several shards on a machine more gain
    nothing."""
    disk_reserve_megabytes: Annotated[int, Field(ge=64, le=104857600)] = 512
    """Megabytes of the disk that loads leave free: a load that would take them is refused early (53100), so that queries, compaction and
    the rest of the machine go on."""
    retention_seconds: Annotated[int, Field(ge=60, le=604800)] = 300
    """Seconds for which a query may go on reading the state it began with, whatever is written, deleted or compacted meanwhile; an older
    one is refused with "snapshot too old" (72000)."""


class Tracking(Section):
    """MLflow's tracking server and model registry, for who logs in (docs/guide/mlflow.md). On one machine only; MLflow itself is installed
    beside the cluster, in an environment of its own: `bdc doctor` says how."""

    enabled: bool = False
    """Whether it runs: about 600 MB of memory. false: what was logged stays on disk."""
    bin: Annotated[str, Field(pattern=r"^/")] | None = None
    """Absolute path of the folder with the program ``mlflow``. null: ``mlflow/bin`` in the folder of artifacts (``BDC_ARTIFACTS``)."""


class AppPool(Section):
    """The app pool: scripts and models as services, behind one proxy."""

    enabled: bool | None = None
    """Whether the proxy runs: on one machine on loopback, whatever ``network.bind`` says; on Kubernetes in a pod of its own. null: true.
    false: about 50 MB of memory are saved; the apps stay on disk."""
    tracking: Tracking = Tracking()
    """MLflow tracking."""


class Pools(Section):
    """The pools and their sizes."""

    master: MasterPool = MasterPool()
    """PostgreSQL that users connect to."""
    compute: ComputePool = ComputePool()
    """Planner and executors of virtual tables."""
    data: DataPool = DataPool()
    """Tables spread over shards, for bulk writes."""
    storage: StoragePool = StoragePool()
    """HDFS."""
    app: AppPool = AppPool()
    """Scripts and models as services."""


class Spec(Section):
    """What the cluster should be."""

    profile: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")] = "local"
    """Profile this spec was made from. Only a note for readers: everything that matters is written out in the spec."""
    ports: Ports = Ports()
    """Port numbers."""
    network: Network = Network()
    """Where the services listen."""
    gateway: Gateway = Gateway()
    """One address in front of API and WebHDFS."""
    security: Security = Security()
    """Logins and tokens."""
    pools: Pools = Pools()
    """The pools and their sizes."""
    kubernetes: Kubernetes = Kubernetes()
    """What only Kubernetes needs to know; on one machine it is not read."""


class ClusterSpec(Section):
    """One cluster, as written in ``bdc.yaml``."""

    api_version: Literal["openbdc.dev/v1alpha1"] = Field(alias="apiVersion")
    """Version of this format."""
    kind: Literal["BigDataCluster"]
    """What this document is."""
    metadata: Metadata
    """Which cluster this is."""
    spec: Spec = Spec()
    """What the cluster should be."""

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.metadata.name
