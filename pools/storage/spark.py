"""Spark in the storage pool: the Spark Connect server that starts on first use, and jobs. Pure.

One server serves the cluster: whoever has its token is, for HDFS, the cluster's first admin, and may run Python as the storage pool's OS
user. Or each user has one (spec: ``servers``), with a token of its own, and is himself in HDFS; all run as the same OS user, so this keeps
apart names, sessions and memory, not attackers. Jobs have a Spark of their own (one JVM each), write into HDFS under the name of whoever
submitted them, and need no server.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from pools.workload import ConfigFile, Endpoint, OnDemand, Port, Probe, Secret, Workload

SERVICE = "spark"
LOOPBACK = "127.0.0.1"
JOBS = "jobs"
"""Resource of the status tree's service ``spark`` that jobs belong to."""
TOKEN_SECRET = "spark-token"  # noqa: S105 (the name of a secret)
START_COMMAND = "bdc spark start"
SERVER_CLASS = "org.apache.spark.sql.connect.service.SparkConnectServer"
RESERVED = (
    "spark.connect.authenticate.token",
    "spark.connect.grpc.binding.",
    "spark.driver.bindAddress",
    "spark.driver.host",
    "spark.driver.memory",
    "spark.hadoop.fs.defaultFS",
    "spark.master",
    "spark.ui.enabled",
)
"""Settings that are the cluster's own: what ``spec.pools.storage.spark.conf`` may not hold (beginnings, where they end with a dot)."""

LOG4J = """\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd HH:mm:ss} %p %c{1}: %m%n%ex
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = error
logger.server.name = org.apache.spark.sql.connect.service.SparkConnectServer
logger.server.level = info
"""


@dataclass(frozen=True)
class Server:
    """One Spark Connect server."""

    number: int
    port: int
    """gRPC, on loopback."""
    user: str
    """The name under which it uses HDFS."""
    own: bool = False
    """It serves this user only."""

    @property
    def name(self) -> str:
        """The workload's name."""
        return f"spark-connect-{self.number}"

    @property
    def owner(self) -> str | None:
        """Its only user."""
        return self.user if self.own else None

    @property
    def endpoint(self) -> str:
        """The name of its address."""
        return f"spark-{self.user}" if self.own else SERVICE


@dataclass(frozen=True)
class SparkSettings:
    """How Spark is run."""

    servers: tuple[Server, ...]
    """The Connect servers that there may be now."""
    namenode: str
    """``hdfs://host:port``, Spark's default file system; placeholders allowed."""
    replication: int = 2
    """Copies of each block that Spark writes."""
    memory_mb: int = 1024
    """Java heap of the server, and of each job."""
    cores: int = 2
    """Tasks that run at once, in the server and in each job."""
    conf: Mapping[str, str] = field(default_factory=dict)
    """More of Spark's settings (spec: ``conf``)."""
    idle_seconds: float | None = None
    """The server stops after so long without a connected client; None: never."""
    listen: str = LOOPBACK
    """Address that the Connect servers bind to."""
    secrets: tuple[Secret, ...] = ()
    """What its programs verify the cluster's servers with, where these speak TLS."""
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Environment of Spark and its Python workers, by which ``pyspark_bdc`` finds the cluster; placeholders allowed."""


@dataclass(frozen=True)
class SparkJob:
    """One submitted program; ``file``, ``py_files`` and ``jars`` are URLs that Spark can read."""

    number: int
    file: str
    arguments: tuple[str, ...] = ()
    user: str = "admin"
    main_class: str | None = None
    conf: Mapping[str, str] = field(default_factory=dict)
    py_files: tuple[str, ...] = ()
    jars: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The workload's name."""
        return f"spark-job-{self.number}"


def token_of(secret: str, owner: str | None) -> str:
    """What clients of the server of ``owner`` (None: everybody's) must present, from the cluster's secret of Spark's."""
    return secret if owner is None else hmac.digest(secret.encode(), owner.encode(), hashlib.sha256).hex()


def connect_server(settings: SparkSettings, server: Server) -> Workload:
    """A Spark Connect server. Its token is a secret: the launcher joins it to the settings, in a file of mode 0400."""
    where = {"spark.connect.grpc.binding.address": settings.listen, "spark.connect.grpc.binding.port": str(server.port)}
    description = f"Spark Connect of {server.user} (starts on first use)" if server.own else "Spark Connect (starts on first use)"
    return Workload(
        name=server.name,
        pool="storage",
        service=SERVICE,
        resource=f"connect-{server.number}" if server.own else "connect",
        command=(*_launcher(settings), "--token", "{secrets}/token", *(("--owner", server.user) if server.own else ())),
        environment=_environment(settings, server.user),
        files=_files(settings, ("--class", SERVER_CLASS, "--name", "connect", "spark-internal"), where),
        secrets=(Secret(TOKEN_SECRET, "token"), *settings.secrets),
        ports=(Port("connect", server.port),),
        ready=Probe("tcp", "connect"),
        endpoints=(Endpoint(server.endpoint, description, f"sc://{_reached(settings)}:{{port:connect}}", "sc"),),
        requires=("hdfs-setup",),
        stop_seconds=10.0,
        ready_seconds=120.0,
        memory_mb=settings.memory_mb + 400,
        on_demand=OnDemand(START_COMMAND, settings.idle_seconds),
    )


def job(settings: SparkSettings, submitted: SparkJob) -> Workload:
    """One run of a program, in a Spark of its own."""
    options = ["--name", submitted.name]
    for option, values in (("--py-files", submitted.py_files), ("--jars", submitted.jars)):
        options += [option, ",".join(values)] if values else []
    options += ["--class", submitted.main_class] if submitted.main_class else []
    return Workload(
        name=submitted.name,
        kind="batch",
        pool="storage",
        service=SERVICE,
        resource=JOBS,
        command=_launcher(settings),
        environment=_environment(settings, submitted.user),
        files=_files(settings, (*options, submitted.file, *submitted.arguments), submitted.conf),
        secrets=settings.secrets,
        requires=("hdfs-setup",),
        stop_seconds=10.0,
        memory_mb=settings.memory_mb + 400,
    )


def _reached(settings: SparkSettings) -> str:
    """Clients must say localhost: for any other name PySpark wants TLS as soon as there is a token. A pod is another machine: there it is
    the name, and what makes it localhost is a port-forward."""
    return "localhost" if settings.listen == LOOPBACK else "{host}"


def reserved(setting: str) -> bool:
    """Whether a setting is the cluster's own business."""
    return any(setting == name or (name.endswith(".") and setting.startswith(name)) for name in RESERVED)


def _launcher(settings: SparkSettings) -> tuple[str, ...]:
    return (
        "{python}", "-m", "pools.storage.spark_launch", "--java", "{program:java}", "--spark", "{program:spark-home}",
        "--config", "{config}", "--data", "{data}", "--heap", str(settings.memory_mb),
    )  # fmt: skip


def _environment(settings: SparkSettings, user: str) -> dict[str, str]:
    return {
        **settings.addresses,
        "HADOOP_USER_NAME": user,
        "PYSPARK_PYTHON": "{program:spark-python}",
        "PYSPARK_DRIVER_PYTHON": "{program:spark-python}",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYTHONUNBUFFERED": "1",
    }


def _properties(settings: SparkSettings) -> dict[str, str]:
    """Our part of ``spark-defaults.conf``; what is given by hand comes after it, and wins (``RESERVED`` can't be given)."""
    filesystem = settings.namenode
    # a pod's address changes, its name does not
    by_name = {"spark.hadoop.dfs.client.use.datanode.hostname": "true"} if settings.listen != LOOPBACK else {}
    return {
        **by_name,
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": f"{settings.memory_mb}m",
        "spark.hadoop.dfs.replication": str(settings.replication),
        # pipelines of 1 or 2 DataNodes can't replace a failed one: go on with what is left
        "spark.hadoop.dfs.client.block.write.replace-datanode-on-failure.policy": "NEVER",
        "spark.hadoop.fs.defaultFS": filesystem,
        "spark.master": f"local[{settings.cores}]",
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.python.filterPushdown.enabled": "true",
        "spark.sql.shuffle.partitions": str(max(4, 2 * settings.cores)),
        "spark.sql.warehouse.dir": f"{filesystem}/user/spark/warehouse",
        "spark.ui.enabled": "false",
    }


def _files(settings: SparkSettings, submit: tuple[str, ...], conf: Mapping[str, str]) -> tuple[ConfigFile, ...]:
    """``given.json`` holds what people wrote, so nothing in it is a placeholder."""
    lines = "".join(f"{name} {value}\n" for name, value in _properties(settings).items())
    given = {"submit": submit, "conf": {**settings.conf, **conf}}
    return (
        ConfigFile("spark-defaults.conf", lines),
        ConfigFile("given.json", json.dumps(given, ensure_ascii=False, indent=1), literal=True),
        ConfigFile("log4j2.properties", LOG4J, literal=True),
    )
