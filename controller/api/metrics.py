"""Routes for Prometheus: the controller's own metrics, and the whole cluster's. A token, or user and password, of any user."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from controller.api.access import guarded_router
from controller.api.services import services_of
from controller.errors import UnknownNameError
from controller.metrics_cluster import ClusterMetrics
from pools.exposition import CONTENT_TYPE

router = guarded_router("cluster")
TEXT: dict[int | str, dict[str, Any]] = {
    200: {"content": {CONTENT_TYPE: {"schema": {"type": "string"}}}, "description": "Prometheus' text format"}
}


@router.get("/metrics", summary="Metrics of the controller", response_class=Response, responses=TEXT)
def own(request: Request) -> Response:
    """What the controller counts, and the states of workloads by its last pass; no service is asked."""
    return Response(_metrics(request).own(), media_type=CONTENT_TYPE)


@router.get("/api/v1/bdc/metrics", summary="Metrics of the cluster", response_class=Response, responses=TEXT)
def whole(request: Request) -> Response:
    """The controller's, and what each service of the cluster says when it is asked now, with its workload as a label; ``openbdc_up`` is 0
    for one that does not answer within 4 s."""
    return Response(_metrics(request).whole(), media_type=CONTENT_TYPE)


def _metrics(request: Request) -> ClusterMetrics:
    found = services_of(request).metrics
    if found is None:
        raise UnknownNameError("this controller has no metrics")
    return found
