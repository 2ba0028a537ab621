"""Types and streams against a real PostgreSQL."""

from __future__ import annotations

import datetime
import math
import time
import uuid
from collections.abc import Iterator
from decimal import Decimal

import pyarrow as pa
import pytest

from pyspark_bdc import session
from pyspark_bdc.columns import Column, chosen, named
from pyspark_bdc.errors import BdcError, OptionError, ReadError, UnreachableError
from pyspark_bdc.options import Options, parse
from pyspark_bdc.partitions import conditions
from tests.patience import PATIENCE
from tests.services.postgresql import PostgresqlServer

DATABASE = "spark_session"
SAMPLE = """
SELECT true AS bool, 1::int2 AS i2, 2::int4 AS i4, -3::int8 AS i8, 0.5::float4 AS f4, 'NaN'::float8 AS f8, 4000000000::oid AS o,
  1.50::numeric(10,2) AS n, 99000::numeric(2,-3) AS wide, 0.00099::numeric(2,5) AS small, 0.125::numeric AS free,
  1.5::numeric(50,2) AS long, 'ä'::text AS t, 'v'::varchar(3) AS v, 'c'::char(3) AS c, '\\x00ff'::bytea AS y,
  DATE '4000-01-01 BC' AS d, TIMESTAMP '1582-10-10 00:00:00.000001' AS ts, TIMESTAMPTZ '2024-03-31 02:30:00+02' AS tz,
  TIME '12:00' AS time, 'a1b2c3d4-0000-0000-0000-000000000001'::uuid AS u, '{"a": 1}'::jsonb AS j, ARRAY[1,NULL,3] AS a,
  INTERVAL '1 day 2:00' AS i, 'sad'::mood AS m, 7::positive AS p, '[1,3)'::int4range AS r, NULL::int4 AS nothing, NULL::numeric(5,1) AS no
"""
TYPES = {
    "bool": "boolean", "i2": "smallint", "i4": "int", "i8": "bigint", "f4": "float", "f8": "double", "o": "bigint",
    "n": "decimal(10,2)", "wide": "decimal(5,0)", "small": "decimal(5,5)", "free": "decimal(38,18)", "long": "decimal(38,18)",
    "t": "string", "v": "string", "c": "string", "y": "binary", "d": "date", "ts": "timestamp_ntz", "tz": "timestamp",
    "time": "string", "u": "string", "j": "string", "a": "string", "i": "string", "m": "string", "p": "int", "r": "string",
    "nothing": "int", "no": "decimal(5,1)",
}  # fmt: skip
VALUES = {
    "bool": True, "i2": 1, "i4": 2, "i8": -3, "f4": 0.5, "o": 4_000_000_000,
    "n": Decimal("1.50"), "wide": Decimal(99000), "small": Decimal("0.00099"), "free": Decimal("0.125"), "long": Decimal("1.5"),
    "t": "ä", "v": "v", "c": "c  ", "y": b"\x00\xff", "ts": datetime.datetime(1582, 10, 10, 0, 0, 0, 1),
    "tz": datetime.datetime(2024, 3, 31, 0, 30, tzinfo=datetime.UTC),
    "time": "12:00:00", "u": str(uuid.UUID("a1b2c3d4-0000-0000-0000-000000000001")), "j": '{"a": 1}', "a": "{1,NULL,3}",
    "i": "1 day 02:00:00", "m": "sad", "p": 7, "r": "[1,3)", "nothing": None, "no": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def server(postgresql: PostgresqlServer) -> Iterator[PostgresqlServer]:
    with postgresql.connect() as connection:
        connection.execute(f"CREATE DATABASE {DATABASE}")
    with postgresql.connect(DATABASE) as connection:
        connection.execute("CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN positive AS int CHECK (VALUE > 0)")
        connection.execute("CREATE TABLE numbers AS SELECT i AS id, date '2024-01-01' + i AS d, repeat('x', 100) AS pad "
                           "FROM generate_series(-50, 100000) AS i; INSERT INTO numbers VALUES (NULL, NULL, NULL)")  # fmt: skip
    yield postgresql


def options(server: PostgresqlServer, query: str, **more: str) -> Options:
    login = {"host": "127.0.0.1", "port": str(server.port), "user": server.user, "password": server.password, "database": DATABASE}
    return parse({**login, "query": query, **more})


def read(given: Options, *wanted: tuple[str, str, bool]) -> pa.Table:
    columns = session.describe(given)
    columns = chosen(columns, wanted) if wanted else columns
    batches = list(session.stream(given.address, session.statement(given.relation, columns, []), columns))
    return pa.Table.from_batches(batches)


def test_every_type_arrives_as_documented(server: PostgresqlServer) -> None:
    given = options(server, SAMPLE)
    assert {column.name: column.spark for column in session.describe(given)} == TYPES
    (row,) = read(given).drop_columns(["d"]).to_pylist()
    assert math.isnan(row.pop("f8"))
    assert row == VALUES


def test_the_oldest_date_arrives(server: PostgresqlServer) -> None:
    days = read(options(server, "SELECT DATE '4714-11-24 BC' AS d")).column("d").cast(pa.int32()).to_pylist()
    assert days == [-2_440_588]


def test_a_numeric_without_precision_is_what_the_option_says(server: PostgresqlServer) -> None:
    third = "SELECT 1/3.0 AS n"
    with pytest.raises(ReadError, match=r"column 'n': a value has no exact place in decimal\(38,18\).*cast it in a query"):
        read(options(server, third))
    assert read(options(server, third, unconstrainedNumeric="string")).to_pylist() == [{"n": "0.33333333333333333333"}]
    assert read(options(server, third, unconstrainedNumeric="decimal(20,20)")).to_pylist() == [{"n": Decimal("0.33333333333333333333")}]


@pytest.mark.parametrize("value", ["'NaN'::numeric", "1e38::numeric", "'infinity'::date", "'-infinity'::date", "'infinity'::timestamp",
                                   "'-infinity'::timestamp", "'infinity'::timestamptz", "'-infinity'::timestamptz"])  # fmt: skip
def test_a_value_that_spark_has_no_place_for_is_an_error(server: PostgresqlServer, value: str) -> None:
    with pytest.raises(ReadError, match="column 'x'"):
        read(options(server, f"SELECT {value} AS x UNION ALL SELECT NULL"))


def test_a_schema_chooses_columns_and_sizes(server: PostgresqlServer) -> None:
    given = options(server, "SELECT 1 AS a, 1.5::numeric AS n, 'x' AS t, gen_random_uuid() AS u")
    table = read(given, ("n", "decimal(5,2)", True), ("a", "string", False))
    assert table.schema == pa.schema([pa.field("n", pa.decimal128(5, 2)), pa.field("a", pa.string(), nullable=False)])
    assert table.to_pylist() == [{"n": Decimal("1.50"), "a": "1"}]
    for wanted, said in ((("nope", "int", True), "names a column 'nope'"), (("a", "bigint", True), "is int; the schema asks for bigint")):
        with pytest.raises(OptionError, match=said):
            read(given, wanted)
    with pytest.raises(ReadError, match="holds NULL"):
        read(options(server, "SELECT NULL::int AS a"), ("a", "int", False))


def test_the_option_columns_chooses_too() -> None:
    columns = (Column("id", "int4", "int"), Column("kind", "text", "string"))
    assert named(columns, ()) == columns
    assert [column.name for column in named(columns, ("kind", "id"))] == ["kind", "id"]
    for names in (("id", "id"), ("ID",)):
        with pytest.raises(OptionError, match="option columns"):
            named(columns, names)


def test_partitions_read_each_row_once(server: PostgresqlServer) -> None:
    for column, lower, upper in (("id", "0", "1000"), ("d", "2024-02-01", "2024-02-03")):
        cut = {"partitionColumn": column, "lowerBound": lower, "upperBound": upper, "numPartitions": "5"}
        given = options(server, "SELECT id, d FROM numbers", **cut)
        columns = session.describe(given)
        found = conditions(given.range, {c.name: c for c in columns})
        assert len(found) == (5 if column == "id" else 2)
        parts = [list(session.stream(given.address, session.statement(given.relation, columns, [str(c)]), columns)) for c in found]
        rows = [batch.column("id").to_pylist() for part in parts for batch in part]
        assert sorted(i for ids in rows for i in ids if i is not None) == list(range(-50, 100001))
        assert sum(ids.count(None) for ids in rows) == 1


@pytest.mark.parametrize(
    ("column", "lower", "upper", "said"),
    [("nope", "0", "9", "no column 'nope'"), ("pad", "0", "9", "'pad' is string"), ("id", "a", "9", "no values of a int"),
     ("id", "9", "9", "not below"), ("d", "2024-01-01", "soon", "no values of a date")],
)  # fmt: skip
def test_ranges_that_do_not_fit_are_refused(server: PostgresqlServer, column: str, lower: str, upper: str, said: str) -> None:
    cut = {"partitionColumn": column, "lowerBound": lower, "upperBound": upper, "numPartitions": "5"}
    given = options(server, "SELECT * FROM numbers", **cut)
    with pytest.raises(OptionError, match=said):
        conditions(given.range, {c.name: c for c in session.describe(given)})


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT * FROM nowhere", r'relation "nowhere" does not exist .*\[42P01\]'),
        ("SELECT 1/0 AS x", r"division by zero \[22012\]"),
        ("SELECT 1 AS a, 2 AS a", "more than one column named 'a'"),
        ("SELECT", "no columns"),
        ("SELECT 1 AS a) AS x; DROP TABLE numbers; SELECT * FROM (SELECT 1 AS b", "multiple commands"),
        ("SELECT nextval('s') AS a", r"read-only transaction"),
    ],
)
def test_errors_are_the_servers_own_words(server: PostgresqlServer, query: str, said: str) -> None:
    with server.connect(DATABASE) as connection:
        connection.execute("CREATE SEQUENCE IF NOT EXISTS s")
    with pytest.raises(ReadError, match=said) as caught:
        read(options(server, query))
    assert server.password not in repr(caught.value)


def test_no_server_and_a_wrong_password_are_told_apart(server: PostgresqlServer) -> None:
    with pytest.raises(UnreachableError, match=r"can't log in as ann@127.0.0.1:1/bdc: .*refused"):
        session.describe(parse({"host": "127.0.0.1", "port": "1", "user": "ann", "password": "geheim-1", "dbtable": "t"}))
    with pytest.raises(BdcError, match="password authentication failed") as caught:
        session.describe(options(server, "SELECT 1 AS a", password="geheim-2"))
    assert "geheim" not in repr(caught.value)


def test_a_stream_that_is_left_early_stops_at_the_server(server: PostgresqlServer) -> None:
    given = options(server, "SELECT a.i FROM generate_series(1, 10000) AS a(i), generate_series(1, 10000) AS b(i)")
    columns = session.describe(given)
    stream = session.stream(given.address, session.statement(given.relation, columns, []), columns)
    first = next(stream)
    assert first.column(0)[0].as_py() == 1
    assert first.nbytes < 32 * 1024 * 1024
    stream.close()  # type: ignore[attr-defined]
    with server.connect() as connection:
        busy = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pyspark_bdc' AND state = 'active'"
        deadline = time.monotonic() + PATIENCE
        while connection.execute(busy).fetchone() != (0,):
            assert time.monotonic() < deadline, "the server goes on"
            time.sleep(0.05)
