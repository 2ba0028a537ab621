"""``bdc data`` against a real master with the real extension; shards and their answers are tests/pools/master's stand-in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from azdata_like_cli.dataimports import _another_delimiter, in_words_of
from bdc.errors import UserError
from tests.azdata_like_cli.administrator import USER, admin
from tests.azdata_like_cli.conftest import Run
from tests.pools.master.conftest import Master, database, master
from tests.pools.master.data_tables import announce_shards

__all__ = ["admin", "database", "master"]  # fixtures

pytestmark = pytest.mark.service
Admin = Callable[[], psycopg.Connection]


@pytest.fixture
def pool(admin: Admin, master: Master, database: str) -> Admin:
    with admin() as connection:
        connection.execute("CALL bdc.create_data_source('data_pool', 'datapool', 'datapool:')")
    announce_shards(master, database, USER)
    return admin


def make(bdc: Run, name: str = "orders", *more: str) -> None:
    made = bdc("data", "create", name, "--column", "id bigint not null", "--column", "price numeric(10,2) default 0", *more)
    assert made.code == 0, made.err


def test_a_table_is_made_shown_and_dropped(bdc: Run, pool: Admin, master: Master, database: str) -> None:
    make(bdc, "orders", "--primary-key", "id")
    (listed,) = bdc("data", "list", "-o", "json").json
    assert (listed["schema_name"], listed["table_name"], listed["distribution"], listed["shards"]) == ("public", "orders", "HASH(id)", 2)
    assert listed["owner"] == USER and listed["primary_key"] == ["id"]
    with pool() as connection:
        (table,) = connection.execute("SELECT id::text FROM bdc.data_tables_view").fetchone() or ()
    counts = {"table": table, "shard": 0, "generation": 0, "rows": 5, "dead": 1, "segments": 2, "bytes": 100}
    old = counts | {"generation": -1, "rows": 99, "bytes": 11}
    request = {"action": "data_stats", "tables": [table], "user": USER}
    master.pool.answer(database, request, counts, old, {"shard": 1, "error": "shard 1 does not answer"})
    shown = bdc("data", "describe", "orders", "-o", "json").json
    assert [(entry["shard"], entry["rows"], entry["bytes"], entry["error"]) for entry in shown["stats"]] == [
        (0, 5, 111, None),
        (1, 0, 0, "shard 1 does not answer"),
    ]
    assert [column["default"] for column in shown["columns"] if "default" in column] == ["0.00"]
    table_of = bdc("data", "describe", "orders")
    assert "HASH(id)" in table_of.out and "shard 1 does not answer" in table_of.out
    assert bdc("data", "drop", "orders", stdin="n\n").code == 1
    assert bdc("data", "drop", "orders", "--yes").code == 0
    gone = bdc("data", "describe", "orders")
    assert gone.code == 1 and "bdc data list" in gone.err


def test_names_are_written_as_in_sql_and_found_by_their_present_name(bdc: Run, pool: Admin) -> None:
    name = '"Sales; DROP TABLE x"'
    make(bdc, name, "--distribution", "REPLICATED")
    with pool() as connection:
        connection.execute(
            f'CREATE SCHEMA elsewhere; ALTER FOREIGN TABLE {name} RENAME TO "new"; ALTER FOREIGN TABLE "new" SET SCHEMA elsewhere'.encode()
        )
    (listed,) = bdc("data", "list", "-o", "json").json
    assert (listed["schema_name"], listed["table_name"], listed["distribution"]) == ("elsewhere", "new", "REPLICATED")
    assert bdc("data", "describe", name).code == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--column", "id"), "NAME TYPE"),
        (("--column", "a bigint", "--distribution", "HASH(b)"), '"b" does not exist'),
        (("--column", "a bigint", "--distribution", "SPREAD"), "no distribution"),
        (("--column", "a bigint", "--column", "b text", "--primary-key", "a", "--distribution", "HASH(b)"), "must meet on one shard"),
        (("--column", "a bigint default 'x'"), "no value of type bigint"),
    ],
)
def test_a_table_that_can_not_be_is_refused_with_the_reason(bdc: Run, pool: Admin, words: tuple[str, ...], said: str) -> None:
    refused = bdc("data", "create", "t", *words)
    assert refused.code == 1 and said in refused.err
    assert bdc("data", "list", "-o", "json").json == []


def test_columns_are_those_of_another_table(bdc: Run, pool: Admin) -> None:
    with pool() as connection:
        connection.execute('CREATE TABLE model (id bigint PRIMARY KEY, "A b" numeric(10,2), at timestamptz NOT NULL)')
    made = bdc("data", "create", "t", "--like", "model", "--column", "more text", "--distribution", 'HASH("A b")', "-o", "json")
    assert made.code == 0, made.err
    assert [(column["name"], column["type"], column["nullable"]) for column in made.json["columns"]] == [
        ("id", "bigint", False),
        ("A b", "numeric(10,2)", True),
        ("at", "timestamp with time zone", False),
        ("more", "text", True),
    ]
    assert made.json["distribution"] == 'HASH("A b")'
    assert "no table or view" in bdc("data", "create", "u", "--like", "nothing").err
    assert bdc("data", "create", "u").code == 2


def test_loads_are_listed_by_state(bdc: Run, pool: Admin, master: Master, database: str) -> None:
    make(bdc)
    with pool() as connection:
        begin = '{"schema": "public", "table": "orders", "mode": "append", "seconds": 60, "load_id": "mine"}'
        connection.execute("SELECT bdc.pool_begin_load(%s, %s)", (USER, begin))
        (number,) = connection.execute("SELECT load::text FROM bdc.loads").fetchone() or ()
    (load,) = bdc("data", "loads", "--state", "open", "-o", "json").json  # with the pool down
    assert load["arrived"] is None
    progress = {"load": number, "user": USER, "state": "open", "arrived": 7, "arrived_on": {"0": 4, "1": 3}}
    master.pool.answer(database, {"action": "loads", "user": USER}, progress)
    (load,) = bdc("data", "loads", "--state", "open", "-o", "json").json
    assert load["arrived"] == {"0": 4, "1": 3}
    assert (load["load_id"], load["state"], load["user_name"]) == ("mine", "open", USER)
    assert load["tables"] == ["public.orders append"] and bdc("data", "loads", "--state", "committed", "-o", "json").json == []


def test_compaction_is_the_pools(bdc: Run, pool: Admin, master: Master, database: str) -> None:
    make(bdc)
    with pool() as connection:
        (table,) = connection.execute("SELECT id::text FROM bdc.data_tables_view").fetchone() or ()
    master.pool.answer(database, {"action": "data_compact", "table": table, "whole": True, "user": USER}, {"shard": 0, "rows_removed": 1})
    assert bdc("data", "compact", "orders", "--whole").code == 0
    assert bdc("data", "compact", "nothing").code == 1


def test_what_import_and_export_refuse_before_they_begin(bdc: Run, pool: Admin, tmp_path: Path) -> None:
    make(bdc)
    file = tmp_path / "rows.csv"
    file.write_text("id\n1\n")
    assert "no primary key" in bdc("data", "import", str(file), "orders", "--mode", "upsert").err
    assert "there is no" in bdc("data", "import", str(tmp_path / "other.csv"), "orders").err
    assert "bdc data list" in bdc("data", "import", str(file), "nothing").err
    assert "--format parquet" in bdc("data", "export", "orders", str(tmp_path / "orders.parquet")).err
    assert "there is no folder" in bdc("data", "export", "orders", str(tmp_path / "no" / "orders.csv")).err
    target = tmp_path / "orders.csv"
    target.write_text("kept")
    assert "--force" in bdc("data", "export", "orders", str(target)).err and target.read_text() == "kept"


def test_an_error_of_an_import_names_the_users_own_file() -> None:
    path = "/tmp/bdc-import-0123/rows.csv"
    said = f'virtual table "public.bdc_import_0123456789abcdef": location {path}: unknown option "x"'
    for place, told in (("./rows.csv", './rows.csv: unknown option "x"'), (f"hdfs:{path}", f'location {path}: unknown option "x"')):
        with pytest.raises(UserError) as refused, in_words_of(place, path):
            raise UserError(said)
        assert refused.value.message == told


def test_a_whole_line_in_one_column_is_another_delimiter() -> None:
    assert "delimiter=;" in (_another_delimiter(["id;price"]) or "") and "delimiter=tab" in (_another_delimiter(["id\tprice"]) or "")
    assert _another_delimiter(["colour"]) is None and _another_delimiter(["a;b", "c"]) is None


def test_counts_of_what_is_no_table_of_the_data_pool_are_refused(bdc: Run, pool: Admin) -> None:
    with pool() as connection:
        connection.execute("CREATE TABLE plain (id bigint)")
    refused = bdc("data", "stats", "plain")
    assert refused.code == 1 and "no table 'plain' in the data pool" in refused.err
