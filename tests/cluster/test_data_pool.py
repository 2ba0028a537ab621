"""The data pool of a whole cluster: tables, loads over Flight, SQL through the master, shards that are killed, what is left at the end."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest

from tests.cluster.life import connect, home_of, kill_and_heal, pids
from tests.services.cluster import Row, Stage
from tests.services.flight_loads import LoadClient, slices

pytestmark = pytest.mark.service
ROWS = 20_000
SUM = ROWS * (ROWS - 1) // 2


@pytest.fixture
def master(cluster: Stage) -> Iterator[psycopg.Connection[Row]]:
    with connect(cluster) as connection:
        yield connection


@pytest.fixture
def loads(cluster: Stage) -> Iterator[LoadClient]:
    client = LoadClient(cluster.endpoint("data-pool"), "admin", cluster.password)
    yield client
    client.close()


@pytest.fixture
def table(master: psycopg.Connection[Row]) -> Iterator[str]:
    name = f"t{secrets.token_hex(4)}"
    columns = '[{"name": "id", "type": "bigint", "nullable": false}, {"name": "word", "type": "text"}]'
    master.execute("CALL bdc.create_data_table(%s, %s, 'ROUND_ROBIN')", (name, columns))
    yield name
    master.execute("CALL bdc.drop_data_table(%s)", (name,))


def rows(first: int = 0, count: int = ROWS) -> pa.Table:
    numbers = pa.array(range(first, first + count), pa.int64())
    return pa.table({"id": numbers, "word": pa.array([f"w{number % 7}" for number in range(first, first + count)])})


def found(master: psycopg.Connection[Row], table: str) -> Row | None:
    return master.execute(f"SELECT count(*), sum(id) FROM {table}".encode()).fetchone()


def test_shards_are_seen(cluster: Stage) -> None:
    status = cluster.bdc("status", "--all")
    assert isinstance(status, dict)
    sql = next(service for service in status["services"] if service["name"] == "sql")
    shards = {resource["name"]: resource["state"] for resource in sql["resources"] if resource["name"].startswith("data-")}
    assert shards == {"data-0": "ready", "data-1": "ready"}
    assert cluster.endpoint("data-pool").startswith("grpc://127.0.0.1:")


@pytest.mark.parametrize("relay", [False, True], ids=["direct", "relayed"])
def test_a_load_is_there_whole(loads: LoadClient, master: psycopg.Connection[Row], table: str, relay: bool) -> None:
    assert found(master, table) == (0, None)
    load = loads.ask("begin", table=f"public.{table}", mode="append")
    winners = loads.put_all(load, list(slices(rows(), 3)), relay)
    assert found(master, table) == (0, None)
    done = loads.ask("commit", load=load["load"], winners=winners)
    assert done["rows"] == ROWS
    assert found(master, table) == (ROWS, SUM)
    assert loads.ask("commit", load=load["load"], winners=winners)["version"] == done["version"]
    assert found(master, table) == (ROWS, SUM)


def test_an_aborted_load_leaves_nothing(loads: LoadClient, master: psycopg.Connection[Row], table: str) -> None:
    load = loads.ask("begin", table=table, mode="append")
    loads.put_all(load, [rows()])
    assert loads.ask("abort", load=load["load"])["state"] == "aborted"
    assert found(master, table) == (0, None)
    assert loads.ask("status", load=load["load"])["state"] == "aborted"


def test_an_overwrite_replaces_all(loads: LoadClient, master: psycopg.Connection[Row], table: str) -> None:
    loads.load(table, [rows()])
    loads.load(table, list(slices(rows(0, 10), 2)), "overwrite")
    assert found(master, table) == (10, 45)


@pytest.mark.parametrize("name", ["data-0", "compute-0"])
def test_what_is_killed_heals_and_loses_nothing(
    cluster: Stage, loads: LoadClient, master: psycopg.Connection[Row], table: str, name: str
) -> None:
    loads.load(table, list(slices(rows(), 2)))
    load = loads.ask("begin", table=table, mode="append")
    winners = loads.put_all(load, list(slices(rows(ROWS), 2)))
    kill_and_heal(home_of(cluster), name)
    again = LoadClient(cluster.endpoint("data-pool"), "admin", cluster.password)
    try:
        assert again.ask("commit", load=load["load"], winners=winners)["rows"] == ROWS
    finally:
        again.close()
    with connect(cluster) as fresh:
        assert found(fresh, table) == (2 * ROWS, 2 * ROWS * (2 * ROWS - 1) // 2)


def test_sql_writes_are_transactions(master: psycopg.Connection[Row], table: str) -> None:
    with master.transaction(force_rollback=True):
        master.execute(f"INSERT INTO {table} SELECT i, 'x' FROM generate_series(1, 1000) AS i".encode())
    assert found(master, table) == (0, None)
    master.execute(f"INSERT INTO {table} SELECT i, 'x' FROM generate_series(1, 1000) AS i".encode())
    assert found(master, table) == (1000, 500500)
    master.execute(f"UPDATE {table} SET word = 'y' WHERE id <= 10".encode())
    master.execute(f"DELETE FROM {table} WHERE id > 500".encode())
    assert master.execute(f"SELECT word, count(*) FROM {table} GROUP BY word ORDER BY word".encode()).fetchall() == [("x", 490), ("y", 10)]


@pytest.fixture
def prices(cluster: Stage, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A table with a key, made and filled by the command line, and the file."""
    name = f"t{secrets.token_hex(4)}"
    made = cluster.bdc(
        "data", "create", name, "--column", "id bigint not null", "--column", "code text", "--column", "price numeric(10,2) default 1",
        "--primary-key", "id",
    )  # fmt: skip
    assert isinstance(made, dict) and made["distribution"] == "HASH(id)"
    file = tmp_path / "prices.csv"
    file.write_text("id,code,price\n" + "".join(f"{number},{number:05},{number}.50\n" for number in range(500)))
    assert cluster.bdc("data", "import", str(file), name) == {"table": name, "mode": "append", "rows": 500}
    yield name, file
    cluster.bdc("data", "drop", name, "--yes")
    tables = cluster.bdc("data", "list")
    assert isinstance(tables, list) and name not in [entry["table_name"] for entry in tables]


def test_files_in_and_out(cluster: Stage, prices: tuple[str, Path]) -> None:
    name, file = prices
    described = cluster.bdc("data", "describe", name)
    assert isinstance(described, dict) and [entry["shard"] for entry in described["stats"]] == [0, 1]
    assert sum(entry["rows"] for entry in described["stats"]) == 500 and all(entry["rows"] for entry in described["stats"])
    with connect(cluster) as master:
        assert master.execute(f"SELECT code FROM {name} WHERE id = 7".encode()).fetchone() == ("00007",)
    cluster.bdc("data", "compact", name, "--whole")
    written = file.with_name("out.csv")
    cluster.bdc("data", "export", name, str(written))
    assert sorted(written.read_text().splitlines()) == sorted(file.read_text().splitlines())
    file.write_text("id,code\n1,changed\n1000,new\n")
    cluster.bdc("data", "import", str(file), name, "--mode", "overwrite")
    with connect(cluster) as master:
        assert master.execute(f"SELECT * FROM {name} ORDER BY id".encode()).fetchall() == [
            (1, "changed", Decimal(1)),
            (1000, "new", Decimal(1)),
        ]
    loads = cluster.bdc("data", "loads")
    assert isinstance(loads, list) and loads[0]["state"] == "committed"


def test_an_import_upserts_by_key(cluster: Stage, prices: tuple[str, Path]) -> None:
    name, file = prices
    file.write_text("id,code,price\n1,changed,9\n1000,new,9\n")
    cluster.bdc("data", "import", str(file), name, "--mode", "upsert")
    with connect(cluster) as master:
        assert master.execute(f"SELECT code FROM {name} WHERE id IN (0, 1, 1000) ORDER BY id".encode()).fetchall() == [
            ("00000",),
            ("changed",),
            ("new",),
        ]


def test_ticket_keys_are_where_they_belong(cluster: Stage) -> None:
    home = home_of(cluster)
    holders = {path.parts[-3] for path in home.workloads.glob("*/secrets/ticket.key")}
    assert holders == {name for name in pids(home) if name.startswith("compute-") and not name.endswith("scratch")}
