"""Arrow tables of results, with a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal

import psycopg
import pyarrow as pa
import pytest

from bdc.errors import UserError
from bdc.result import Result, run
from tests.services.postgresql import PostgresqlServer


@pytest.fixture
def connection(postgresql: PostgresqlServer) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with postgresql.connect() as found:
        yield found


@pytest.mark.parametrize(
    ("expression", "kind", "value"),
    [
        ("true", pa.bool_(), True),
        ("7::smallint", pa.int16(), 7),
        ("-7", pa.int32(), -7),
        ("9007199254740993", pa.int64(), 9007199254740993),
        ("1.5::real", pa.float32(), 1.5),
        ("0.1::double precision", pa.float64(), 0.1),
        ("'-Infinity'::double precision", pa.float64(), float("-inf")),
        ("-12345678901234567890.123456789", pa.decimal128(29, 9), Decimal("-12345678901234567890.123456789")),
        ("1e50::numeric", pa.decimal256(51, 0), Decimal(10) ** 50),
        ("date '2024-02-29'", pa.date32(), date(2024, 2, 29)),
        ("time '01:02:03.000004'", pa.time64("us"), time(1, 2, 3, 4)),
        ("timestamp '2024-02-29 01:02:03.000004'", pa.timestamp("us"), datetime(2024, 2, 29, 1, 2, 3, 4)),
        ("timestamptz '2024-02-29 01:02:03+05:30'", pa.timestamp("us", "UTC"), datetime(2024, 2, 28, 19, 32, 3, tzinfo=UTC)),
        (r"'\x00ff'::bytea", pa.binary(), b"\x00\xff"),
        ("""'{"a": 1.10}'::json""", pa.string(), '{"a": 1.10}'),
        ("'日本'::text", pa.string(), "日本"),
        ("ARRAY[1,2]", pa.string(), "{1,2}"),
    ],
)
def test_types_are_exact(connection: psycopg.Connection[tuple[object, ...]], expression: str, kind: pa.DataType, value: object) -> None:
    found = run(connection, f"SELECT {expression} AS v UNION ALL SELECT NULL").arrow()
    assert found.schema.field("v").type == kind
    assert found.column("v").to_pylist() == [value, None]


def test_declared_digits_stay(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    found = run(connection, "SELECT 1.10::numeric(12,2) AS a, 1200::numeric(4,-2) AS b").arrow()
    assert found.schema.types == [pa.decimal128(12, 2), pa.decimal128(4, -2)]
    assert found.to_pylist() == [{"a": Decimal("1.10"), "b": Decimal("1.2E+3")}]


def test_no_rows_still_have_types(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    found = run(connection, "SELECT 1 AS a, 1.5 AS n, 'x' AS t WHERE false").arrow()
    assert (found.num_rows, found.schema.types) == (0, [pa.int32(), pa.decimal128(1, 0), pa.string()])


def test_each_row_is_given_once(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    result = run(connection, "SELECT generate_series(1, 3) AS i")
    assert next(iter(result)) == (1,)
    assert result.arrow().column("i").to_pylist() == [2, 3]
    assert result.fetchall() == []
    assert result.arrow().num_rows == 0


@pytest.mark.parametrize("expression", ["'NaN'::numeric", "date 'infinity'", "time '24:00'", "1e90::numeric"])
def test_what_arrow_can_not_hold_names_its_column(connection: psycopg.Connection[tuple[object, ...]], expression: str) -> None:
    with pytest.raises(UserError, match="'odd'") as caught:
        run(connection, f"SELECT 1 AS even, {expression} AS odd").arrow()
    assert caught.value.hint is not None


def test_a_statement_without_rows_is_no_table(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    result: Result = run(connection, "CREATE TEMP TABLE t (a int)")
    assert result.fetchall() == []
    with pytest.raises(UserError, match="no rows"):
        result.arrow()
