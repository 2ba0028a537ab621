"""What the app pool runs: the proxy, with the workers below it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from pools.app import wire
from pools.app.settings import HostSettings, ProxySettings
from pools.app.wanted import Wanted
from pools.encryption import AUTHORITY, CERTIFICATE, CLIENT_SECRETS, KEY, server_secrets
from pools.metrics_listener import metrics_place
from pools.workload import ConfigFile, Endpoint, Port, Probe, Secret, Workload

TICKET_KEYS = "ticket.pub"
PROXY, PORT, ENDPOINT = "app-proxy", "app", "app-proxy"
PODS_KEY = "app-pods.key"
"""The secret of which the tokens of versions' pods are made."""
POD_TOKEN = "app-pod-"  # noqa: S105 (the beginning of a secret's name)
"""With this, and the code of a package, the secret is named that its pods are shown."""
POD_ROLE = "app-version"
PODS_PORT = "pods"
TOKEN_FILE = "token"  # noqa: S105 (the name of a file)
MOST_DRAIN = 60.0
"""Seconds that a call may hold up the end of its pod."""


@dataclass(frozen=True)
class AppSettings:
    """``controller``: its address as the pool reaches it; ``issuer``: of its tokens; ``encrypted``: whether that is verified with the
    cluster's authority; ``pod``: it gets a pod of its own, whose name others reach it by; ``sql``: the master, as of
    ``ProxySettings``, and so is ``sql_tls``."""

    port: int
    controller: str
    issuer: str
    listen: str = "127.0.0.1"
    encrypted: bool = False
    pod: bool = False
    sql: str | None = None
    sql_tls: dict[str, str] = field(default_factory=dict)


def workloads(settings: AppSettings) -> tuple[Workload, ...]:
    """``app-proxy``. In a pod of its own it has the versions run in pods of theirs (``version_pods``)."""
    tls = settings.encrypted and settings.pod
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
        sql_tls=settings.sql_tls,
        pods_port=wire.PORT if settings.pod else 0,
        pods_key_file=f"{{secrets}}/{PODS_KEY}" if settings.pod else None,
        certificate=CERTIFICATE if tls else None,
        certificate_key=KEY if tls else None,
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
                *((Secret(PODS_KEY, PODS_KEY),) if settings.pod else ()),
                *(server_secrets(PROXY) if tls else CLIENT_SECRETS if settings.encrypted else ()),
            ),
            ports=(Port(PORT, settings.port), *((Port(PODS_PORT, wire.PORT),) if settings.pod else ()), *metrics.ports),
            ready=Probe("http", PORT, "/healthz"),
            endpoints=(Endpoint(ENDPOINT, "Application proxy", "http://{host}:{port:app}", "http"),),
            stop_seconds=service.drain_seconds + 10,
            ready_seconds=60.0,
            metrics=metrics.scrape,
        ),
    )


def version_pods(settings: AppSettings, wanted: Wanted) -> Workload:
    """The pods of one version, each with ``poolsize`` workers. They hold a token that opens just its package, and nobody may reach them."""
    service = HostSettings(
        code=wanted.code,
        label=wanted.label,
        proxy=f"{{host:{PROXY}}}:{wire.PORT}",
        token_file=f"{{secrets}}/{TOKEN_FILE}",
        data_folder="{data}",
        ready_file="{run}/ready",
        workers=wanted.poolsize,
        drain_seconds=min(wanted.seconds, MOST_DRAIN),
        authority=AUTHORITY if settings.encrypted else None,
    )
    return Workload(
        name=wanted.name,
        pool="app",
        service="app",
        resource=wanted.label,
        command=("{python}", "-m", "pools.app.host", "--config", "{config}/host.json"),
        environment={"MALLOC_ARENA_MAX": "2"},
        files=(ConfigFile("host.json", service.json()),),
        secrets=(Secret(POD_TOKEN + wanted.code, TOKEN_FILE), *(CLIENT_SECRETS if settings.encrypted else ())),
        ready=Probe("exec", command=("/usr/bin/test", "-e", "{run}/ready")),
        stop_seconds=service.drain_seconds + 5,
        ready_seconds=120.0,
        memory_mb=wanted.poolsize * wanted.memory_mb,
        cpus=wanted.poolsize * wanted.threads,
        replicas=wanted.replicas,
        role=POD_ROLE,
    )
