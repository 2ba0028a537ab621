"""From the spec to every workload of the cluster: the controller's own, then each pool's. Pure."""

from __future__ import annotations

from controller.certificates.policy import bound, encrypted
from controller.errors import Problem, SpecError
from controller.facts import Facts
from controller.master_login import asked_directory
from controller.spec import ClusterSpec, PortNumbers, port_numbers
from controller.tracking import tracking
from pools.app.workloads import PROXY as APP_PROXY
from pools.app.workloads import AppSettings
from pools.app.workloads import workloads as app_workloads
from pools.compute.settings import Limits, ShardAddress
from pools.compute.workloads import ComputeSettings
from pools.compute.workloads import workloads as compute_workloads
from pools.data.settings import Limits as ShardLimits
from pools.data.workloads import DataSettings
from pools.data.workloads import workloads as data_workloads
from pools.encryption import AUTHORITY, BOUND, CLIENT_SECRETS, ENCRYPTED, GIVEN, VERIFIED, server_secrets
from pools.gateway.settings import AS_LISTED
from pools.gateway.workloads import NAME as GATEWAY
from pools.gateway.workloads import PROXY_USER, GatewayPlace
from pools.gateway.workloads import workloads as gateway_workloads
from pools.master.workloads import MasterSettings
from pools.master.workloads import workloads as master_workloads
from pools.postgresql import ListenError, Tls, is_loopback
from pools.storage.spark import TOKEN_SECRET, Server, SparkSettings, connect_server
from pools.storage.workloads import NAMENODE, StorageSettings
from pools.storage.workloads import workloads as storage_workloads
from pools.workload import Endpoint, Port, Probe, Secret, Workload

__all__ = ["Facts", "all_workloads", "control_workload"]

MASTER_SECRET = "master-superuser"  # noqa: S105 (the name of a secret)
MASTER_PASSWORD_FILE = "superuser"  # noqa: S105 (the name of a file)
SPARK_TOKEN_FILE = "spark"  # noqa: S105 (the name of a file)
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (a server that listens everywhere is asked on loopback)
POD_CERTIFICATE = Tls("/etc/openbdc/tls/tls.crt", "/etc/openbdc/tls/tls.key")
"""Where the Kubernetes substrate mounts ``spec.kubernetes.tlsSecret``."""
EVERYBODY = ("0.0.0.0/0", "::/0")


def all_workloads(spec: ClusterSpec, facts: Facts) -> tuple[Workload, ...]:
    """Every workload of the cluster. SpecError for what a pool refuses."""
    ports = port_numbers(spec)
    return (
        control_workload(spec, facts),
        *_master(spec, ports, facts),
        *_compute(spec, ports, facts),
        *_data(spec, ports, facts),
        *_storage(spec, ports, facts),
        *_gateway(spec, ports, facts),
        *_app(spec, ports, facts),
        *tracking(spec, facts),
    )


def control_workload(spec: ClusterSpec, facts: Facts | None = None) -> Workload:
    """The controller itself: the substrate starts it without being asked, and all else is asked for by it."""
    network, ports = spec.spec.network, port_numbers(spec)
    tls = encrypted(spec, (facts or Facts()).listen)
    scheme = "https" if tls else "http"
    asked = ANY_ADDRESS.get(network.bind, network.bind)  # where it listens: nothing may answer on loopback
    return Workload(
        name="control",
        pool="control",
        service="control",
        resource="control",
        command=("{python}", "-m", "controller.main", "--cluster-folder", "{cluster}", "--secrets-folder", "{secrets}"),
        # hashing a password takes 16 MB for 0.2 s; without these glibc keeps them, once per thread
        environment={"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072", "MALLOC_MMAP_THRESHOLD_": "131072"},
        secrets=(
            Secret(MASTER_SECRET, MASTER_PASSWORD_FILE),
            *((Secret(TOKEN_SECRET, SPARK_TOKEN_FILE),) if ports.spark else ()),
            *(server_secrets(_shown("control", spec)) if tls else ()),
        ),
        ports=(Port("api", ports.controller),),
        ready=Probe("tcp", "api", host=asked) if tls else Probe("http", "api", "/healthz", host=asked),
        endpoints=(Endpoint("controller", "Cluster management service", scheme + "://{host}:{port:api}", scheme),),
        stop_seconds=10.0,
        ready_seconds=30.0,
    )


def _master(spec: ClusterSpec, ports: PortNumbers, facts: Facts) -> tuple[Workload, ...]:
    pool, network = spec.spec.pools.master, spec.spec.network
    outside, guarded = not is_loopback(network.bind), not is_loopback(facts.listen)
    tls = encrypted(spec, facts.listen)
    given = POD_CERTIFICATE if guarded and spec.spec.kubernetes.tls_secret else None
    settings = MasterSettings(
        port=ports.master,
        addresses=(facts.listen,) if guarded else _addresses(network.bind),
        networks=EVERYBODY if outside or guarded else MasterSettings.networks,
        guarded=guarded and given is None and not tls,
        tls=given,
        ldap=asked_directory(spec, facts),
        delays=facts.postgresql_delays,
        encrypted=_shown("master-0", spec) if tls and given is None else None,
        front=tls and not facts.postgresql_tls,
        clients=master_clients(spec, facts),
        database=pool.databases[0],
        more_databases=pool.databases[1:],
        pool_hosts=tuple(f"{{host:compute-{replica}}}" for replica in range(len(ports.compute))),
        pool_ports=ports.compute,
        pool_encrypted=tls and guarded,
        sealing_key=facts.sealing_key,
        storage_location=_storage_location(spec, ports, facts),
        data_shards=len(ports.data),
        flight_addresses=tuple(
            f"{'grpc+tls://' if tls else ''}{{host:compute-{replica}}}:{port}" for replica, port in enumerate(ports.flight)
        ),
        statement_timeout_seconds=pool.statement_timeout_seconds or 0,
        version=facts.postgresql_version,
        offload=facts.offload if pool.offload == "auto" else None,
        settings={"max_connections": str(pool.max_connections), "shared_buffers": f"{pool.memory_megabytes}MB"},
    )
    try:
        return master_workloads(settings)
    except (ListenError, ValueError) as error:
        raise SpecError((Problem("spec.pools.master", str(error)),)) from None


def master_clients(spec: ClusterSpec, facts: Facts) -> dict[str, str]:
    """What libpq is told about the master's TLS by the cluster's own parts; ``{secrets}`` is theirs."""
    if not encrypted(spec, facts.listen):
        return {}
    if spec.spec.kubernetes.tls_secret and not is_loopback(facts.listen):
        return BOUND
    if spec.spec.network.tls.certificate is None:
        return VERIFIED
    return BOUND if facts.postgresql_tls else ENCRYPTED


def _shown(name: str, spec: ClusterSpec) -> str:
    """Under which name the certificate lies that ``name`` shows to people: the spec's own, where it names one."""
    return GIVEN if spec.spec.network.tls.certificate else name


def files_encrypted(spec: ClusterSpec, facts: Facts) -> bool:
    """Whether WebHDFS speaks TLS, by which all but Spark then reach HDFS: in pods. On one machine HDFS never leaves loopback."""
    return not is_loopback(facts.listen) and encrypted(spec, facts.listen)


def _storage_location(spec: ClusterSpec, ports: PortNumbers, facts: Facts) -> str | None:
    if not spec.spec.pools.storage.enabled:
        return None
    if files_encrypted(spec, facts):
        return f"https://{{host:{NAMENODE}}}:{ports.webhdfs}"
    return f"hdfs://{{host:{NAMENODE}}}:{ports.namenode}"


def _addresses(bind: str) -> tuple[str, ...]:
    """Where the master listens on one machine: always on loopback too."""
    return (bind,) if bind == "0.0.0.0" else tuple(dict.fromkeys(("127.0.0.1", bind)))  # noqa: S104 (the spec's wish)


def _compute(spec: ClusterSpec, ports: PortNumbers, facts: Facts) -> tuple[Workload, ...]:
    pool = spec.spec.pools.compute
    limits = Limits(
        running=pool.running_queries,
        wait_seconds=pool.queue_seconds,
        connections=pool.max_connections,
        memory_mb=pool.memory_megabytes,
        query_memory_mb=pool.memory_megabytes // 2,
        history=pool.history_queries,
    )
    controller, same = _logins(spec, ports, facts)
    settings = ComputeSettings(
        ports=ports.compute,
        master_port=ports.master,
        flight_ports=ports.flight,
        shards=tuple(
            ShardAddress(number, f"{{host:data-{number}}}", port, encrypted(spec, facts.listen)) for number, port in enumerate(ports.data)
        ),
        listen=facts.listen,
        controller=controller,
        issuer=facts.issuer if controller else "",
        same=same,
        app_proxy=f"{{host:{APP_PROXY}}}:{ports.app}" if ports.app is not None else None,
        encrypted=encrypted(spec, facts.listen),
        files_encrypted=files_encrypted(spec, facts),
        master_tls=master_clients(spec, facts),
        limits=limits,
        postgresql_version=facts.postgresql_version,
    )
    return compute_workloads(settings)


def _data(spec: ClusterSpec, ports: PortNumbers, facts: Facts) -> tuple[Workload, ...]:
    pool = spec.spec.pools.data
    limits = ShardLimits(
        memory_mb=pool.memory_megabytes,
        threads=pool.threads,
        reserve_mb=pool.disk_reserve_megabytes,
        retention_seconds=pool.retention_seconds,
    )
    tls = encrypted(spec, facts.listen)
    return data_workloads(DataSettings(ports.data, "", keys_laid=True, limits=limits, listen=facts.listen, encrypted=tls))


def _storage(spec: ClusterSpec, ports: PortNumbers, facts: Facts) -> tuple[Workload, ...]:
    pool = spec.spec.pools.storage
    if not pool.enabled:
        return ()
    settings = StorageSettings(
        rpc_port=ports.namenode,
        http_port=ports.webhdfs,
        datanode_ports=tuple({"data": data, "http": http, "ipc": ipc} for data, http, ipc in ports.datanodes),
        replication=pool.replication,
        superusers=(facts.first_admin,),
        namenode_heap_mb=pool.name_node_memory_megabytes,
        datanode_heap_mb=pool.data_node_memory_megabytes,
        listen=facts.listen,
        encrypted=files_encrypted(spec, facts),
        proxy_user=PROXY_USER if ports.gateway is not None else None,
    )
    spark = spark_settings(spec, facts)
    servers = tuple(connect_server(spark, server) for server in spark.servers) if spark else ()
    return (*storage_workloads(settings), *servers)


def _app(spec: ClusterSpec, ports: PortNumbers, facts: Facts) -> tuple[Workload, ...]:
    return () if ports.app is None else app_workloads(app_settings(spec, ports.app, facts))


def app_settings(spec: ClusterSpec, port: int, facts: Facts) -> AppSettings:
    """How the app pool runs; in pods each version has some of its own."""
    ports = port_numbers(spec)
    pod, tls, bind = not is_loopback(facts.listen), encrypted(spec, facts.listen), spec.spec.network.bind
    controller = f"{'https' if tls else 'http'}://{{host:{facts.controller}}}:{ports.controller}"
    if not pod and not is_loopback(bind) and bind not in ANY_ADDRESS:
        # nothing of the controller answers on loopback
        controller = controller.replace("{host:control}", f"[{bind}]" if ":" in bind else bind)
    return AppSettings(
        port,
        controller,
        facts.issuer,
        facts.listen,
        encrypted=tls,
        pod=pod,
        sql=f"{'{host:master-0}' if pod else '127.0.0.1'}:{ports.master}/{spec.spec.pools.master.databases[0]}",
        sql_tls=dict(master_clients(spec, facts)) if pod else {},
    )


def _gateway(spec: ClusterSpec, ports: PortNumbers, facts: Facts) -> tuple[Workload, ...]:
    if ports.gateway is None:
        return ()
    pod, hdfs = not is_loopback(facts.listen), spec.spec.pools.storage.enabled
    spark = hdfs and spec.spec.pools.storage.spark.enabled
    place = GatewayPlace(
        bind=facts.listen if pod else bound(spec, GATEWAY),
        port=ports.gateway,
        certificate=_shown(GATEWAY, spec),
        controller=_controller_address(spec, ports, facts),
        given=POD_CERTIFICATE if pod and spec.spec.kubernetes.tls_secret else None,
        same=spec.spec.network.tls.certificate is not None,
        issuer=facts.issuer,
        namenode={"rpc": ports.namenode, "http": ports.webhdfs} if hdfs else None,
        datanodes=tuple(http for _, http, _ in ports.datanodes),
        files_encrypted=files_encrypted(spec, facts),
        apps=None if ports.app is None else f"{{host:{APP_PROXY}}}:{ports.app}",
        listen=facts.listen,
        flight=tuple(f"{{host:compute-{replica}}}:{port}" for replica, port in enumerate(ports.flight)),
        flight_encrypted=encrypted(spec, facts.listen),
        spark_host=None if not spark else AS_LISTED if pod else "127.0.0.1",
    )
    return gateway_workloads(place)


def _logins(spec: ClusterSpec, ports: PortNumbers, facts: Facts) -> tuple[str | None, bool]:
    """Whose logins the compute pool's Flight endpoint takes too, where a gateway passes them on: the controller's address, and whether it
    shows a customer's certificate."""
    if ports.gateway is None:
        return None, False
    return _controller_address(spec, ports, facts), spec.spec.network.tls.certificate is not None


def _controller_address(spec: ClusterSpec, ports: PortNumbers, facts: Facts) -> str:
    """Where who has to judge logins reaches the controller: in pods by its Service."""
    address = ANY_ADDRESS.get(spec.spec.network.bind, spec.spec.network.bind)
    here = f"[{address}]" if ":" in address else address
    host = here if is_loopback(facts.listen) else f"{{host:{facts.controller}}}"
    return f"{'https' if encrypted(spec, facts.listen) else 'http'}://{host}:{ports.controller}"


def spark_settings(spec: ClusterSpec, facts: Facts) -> SparkSettings | None:
    """How Spark runs in this cluster; None where it does not."""
    ports, storage = port_numbers(spec), spec.spec.pools.storage
    if not ports.spark:
        return None
    tls = encrypted(spec, facts.listen)
    addresses = {"BDC_MASTER": "{host:master-0}:" + str(ports.master)}
    if tls:
        addresses["BDC_AUTHORITY"] = AUTHORITY
    if ports.flight:
        scheme = "grpc+tls://" if tls else ""
        addresses["BDC_FLIGHT"] = ",".join(
            scheme + "{host:compute-" + str(index) + "}:" + str(port) for index, port in enumerate(ports.flight)
        )
    return SparkSettings(
        servers=_spark_servers(ports.spark, facts),
        namenode=f"hdfs://{{host:{NAMENODE}}}:{ports.namenode}",
        replication=storage.replication,
        memory_mb=storage.spark.memory_megabytes,
        cores=storage.spark.cores,
        conf=storage.spark.conf,
        idle_seconds=None if storage.spark.idle_minutes is None else storage.spark.idle_minutes * 60.0,
        listen=facts.listen,
        addresses=addresses,
        secrets=CLIENT_SECRETS if tls else (),
    )


def _spark_servers(ports: tuple[int, ...], facts: Facts) -> tuple[Server, ...]:
    """One for all, or one for each user who has a place; the first admin always has one."""
    if len(ports) == 1:
        return (Server(0, ports[0], facts.first_admin),)
    users = facts.spark_users if any(facts.spark_users) else (facts.first_admin,)
    return tuple(Server(number, port, user, own=True) for number, (port, user) in enumerate(zip(ports, users, strict=False)) if user)
