"""One table of rights, tried by every way to the rows: SQL at the master, SQL at the compute pool, Flight, the Spark connector's readers. A
right that holds by one way and not by another is a wrong cell."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import psycopg
import pyarrow as pa
import pytest
from pyarrow import flight

import pyspark_bdc
from bdc.sealing import Recipient, seal
from pools.compute.master import RIGHTS_SECONDS
from pyspark_bdc.errors import BdcError
from tests.matrix.cells import cells
from tests.services.data_pool import PASSWORD, DataPool
from tests.services.postgresql import PostgresqlServer

pytestmark = pytest.mark.service

REACH = ("owner", "reader", "selectless", "outside", "by_role")
"""owner: made the objects; reader: SELECT; selectless: the schema, but no SELECT on tables; outside: SELECT, but not the schema; by_role:
through a role that it is a member of."""
IN, NO = "in", "refused"
TABLES = {
    "virtual": {"owner": IN, "reader": IN, "selectless": NO, "outside": NO, "by_role": IN},
    "data": {"owner": IN, "reader": IN, "selectless": NO, "outside": NO, "by_role": IN},
}
VIEWS = {
    # SELECT on the view is everybody's; what counts is the right on the virtual table …
    "as_caller": {"owner": IN, "reader": IN, "selectless": NO, "outside": NO, "by_role": IN},
    # … unless its owner lends his own, by security_invoker = false
    "as_owner": {"owner": IN, "reader": IN, "selectless": IN, "outside": NO, "by_role": IN},
}


@dataclass(frozen=True)
class World:
    """The objects' schema, and users by what they may."""

    pool: DataPool
    schema: str
    users: dict[str, str]


@pytest.fixture(scope="module")
def world(data_pool: DataPool, postgresql: PostgresqlServer) -> Iterator[World]:
    name = f"rights_{secrets.token_hex(3)}"
    users = {kind: f"{kind}_{name[7:]}" for kind in REACH}
    for kind, user in users.items():
        data_pool.add_user(user, *(["user", "admin"] if kind == "owner" else []))
    with postgresql.connect() as remote, data_pool.admin() as superuser, data_pool.connect(users["owner"]) as owner:
        remote.execute(f"CREATE TABLE {name} AS SELECT 1::bigint AS id".encode())
        superuser.execute(f"CREATE SCHEMA {name} AUTHORIZATION {users['owner']}; CREATE ROLE {name}_readers".encode())
        superuser.execute(f"GRANT {name}_readers TO {users['by_role']}".encode())
        _make(data_pool, owner, name, postgresql)
        readers = ", ".join((users["reader"], users["outside"], f"{name}_readers"))
        inside = ", ".join((users["reader"], users["selectless"], f"{name}_readers"))
        owner.execute(f"GRANT USAGE ON SCHEMA {name} TO {inside}".encode())
        owner.execute(f"GRANT SELECT ON {name}.virtual, {name}.data TO {readers}".encode())
        owner.execute(f"GRANT SELECT ON {name}.as_caller, {name}.as_owner TO PUBLIC".encode())
        yield World(data_pool, name, users)
        owner.execute(f"DROP VIEW {name}.as_caller, {name}.as_owner; CALL bdc.drop_data_table('{name}.data')".encode())
        owner.execute(f"CALL bdc.drop_data_source('{name}', true)".encode())
        superuser.execute(f"DROP SCHEMA {name} CASCADE; DROP ROLE {name}_readers".encode())
        remote.execute(f"DROP TABLE {name}".encode())


def _make(pool: DataPool, owner: psycopg.Connection[tuple[object, ...]], name: str, source: PostgresqlServer) -> None:
    location = f"postgresql://127.0.0.1:{source.port}/postgres"
    sealed = seal(source.password, Recipient(pool.master.sealing_key or "", location, source.user))
    credential = json.dumps({"user": source.user, "sealed": sealed})
    owner.execute("CALL bdc.create_data_source(%s, 'postgresql', %s, '{}', %s)", (name, location, credential))
    owner.execute("CALL bdc.create_virtual_table(%s, %s, %s)", (f"{name}.virtual", name, f"public.{name}"))
    owner.execute("CALL bdc.create_data_table(%s, %s, 'HASH(id)')", (f"{name}.data", '[{"name": "id", "type": "bigint"}]'))
    owner.execute(f"INSERT INTO {name}.data VALUES (1)".encode())
    owner.execute(f"CREATE VIEW {name}.as_caller AS SELECT id FROM {name}.virtual".encode())
    owner.execute(f"CREATE VIEW {name}.as_owner WITH (security_invoker = false) AS SELECT id FROM {name}.virtual".encode())


def by_sql(pool: DataPool, user: str, table: str, port: int) -> str:
    with pool.connect(user, port=port) as connection:
        try:
            return IN if connection.execute(f"SELECT id FROM {table}".encode()).fetchall() == [(1,)] else "other rows"
        except psycopg.errors.InsufficientPrivilege:
            return NO
        except psycopg.Error as error:
            return f"{error.sqlstate} {error}"


def by_flight(pool: DataPool, user: str, table: str) -> str:
    with closing(pool.client(user)) as client:
        try:
            client.ask("read", {"table": table})
        except flight.FlightError as error:
            return NO if '"42501"' in str(error) else str(error)
    return IN


def by_spark(pool: DataPool, user: str, table: str, way: str) -> str:
    login = {"host": "127.0.0.1", "port": str(pool.master.port), "user": user, "password": PASSWORD, "database": "bdc"}
    try:
        found = pyspark_bdc.read_arrow(**login, dbtable=table, readFrom=way)
    except BdcError as error:
        return NO if "permission denied" in str(error) else str(error)
    return IN if found.column("id") == pa.chunked_array([pa.array([1], pa.int64())]) else "other rows"


Way = Callable[[DataPool, str, str], str]
WAYS: dict[str, Way] = {
    "master": lambda pool, user, table: by_sql(pool, user, table, pool.master.port),
    "compute pool": lambda pool, user, table: by_sql(pool, user, table, pool.replicas[0].port),
    "flight": by_flight,
    "spark, sql": lambda pool, user, table: by_spark(pool, user, table, "sql"),
}
ONLY_DATA: dict[str, Way] = {"spark, shards": lambda pool, user, table: by_spark(pool, user, table, "shards")}


def test_grants_hold_by_every_way(world: World) -> None:
    with cells("rights", least=50) as matrix:
        for table, rights in TABLES.items():
            for kind, declared in rights.items():
                for way, ask in (WAYS | (ONLY_DATA if table == "data" else {})).items():
                    found = ask(world.pool, world.users[kind], f"{world.schema}.{table}")
                    matrix.add(f"{table} × {kind} × {way}", declared, found)
        for view, rights in VIEWS.items():
            for kind, declared in rights.items():
                for way in ("master", "spark, sql"):
                    found = WAYS[way](world.pool, world.users[kind], f"{world.schema}.{view}")
                    matrix.add(f"{view} × {kind} × {way}", declared, found)
                # views are the master's: directly nobody reaches one, so none lends a right there
                directly = WAYS["compute pool"](world.pool, world.users[kind], f"{world.schema}.{view}")
                matrix.add(f"{view} × {kind} × compute pool", "42P01", directly[:5])


def test_what_is_taken_back_is_gone_by_every_way(world: World) -> None:
    table = f"{world.schema}.data"
    with cells("rights-revoked", least=5) as matrix, world.pool.connect(world.users["owner"]) as owner:
        owner.execute(f"REVOKE SELECT ON {table} FROM {world.users['reader']}".encode())
        ends = time.monotonic() + RIGHTS_SECONDS  # for so long a right is believed
        for way, ask in (WAYS | ONLY_DATA).items():
            found = ask(world.pool, world.users["reader"], table)
            while found == IN and time.monotonic() < ends:
                time.sleep(0.2)
                found = ask(world.pool, world.users["reader"], table)
            if found == IN:  # it may have begun within that time
                found = ask(world.pool, world.users["reader"], table)
            matrix.add(f"revoked × {way}", NO, found)
        owner.execute(f"GRANT SELECT ON {table} TO {world.users['reader']}".encode())
