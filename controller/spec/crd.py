"""The CustomResourceDefinition ``bigdataclusters.openbdc.dev``, made from the spec's model, so that Kubernetes accepts what `bdc config
validate` accepts and refuses the rest before it is stored.

What a schema can't say are rules over several fields (``controller.spec.rules``); those that CEL can say are in ``CEL``, by the name of the
function, and the controller checks all of them again. ``python -m controller.config crd`` prints it; docs/reference/crd.yaml is the copy
for people to review. The controller applies it (``controller.kubernetes.definition``); the chart does not.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from controller.spec.directory_rules import DIRECTORY_RULES
from controller.spec.model import API_VERSION, KIND
from controller.spec.rules import KUBERNETES_NAMES
from controller.spec.schema import Schema, structural_schema

GROUP, VERSION = API_VERSION.split("/")
PLURAL = "bigdataclusters"
NAME = f"{PLURAL}.{GROUP}"
VERSION_ANNOTATION = f"{GROUP}/version"
"""The release that wrote the definition: an older controller leaves it as it is."""
LONGEST_NAME = 20

Path = tuple[str, ...]
Rule = dict[str, str]


def product_version() -> str:
    """Of this distribution; ``0`` where it runs without one."""
    try:
        return version("openbdc-cluster")
    except PackageNotFoundError:
        return "0"


def definition() -> dict[str, Any]:
    """The whole definition as plain data."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME, "annotations": {VERSION_ANNOTATION: product_version()}},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"kind": KIND, "listKind": f"{KIND}List", "plural": PLURAL, "singular": KIND.lower(), "shortNames": ["bdc"]},
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": resource_schema()},
                    "subresources": {
                        "status": {},
                        "scale": {
                            "specReplicasPath": ".spec.pools.compute.replicas",
                            "statusReplicasPath": ".status.replicas",
                            "labelSelectorPath": ".status.selector",
                        },
                    },
                    "additionalPrinterColumns": COLUMNS,
                }
            ],
        },
    }


def resource_schema() -> Schema:
    """The schema of the resource: the document's, with the rules, and the status beside it."""
    document = _plain(structural_schema())
    spec = document["properties"]["spec"]
    for path, bounds in BOUNDS.items():
        _at(spec, path).update(bounds)
    _fill_defaults(spec)
    for path, rules in CEL.items():
        _at(spec, path)["x-kubernetes-validations"] = [rule for group in rules.values() for rule in group]
    return {
        "type": "object",
        "description": document["description"],
        "x-kubernetes-validations": NAME_RULES,
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": NAME_SCHEMA,
            "spec": spec,
            "status": STATUS,
        },
    }


def _plain(node: Schema) -> Schema:
    """With descriptions as `kubectl explain` shows them best: one line, without the marks of reStructuredText."""
    shown = {key: _plain(value) if isinstance(value, dict) else value for key, value in node.items() if key != "default"}
    if isinstance(node.get("description"), str):
        shown["description"] = " ".join(node["description"].split()).replace("``", "'")
    return shown | ({"default": node["default"]} if "default" in node else {})


def _fill_defaults(node: Schema) -> None:
    """Where a mapping is left out its fields' defaults hold. Kubernetes checks the rules against the default as it is written, so it is
    written whole."""
    for below in (*node.get("properties", {}).values(), *(node[key] for key in ("items", "additionalProperties") if key in node)):
        _fill_defaults(below)
    if "default" in node and "properties" in node:
        node["default"] = {name: below["default"] for name, below in node["properties"].items() if "default" in below}


def _at(node: Schema, path: Path) -> Schema:
    """The node at ``path``: property names, ``[]`` for the items of a list, ``{}`` for the values of a mapping."""
    for key in path:
        node = node["items"] if key == "[]" else node["additionalProperties"] if key == "{}" else node["properties"][key]
    return node


def _rule(rule: str, message: str, field: str = "") -> Rule:
    found = {"rule": rule, "message": message}
    if field:
        found["fieldPath"] = field
    return found


def _names(path: Path) -> Rule:
    known = KUBERNETES_NAMES[path]
    listed = ", ".join(f"'{name}'" for name in known)
    return _rule(f"self.all(name, name in [{listed}])", f"known here: {', '.join(known)}")


NAME_RULES: list[Rule] = [
    _rule(f"self.metadata.name.size() <= {LONGEST_NAME}", f"the name of a cluster has at most {LONGEST_NAME} characters"),
]
NAME_SCHEMA: Schema = {"type": "object", "properties": {"name": {"type": "string", "pattern": "^[a-z][a-z0-9-]*$"}}}
"""The resource's name is ``metadata.name`` of the document; that it can't change is Kubernetes' own rule."""

BOUNDS: dict[Path, Schema] = {
    ("pools", "master", "databases", "[]"): {"maxLength": 63},
    ("network", "bind"): {"maxLength": 45},
    ("network", "tls", "certificate"): {"maxLength": 4096},
    ("network", "tls", "key"): {"maxLength": 4096},
    ("pools", "storage", "spark", "conf"): {"maxProperties": 200},
    ("pools", "storage", "spark", "conf", "{}"): {"maxLength": 10000},
    ("kubernetes", "pods"): {"maxProperties": 6},
    ("kubernetes", "storage", "claims"): {"maxProperties": 5},
    ("kubernetes", "endpoints"): {"maxProperties": 5},
}
"""Kubernetes reckons what a rule may cost from these; each is more than can be of use."""

CEL: dict[Path, dict[str, list[Rule]]] = {
    (): {
        "bind_is_safe": [
            _rule("isIP(self.network.bind)", "bind is not an IP address, for example 127.0.0.1", ".network.bind"),
            _rule(
                "!isIP(self.network.bind) || ip(self.network.bind).isLoopback()"
                " || !has(self.security.tls.enabled) || self.security.tls.enabled",
                "this address can be reached from other machines: leave security.tls.enabled out, or keep 127.0.0.1",
                ".network.bind",
            ),
        ],
        "exposed_master_has_tls": [
            _rule(
                "!('master' in self.kubernetes.endpoints) || self.kubernetes.endpoints['master'].type == 'ClusterIP'"
                " || has(self.kubernetes.tlsSecret) || (has(self.security.tls.enabled) && self.security.tls.enabled)",
                "a master that is reached from outside needs TLS: security.tls.enabled, or a certificate of yours in kubernetes.tlsSecret",
                ".kubernetes.endpoints",
            )
        ],
    },
    ("pools", "storage"): {
        "replication_needs_datanodes": [
            _rule(
                "!self.enabled || self.replication <= self.dataNodes",
                "replication is more than dataNodes: lower replication or raise dataNodes",
                ".replication",
            )
        ]
    },
    ("gateway",): {
        "gateway_has_an_address": [
            _rule("!has(self.bind) || isIP(self.bind)", "bind is not an IP address, for example 0.0.0.0", ".bind"),
        ]
    },
    ("network",): {
        "certificate_has_key": [
            _rule("has(self.tls.certificate) == has(self.tls.key)", "certificate and key are given both or not at all", ".tls"),
        ],
    },
    ("pools", "master", "databases"): {
        "databases_differ": [
            _rule("self.all(name, self.exists_one(other, other == name))", "a database is listed twice"),
            _rule(
                "self.all(name, !(name in ['postgres', 'template0', 'template1']))",
                "postgres, template0 and template1 are PostgreSQL's own databases: choose other names",
            ),
        ]
    },
    ("pools", "storage", "spark", "conf"): {
        "spark_settings_are_free": [
            _rule(
                "self.all(name, name.startsWith('spark.') && name.matches('^[A-Za-z0-9._-]{1,200}$'))",
                "names of Spark's settings start with 'spark.', for example spark.sql.shuffle.partitions",
            )
        ]
    },
    ("kubernetes", "pods"): {"kubernetes_names_are_known": [_names(("pods",))]},
    ("kubernetes", "storage", "claims"): {"kubernetes_names_are_known": [_names(("storage", "claims"))]},
    ("kubernetes", "endpoints"): {
        "kubernetes_names_are_known": [_names(("endpoints",))],
        "ingress_is_for_http": [
            _rule(
                "self.all(name, name in ['webhdfs', 'app'] || !has(self[name].ingress.host))",
                "only webhdfs and app speak HTTP, which is all that an Ingress carries: set type to LoadBalancer or NodePort",
            )
        ],
    },
}
"""Path below ``spec`` → name of the rule's function → what CEL says of it."""

LEFT_TO_CONTROLLER = frozenset({"ports_differ"} | {rule.__name__ for rule in DIRECTORY_RULES})
"""Rules that are said by the controller alone (condition ``Accepted``): numbers follow from others there, names and certificates parse.
"""

COLUMNS: list[Schema] = [
    {"name": "State", "type": "string", "jsonPath": ".status.state"},
    {"name": "Health", "type": "string", "jsonPath": ".status.health"},
    {"name": "Message", "type": "string", "jsonPath": ".status.message"},
    {"name": "Compute", "type": "integer", "jsonPath": ".spec.pools.compute.replicas", "priority": 1},
    {"name": "Shards", "type": "integer", "jsonPath": ".spec.pools.data.shards", "priority": 1},
    {"name": "DataNodes", "type": "integer", "jsonPath": ".spec.pools.storage.dataNodes", "priority": 1},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
]


def _texts(**descriptions: str) -> dict[str, Schema]:
    return {name: {"type": "string", "description": text} for name, text in descriptions.items()}


CONDITION: Schema = {
    "type": "object",
    "required": ["type", "status", "reason", "message", "lastTransitionTime"],
    "properties": {
        **_texts(
            type="Accepted, Ready, Progressing or Degraded.",
            status="True, False or Unknown.",
            reason="One word for programs.",
            message="One sentence for people: what, where, why, and the next command.",
        ),
        "lastTransitionTime": {"type": "string", "format": "date-time", "description": "When status last changed."},
        "observedGeneration": {"type": "integer", "format": "int64", "description": "The generation of the spec that this is about."},
    },
}

STATUS: Schema = {
    "type": "object",
    "description": "What the controller sees. Written by it alone.",
    "properties": {
        **_texts(
            state="ready, starting, unready, stopped or error.",
            health="healthy, unhealthy or unknown.",
            message="One sentence for people.",
            selector="Labels of the compute pods, for autoscalers.",
            controller="The pod that leads: its log says more.",
            authority="Certificates (PEM) that the cluster's servers are verified with; not there without TLS.",
        ),
        "observedGeneration": {
            "type": "integer",
            "format": "int64",
            "description": "The generation of the spec in force.",
        },
        "replicas": {"type": "integer", "description": "Compute replicas that there are."},
        "lastChange": {
            "type": "object",
            "description": "What the controller changed last; a restart names the field that differed.",
            "properties": {
                **_texts(message="What was done."),
                "time": {"type": "string", "format": "date-time", "description": "When."},
            },
        },
        "conditions": {
            "type": "array",
            "description": "What programs wait for: kubectl wait --for condition=Ready.",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
            "items": CONDITION,
        },
        "endpoints": {
            "type": "array",
            "description": "Addresses inside of the Kubernetes cluster; 'bdc endpoint list' says more.",
            "items": {
                "type": "object",
                "properties": _texts(
                    name="Name.", description="What it is.", endpoint="Address inside of the Kubernetes cluster.", protocol="Protocol."
                ),
            },
        },
        "services": {
            "type": "array",
            "description": "The tree of 'bdc status': service, resource, instance.",
            "items": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
    },
}
