"""What the gateway runs: one process, which holds nothing but its certificate and its audit trail. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pools.encryption import AUTHORITY, CERTIFICATE, CLIENT_SECRETS, KEY, server_secrets
from pools.gateway.settings import GatewaySettings, Hdfs
from pools.metrics_listener import metrics_place
from pools.postgresql import Tls
from pools.workload import ConfigFile, Endpoint, Port, Probe, Secret, Workload

NAME = "gateway"
PROXY_USER = "openbdc-gateway"
"""Under this name HDFS lets the gateway act as others, from loopback only (``hadoop.proxyuser``)."""
ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (a server that listens everywhere is asked on loopback)


@dataclass(frozen=True)
class GatewayPlace:
    """Where it stands. ``certificate``: the name under which its certificate lies; ``same``: the controller shows that very one.
    ``given``: files of a customer's certificate that the substrate lays, in place of that one.
    ``namenode``: the NameNode's ports ``rpc`` and ``http``, ``datanodes`` the http port of each; None: no HDFS. ``files_encrypted``: these
    are https.
    ``apps``: where their proxy is (``host:port``, placeholders allowed); None: there is none. ``flight``: of the compute pool's
    replicas, likewise, where there are shards; ``spark_host``: where Spark Connect servers are, or ``AS_LISTED``, None: there are none."""

    bind: str
    port: int
    certificate: str
    controller: str
    issuer: str
    same: bool = False
    given: Tls | None = None
    namenode: Mapping[str, int] | None = None
    datanodes: tuple[int, ...] = ()
    files_encrypted: bool = False
    apps: str | None = None
    flight: tuple[str, ...] = ()
    flight_encrypted: bool = False
    spark_host: str | None = None
    listen: str = "127.0.0.1"


def workloads(place: GatewayPlace) -> tuple[Workload, ...]:
    """The one process."""
    metrics = metrics_place(place.listen)
    settings = GatewaySettings(
        addresses=(place.bind,),
        port=place.port,
        certificate_file=place.given.certificate if place.given else CERTIFICATE,
        certificate_key_file=place.given.key if place.given else KEY,
        certificate_from="spec.kubernetes.tlsSecret" if place.given else "",
        controller=place.controller,
        authority_file=AUTHORITY,
        same_certificate=place.same,
        issuer=place.issuer,
        hdfs=_hdfs(place),
        apps=place.apps,
        flight=place.flight,
        flight_encrypted=place.flight_encrypted,
        spark_host=place.spark_host,
        metrics=metrics.where,
        audit_file="{data}/audit.jsonl",
    )
    endpoints = [Endpoint("gateway", "Gateway to the API, HDFS files and apps", "https://{host}:{port:api}", "https")]
    if place.namenode is not None:
        endpoints.append(Endpoint("webhdfs", "HDFS file system proxy", "https://{host}:{port:api}/webhdfs/v1", "https"))
    if place.flight:
        endpoints.append(Endpoint("gateway-data-pool", "Data pool's loads by the gateway", "grpc+tls://{host}:{port:api}", "grpc"))
    if place.spark_host is not None:
        endpoints.append(Endpoint("gateway-spark", "Spark Connect by the gateway", "sc://{host}:{port:api}/;use_ssl=true", "sc"))
    return (
        Workload(
            name=NAME,
            pool="gateway",
            service="gateway",
            resource=NAME,
            command=("{python}", "-m", "pools.gateway.service", "--config", "{config}/gateway.json"),
            files=(ConfigFile("gateway.json", settings.text()),),
            secrets=_secrets(place),
            ports=(Port("api", place.port), *metrics.ports),
            ready=Probe("tcp", "api", host=ANY.get(place.bind, place.bind)),
            endpoints=tuple(endpoints),
            ready_seconds=30.0,
            memory_mb=256,
            metrics=metrics.scrape,
        ),
    )


def _secrets(place: GatewayPlace) -> tuple[Secret, ...]:
    """A customer's certificate is none of them; without TLS behind it the cluster's authority is for the gateway's own alone."""
    if place.given is None:
        return server_secrets(place.certificate)
    return CLIENT_SECRETS if place.controller.startswith("https:") else ()


def _hdfs(place: GatewayPlace) -> Hdfs | None:
    if place.namenode is None:
        return None
    return Hdfs(
        namenode="{host:nmnode-0}:" + str(place.namenode["http"]),
        rpc="{host:nmnode-0}:" + str(place.namenode["rpc"]),
        datanodes=tuple(f"{{host:storage-0-{number}}}:{port}" for number, port in enumerate(place.datanodes)),
        proxy_user=PROXY_USER,
        encrypted=place.files_encrypted,
    )
