"""Filters as SQL: a real PostgreSQL must keep the rows that Spark would keep (exact), or at least those (wide)."""

from __future__ import annotations

import datetime
import struct
from collections.abc import Iterator
from decimal import Decimal

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyspark_bdc.columns import Column
from pyspark_bdc.predicates import predicate
from tests.pyspark_bdc import filters
from tests.services.postgresql import PostgresqlServer

COLUMNS = {
    "i2": Column("i2", "int2", "smallint"),
    "i8": Column("i8", "int8", "bigint"),
    "f4": Column("f4", "float4", "float"),
    "f8": Column("f8", "float8", "double"),
    "n": Column("n", "numeric", "decimal(12,3)"),
    "b": Column("b", "bool", "boolean"),
    "t": Column("t", "text", "string"),
    "y": Column("y", "bytea", "binary"),
    "d": Column("d", "date", "date"),
    "ts": Column("ts", "timestamp", "timestamp_ntz"),
    "tz": Column("tz", "timestamptz", "timestamp"),
    "Qu\"ote'd": Column("Qu\"ote'd", "text", "string"),
}
FLOATS = [0.0, -0.0, 1.5, -1e300, float("nan"), float("inf"), 0.1]
TEXTS = ["", "a", "A", "ab", "a%b", "a_b", "a\\b", "it's", "ä", "z", "\\", "%", "O'\\x", " a", "😀", "a\nb"]
MOMENTS = [datetime.datetime(1, 1, 1), datetime.datetime(2024, 2, 29, 23, 59, 59, 999999), datetime.datetime(9999, 12, 31)]
VALUES: dict[str, list[object]] = {
    "i2": [-32768, -1, 0, 1, 32767],
    "i8": [-(2**63), -1, 0, 1, 2**63 - 1],
    "f4": [struct.unpack("f", struct.pack("f", value))[0] for value in FLOATS if abs(value) != 1e300],
    "f8": list(FLOATS),
    "n": [Decimal("-1.500"), Decimal("0.000"), Decimal("0.001"), Decimal("123456789.999")],
    "b": [True, False],
    "t": list(TEXTS),
    "y": [b"", b"\x00", b"\\x00", b"'\xff"],
    "d": [datetime.date(1, 1, 1), datetime.date(2024, 2, 29), datetime.date(9999, 12, 31)],
    "ts": list(MOMENTS),
    "tz": [moment.replace(tzinfo=datetime.UTC) for moment in MOMENTS],
    "Qu\"ote'd": list(TEXTS),
}
COMPARISONS = [filters.EqualTo, filters.EqualNullSafe, filters.GreaterThan, filters.GreaterThanOrEqual, filters.LessThan,
               filters.LessThanOrEqual]  # fmt: skip
PATTERNS = [filters.StringStartsWith, filters.StringEndsWith, filters.StringContains]


@pytest.fixture(scope="module")
def session(postgresql: PostgresqlServer) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A table per column with every value and a NULL; its role reads backslashes in literals the old way."""
    with postgresql.connect() as connection:
        connection.execute("CREATE DATABASE spark_filters")
    with postgresql.connect("spark_filters") as connection:
        for number, (name, column) in enumerate(COLUMNS.items()):
            connection.execute(f"CREATE TABLE t{number} (row int, {column.quoted} {column.server})")
            for row, value in enumerate([*VALUES[name], None]):
                connection.execute(f"INSERT INTO t{number} VALUES (%s, %s)", (row, value))  # type: ignore[arg-type]
        connection.execute("SET standard_conforming_strings = off")
        connection.execute("SET escape_string_warning = off")
        yield connection


def offers() -> st.SearchStrategy[tuple[str, filters.Filter | filters.Not]]:
    """A column's name and a filter over it, with values that are there and values that are not."""

    def of(name: str) -> st.SearchStrategy[tuple[str, filters.Filter | filters.Not]]:
        value = st.sampled_from(VALUES[name])
        path = st.just((name,))
        kinds: list[st.SearchStrategy[filters.Filter]] = [
            *(st.builds(kind, path, value) for kind in COMPARISONS),
            st.builds(filters.EqualNullSafe, path, st.none()),
            st.builds(filters.In, path, st.lists(st.none() | value, min_size=1, max_size=4).map(tuple)),
            st.builds(filters.IsNull, path),
            st.builds(filters.IsNotNull, path),
        ]
        if COLUMNS[name].server == "text":
            kinds += [st.builds(kind, path, value | st.text("ab%_\\'ä", max_size=3)) for kind in PATTERNS]
        plain = st.one_of(kinds)
        return st.tuples(st.just(name), plain | st.builds(filters.Not, plain))

    return st.sampled_from(list(COLUMNS)).flatmap(of)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(offer=offers())
def test_the_server_keeps_what_spark_keeps(
    session: psycopg.Connection[tuple[object, ...]], offer: tuple[str, filters.Filter | filters.Not]
) -> None:
    name, offered = offer
    found = predicate(offered, COLUMNS)
    assert found is not None, "every offer of this test has a translation"
    number = list(COLUMNS).index(name)
    kept = {row for (row,) in session.execute(f"SELECT row FROM t{number} WHERE {found.sql}".encode()).fetchall()}
    wanted = {row for row, value in enumerate([*VALUES[name], None]) if filters.evaluate(offered, value)}
    assert kept == wanted  # also where it is only promised to be wide: this build of PostgreSQL has no collation that differs


def test_texts_are_wide_only_where_a_collation_may_differ() -> None:
    assert predicate(filters.EqualTo(("t",), "x"), COLUMNS) == predicate_of("\"t\" = 'x'", exact=False)
    assert predicate(filters.GreaterThan(("t",), "x"), COLUMNS) == predicate_of('"t" COLLATE "C" > \'x\'', exact=True)
    assert predicate(filters.EqualTo(("i8",), 5), COLUMNS) == predicate_of('"i8" = 5', exact=True)


def predicate_of(sql: str, *, exact: bool) -> object:
    from pyspark_bdc.predicates import Predicate

    return Predicate(sql, exact)


@pytest.mark.parametrize(
    "offered",
    [
        filters.EqualTo(("a", "b"), 1),
        filters.EqualTo(("nowhere",), 1),
        filters.EqualTo(("i8",), None),
        filters.EqualTo(("i8",), True),
        filters.EqualTo(("i8",), "1"),
        filters.EqualTo(("b",), 1),
        filters.EqualTo(("n",), Decimal("NaN")),
        filters.EqualTo(("f4",), 0.1),
        filters.EqualTo(("f4",), 1e300),
        filters.EqualTo(("t",), "zero\0byte"),
        filters.EqualTo(("t",), "half a \ud83d"),
        filters.StringContains(("t",), "\0"),
        filters.StringContains(("i8",), "1"),
        filters.EqualTo(("d",), datetime.datetime(2024, 1, 1)),
        filters.EqualTo(("ts",), datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)),
        filters.EqualTo(("tz",), datetime.datetime(2024, 1, 1)),
        filters.In(("i8",), ()),
        filters.In(("i8",), (1, "x")),
        filters.EqualTo(("c",), "x"),
        filters.Not(filters.EqualTo(("c",), "x")),
        filters.ValueFilter(("i8",), 1),
    ],
    ids=repr,
)
def test_everything_else_stays_with_spark(offered: filters.Filter | filters.Not) -> None:
    assert predicate(offered, {**COLUMNS, "c": Column("c", "bpchar", "string")}) is None


def test_a_column_that_the_server_casts_is_compared_as_cast() -> None:
    columns = {"u": Column("u", "text", "string", "text")}
    found = predicate(filters.LessThan(("u",), "7"), columns)
    assert found == predicate_of('CAST("u" AS text) COLLATE "C" < \'7\'', exact=True)
