"""What must hold before anything is installed: programs, their versions, an API server that answers, rights, a free namespace."""

from __future__ import annotations

import re
import subprocess
from typing import cast

from azdata_like_cli.kubernetes.resource import COLLECTION
from bdc import kubectl
from bdc.contexts import Place
from bdc.errors import ConflictError, ForbiddenError, ServiceError, UserError

Json = dict[str, object]
Version = tuple[int, int]

LEAST_HELM: Version = (3, 14)
LEAST_SERVER: Version = (1, 29)
"""CEL rules in CRDs are generally available from here on."""

NEEDED = (
    ("create", "", "secrets"),
    ("create", "", "services"),
    ("create", "", "serviceaccounts"),
    ("create", "apps", "deployments"),
    ("create", "networking.k8s.io", "networkpolicies"),
    ("create", "rbac.authorization.k8s.io", "roles"),
    ("create", "rbac.authorization.k8s.io", "rolebindings"),
    ("create", "rbac.authorization.k8s.io", "clusterroles"),
    ("create", "rbac.authorization.k8s.io", "clusterrolebindings"),
    ("create", "openbdc.dev", "bigdataclusters"),
)
"""(verb, API group, resource) that installing takes."""


def programs() -> None:
    """UserError unless kubectl and a Helm that is new enough can be run."""
    kubectl.program("kubectl")
    helm = kubectl.program("helm")
    done = subprocess.run([helm, "version", "--template", "{{.Version}}"], capture_output=True, text=True, check=False)
    found = _version(done.stdout)
    if found is None:
        raise ServiceError("helm does not say its version", where=helm, why=(done.stderr or done.stdout).strip()[:200] or None)
    if found < LEAST_HELM:
        raise UserError(
            f"helm {_text(found)} is too old", where=helm, why=f"{_text(LEAST_HELM)} or later is needed", hint=kubectl.INSTALL["helm"]
        )


def server(place: Place) -> None:
    """UserError, UnreachableError, AuthenticationError unless a Kubernetes answers that is new enough."""
    answer = kubectl.read(place, "/version") or {}
    found = _version(str(answer.get("gitVersion")))
    if found is None or found < LEAST_SERVER:
        why = f"{_text(LEAST_SERVER)} or later is needed; it is {answer.get('gitVersion')}"
        raise UserError("this Kubernetes is too old", where=f"kubeconfig context {place.context}", why=why)


def _version(text: str) -> Version | None:
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def _text(version: Version) -> str:
    return ".".join(map(str, version))


def rights(place: Place, *, namespace_is_there: bool) -> None:
    """ForbiddenError that lists every missing right. Where an authorizer can't list rights, the installation itself will say."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": place.namespace},
    }
    answer = kubectl.create(place, "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", cast(Json, review))
    status = cast(Json, answer.get("status") or {})
    if status.get("incomplete"):
        return
    rules = cast("list[dict[str, list[str]]]", status.get("resourceRules") or [])
    needed = NEEDED if namespace_is_there else (("create", "", "namespaces"), *NEEDED)
    missing = [f"{verb} {resource}{group and '.'}{group}" for verb, group, resource in needed if not _granted(rules, verb, group, resource)]
    if missing:
        raise ForbiddenError(
            "you lack rights that the installation needs",
            where=f"kubeconfig context {place.context}, namespace {place.namespace}",
            why=", ".join(missing),
            hint="an administrator (ClusterRole cluster-admin) can install it, or grant these",
        )


def _granted(rules: list[dict[str, list[str]]], verb: str, group: str, resource: str) -> bool:
    def holds(rule: dict[str, list[str]], key: str, value: str) -> bool:
        return bool({"*", value} & set(rule.get(key) or ()))

    return any(
        holds(rule, "verbs", verb)
        and holds(rule, "apiGroups", group)
        and holds(rule, "resources", resource)
        and not rule.get("resourceNames")
        for rule in rules
    )


def alone(place: Place, name: str) -> None:
    """ConflictError when the namespace holds another cluster, or is about to go."""
    found = kubectl.read(place, COLLECTION.format(namespace=place.namespace)) or {}
    items = cast("list[dict[str, Json]]", found.get("items") or [])
    others = sorted(str(item["metadata"]["name"]) for item in items if item["metadata"]["name"] != name)
    if others:
        raise ConflictError(
            f"namespace {place.namespace} holds the cluster {others[0]!r} already",
            why="a namespace holds one cluster",
            hint=f"choose another one: --namespace {name}",
        )


def namespace_is_there(place: Place) -> bool:
    """Whether it exists; ConflictError while it is being deleted."""
    found = kubectl.read(place, f"/api/v1/namespaces/{place.namespace}")
    if found is None:
        return False
    if cast(Json, found.get("status") or {}).get("phase") == "Terminating":
        why = _terminating(found)
        raise ConflictError(
            f"namespace {place.namespace} is being deleted", why=why, hint="try again when it is gone, or choose another one"
        )
    return True


def _terminating(namespace: Json) -> str | None:
    conditions = cast("list[Json]", cast(Json, namespace["status"]).get("conditions") or [])
    return "; ".join(str(one.get("message")) for one in conditions if one.get("status") == "True") or None
