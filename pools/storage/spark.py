"""Spark in the storage pool: the Spark Connect server that starts on first use, and jobs. Pure.

One server serves the cluster: whoever has its token is, for HDFS, the cluster's first admin, and may run Python as the storage pool's OS
user. Jobs have a Spark of their own (one JVM each), write into HDFS under the name of whoever submitted them, and need no server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pools.workload import ConfigFile, Endpoint, OnDemand, Port, Probe, Secret, Workload

SERVER = "spark-connect-0"
SERVICE = "spark"
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
class SparkSettings:
    """How Spark is run."""

    port: int
    """Port of the Connect server (gRPC, on loopback)."""
    namenode: str
    """``hdfs://host:port``, Spark's default file system; placeholders allowed."""
    user: str = "admin"
    """The name under which the Connect server uses HDFS."""
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
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Environment of Spark and its Python workers, by which ``pyspark_bdc`` finds the cluster; placeholders allowed."""


@dataclass(frozen=True)
class SparkJob:
    """One submitted program. ``script``: its text, where the text came along; else ``file`` is a URL that Spark can read."""

    number: int
    file: str
    arguments: tuple[str, ...] = ()
    user: str = "admin"
    script: str | None = None
    main_class: str | None = None
    conf: Mapping[str, str] = field(default_factory=dict)
    py_files: tuple[str, ...] = ()
    jars: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The workload's name."""
        return f"spark-job-{self.number}"


def connect_server(settings: SparkSettings) -> Workload:
    """The Spark Connect server. Its token is a secret: the launcher joins it to the settings, in a file of mode 0400."""
    properties = _properties(settings) | {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": "{port:connect}",
    }
    return Workload(
        name=SERVER,
        pool="storage",
        service=SERVICE,
        resource="connect",
        command=(*_launcher(settings), "--token", "{secrets}/token", "--", "--class", SERVER_CLASS, "--name", "connect", "spark-internal"),
        environment=_environment(settings, settings.user),
        files=_files(properties),
        secrets=(Secret(TOKEN_SECRET, "token"),),
        ports=(Port("connect", settings.port),),
        ready=Probe("tcp", "connect"),
        # clients must say localhost: for any other name PySpark wants TLS as soon as there is a token
        endpoints=(Endpoint("spark", "Spark Connect (starts on first use)", "sc://localhost:{port:connect}", "sc"),),
        requires=("hdfs-setup",),
        stop_seconds=10.0,
        ready_seconds=120.0,
        memory_mb=settings.memory_mb + 400,
        on_demand=OnDemand(START_COMMAND, settings.idle_seconds),
    )


def job(settings: SparkSettings, submitted: SparkJob) -> Workload:
    """One run of a program, in a Spark of its own."""
    script = () if submitted.script is None else (ConfigFile(f"job/{submitted.file}", submitted.script, literal=True),)
    target = submitted.file if submitted.script is None else "{config}/job/" + submitted.file
    options = ["--name", submitted.name]
    for option, values in (("--py-files", submitted.py_files), ("--jars", submitted.jars)):
        options += [option, ",".join(values)] if values else []
    options += ["--class", submitted.main_class] if submitted.main_class else []
    properties = _properties(settings) | dict(submitted.conf)
    return Workload(
        name=submitted.name,
        kind="batch",
        pool="storage",
        service=SERVICE,
        resource=JOBS,
        command=(*_launcher(settings), "--", *options, target, *submitted.arguments),
        environment=_environment(settings, submitted.user),
        files=(*_files(properties), *script),
        requires=("hdfs-setup",),
        stop_seconds=10.0,
        memory_mb=settings.memory_mb + 400,
    )


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
    """``spark-defaults.conf``: ours, then the spec's, then what must hold."""
    filesystem = settings.namenode
    return {
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.python.filterPushdown.enabled": "true",
        "spark.sql.shuffle.partitions": str(max(4, 2 * settings.cores)),
        "spark.sql.warehouse.dir": f"{filesystem}/user/spark/warehouse",
        "spark.hadoop.dfs.replication": str(settings.replication),
        # pipelines of 1 or 2 DataNodes can't replace a failed one: go on with what is left
        "spark.hadoop.dfs.client.block.write.replace-datanode-on-failure.policy": "NEVER",
        **settings.conf,
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": f"{settings.memory_mb}m",
        "spark.hadoop.fs.defaultFS": filesystem,
        "spark.master": f"local[{settings.cores}]",
        "spark.ui.enabled": "false",
    }


def _files(properties: Mapping[str, str]) -> tuple[ConfigFile, ...]:
    """Values are written so that Java's property format gives back every character."""
    lines = "".join(f"{name} {value.replace(chr(92), chr(92) * 2)}\n" for name, value in properties.items())
    return (ConfigFile("spark-defaults.conf", lines), ConfigFile("log4j2.properties", LOG4J, literal=True))
