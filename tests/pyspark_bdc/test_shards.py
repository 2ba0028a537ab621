"""Tables of the data pool read from their shards: the same rows as through the master, in one state, relayed or not; no Spark."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Sequence

import pyarrow as pa
import pytest

from pyspark_bdc import session
from pyspark_bdc.columns import chosen
from pyspark_bdc.errors import ReadError, UnreachableError
from pyspark_bdc.options import Options, parse
from pyspark_bdc.shards import ShardTable, shard_table
from tests.services.data_pool import PASSWORD, DataPool

TYPES = {
    "id": "bigint", "small": "smallint", "price": "numeric(12,2)", "free": "numeric", "name": "text", "code": "char(4)", "raw": "bytea",
    "day": "date", "at": "timestamp", "when": "timestamptz", "key": "uuid", "doc": "jsonb", "tags": "text[]", "share": "double precision",
}  # fmt: skip
VALUES = (
    "i, i % 7, i / 100.0, i / 8.0, CASE WHEN i % 5 > 0 THEN 'name ' || i END, 'c' || i % 10, decode(lpad(i::text, 4, '0'), 'hex'), "
    "date '2024-02-28' + i::int, timestamp '1582-10-04 12:00' + i * interval '1 hour', "
    "timestamptz '2026-01-01 00:00+09' + i * interval '1 s', md5(i::text)::uuid, "
    "json_build_object('i', i)::jsonb, ARRAY['a', i::text, NULL], i / 3.0"
)
ROWS = 500


@pytest.fixture(scope="module")
def table(data_pool: DataPool) -> str:
    """With every type that travels in its own way."""
    name = f"shards_{secrets.token_hex(4)}"
    columns = ", ".join(f'{{"name": "{column}", "type": "{of}"}}' for column, of in TYPES.items())
    with data_pool.connect("admin") as master:
        master.execute(f"CALL bdc.create_data_table('{name}', '[{columns}]', 'HASH(id)')".encode())
        master.execute(f"INSERT INTO {name} SELECT {VALUES} FROM generate_series(1, {ROWS}) AS i".encode())
    return name


def options(pool: DataPool, table: str, **more: str) -> Options:
    login = {"host": "127.0.0.1", "port": str(pool.master.port), "user": "admin", "password": PASSWORD}
    return parse(login | {"dbtable": table} | more)


def opened(given: Options) -> ShardTable:
    found = shard_table(given, session.describe(given))
    assert found is not None
    return found


def read(table: ShardTable, where: Sequence[str] = (), query: str = "alone") -> pa.Table:
    return pa.Table.from_batches([batch for number in table.numbers(where) for batch in table.stream(number, where, query)])


def by_sql(given: Options, where: Sequence[str] = ()) -> pa.Table:
    columns = session.describe(given)
    return pa.Table.from_batches(list(session.stream(given.address, session.statement(given.relation, columns, where), columns)))


@pytest.mark.parametrize("relay", ["never", "always", "auto"])
def test_the_same_rows_and_types_as_through_the_master(data_pool: DataPool, table: str, relay: str) -> None:
    given = options(data_pool, table, relay=relay)
    found, expected = read(opened(given)).sort_by("id"), by_sql(given).sort_by("id")
    assert found.schema == expected.schema
    assert found.to_pylist() == expected.to_pylist()
    assert found.num_rows == ROWS


def test_each_shard_has_a_part(data_pool: DataPool, table: str) -> None:
    found = opened(options(data_pool, table))
    parts = [sum(batch.num_rows for batch in found.stream(number, [], "alone")) for number in found.numbers([])]
    assert len(parts) == 2
    assert all(parts)
    assert sum(parts) == ROWS


def test_conditions_and_columns_go_to_the_shards(data_pool: DataPool, table: str) -> None:
    given = options(data_pool, table)
    columns = chosen(session.describe(given), [("name", "string", True), ("id", "bigint", True)])
    found = shard_table(given, columns)
    assert found is not None
    rows = read(found, ["id BETWEEN 3 AND 6", "name IS NOT NULL"])
    assert sorted(rows.to_pylist(), key=lambda row: row["id"]) == [{"name": f"name {i}", "id": i} for i in (3, 4, 6)]
    assert len(found.numbers(["id = 3"])) == 1


def test_one_query_sees_one_state_and_the_next_one_the_next(data_pool: DataPool) -> None:
    name = f"shards_{secrets.token_hex(4)}"
    with data_pool.connect("admin") as master:
        master.execute(f"""CALL bdc.create_data_table('{name}', '[{{"name": "id", "type": "bigint"}}]', 'HASH(id)')""".encode())
        insert = f"INSERT INTO {name} SELECT i FROM generate_series(1, 100) AS i".encode()
        master.execute(insert)
        found = opened(options(data_pool, name))
        first, second = found.numbers([])
        before = sum(batch.num_rows for batch in found.stream(first, [], "query 1"))
        master.execute(insert)
        after = sum(batch.num_rows for batch in found.stream(second, [], "query 1"))
        assert before + after == 100
        assert read(found, query="query 2").num_rows == 200


def test_only_tables_of_the_data_pool_have_shards(data_pool: DataPool, table: str) -> None:
    for given in (options(data_pool, "pg_catalog.pg_class"), options(data_pool, table, readFrom="sql")):
        assert shard_table(given, session.describe(given)) is None
    given = options(data_pool, "pg_catalog.pg_class", readFrom="shards")
    with pytest.raises(ReadError, match="only a table of the data pool"):
        shard_table(given, session.describe(given))


def test_where_only_the_master_is_reached_rows_come_by_sql(data_pool: DataPool, table: str, caplog: pytest.LogCaptureFixture) -> None:
    given = options(data_pool, table, flight="127.0.0.1:1")
    assert shard_table(given, session.describe(given)) is None
    assert "is read through the master: can't log in" in caplog.text
    with pytest.raises(UnreachableError):
        shard_table(dataclasses.replace(given, read_from="shards"), session.describe(given))


def test_what_the_shards_spell_otherwise_is_read_by_sql(data_pool: DataPool, table: str) -> None:
    given = options(data_pool, table)
    found = shard_table(given, chosen(session.describe(given), [("share", "string", True)]))
    assert found is not None
    assert found.numbers([]) == []


def test_infinity_is_refused_as_through_the_master(data_pool: DataPool) -> None:
    name = f"shards_{secrets.token_hex(4)}"
    with data_pool.connect("admin") as master:
        master.execute(f"""CALL bdc.create_data_table('{name}', '[{{"name": "day", "type": "date"}}]')""".encode())
        master.execute(f"INSERT INTO {name} VALUES ('infinity')".encode())
    with pytest.raises(ReadError, match="'day' holds infinity"):
        read(opened(options(data_pool, name)))


def test_an_ended_login_is_made_again(data_pool: DataPool, table: str) -> None:
    found = opened(options(data_pool, table))
    header, (name, _) = found.login.headers
    ended = dataclasses.replace(found, login=dataclasses.replace(found.login, headers=(header, (name, "Bearer nonsense"))))
    assert sum(batch.num_rows for number in (0, 1) for batch in ended.stream(number, [], "alone")) == ROWS


def test_rights_are_the_users_own(data_pool: DataPool, table: str) -> None:
    given = options(data_pool, table)
    columns = session.describe(given)
    given = dataclasses.replace(given, address=dataclasses.replace(given.address, user="alice"))
    with pytest.raises(ReadError, match="permission denied"):
        found = shard_table(given, columns)
        assert found is not None
        found.numbers([])
