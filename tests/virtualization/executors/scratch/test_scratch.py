"""The scratch executor over a real PostgreSQL."""

from __future__ import annotations

import datetime
import threading
import time
from collections.abc import Iterator
from decimal import Decimal

import pyarrow as pa
import pytest
import sqlglot
from sqlglot import exp

from tests.patience import SOON
from tests.services.postgresql import PostgresqlServer
from tests.virtualization.stand_ins import MemoryFragment, memory_table
from virtualization.errors import CancelledError, DataError, SqlError, UnsupportedError
from virtualization.executors.scratch import ScratchExecutor
from virtualization.plan import OutputColumn, QueryContext
from virtualization.types import pg_type_of


@pytest.fixture(scope="module")
def scratch(postgresql: PostgresqlServer) -> Iterator[ScratchExecutor]:
    executor = ScratchExecutor(postgresql.dsn(), max_connections=2)
    yield executor
    executor.close()


def query(text: str) -> exp.Query:
    tree = sqlglot.parse_one(text, read="postgres")
    assert isinstance(tree, exp.Query)
    return tree


FRAGMENT = MemoryFragment(
    memory_table(
        {
            "id": ("bigint", [1, 2, 3, None]),
            "price": ("numeric(12,2)", [Decimal("1.50"), Decimal("-2.00"), None, Decimal("0.00")]),
            "n": ("numeric", ["1.500", "NaN", None, "12345678901234567890123456789012345678901234567890"]),
            "day": ("date", [datetime.date(2024, 1, 31), None, datetime.date(1, 1, 1), datetime.date(9999, 12, 31)]),
            "tags": ("text[]", ["{a,b}", "{}", None, '{"x y"}']),
            "span": ("interval", ["1 day", None, "2 mons", "-00:00:01"]),
            "code": ("character(3)", ["a  ", "ab ", None, "abc"]),
            "raw": ("bytea", [b"\x00\xff", b"", None, b"x"]),
        }
    )
)


def test_all_types_pass_through(scratch: ScratchExecutor) -> None:
    result = scratch.run(query("SELECT * FROM __f0 ORDER BY id"), [FRAGMENT], QueryContext())
    assert result.columns == FRAGMENT.columns
    table = pa.Table.from_batches(list(result))
    assert table.to_pylist() == FRAGMENT.table.to_pylist()
    assert [pg_type_of(field).text for field in table.schema] == [column.type for column in FRAGMENT.columns]


def test_result_types_are_exact(scratch: ScratchExecutor) -> None:
    text = (
        "SELECT sum(id) AS s, avg(price) AS a, max(price) AS m, count(*) AS c, 'x' AS x,"
        " price * 2 AS p, id / 2 AS d FROM __f0 GROUP BY price, id"
    )
    expected = [("s", "numeric"), ("a", "numeric"), ("m", "numeric"), ("c", "bigint"), ("x", "text"), ("p", "numeric"), ("d", "bigint")]
    assert scratch.describe(query(text), [FRAGMENT]) == tuple(OutputColumn(name, of) for name, of in expected)


def test_a_fragment_is_read_once_and_closed(scratch: ScratchExecutor) -> None:
    fragment = MemoryFragment(FRAGMENT.table)
    rows = pa.Table.from_batches(list(scratch.run(query("SELECT a.id FROM __f0 a JOIN __f0 b ON a.id = b.id"), [fragment], QueryContext())))
    assert rows.num_rows == 3
    assert [batches.closed for batches in fragment.opened] == [True]


def test_infinities_arrive(scratch: ScratchExecutor) -> None:
    ends = [2**63 - 1, -(2**63) + 1, 0, None]
    schema = memory_table({"d": ("date", []), "t": ("timestamp", []), "z": ("timestamptz", [])}).schema
    days = pa.array([2**31 - 1, -(2**31) + 1, 0, None], pa.int32()).cast(pa.date32())
    moments = pa.array(ends, pa.int64())
    table = pa.table([days, moments.cast(pa.timestamp("us")), moments.cast(pa.timestamp("us", "UTC"))], schema=schema)
    text = "SELECT d::text AS d, t::text AS t, z::text AS z FROM __f0 ORDER BY 1"
    rows = pa.Table.from_batches(list(scratch.run(query(text), [MemoryFragment(table)], QueryContext())))
    expected = {"infinity", "-infinity", None}
    for column in rows.columns:
        assert expected < set(column.to_pylist())
    ordered = "SELECT * FROM __f0 ORDER BY (t = 'infinity') DESC NULLS LAST, t"
    back = pa.Table.from_batches(list(scratch.run(query(ordered), [MemoryFragment(table)], QueryContext())))
    assert back.equals(table)


def test_time_zone_of_the_query(scratch: ScratchExecutor) -> None:
    fragment = MemoryFragment(memory_table({"t": ("timestamptz", [datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)])}))
    result = scratch.run(query("SELECT t::text AS t FROM __f0"), [fragment], QueryContext(timezone="Asia/Kolkata"))
    assert pa.Table.from_batches(list(result)).to_pylist() == [{"t": "2024-01-01 05:30:00+05:30"}]


@pytest.mark.parametrize(
    ("text", "kind", "code"),
    [
        ("SELECT 1 / (id - id) AS x FROM __f0", DataError, "22012"),
        ("SELECT nothing(id) AS x FROM __f0", SqlError, "42883"),
        ("SELECT (SELECT id FROM __f0) AS x", DataError, "21000"),
    ],
)
def test_errors_are_postgresqls(scratch: ScratchExecutor, text: str, kind: type[Exception], code: str) -> None:
    with pytest.raises(kind) as caught:
        list(scratch.run(query(text), [FRAGMENT], QueryContext()))
    assert getattr(caught.value, "code") == code  # noqa: B009
    assert "COPY" not in str(caught.value)
    assert list(scratch.run(query("SELECT 1 AS one"), [], QueryContext()))


@pytest.mark.parametrize(
    "text",
    [
        "SELECT pg_read_file('/etc/passwd') AS x",
        "SELECT pg_catalog.pg_read_file('/etc/passwd') AS x",
        "SELECT PG_READ_FILE('/etc/passwd') AS x",
        "SELECT \"pg_read_file\"('x') AS x",
        "SELECT lo_import('/etc/passwd') AS x",
        "SELECT * FROM pg_ls_dir('.') AS x",
        "SELECT * FROM pg_authid",
        "SELECT * FROM pg_catalog.pg_class",
        "SELECT * FROM information_schema.tables",
        "SELECT set_config('search_path', 'x', false) AS x",
        "SELECT query_to_xml('select 1', true, true, '') AS x",
        "SELECT current_setting('data_directory') AS x",
        "SELECT 'pg_class'::regclass AS x",
        "SELECT pg_terminate_backend(1) AS x",
        "SELECT current_user AS x",
        "SELECT * FROM __f1",
        "SELECT id FROM __f0 FOR UPDATE",
        "SELECT id INTO x FROM __f0",
    ],
)
def test_the_server_is_out_of_reach(scratch: ScratchExecutor, text: str) -> None:
    assert scratch.refuses(query(text), [FRAGMENT]) is not None
    with pytest.raises(UnsupportedError):
        scratch.run(query(text), [FRAGMENT], QueryContext())


def test_cancel_stops_the_work(scratch: ScratchExecutor) -> None:
    context = QueryContext()
    threading.Timer(0.3, context.cancel).start()
    start = time.monotonic()
    with pytest.raises(CancelledError):
        list(scratch.run(query("SELECT 1 AS x FROM (SELECT pg_sleep(300)) p"), [], context))
    assert time.monotonic() - start < SOON
    assert len(list(scratch.run(query("SELECT 1 AS one"), [], QueryContext()))) == 1


def test_waiting_for_a_connection_can_be_cancelled(scratch: ScratchExecutor) -> None:
    held = [scratch.run(query("SELECT id FROM __f0"), [FRAGMENT], QueryContext()) for _ in range(2)]
    context = QueryContext()
    threading.Timer(0.2, context.cancel).start()
    with pytest.raises(CancelledError):
        scratch.run(query("SELECT 1 AS one"), [], context)
    for result in held:
        result.close()
        result.close()


def test_an_error_of_a_fragment_arrives_as_it_is(scratch: ScratchExecutor) -> None:
    class Failing(MemoryFragment):
        def open(self, context: QueryContext) -> object:  # type: ignore[override]
            class Batches:
                schema = FRAGMENT.table.schema

                def __iter__(self) -> Iterator[pa.RecordBatch]:
                    raise DataError("bad line 7")

                def close(self) -> None:
                    return None

            return Batches()

    with pytest.raises(DataError, match="bad line 7"):
        scratch.run(query("SELECT id FROM __f0"), [Failing(FRAGMENT.table)], QueryContext())


def test_large_fragments_stream_and_are_analysed(scratch: ScratchExecutor, postgresql: PostgresqlServer) -> None:
    fragment = MemoryFragment(memory_table({"v": ("bigint", list(range(50_000)))}), batch_rows=5000)
    result = scratch.run(query("SELECT v FROM __f0 WHERE v % 2 = 0 ORDER BY v DESC"), [fragment], QueryContext())
    first = next(iter(result))
    assert first.column(0)[0].as_py() == 49_998
    result.close()
    assert "ANALYZE pg_temp.__f0" in postgresql.log


def test_kept_connections_may_die(postgresql: PostgresqlServer) -> None:
    executor = ScratchExecutor(postgresql.dsn(application_name="dying"), max_connections=2)
    held = [executor.run(query("SELECT 1 AS one"), [], QueryContext()) for _ in range(2)]
    for result in held:
        result.close()
    with postgresql.connect() as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dying'")
    assert len(list(executor.run(query("SELECT 1 AS one"), [], QueryContext()))) == 1
    executor.close()
