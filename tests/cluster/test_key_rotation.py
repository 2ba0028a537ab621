"""Keys of the pools are replaced while the cluster runs: what was begun with the old ones goes on, credentials are sealed anew, and a
stolen key is worth nothing at once."""

from __future__ import annotations

import json
import pathlib

import psycopg
import pyarrow as pa
import pytest
from pyarrow import flight

from tests.cluster.sources import create_source, create_table, master_connection
from tests.patience import eventually
from tests.services.cluster import Row, Stage
from tests.services.flight_loads import LoadClient
from tests.services.postgresql import PostgresqlServer

TABLE = "public.rotated_pool"


def rotate(cluster: Stage, kind: str, *more: str) -> str:
    return str(cluster.bdc("key", "rotate", kind, *more, output=None))


def pids(cluster: Stage) -> set[int]:
    """Of what uses the keys."""
    found = set()
    for pid in cluster.processes():
        line = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"pools.compute.service" in line or b"pools.data.service" in line:
            found.add(pid)
    return found


def secret(cluster: Stage, name: str) -> list[bytes]:
    folder = cluster.folder / "home" / "clusters" / cluster.cluster / "secrets"
    return [line.split()[0] for line in (folder / name).read_bytes().splitlines()]


def rows(cluster: Stage) -> int:
    with master_connection(cluster) as master:
        return number(master.execute("SELECT count(*) FROM rotated_pool").fetchone())


def number(row: Row | None) -> int:
    assert row is not None
    return int(str(row[0]))


def test_tickets(cluster: Stage) -> None:
    cluster.bdc("data", "create", "rotated_pool", "--column", "id bigint not null", output=None)
    before = pids(cluster)
    client = LoadClient(cluster.endpoint("data-pool"), "admin", cluster.password)
    begun = client.ask("begin", table=TABLE, client="test")
    old, *_ = secret(cluster, "ticket.key")
    assert "a new key signs tickets" in rotate(cluster, "tickets")
    assert secret(cluster, "ticket.key")[1] == old
    winners = client.put_all(begun, [pa.table({"id": [1, 2]})])  # tickets of the old key, the Flight login too
    client.ask("commit", load=begun["load"], winners=winners)
    assert rows(cluster) == 2
    client.load(TABLE, [pa.table({"id": [3]})])
    fresh = LoadClient(cluster.endpoint("data-pool"), "admin", cluster.password)
    fresh.load(TABLE, [pa.table({"id": [4]})])
    assert rows(cluster) == 4 and pids(cluster) == before
    # stolen: what the old keys signed is worth nothing
    left = fresh.ask("begin", table=TABLE, client="test")
    assert "worth nothing" in rotate(cluster, "tickets", "--compromised", "--yes")
    assert len(secret(cluster, "ticket.key")) == 1
    with pytest.raises(flight.FlightError):
        fresh.put_all(left, [pa.table({"id": [5]})])
    again = LoadClient(cluster.endpoint("data-pool"), "admin", cluster.password)
    again.load(TABLE, [pa.table({"id": [6]})])
    assert rows(cluster) == 5 and pids(cluster) == before
    for one in (client, fresh, again):
        one.close()
    cluster.bdc("data", "drop", "rotated_pool", "--yes", output=None)


def test_sealing(cluster: Stage, postgresql: PostgresqlServer) -> None:
    with postgresql.connect() as server:
        server.execute("CREATE TABLE rotated AS SELECT 1 AS id")
    location = f"postgresql://127.0.0.1:{postgresql.port}/postgres"
    with master_connection(cluster) as master:
        create_source(master, "rotated", location, user=postgresql.user, password=postgresql.password)
        create_table(master, "public.rotated", "rotated", "public.rotated", {"id": "integer"})
        assert number(master.execute("SELECT id FROM rotated").fetchone()) == 1
        before, key, old = sealed(cluster), pids(cluster), master.execute("SELECT bdc.sealing_key()").fetchone()
        (first,) = secret(cluster, "sealing.key")
        assert 'database "bdc": ' in rotate(cluster, "sealing")
        assert secret(cluster, "sealing.key")[1:] == [first] and sealed(cluster) != before
        assert number(master.execute("SELECT id FROM rotated").fetchone()) == 1
        eventually(lambda: master.execute("SELECT bdc.sealing_key()").fetchone() != old, "clients are given the new key")
        create_source(master, "rotated_new", location, user=postgresql.user, password=postgresql.password)
        create_table(master, "public.rotated_new", "rotated_new", "public.rotated", {"id": "integer"})
        assert number(master.execute("SELECT id FROM rotated_new").fetchone()) == 1
        rotate(cluster, "sealing", "--compromised", "--yes")
        assert len(secret(cluster, "sealing.key")) == 1
        for table in ("rotated", "rotated_new"):
            assert number(master.execute(f"SELECT id FROM {table}".encode()).fetchone()) == 1
        # what was sealed for the stolen key opens no more
        master_set(cluster, before)
        with pytest.raises(psycopg.Error, match="credential"):
            master.execute("SELECT id FROM rotated").fetchone()
        for name in ("rotated", "rotated_new"):
            master.execute("CALL bdc.drop_data_source(%s, true)", [name])
    assert pids(cluster) == key


def superuser(cluster: Stage) -> psycopg.Connection[Row]:
    (password,) = secret(cluster, "master-superuser")
    return cluster.sql(user="bdc_controller", password=password.decode())


def sealed(cluster: Stage) -> str:
    with superuser(cluster) as master:
        row = master.execute("SELECT credential FROM bdc.source_definitions WHERE name = 'rotated'").fetchone()
    assert row is not None
    return str(row[0]["sealed"] if isinstance(row[0], dict) else json.loads(str(row[0]))["sealed"])


def master_set(cluster: Stage, value: str) -> None:
    with superuser(cluster) as master:
        master.execute(
            "UPDATE bdc.source_definitions SET credential = jsonb_set(credential, '{sealed}', to_jsonb(%s::text)), version = version + 1 "
            "WHERE name = 'rotated'",
            [value],
        )
