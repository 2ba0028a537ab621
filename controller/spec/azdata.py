"""``bdc config import``: a spec from the original's ``bdc.json`` and ``control.json``. What is not carried over is named, each with why.

Every value of both files is either carried over, meant nothing, or is told: nothing is lost in silence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.errors import RequestError, SpecError
from controller.profiles import render_profile
from controller.spec.edit import set_value
from controller.spec.model import CLUSTER_NAME

Json = dict[str, Any]
CLAIMS = {"master": "master", "data-0": "data", "nmnode-0": "nameNode", "storage-0": "dataNode"}
REPLICAS = {"compute-0": "spec.pools.compute.replicas", "data-0": "spec.pools.data.shards", "storage-0": "spec.pools.storage.dataNodes"}
PORTS = {"Controller": "controller", "Master": "master"}
CONF = re.compile(r"^(?:spark-defaults-conf\.)(.+)$")
UNIT = {"m": 1, "g": 1024}

MEANT_NOTHING = re.compile(
    r"^(bdc\.)?(apiVersion|metadata\..*|spec\.resources\.[^.]+\.(metadata\..*|spec\.type|clusterName)|spec\.services\.[^.]+\.resources.*)$"
    r"|^control\.(apiVersion|metadata\..*|spec\.docker\.imagePullPolicy)$|\.accessMode$"
)
"""Says nothing that a spec has to say."""

REASONS: tuple[tuple[str, str], ...] = (
    (r"^control\.(spec\.)?security\.activeDirectory", "logins through Active Directory are not there yet: users are made by bdc user add"),
    (r"^control\.(spec\.)?security\.", "pods run without root, with a read-only root and no capabilities; there is nothing to allow"),
    (r"^control\.spec\.docker\.", "images are openbdc's own; a private registry: spec.kubernetes.images"),
    (r"^control\.spec\.settings\.", "there is no Elasticsearch: logs are those of the pods (bdc logs)"),
    (r"\.storage\.logs\.", "logs go to the pods' standard output: they need no volume"),
    (r"^bdc\..*\.storage\.data\.", "on one machine data lies in BDC_HOME; with --profile kubernetes this becomes a claim"),
    (r"^control\.spec\.storage\.", "control keeps its few records in the resource and in a Secret: it needs no volume"),
    (r"\.resources\.(zookeeper|sparkhead|gateway|appproxy|spark-0)\.", "there is no such resource: it is not needed, or not there yet"),
    (r"\.resources\.nmnode-0\.spec\.replicas", "HDFS has one NameNode, which Kubernetes starts again; a second one is not there yet"),
    (r"\.resources\.master\.spec\.replicas|hadr\.", "the master has one instance; replicas are not there yet"),
    (r"[lL]abel$", "placement is by node labels of your own: spec.kubernetes.pods.<pool>.nodeSelector"),
    (r"dnsName", "names are given by Ingress or LoadBalancer: spec.kubernetes.endpoints"),
    (r"serviceType", "until an endpoint is exposed it is reached by port-forward: spec.kubernetes.endpoints.<name>.type"),
    (r"\.endpoints\.", "the endpoint is another one here, or on another way: bdc endpoint list"),
    (r"docker", "images are openbdc's own: spec.kubernetes.images"),
    (r"spark|yarn|capacity-scheduler|livy|hive", "Spark runs without YARN and Livy here: spec.pools.storage.spark"),
    (r"hdfs-site|core-site|hadoop", "of HDFS's settings replication and memory can be chosen: spec.pools.storage"),
    (r"gateway|zoo", "there is no Knox and no ZooKeeper"),
    (r"mssql|sql\.", "SQL Server's own setting; PostgreSQL's are a database's or a role's: ALTER DATABASE … SET"),
)  # fmt: skip


@dataclass
class Imported:
    """``text``: the spec; ``carried``: (key of the original, field, value); ``left``: (key of the original, value, why)."""

    text: str
    carried: list[tuple[str, str, Any]] = field(default_factory=list)
    left: list[tuple[str, Any, str]] = field(default_factory=list)


def imported(bdc: Json, control: Json | None, profile: str, name: str | None = None) -> Imported:
    """RequestError where ``bdc`` is no ``bdc.json``, or its name can't be a cluster's."""
    if not isinstance(bdc.get("spec"), dict) or not isinstance(bdc["spec"].get("resources"), dict):
        raise RequestError(
            "this is not a bdc.json of Big Data Clusters: spec.resources is missing", where="bdc.json", hint="bdc config init"
        )
    text = render_profile(profile, _name(name or str(_at(bdc, "metadata.name") or "demo")))
    if _at(bdc, "spec.resources.storage-0.spec.replicas") == 1:
        text = set_value(text, "spec.pools.storage.replication", "1")  # more copies than DataNodes can't be
    found = Imported(text)
    known: set[str] = set()
    for key, path, value in _wanted(bdc, control or {}, profile):
        try:
            found.text = set_value(found.text, path, json.dumps(value))
        except (SpecError, RequestError) as error:
            found.left.append((key, value, error.message.split(": ", 2)[-1]))
        else:
            found.carried.append((key, path, value))
        known.add(key)
    for prefix, document in (("bdc", bdc), ("control", control or {})):
        for key, value in _leaves(prefix, document):
            if key not in known and not any(key.startswith(f"{one}.") for one in known) and not MEANT_NOTHING.search(key):
                found.left.append((key, value, _why(key)))
    return found


def _wanted(bdc: Json, control: Json, profile: str) -> Iterator[tuple[str, str, Any]]:
    """(key, field, value) of all that has a counterpart. Replication comes after the DataNodes that carry it."""
    resources: Json = bdc["spec"]["resources"]
    for resource, path in REPLICAS.items():
        replicas = _at(resources, f"{resource}.spec.replicas")
        if isinstance(replicas, int):
            yield f"bdc.spec.resources.{resource}.spec.replicas", path, replicas
    yield from _settings(bdc)
    for place, endpoints in _endpoint_lists(resources, control):
        for number, endpoint in enumerate(endpoints):
            if endpoint.get("name") in PORTS and isinstance(endpoint.get("port"), int) and profile == "local":
                yield f"{place}.{number}.port", f"spec.ports.{PORTS[endpoint['name']]}", endpoint["port"]
    if profile == "kubernetes":
        yield from _claims(resources)


def _settings(bdc: Json) -> Iterator[tuple[str, str, Any]]:
    conf: dict[str, str] = {}
    for key, value in _leaves("bdc", bdc):
        if ".settings." not in key:
            continue
        name = re.sub(r"^(sql|hdfs|spark|gateway)\.", "", key.split(".settings.", 1)[1])  # a resource's are by service
        spark = CONF.match(name)
        if name == "hdfs-site.dfs.replication":
            yield key, "spec.pools.storage.replication", int(value)
        elif name == "includeSpark":
            yield key, "spec.pools.storage.spark.enabled", str(value).lower() == "true"
        elif spark and spark[1] == "spark.driver.memory" and (megabytes := _megabytes(str(value))):
            yield key, "spec.pools.storage.spark.memoryMegabytes", megabytes
        elif spark and spark[1] == "spark.driver.cores":
            yield key, "spec.pools.storage.spark.cores", int(value)
        elif spark and not spark[1].startswith(("spark.executor.", "spark.yarn.")):
            conf[spark[1]] = str(value)
            yield key, "spec.pools.storage.spark.conf", dict(conf)


def _claims(resources: Json) -> Iterator[tuple[str, str, Any]]:
    claims: dict[str, Json] = {}
    for resource, claim in CLAIMS.items():
        data = _at(resources, f"{resource}.spec.storage.data")
        if isinstance(data, dict):
            claims[claim] = {ours: data[theirs] for ours, theirs in (("size", "size"), ("storageClass", "className")) if data.get(theirs)}
            yield f"bdc.spec.resources.{resource}.spec.storage.data", "spec.kubernetes.storage.claims", dict(claims)


def _endpoint_lists(resources: Json, control: Json) -> Iterator[tuple[str, list[Json]]]:
    for resource, content in resources.items():
        yield f"bdc.spec.resources.{resource}.spec.endpoints", _dicts(_at(content, "spec.endpoints"))
    yield "control.spec.endpoints", _dicts(_at(control, "spec.endpoints"))


def _dicts(value: object) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _name(given: str) -> str:
    if not re.match(CLUSTER_NAME, given) or len(given) > 20:
        raise RequestError(
            f"{given[:60]!r} can't be the name of a cluster here", where="metadata.name",
            hint="give another one with --name: lower-case letters, digits and '-', at most 20 characters",
        )  # fmt: skip
    return given


def _megabytes(text: str) -> int | None:
    found = re.fullmatch(r"(\d+)([mg])b?", text.lower())
    return int(found[1]) * UNIT[found[2]] if found else None


def _why(key: str) -> str:
    return next((why for pattern, why in REASONS if re.search(pattern, key)), "has no counterpart here")


def _at(value: Any, path: str) -> Any:  # noqa: ANN401 (JSON)
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 (JSON)
    pairs: Callable[[], Any] | None = (
        value.items if isinstance(value, dict) else (lambda: enumerate(value)) if isinstance(value, list) else None
    )
    if pairs is None:
        yield path, value
        return
    for key, inner in pairs():
        yield from _leaves(f"{path}.{key}", inner)
