"""What the app pool runs: the proxy, with the workers below it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pools.app.settings import ProxySettings
from pools.encryption import AUTHORITY, CLIENT_SECRETS
from pools.metrics_listener import metrics_place
from pools.workload import ConfigFile, Endpoint, Port, Probe, Secret, Workload

TICKET_KEYS = "ticket.pub"
PROXY, PORT, ENDPOINT = "app-proxy", "app", "app-proxy"


@dataclass(frozen=True)
class AppSettings:
    """``controller``: its address as the pool reaches it; ``issuer``: of its tokens; ``encrypted``: whether that is verified with the
    cluster's authority; ``pod``: it gets a pod of its own, whose name others reach it by; ``sql``: the master, as of
    ``ProxySettings``."""

    port: int
    controller: str
    issuer: str
    listen: str = "127.0.0.1"
    encrypted: bool = False
    pod: bool = False
    sql: str | None = None


def workloads(settings: AppSettings) -> tuple[Workload, ...]:
    """``app-proxy``."""
    metrics = metrics_place(settings.listen)
    service = ProxySettings(
        port=settings.port,
        host=settings.listen,
        data_folder="{data}",
        controller=settings.controller,
        issuer=settings.issuer,
        authority=AUTHORITY if settings.encrypted else None,
        address=f"http://{{host:{PROXY}}}:{settings.port}" if settings.pod else None,
        pod=settings.pod,
        sql=settings.sql,
        metrics=metrics.where,
        ticket_keys_file=f"{{secrets}}/{TICKET_KEYS}",
    )
    return (
        Workload(
            name=PROXY,
            pool="app",
            service="app",
            resource=PROXY,
            command=("{python}", "-m", "pools.app.service", "--config", "{config}/proxy.json"),
            environment={"MALLOC_ARENA_MAX": "2"},
            files=(ConfigFile("proxy.json", service.json()),),
            secrets=(
                Secret(TICKET_KEYS, TICKET_KEYS),
                *(CLIENT_SECRETS if settings.encrypted else ()),
            ),
            ports=(Port(PORT, settings.port), *metrics.ports),
            ready=Probe("http", PORT, "/healthz"),
            endpoints=(Endpoint(ENDPOINT, "Application proxy", "http://{host}:{port:app}", "http"),),
            stop_seconds=service.drain_seconds + 10,
            ready_seconds=60.0,
            metrics=metrics.scrape,
        ),
    )
