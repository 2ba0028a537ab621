"""Hadoop's configuration files and Java command lines, as pure functions.

Settings differ from Hadoop's defaults where a small cluster gains: heartbeats of 1 s (a dead DataNode is noticed in 14 s instead of
10 min), stale DataNodes are avoided after 3 s, small JVMs. Sources: hdfs-default.xml and core-default.xml of Hadoop 3.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

from pools.encryption import KEYSTORE_FILE, KEYSTORE_PASSWORD

NAMENODE = "org.apache.hadoop.hdfs.server.namenode.NameNode"
LOOPBACK = "127.0.0.1"
DATANODE = "org.apache.hadoop.hdfs.server.datanode.DataNode"

METRICS_PATH = "/prom"
"""Of each daemon's HTTP port: Hadoop's own metrics in Prometheus' format."""

LOG4J = """\
log4j.rootLogger=INFO, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d{ISO8601} %p %c{2}: %m%n
# one line per block and per heartbeat says nothing to an administrator
log4j.logger.org.apache.hadoop.hdfs.server.datanode.DataNode.clienttrace=WARN
log4j.logger.BlockStateChange=WARN
log4j.logger.org.apache.hadoop.http=WARN
log4j.logger.org.eclipse.jetty=WARN
log4j.logger.org.apache.hadoop.shaded.org.eclipse.jetty=WARN
# a thousand lines at each start, one for every folder of blocks
log4j.logger.org.apache.hadoop.hdfs.server.datanode.fsdataset.impl.FsDatasetImpl=WARN
# the readiness probe asks before all is there: a stack trace each time
log4j.logger.org.apache.hadoop.jmx=OFF
"""


def configuration(properties: Mapping[str, str]) -> str:
    """A Hadoop ``*-site.xml``."""
    rows = "".join(
        f"  <property><name>{escape(name)}</name><value>{escape(value)}</value></property>\n" for name, value in properties.items()
    )
    return f'<?xml version="1.0"?>\n<configuration>\n{rows}</configuration>\n'


def java_command(main: str, kind: str, heap_mb: int, *arguments: str, encrypts: bool = False) -> tuple[str, ...]:
    """The argv of a Hadoop daemon with a small footprint: serial collector, first compiler tier only, bounded native memory. ``encrypts``:
    much goes out by TLS; the processor's AES is used by the second tier alone, ten times as fast for 30 MB more."""
    return (
        "{program:java}",
        f"-Xmx{heap_mb}m",
        "-Xss512k",
        "-XX:+UseSerialGC",
        *(() if encrypts else ("-XX:TieredStopAtLevel=1",)),
        "-XX:MaxMetaspaceSize=128m",
        "-XX:ReservedCodeCacheSize=48m",
        "-XX:MaxDirectMemorySize=64m",
        "-XX:+ExitOnOutOfMemoryError",
        # nothing outside of the cluster's folder: a killed daemon would leave its files in the machine's /tmp for ever
        "-XX:-UsePerfData",
        "-Djava.io.tmpdir={run}",
        "-Djava.net.preferIPv4Stack=true",
        "-Dhadoop.log.dir={logs}",
        f"-Dproc_{kind}",
        "-cp",
        "{config}:{classpath:hadoop}",
        main,
        *arguments,
    )


def core_site(filesystem: str, superusers: tuple[str, ...]) -> dict[str, str]:
    """Settings that the NameNode and the DataNodes share.

    Without Kerberos HDFS believes the name that a client gives; groups are not asked from the operating system (a name need not
    exist there): ``superusers`` are members of HDFS's superuser group, everybody else of none.
    """
    return {
        "fs.defaultFS": filesystem,
        "hadoop.tmp.dir": "{data}/tmp",
        "hadoop.prometheus.endpoint.enabled": "true",
        "hadoop.http.staticuser.user": "nobody",
        "hadoop.security.group.mapping": "org.apache.hadoop.security.NullGroupsMapping",
        "hadoop.user.group.static.mapping.overrides": ";".join(f"{user}=supergroup" for user in superusers) or "nobody=",
        "ipc.client.connect.max.retries": "3",
        # of a pod that went nothing comes back, not even a refusal; Hadoop would wait for it 45 times 20 s
        "ipc.client.connect.timeout": "3000",
        "ipc.client.connect.max.retries.on.timeouts": "3",
    }


def impersonation(user: str, hosts: str = LOOPBACK) -> dict[str, str]:
    """What lets ``user`` act as others, from this machine only, or from ``hosts``; NameNode and DataNodes are told so."""
    return {f"hadoop.proxyuser.{user}.hosts": hosts, f"hadoop.proxyuser.{user}.users": "*"}


def namenode_site(rpc: str, http: str, replication: int) -> dict[str, str]:
    """``hdfs-site.xml`` of the NameNode."""
    return {
        "dfs.namenode.name.dir": "file://{data}/name",
        "dfs.namenode.rpc-address": rpc,
        "dfs.namenode.http-address": http,
        "dfs.replication": str(replication),
        "dfs.namenode.replication.min": "1",
        "dfs.permissions.enabled": "true",
        "dfs.permissions.superusergroup": "supergroup",
        "dfs.namenode.safemode.extension": "0",
        "dfs.namenode.safemode.min.datanodes": "1",
        "dfs.namenode.handler.count": "4",
        "dfs.namenode.service.handler.count": "4",
        "dfs.heartbeat.interval": "1",
        "dfs.namenode.heartbeat.recheck-interval": "2000",
        "dfs.namenode.stale.datanode.interval": "3000",
        "dfs.namenode.avoid.read.stale.datanode": "true",
        "dfs.namenode.avoid.write.stale.datanode": "true",
        "dfs.namenode.redundancy.interval.seconds": "1s",
        "dfs.namenode.datanode.registration.ip-hostname-check": "false",
        # pipelines of 1 or 2 DataNodes can't replace a failed one: go on with what is left
        "dfs.client.block.write.replace-datanode-on-failure.policy": "NEVER",
    }


def listening(listen: str) -> dict[str, str]:
    """What daemons that are reached from elsewhere need besides: the NameNode binds to ``listen`` rather than to its own name, which may
    not be known yet when it starts, and everybody reaches DataNodes by name."""
    if listen == LOOPBACK:
        return {}
    return {
        "dfs.namenode.rpc-bind-host": listen,
        "dfs.namenode.http-bind-host": listen,
        "dfs.client.use.datanode.hostname": "true",
        "dfs.datanode.use.datanode.hostname": "true",
    }


def encrypted(https: Mapping[str, str]) -> dict[str, str]:
    """WebHDFS and all else of the HTTP ports by TLS, and in no other way. ``https``: the property of each address → the address."""
    return {"dfs.http.policy": "HTTPS_ONLY", **https}


SSL_SERVER = {
    "ssl.server.keystore.location": "{secrets}/" + KEYSTORE_FILE,
    "ssl.server.keystore.type": "PKCS12",
    "ssl.server.keystore.password": KEYSTORE_PASSWORD,
    "ssl.server.keystore.keypassword": KEYSTORE_PASSWORD,
    "ssl.server.stores.reload.interval": "10000",
}
"""``ssl-server.xml``. Hadoop looks at the file every ten seconds, and shows new connections what lies there then."""


def datanode_site(listen: str, host: str, ports: Mapping[str, int], replication: int) -> dict[str, str]:
    """``hdfs-site.xml`` of a DataNode that others reach as ``host``; ``ports``: data, http, ipc. A WebHDFS upload is written with *its*
    ``dfs.replication``."""
    return {
        "dfs.datanode.data.dir": "file://{data}/blocks",
        "dfs.datanode.address": f"{listen}:{ports['data']}",
        "dfs.datanode.http.address": f"{listen}:{ports['http']}",
        "dfs.datanode.ipc.address": f"{listen}:{ports['ipc']}",
        "dfs.datanode.hostname": host,
        "dfs.heartbeat.interval": "1",
        "dfs.blockreport.initialDelay": "0",
        "dfs.datanode.handler.count": "4",
        "dfs.replication": str(replication),
        "dfs.permissions.superusergroup": "supergroup",
        "dfs.client.block.write.replace-datanode-on-failure.policy": "NEVER",
    }
