"""The rights that the controller's account has against those that it needs."""

from __future__ import annotations

from collections.abc import Iterator

from controller.kubernetes.api import Json
from controller.kubernetes.doctor.ground import Ground, unknown
from controller.kubernetes.rights import AROUND_IT, IN_THE_NAMESPACE, Right, declared
from controller.operations.doctor import Finding, ok, problem

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
SHOWN = 8


def rights(ground: Ground) -> Iterator[Finding]:
    """By the API server's own list; an authorizer that can't list its rules is told as such."""
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": ground.namespace}}
    status = ground.api.create(REVIEWS, review)["status"]
    needed = declared((*IN_THE_NAMESPACE, *AROUND_IT), ground.namespace, ground.cluster)
    rules = status.get("resourceRules") or []
    missing = sorted(_words(right) for right in needed if not any(_grants(rule, right) for rule in rules))
    if missing and status.get("incomplete"):
        fix = f"kubectl -n {ground.namespace} auth can-i --list --as system:serviceaccount:{ground.namespace}:openbdc"
        yield unknown(f"not checked: the API server can't list all rights: {status.get('evaluationError', 'it does not say why')}", fix)
    elif missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        fix = "helm upgrade openbdc … --reuse-values with the chart of this version: it grants them"
        yield problem(f"the controller lacks {len(missing)} rights: {', '.join(missing[:SHOWN])}{more}", fix)
    else:
        yield ok(f"the controller has the {len(needed)} rights that it needs")


def _grants(rule: Json, right: Right) -> bool:
    group, resource, verb, name = right
    names = rule.get("resourceNames") or []
    return _holds(rule, "apiGroups", group) and _covers(rule, resource) and _holds(rule, "verbs", verb) and (not names or name in names)


def _holds(rule: Json, key: str, value: str) -> bool:
    return bool({"*", value} & set(rule.get(key) or ()))


def _covers(rule: Json, resource: str) -> bool:
    _, _, below = resource.partition("/")
    return bool({"*", resource, f"*/{below}" if below else "*"} & set(rule.get("resources") or ()))


def _words(right: Right) -> str:
    group, resource, verb, name = right
    return f"{verb} {resource}{'.' + group if group else ''}{'' if name == '*' else f' ({name})'}"
