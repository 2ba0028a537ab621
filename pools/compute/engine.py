"""Builds the engine of this replica from its settings: which executors there are, and where they may spill.

The only module of the service that names parts of ``virtualization`` beyond its contracts; imported late, because it is large.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pools.compute.runner import QueryRunner
from pools.compute.scratch import ROLE, unprivileged
from pools.compute.settings import ServiceSettings

if TYPE_CHECKING:
    from pools.compute.scoring.apps import Apps
    from virtualization.connections import Factory

DUCKDB_MEMORY_MB = 1024
"""Where the settings name no limit."""

READ_SECONDS = 300.0
"""For so long a read ticket is good."""


def build_engine(settings: ServiceSettings, apps: Apps | None = None) -> QueryRunner:
    """DuckDB first, the scratch PostgreSQL for what DuckDB can't answer exactly."""
    from virtualization.engine import Engine
    from virtualization.executors.duckdb import DuckDbExecutor
    from virtualization.plan import Executor

    memory = (settings.limits.query_memory_mb or DUCKDB_MEMORY_MB) << 20
    folder = settings.work_folder or tempfile.gettempdir()
    executors: list[Executor] = [DuckDbExecutor(memory, pathlib.Path(folder) / "spill", os.cpu_count() or 1, apps)]
    dsn = scratch_dsn(settings)
    if dsn is not None:
        from virtualization.executors.scratch import ScratchExecutor

        executors.append(ScratchExecutor(unprivileged(dsn), max_connections=settings.limits.running))
    return Engine(executors, _data_pool(settings, memory, folder), apps)


def build_apps(settings: ServiceSettings) -> Apps | None:
    """What queries may call; None without an app proxy."""
    if settings.app_proxy is None or settings.ticket_key_file is None:
        return None
    from pools.compute.scoring.apps import Apps
    from pools.compute.scoring.proxy import TICKET_SECONDS, AppProxy
    from pools.tickets import Signer

    signer = Signer.read(pathlib.Path(settings.ticket_key_file))
    host, _, port = settings.app_proxy.rpartition(":")
    proxy = AppProxy(host, int(port), lambda user: signer.sign("app", "batch", TICKET_SECONDS, {"user": user}))
    folder = None if settings.work_folder is None else pathlib.Path(settings.work_folder) / "models"
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)  # those of the process before this one
        folder.mkdir(mode=0o700, parents=True)
    return Apps(proxy, folder, os.cpu_count() or 1)


def _data_pool(settings: ServiceSettings, memory: int, folder: str) -> Mapping[str, Factory]:
    """The connector of the data pool, with the addresses and the key that only this process has."""
    if not settings.shards or settings.ticket_key_file is None:
        return {}
    from pools.tickets import Signer
    from virtualization.connectors.datapool.access import ShardAccess
    from virtualization.connectors.datapool.connector import DatapoolConnector

    signer = Signer.read(pathlib.Path(settings.ticket_key_file))
    access = ShardAccess(
        locations={shard.number: shard.location for shard in settings.shards},
        sign=lambda claims: signer.sign("data-shard", "read", READ_SECONDS, claims),
        memory_bytes=memory,
        spill_folder=str(pathlib.Path(folder) / "spill"),
        threads=os.cpu_count() or 1,
        authority=settings.authority(),
    )
    return {"datapool": lambda source: DatapoolConnector(source, access)}


def residuals_dsn(settings: ServiceSettings) -> str | None:
    """The scratch server's address for the role that ``build_engine`` made there."""
    from psycopg.conninfo import make_conninfo

    dsn = scratch_dsn(settings)
    return None if dsn is None else make_conninfo(dsn, user=ROLE)


def scratch_dsn(settings: ServiceSettings) -> str | None:
    """With its password, which no message may show; None where there is no scratch server."""
    if settings.scratch is None:
        return None
    from psycopg.conninfo import make_conninfo

    password = None
    if settings.scratch_password_file is not None:
        password = pathlib.Path(settings.scratch_password_file).read_text().strip()
    return make_conninfo(settings.scratch, password=password)
