"""What the doctor asks of a real API server (which has no node)."""

from __future__ import annotations

import json

from controller.kubernetes.api import Json
from controller.kubernetes.definition import PATH
from controller.kubernetes.doctor.limits import quotas
from controller.kubernetes.doctor.network import clock
from controller.kubernetes.doctor.nodes import nodes
from controller.kubernetes.doctor.rights import rights
from controller.kubernetes.doctor.table import checks
from controller.kubernetes.doctor.versions import versions
from controller.kubernetes.rights import AROUND_IT, IN_THE_NAMESPACE, Grant
from controller.operations.doctor import examined, worst
from controller.spec.crd import product_version
from tests.controller.kubernetes.conftest import Place, impersonating
from tests.controller.kubernetes.doctor.grounds import bad, found, ground
from tests.patience import eventually

RBAC = "rbac.authorization.k8s.io/v1"


def account(place: Place, *left_out: str) -> str:
    """A user with the controller's rights, but for those of these resources."""
    user = f"doctor-{len(left_out)}-{place.namespace}"
    subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user}
    items: list[Json] = []
    for kind, grants in (("Role", IN_THE_NAMESPACE), ("ClusterRole", AROUND_IT)):
        kept = [grant for grant in grants if grant.resources not in left_out]
        items.append({"apiVersion": RBAC, "kind": kind, "metadata": {"name": user}, "rules": [_rule(grant, place) for grant in kept]})
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": user}
        binding = {"apiVersion": RBAC, "kind": f"{kind}Binding", "metadata": {"name": user}, "subjects": [subject], "roleRef": reference}
        items.append(binding)
    place.plane.kubectl("-n", place.namespace, "apply", "-f", "-", stdin=json.dumps({"kind": "List", "apiVersion": "v1", "items": items}))
    return user


def _rule(grant: Grant, place: Place) -> Json:
    names = grant.names.replace("NAMESPACE", place.namespace).replace("CLUSTER", "demo").split()
    rule: Json = {"apiGroups": [grant.group], "resources": grant.resources.split(), "verbs": grant.verbs.split()}
    return {**rule, "resourceNames": names} if names else rule


def test_rights_and_what_may_not_be_looked_at(space: Place) -> None:
    mine = impersonating(space.plane, account(space))
    assert found(lambda: rights(ground(mine, space.namespace)))[0].state == "ok"
    (one,) = found(lambda: nodes(ground(mine, space.namespace)))
    assert (one.state, one.message) == ("unknown", "not checked: the controller may not list Node objects")
    assert "rbac.readCluster=true" in (one.fix or "")
    less = impersonating(space.plane, account(space, "pods", "resourcequotas limitranges"))
    (one,) = found(lambda: rights(ground(less, space.namespace)))
    assert (one.state, one.message) == (
        "problem",
        "the controller lacks 4 rights: list limitranges, list pods, list resourcequotas, watch pods",
    )
    assert "helm upgrade" in (one.fix or "")
    (one,) = found(lambda: quotas(ground(less, space.namespace)))
    assert one.message == "not checked: the controller may not list ResourceQuota objects"


def test_quotas_and_limit_ranges(place: Place) -> None:
    def told() -> list[str]:
        return list(bad(lambda: quotas(ground(place.api, place.namespace))))

    assert told() == []
    quota = {"hard": {"persistentvolumeclaims": "0", "limits.cpu": "4"}}
    place.api.create(
        place.path("ResourceQuota"), {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}, "spec": quota}
    )
    limits = [
        {"type": "Container", "max": {"memory": "1Mi"}, "default": {"memory": "1Mi"}},
        {"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}},
    ]
    place.api.create(
        place.path("LimitRange"), {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "tight"}, "spec": {"limits": limits}}
    )
    eventually(lambda: any("0 of 0 persistentvolumeclaims are used" in line for line in told()), "Kubernetes counts the quota")
    said = "\n".join(told())
    assert "quota small takes only pods with a limit of CPU" in said
    assert "limit range tight allows 1Mi memory, data-0 asks for" in said
    assert "limit range tight allows claims of 1Gi, master-0 asks for 10Gi" in said


def test_versions_and_clock(space: Place) -> None:
    here = ground(space.api, space.namespace)
    told = bad(lambda: versions(here))
    same = product_version() == here.version
    assert (
        told == {} if same else [line for line in told if f"is of OpenBDC {product_version()}, this controller of {here.version}" in line]
    )
    assert found(lambda: clock(here))[0].state == "ok"
    assert space.api.get(PATH) is not None


def test_each_check_says_something_with_its_fix(space: Place) -> None:
    """Without nodes and storage classes there is much to say, and nothing that the doctor itself could not do."""
    told = examined(checks(ground(space.api, space.namespace)))
    assert {one.check for one in told} == checks(ground(space.api)).keys()
    assert [one for one in told if "the check itself failed" in one.message or (one.state != "ok" and not one.fix)] == []
    assert worst(told) == "problem"
