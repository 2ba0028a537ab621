"""MLflow tracking in a cluster's spec: what runs for it, and where it can't. Pure."""

from __future__ import annotations

from controller.certificates.policy import encrypted
from controller.errors import Problem, SpecError
from controller.facts import Facts
from controller.spec import ClusterSpec, port_numbers
from pools.app.tracking.workloads import TrackingPlace, workloads
from pools.postgresql import is_loopback
from pools.workload import Workload

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (a server that listens everywhere is asked on loopback)


def tracking(spec: ClusterSpec, facts: Facts) -> tuple[Workload, ...]:
    """Its workloads; none where the spec does not want it. SpecError on Kubernetes."""
    ports = port_numbers(spec)
    if ports.tracking is None:
        return ()
    if not is_loopback(facts.listen):
        raise SpecError((Problem("spec.pools.app.tracking.enabled", NOT_THERE, hint=INSTEAD),))
    bind, tls = spec.spec.network.bind, encrypted(spec, facts.listen)
    address = ANY_ADDRESS.get(bind, bind)
    return workloads(
        TrackingPlace(
            port=ports.tracking,
            controller=f"{'https' if tls else 'http'}://{f'[{address}]' if ':' in address else address}:{ports.controller}",
            issuer=facts.issuer,
            encrypted=tls,
            mlflow=facts.mlflow,
            missing=facts.mlflow_hint,
        )
    )


NOT_THERE = "MLflow tracking runs in clusters on one machine only, so far"
INSTEAD = "leave it out, and set MLFLOW_TRACKING_URI to an MLflow server of yours"
