"""The rights that the chart grants: exactly the declared ones, in its own namespace, and nearly none in another."""

from __future__ import annotations

from controller.kubernetes.rights import AROUND_IT, FOR_THE_DOCTOR, IN_THE_NAMESPACE, declared
from tests.helm.chart import CHART, helm, namespace
from tests.helm.rights import granted
from tests.services.kubernetes import ControlPlane


def test_the_controller_may_do_what_is_declared_and_nothing_more(kubernetes_api: ControlPlane) -> None:
    with namespace(kubernetes_api) as own, namespace(kubernetes_api) as other:
        helm(kubernetes_api, own, "install", "openbdc", CHART, "--set", "clusterName=sales")
        everybodys = granted(kubernetes_api, f"{own}:default", own)
        around = declared((*AROUND_IT, *FOR_THE_DOCTOR), own, "sales")
        assert granted(kubernetes_api, f"{own}:openbdc", own) - everybodys == declared(IN_THE_NAMESPACE, own, "sales") | around
        assert granted(kubernetes_api, f"{own}:openbdc", other) - everybodys == around
        helm(kubernetes_api, own, "upgrade", "openbdc", CHART, "--reuse-values", "--set", "rbac.readCluster=false")
        assert granted(kubernetes_api, f"{own}:openbdc", other) - everybodys == declared(AROUND_IT, own, "sales")
        helm(kubernetes_api, own, "uninstall", "openbdc")
        assert granted(kubernetes_api, f"{own}:openbdc", own) == everybodys
