"""What the storage pool runs: a NameNode, DataNodes, and the job that makes the first folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pools.postgresql import is_loopback
from pools.storage import hadoop
from pools.workload import ConfigFile, Endpoint, Port, Prepare, Probe, Scrape, Workload

NAMENODE = "nmnode-0"
READY_SECONDS = 180.0
"""7 s of computing until a daemon answers; on a machine with no time for it that is more than a minute, and who is started again then never
gets there."""

WEBHDFS = Endpoint("webhdfs", "HDFS file system proxy", "http://{host}:{port:http}/webhdfs/v1", "http")


@dataclass(frozen=True)
class StorageSettings:
    """Settings of the storage pool."""

    rpc_port: int
    """Port of the NameNode's RPC (``hdfs://``)."""
    http_port: int
    """Port of the NameNode's HTTP server (WebHDFS)."""
    datanode_ports: tuple[Mapping[str, int], ...]
    """For each DataNode its ports ``data``, ``http``, ``ipc``; their number is the number of DataNodes."""
    replication: int = 2
    """Copies of each block; at most the number of DataNodes."""
    superusers: tuple[str, ...] = ("admin",)
    """HDFS names that may do everything, next to the NameNode's own OS user."""
    namenode_heap_mb: int = 96
    datanode_heap_mb: int = 64
    listen: str = "127.0.0.1"
    """Address that the daemons bind to. Beyond loopback clients are sent to DataNodes by name, since a pod's address changes."""
    proxy_user: str | None = None
    """Who may act as others in HDFS, from this machine: the gateway. Clients are then shown its address instead of WebHDFS's own."""
    namenode_extra: Mapping[str, str] = field(default_factory=dict)
    """More properties of ``hdfs-site.xml``, for all daemons (spec: ``settings``)."""


def workloads(settings: StorageSettings) -> tuple[Workload, ...]:
    """NameNode, DataNodes, ``hdfs-setup``."""
    datanodes = tuple(_datanode(settings, index) for index in range(len(settings.datanode_ports)))
    return (_namenode(settings), *datanodes, _setup(settings))


def _core(settings: StorageSettings) -> ConfigFile:
    filesystem = f"hdfs://{{host:{NAMENODE}}}:{settings.rpc_port}"
    site = hadoop.core_site(filesystem, settings.superusers)
    if settings.proxy_user is not None:
        # a pod's address changes; who reaches HDFS in pods at all is said by NetworkPolicies, and is believed under any name anyway
        site |= hadoop.impersonation(settings.proxy_user, *(() if is_loopback(settings.listen) else ("*",)))
    return ConfigFile("core-site.xml", hadoop.configuration(site))


def _namenode(settings: StorageSettings) -> Workload:
    host = f"{{host:{NAMENODE}}}"
    site = hadoop.namenode_site(f"{host}:{settings.rpc_port}", f"{host}:{settings.http_port}", settings.replication)
    site |= hadoop.listening(settings.listen)
    heap = settings.namenode_heap_mb
    return Workload(
        name=NAMENODE,
        pool="storage",
        service="hdfs",
        resource="nmnode-0",
        command=hadoop.java_command(hadoop.NAMENODE, "namenode", heap),
        files=(
            _core(settings),
            ConfigFile("hdfs-site.xml", hadoop.configuration(site | dict(settings.namenode_extra))),
            ConfigFile("log4j.properties", hadoop.LOG4J),
        ),
        ports=(Port("rpc", settings.rpc_port), Port("http", settings.http_port)),
        prepare=(
            Prepare(
                "format the NameNode",
                hadoop.java_command(hadoop.NAMENODE, "namenode", heap, "-format", "-force", "-nonInteractive"),
                creates="{data}/name/current/VERSION",
                removes="{data}/name",
            ),
        ),
        ready=Probe("http", "http", "/webhdfs/v1/?op=GETFILESTATUS"),
        metrics=Scrape("http", hadoop.METRICS_PATH),
        endpoints=(
            *((WEBHDFS,) if settings.proxy_user is None else ()),
            Endpoint("hdfs", "HDFS RPC", "hdfs://{host}:{port:rpc}", "hdfs"),
        ),
        stop_seconds=10,
        ready_seconds=READY_SECONDS,
        memory_mb=heap + 128,
    )


def _datanode(settings: StorageSettings, index: int) -> Workload:
    ports = settings.datanode_ports[index]
    name = f"storage-0-{index}"
    site = hadoop.datanode_site(settings.listen, f"{{host:{name}}}", ports, settings.replication) | hadoop.listening(settings.listen)
    return Workload(
        name=name,
        pool="storage",
        service="hdfs",
        resource="storage-0",
        command=hadoop.java_command(hadoop.DATANODE, "datanode", settings.datanode_heap_mb),
        files=(
            _core(settings),
            ConfigFile("hdfs-site.xml", hadoop.configuration(site | dict(settings.namenode_extra))),
            ConfigFile("log4j.properties", hadoop.LOG4J),
        ),
        ports=tuple(Port(kind, ports[kind]) for kind in ("data", "http", "ipc")),
        # DataNodes that find no NameNode sleep 5 s before they try again
        requires=(NAMENODE,),
        ready=Probe("http", "http", "/jmx?qry=Hadoop:service=DataNode,name=DataNodeInfo"),
        metrics=Scrape("http", hadoop.METRICS_PATH),
        stop_seconds=5,
        ready_seconds=READY_SECONDS,
        memory_mb=settings.datanode_heap_mb + 128,
    )


def _setup(settings: StorageSettings) -> Workload:
    """Begins beside the DataNodes, and waits for the first of them itself."""
    return Workload(
        name="hdfs-setup",
        pool="storage",
        service="hdfs",
        resource="nmnode-0",
        kind="job",
        command=("{python}", "-m", "pools.storage.setup", "--webhdfs", f"http://{{host:{NAMENODE}}}:{settings.http_port}/webhdfs/v1"),
        requires=(NAMENODE,),
    )
