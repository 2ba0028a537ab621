"""What tracking runs: MLflow's own server on a Unix socket, and the proxy in front of it. Pure.

Both are an OS user of their own where there are such: the socket lies in a folder that nobody else may enter, and MLflow, which is told
files and paths by others, reads nothing of the apps and the other pools.
"""

from __future__ import annotations

from dataclasses import dataclass

from pools.app.tracking.settings import TrackingSettings
from pools.encryption import AUTHORITY, CLIENT_SECRETS
from pools.metrics_listener import metrics_place
from pools.workload import ConfigFile, Endpoint, Port, Prepare, Probe, Workload

PROXY, SERVER, PORT, ENDPOINT = "tracking", "tracking-server", "tracking", "mlflow"
SOCKET = "{run}/mlflow.sock"
QUIET = {
    "DO_NOT_TRACK": "true", "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "GIT_PYTHON_REFRESH": "quiet", "MALLOC_ARENA_MAX": "2",
}  # fmt: skip
"""MLflow tells nobody of its use, and runs nothing for others."""


@dataclass(frozen=True)
class TrackingPlace:
    """``controller``, ``issuer``, ``encrypted``: as of the app proxy's ``AppSettings``. ``mlflow``: path of the program, None: it is not
    installed, and ``missing`` says what brings it."""

    port: int
    controller: str
    issuer: str
    encrypted: bool = False
    mlflow: str | None = None
    missing: str = ""


def workloads(place: TrackingPlace) -> tuple[Workload, ...]:
    """The proxy, and the server where it is installed."""
    proxy = _proxy(place)
    return (proxy,) if place.mlflow is None else (_server(place.mlflow), proxy)


def _proxy(place: TrackingPlace) -> Workload:
    metrics = metrics_place(TrackingSettings.host)
    settings = TrackingSettings(
        port=place.port,
        socket=SOCKET,
        data_folder="{data}",
        controller=place.controller,
        issuer=place.issuer,
        authority=AUTHORITY if place.encrypted else None,
        missing=place.missing if place.mlflow is None else None,
        metrics=metrics.where,
    )
    return Workload(
        name=PROXY,
        pool="tracking",
        service="app",
        resource=PROXY,
        command=("{python}", "-m", "pools.app.tracking.service", "--config", "{config}/tracking.json"),
        environment={"MALLOC_ARENA_MAX": "2"},
        files=(ConfigFile("tracking.json", settings.json()),),
        secrets=CLIENT_SECRETS if place.encrypted else (),
        ports=(Port(PORT, place.port), *metrics.ports),
        ready=Probe("http", PORT, "/healthz"),
        endpoints=(Endpoint(ENDPOINT, "MLflow tracking and model registry", "http://{host}:{port:tracking}", "http"),),
        ready_seconds=300.0,  # MLflow makes its tables at the first start
        metrics=metrics.scrape,
    )


def _server(mlflow: str) -> Workload:
    command = (
        mlflow, "server", "--backend-store-uri", "sqlite:///{data}/mlflow.db", "--artifacts-destination", "{data}/artifacts",
        "--serve-artifacts", "--workers", "1", "--uvicorn-opts", f"--uds {SOCKET} --no-access-log",
    )  # fmt: skip
    return Workload(
        name=SERVER,
        pool_instance=PROXY,  # {run} is the proxy's
        pool="tracking",
        service="app",
        resource=PROXY,
        command=command,
        environment={**QUIET, "TMPDIR": "{data}/tmp"},
        prepare=(Prepare("folders", ("mkdir", "-p", "{data}/artifacts", "{data}/tmp"), "{data}/tmp"),),
        stop_seconds=10.0,
        memory_mb=512,
    )
