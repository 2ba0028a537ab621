"""Data sources and virtual tables of a whole cluster, made in SQL as the CLI makes them (a process per statement would be slow)."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from typing import TypeVar

import psycopg

from bdc.sealing import Recipient, seal
from tests.services.cluster import Row, Stage
from tests.services.postgresql import PostgresqlServer

T = TypeVar("T")


def create_source(master: psycopg.Connection[Row], name: str, location: str, **login: str) -> None:
    """``login``: ``user``, ``password`` (sealed here), and options of the connector."""
    credential = None
    user, password = login.pop("user", None), login.pop("password", None)
    if user is not None:
        key = master.execute("SELECT bdc.sealing_key()").fetchone()
        assert key is not None
        sealed = {"sealed": seal(password, Recipient(str(key[0]), location, user))} if password is not None else {}
        credential = json.dumps({"user": user} | sealed)
    connector = location.partition(":")[0]
    master.execute("CALL bdc.create_data_source(%s, %s, %s, %s, %s)", [name, connector, location, json.dumps(login), credential])


def create_postgresql_source(master: psycopg.Connection[Row], name: str, server: PostgresqlServer, database: str, **options: str) -> None:
    """Over a database of ``server``, as its superuser."""
    create_source(master, name, f"postgresql://127.0.0.1:{server.port}/{database}", user=server.user, password=server.password, **options)


def create_table(
    master: psycopg.Connection[Row], name: str, source: str, location: str, columns: dict[str, str] | None = None, **options: str
) -> None:
    """A virtual table; ``columns``: name → type, None: detected."""
    given = None if columns is None else json.dumps([{"name": key, "type": kind} for key, kind in columns.items()])
    master.execute("CALL bdc.create_virtual_table(%s, %s, %s, %s, %s)", [name, source, location, given, json.dumps(options)])


@functools.cache
def address(stage: Stage, name: str) -> tuple[str, int]:
    """Host and port of an endpoint; asked once per cluster, because each look is a process."""
    host, _, port = stage.endpoint(name).rpartition("//")[2].partition("/")[0].partition(":")
    return host, int(port)


def master_connection(stage: Stage) -> psycopg.Connection[Row]:
    """As ``Stage.sql``, without a process to ask for the address."""
    host, port = address(stage, "sql-server-master")
    return psycopg.connect(host=host, port=port, user="admin", password=stage.password, dbname="bdc", autocommit=True)


def pool_connection(stage: Stage, user: str = "admin", password: str | None = None, database: str = "bdc") -> psycopg.Connection[Row]:
    """A direct connection to the compute pool."""
    host, port = address(stage, "compute-0")
    return psycopg.connect(host=host, port=port, user=user, password=password or stage.password, dbname=database, autocommit=True)


def eventually(look: Callable[[], T], seconds: float) -> tuple[T, float]:
    """The first true answer of ``look`` and the seconds it took; the last (false) one when the time is up."""
    start = time.monotonic()
    while not (found := look()) and time.monotonic() - start < seconds:
        time.sleep(0.02)
    return found, time.monotonic() - start
