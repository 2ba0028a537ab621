"""What a pool wants to run, said without naming a substrate.

A pool's ``workloads(settings)`` returns these; the local substrate turns one into a supervised process, the Kubernetes
substrate into a StatefulSet or Deployment. Everything is data: no clock, no file system, no client.

Strings in ``command``, ``environment``, ``files`` and ``prepare`` may hold placeholders that the substrate fills in:

``{data}``      the workload's own durable folder
``{config}``    where ``files`` are laid, read only to the process
``{run}``       a folder for sockets and other things that end with the process, shared by the workloads of one ``pool_instance``
``{secrets}``   where ``secrets`` are laid, one file each
``{logs}``      the log folder
``{python}``    the Python interpreter with the cluster distribution
``{program:NAME}`` an external program: ``postgres``, ``initdb``, ``pg_isready``, ``java``
                (on one machine the path found or brought by a wheel)
``{classpath:hadoop}`` the class path of the Hadoop jars
``{cluster}``   the cluster's own folder; only for ``control``, and only where the store is a folder
``{host:NAME}`` the address under which workload NAME is reached
``{port:NAME}`` the number of this workload's port NAME
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

PoolName = Literal["control", "master", "compute", "data", "storage", "app", "gateway", "tracking"]


@dataclass(frozen=True)
class Port:
    """A port that the process listens on; ``number`` is the one everybody uses to reach it."""

    name: str
    number: int


@dataclass(frozen=True)
class ConfigFile:
    """A file under ``{config}``; ``content`` may hold placeholders (``{{`` and ``}}`` for braces are not needed:
    only the listed placeholders are replaced). ``literal``: nothing in it is a placeholder (somebody's program)."""

    path: str
    content: str
    literal: bool = False


@dataclass(frozen=True)
class Secret:
    """A value from the cluster's secret store, laid as file ``{secrets}/<file>``, mode 0400, owned by the pool's user."""

    name: str
    file: str


@dataclass(frozen=True)
class Prepare:
    """A one-shot command before the first start; ``creates`` (a path, placeholders allowed) says that it is done.

    The substrate runs it as the pool's user. It must be repeatable: a run that died half-way is run again, after
    ``removes`` (a folder the failed attempt may have left half-made) was deleted.
    """

    name: str
    command: tuple[str, ...]
    creates: str
    removes: str | None = None
    seconds: float = 120.0


@dataclass(frozen=True)
class Probe:
    """How to see that the process serves. ``tcp``: the port accepts; ``http``: GET answers 2xx;
    ``https``: the same over TLS, whoever signed the certificate (in pods only); ``exec``: the command ends with 0. ``path`` is for http,
    ``command`` for exec. ``host``: the address to ask; None: loopback on one machine, the pod's own on Kubernetes."""

    kind: Literal["tcp", "http", "https", "exec"]
    port: str | None = None
    path: str = "/"
    command: tuple[str, ...] = ()
    seconds: float = 5.0
    host: str | None = None


@dataclass(frozen=True)
class Scrape:
    """Where a process tells its metrics in Prometheus' text format: ``path`` of its HTTP port ``port``; None: no port but the abstract
    socket of its ``{run}`` (``pools/metrics_listener.py``), on one machine. ``encrypted``: with a certificate of the cluster's
    authority."""

    port: str | None = None
    path: str = "/metrics"
    encrypted: bool = False


@dataclass(frozen=True)
class OnDemand:
    """For a service that starts on first use: it rests until somebody asks for it, and costs nothing until then.

    start         the command that asks for it, shown in the status
    idle_seconds  it rests again after so long without a connected client; None: only when it is told to
    """

    start: str
    idle_seconds: float | None = None


@dataclass(frozen=True)
class Endpoint:
    """An address shown by ``bdc endpoint list``; ``address`` may hold ``{host}`` and ``{port:NAME}``."""

    name: str
    description: str
    address: str
    protocol: str


@dataclass(frozen=True)
class Workload:
    """One process (local) or one pod template (Kubernetes).

    name        unique in the cluster, e.g. ``master-0``, ``compute-0``, ``compute-0-scratch``, ``nmnode-0``
    kind        ``service`` is kept running; ``job`` is run to its end once per distinct content (see ``plan``); ``batch`` is run once,
                without a time limit, and never again, however it ends
    service     node of the status tree: control, sql, hdfs, spark, app, gateway
    resource    node below it: master, compute-0, nmnode-0, storage-0, …
    pool        whose OS user (or service account) it runs as
    pool_instance  workloads with the same value share ``{run}``; defaults to ``name``
    requires    names of workloads that must be ready before this one is started for the first time in a pass
    stop_signal ``TERM``, ``INT`` (PostgreSQL fast shutdown) …; after ``stop_seconds`` everything left is killed
    on_demand   None: runs as soon as the cluster does
    metrics     None: it has none of its own
    cpus        that it may use; None: all that there are
    replicas    how many of it, which are alike and keep nothing (only where there are pods)
    role        what it shares with its like, where its name does not say so; one with a role of its own keeps nothing
    outward     TCP ports of servers that are not the cluster's and that it asks (a directory's)
    """

    name: str
    pool: PoolName
    service: str
    resource: str
    command: tuple[str, ...]
    ready: Probe | None = None
    kind: Literal["service", "job", "batch"] = "service"
    pool_instance: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    files: tuple[ConfigFile, ...] = ()
    secrets: tuple[Secret, ...] = ()
    ports: tuple[Port, ...] = ()
    prepare: tuple[Prepare, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    requires: tuple[str, ...] = ()
    stop_signal: str = "TERM"
    stop_seconds: float = 10.0
    ready_seconds: float = 60.0
    memory_mb: int | None = None
    on_demand: OnDemand | None = None
    metrics: Scrape | None = None
    cpus: int | None = None
    replicas: int = 1
    role: str | None = None
    outward: tuple[int, ...] = ()
