"""The rights of the controller's account as the API server tells them; the list for people is ``controller/kubernetes/rights.py``."""

from __future__ import annotations

import json

from controller.kubernetes.rights import Right
from tests.services.kubernetes import ControlPlane


def granted(kubernetes: ControlPlane, account: str, namespace: str) -> set[Right]:
    """What the API server lets ``NAMESPACE:NAME`` do in a namespace, and around it."""
    review = f'{{"apiVersion":"authorization.k8s.io/v1","kind":"SelfSubjectRulesReview","spec":{{"namespace":"{namespace}"}}}}'
    words = (
        "create",
        "--raw",
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        "-f",
        "-",
        f"--as=system:serviceaccount:{account}",
        "--as-group=system:serviceaccounts",
    )
    words += (f"--as-group=system:serviceaccounts:{account.partition(':')[0]}", "--as-group=system:authenticated")
    status = json.loads(kubernetes.kubectl(*words, stdin=review))["status"]
    assert not status.get("incomplete")
    return {
        (group, resource, verb, name)
        for rule in status["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames") or ["*"]
    }
