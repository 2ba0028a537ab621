"""What the storage pool runs: a NameNode, DataNodes, and the job that makes the first folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pools.encryption import AUTHORITY, CLIENT_SECRETS, java_secrets
from pools.postgresql import is_loopback
from pools.storage import hadoop
from pools.workload import ConfigFile, Endpoint, Port, Prepare, Probe, Scrape, Workload

NAMENODE = "nmnode-0"
FILES = Endpoint("hdfs-files", "HDFS files over TLS, for data sources", "https://{host}:{port:http}", "https")
READY_SECONDS = 180.0
"""7 s of computing until a daemon answers; on a machine with no time for it that is more than a minute, and who is started again then never
gets there."""


@dataclass(frozen=True)
class StorageSettings:
    """Settings of the storage pool."""

    rpc_port: int
    """Port of the NameNode's RPC (``hdfs://``)."""
    http_port: int
    """Port of the NameNode's HTTP or HTTPS server (WebHDFS)."""
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
    encrypted: bool = False
    """HTTPS in place of HTTP, with certificates of the cluster's authority. RPC and the transfer of blocks stay as they are."""
    proxy_user: str | None = None
    """Who may act as others in HDFS, from this machine: the gateway. Clients are then shown its address instead of WebHDFS's own."""
    namenode_extra: Mapping[str, str] = field(default_factory=dict)
    """More properties of ``hdfs-site.xml``, for all daemons (spec: ``settings``)."""

    @property
    def scheme(self) -> Literal["http", "https"]:
        """Of WebHDFS."""
        return "https" if self.encrypted else "http"


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


def _files(settings: StorageSettings, site: Mapping[str, str]) -> tuple[ConfigFile, ...]:
    """``site``: what ``hdfs-site.xml`` of this daemon holds, before what the spec has to say."""
    return (
        _core(settings),
        ConfigFile("hdfs-site.xml", hadoop.configuration({**site, **settings.namenode_extra})),
        *((ConfigFile("ssl-server.xml", hadoop.configuration(hadoop.SSL_SERVER)),) if settings.encrypted else ()),
        ConfigFile("log4j.properties", hadoop.LOG4J),
    )


def _namenode(settings: StorageSettings) -> Workload:
    host = f"{{host:{NAMENODE}}}"
    site = hadoop.namenode_site(f"{host}:{settings.rpc_port}", f"{host}:{settings.http_port}", settings.replication)
    site |= hadoop.listening(settings.listen)
    if settings.encrypted:
        site |= hadoop.encrypted(
            {"dfs.namenode.https-address": f"{host}:{settings.http_port}", "dfs.namenode.https-bind-host": settings.listen}
        )
    heap = settings.namenode_heap_mb
    return Workload(
        name=NAMENODE,
        pool="storage",
        service="hdfs",
        resource="nmnode-0",
        command=hadoop.java_command(hadoop.NAMENODE, "namenode", heap),
        files=_files(settings, site),
        secrets=java_secrets(NAMENODE) if settings.encrypted else (),
        ports=(Port("rpc", settings.rpc_port), Port("http", settings.http_port)),
        prepare=(
            Prepare(
                "format the NameNode",
                hadoop.java_command(hadoop.NAMENODE, "namenode", heap, "-format", "-force", "-nonInteractive"),
                creates="{data}/name/current/VERSION",
                removes="{data}/name",
            ),
        ),
        ready=Probe(settings.scheme, "http", "/webhdfs/v1/?op=GETFILESTATUS"),
        metrics=Scrape("http", hadoop.METRICS_PATH, encrypted=settings.encrypted),
        endpoints=(
            *((_webhdfs(settings.scheme),) if settings.proxy_user is None else ()),
            Endpoint("hdfs", "HDFS RPC", "hdfs://{host}:{port:rpc}", "hdfs"),
            *((FILES,) if settings.encrypted else ()),
        ),
        stop_seconds=10,
        ready_seconds=READY_SECONDS,
        memory_mb=heap + 128,
    )


def _webhdfs(scheme: str) -> Endpoint:
    return Endpoint("webhdfs", "HDFS file system proxy", scheme + "://{host}:{port:http}/webhdfs/v1", scheme)


def _datanode(settings: StorageSettings, index: int) -> Workload:
    ports = settings.datanode_ports[index]
    name = f"storage-0-{index}"
    site = hadoop.datanode_site(settings.listen, f"{{host:{name}}}", ports, settings.replication) | hadoop.listening(settings.listen)
    if settings.encrypted:
        site |= hadoop.encrypted({"dfs.datanode.https.address": f"{settings.listen}:{ports['http']}"})
    return Workload(
        name=name,
        pool="storage",
        service="hdfs",
        resource="storage-0",
        command=hadoop.java_command(hadoop.DATANODE, "datanode", settings.datanode_heap_mb, encrypts=settings.encrypted),
        files=_files(settings, site),
        secrets=java_secrets(name) if settings.encrypted else (),
        ports=tuple(Port(kind, ports[kind]) for kind in ("data", "http", "ipc")),
        # DataNodes that find no NameNode sleep 5 s before they try again
        requires=(NAMENODE,),
        ready=Probe(settings.scheme, "http", "/jmx?qry=Hadoop:service=DataNode,name=DataNodeInfo"),
        metrics=Scrape("http", hadoop.METRICS_PATH, encrypted=settings.encrypted),
        stop_seconds=5,
        ready_seconds=READY_SECONDS,
        memory_mb=settings.datanode_heap_mb + (176 if settings.encrypted else 128),
    )


def _setup(settings: StorageSettings) -> Workload:
    """Begins beside the DataNodes, and waits for the first of them itself."""
    return Workload(
        name="hdfs-setup",
        pool="storage",
        service="hdfs",
        resource="nmnode-0",
        kind="job",
        command=(
            *("{python}", "-m", "pools.storage.setup"),
            *("--webhdfs", f"{settings.scheme}://{{host:{NAMENODE}}}:{settings.http_port}/webhdfs/v1"),
            *(("--authority", AUTHORITY) if settings.encrypted else ()),
        ),
        secrets=CLIENT_SECRETS if settings.encrypted else (),
        requires=(NAMENODE,),
    )
