"""What the gateway's process is told, as JSON in its ``gateway.json``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

CONTROLLER = "controller"
AS_LISTED = ""
"""Instead of a host of Spark Connect servers: each is where the controller lists it."""


@dataclass(frozen=True)
class Hdfs:
    """Addresses are ``host:port``. ``proxy_user``: who HDFS lets act as others (``hadoop.proxyuser``). ``encrypted``: NameNode and
    DataNodes speak TLS, with certificates of the cluster's authority."""

    namenode: str
    rpc: str
    datanodes: tuple[str, ...]
    proxy_user: str
    encrypted: bool = False


@dataclass(frozen=True)
class GatewaySettings:
    """``controller``: ``http://host:port`` or ``https://…``. ``authority_file``: one of them has signed the controller's certificate;
    ``same_certificate``: it shows the gateway's own (a customer's), which is what is compared then. ``issuer``: of tokens.
    ``certificate_from``: what of the spec names a customer's certificate that Kubernetes lays, for messages.
    ``hdfs`` None: there is none. ``apps``: ``host:port`` of their proxy, or None. ``flight``: ``host:port`` of the compute pool's
    replicas, where there are shards. ``spark_host``: where Spark Connect servers are, or ``AS_LISTED``, None: there are none.
    ``port`` 0: any. ``metrics``: where they are asked for (``pools/metrics_listener.py``), None: nowhere; with a folder the audit trail is
    asked for there too, else each of its entries is a line of the log too. ``audit_file``: that trail; None: none is kept."""

    addresses: tuple[str, ...]
    port: int
    certificate_file: str
    certificate_key_file: str
    controller: str
    authority_file: str
    issuer: str
    same_certificate: bool = False
    certificate_from: str = ""
    hdfs: Hdfs | None = None
    apps: str | None = None
    metrics: str | None = None
    flight: tuple[str, ...] = ()
    flight_encrypted: bool = False
    spark_host: str | None = None
    audit_file: str | None = None

    @classmethod
    def read(cls, path: Path) -> GatewaySettings:
        """From the JSON file that the workload lays."""
        given = json.loads(path.read_text())
        hdfs = given.pop("hdfs")
        return cls(
            **{**given, "addresses": tuple(given["addresses"]), "flight": tuple(given["flight"])},
            hdfs=Hdfs(**{**hdfs, "datanodes": tuple(hdfs["datanodes"])}) if hdfs is not None else None,
        )

    def text(self) -> str:
        """As ``read`` takes it."""
        return json.dumps(asdict(self), indent=2) + "\n"
