"""Types at their edges: what has no exact form is an error that names the column, never another value."""

from __future__ import annotations

import datetime
import pathlib
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from tests.services.mariadb import MariadbServer
from tests.virtualization.connectors.conformance import read
from virtualization.catalog import Column, DataSource, VirtualTable
from virtualization.connectors.odbc import OdbcConnector
from virtualization.errors import DataError, DefinitionError

pytestmark = pytest.mark.service

TYPES = {
    "u8": ("tinyint unsigned", 255, "smallint"),
    "u64": ("bigint unsigned", 2**64 - 1, "numeric(20,0)"),
    "bt": ("bit(1)", "b'1'", "boolean"),
    "f": ("float", "0.123456789", "real"),
    "d": ("decimal(38,10)", "1234567890123456789012345678.0123456789", "numeric(38,10)"),
    "w": ("decimal(60,5)", "'12345678901234567890123456789012345678901234567890.12345'", "numeric(60,5)"),
    "t": ("time(3)", "'12:30:00.5'", "time without time zone"),
    "ts": ("timestamp(6) NULL", "'2024-02-29 12:30:00.123456'", "timestamp with time zone"),
    "ch": ("char(5)", "'ab '", "text"),
    "la": ("varchar(3000) CHARACTER SET latin1", "'grüße'", "text"),
    "tx": ("longtext CHARACTER SET utf8mb4", "'日本😀'", "text"),
    "en": ("enum('x','y')", "'y'", "text"),
    "bn": ("binary(4)", "x'0001'", "bytea"),
    "bl": ("longblob", "x'deadbeef00'", "bytea"),
    "ip": ("inet6", "'::1'", "text"),
}
EXPECTED: dict[str, Any] = {
    "u8": 255, "u64": Decimal(2**64 - 1), "bt": True, "f": float(np.float32("0.123456789")),
    "d": Decimal("1234567890123456789012345678.0123456789"), "w": "12345678901234567890123456789012345678901234567890.12345",
    "t": datetime.time(12, 30, 0, 500000), "ts": datetime.datetime(2024, 2, 29, 12, 30, 0, 123456, datetime.UTC), "ch": "ab", "la": "grüße",
    "tx": "日本😀", "en": "y", "bn": b"\0\1\0\0", "bl": b"\xde\xad\xbe\xef\0", "ip": "::1",
}  # fmt: skip
BAD = {
    "d0": ("date", "'0000-00-00'", "date", "0000-00-00"),
    "dt": ("datetime", "'2024-00-10 00:00:00'", "timestamp without time zone", "2024-00-10"),
    "tm": ("time", "'100:00:00'", "time without time zone", "100:00:00"),
    "dc": ("decimal(10,3)", "1.234", "numeric(10,2)", "data loss"),
    "i": ("bigint", "3000000000", "integer", "integer"),
    "n": ("varchar(10)", "'abc'", "numeric(10,2)", "abc"),
    "v": ("varchar(10)", "'abcdef'", "character varying(3)", "6 characters"),
    "big": ("longtext", "repeat('x', 100000)", "text", "max_value_bytes"),
}


@pytest.fixture(scope="module")
def connector(mariadb: MariadbServer) -> Iterator[OdbcConnector]:
    names = ", ".join(f"{name} {of}" for name, (of, _, _) in TYPES.items())
    values = ", ".join(str(value) for _, value, _ in TYPES.values())
    bad = ", ".join(f"{name} {of}" for name, (of, *_) in BAD.items())
    with mariadb.connect() as made:
        for statement in (
            "SET time_zone = '+00:00', sql_mode = ''", "CREATE DATABASE kinds CHARACTER SET utf8mb4", "USE kinds",
            f"CREATE TABLE edges (id int, {names})", f"INSERT INTO edges VALUES (1, {values})", "INSERT INTO edges (id) VALUES (2)",
            f"CREATE TABLE bad ({bad})", f"INSERT INTO bad VALUES ({', '.join(value for _, value, *_ in BAD.values())})",
        ):  # fmt: skip
            made.execute(statement)
    connector = OdbcConnector(mariadb.source("kinds"))
    yield connector
    connector.close()


def test_types_are_found_and_values_exact(connector: OdbcConnector) -> None:
    detected = connector.detect("edges", {})
    assert {column.name: column.type for column in detected.columns} == {"id": "integer"} | {name: of for name, (_, _, of) in TYPES.items()}
    table = VirtualTable("public", "t", "src", "edges", detected.columns)
    rows = sorted(
        read(connector.scan(table, [column.name for column in table.columns], []).fragment).to_pylist(), key=lambda row: row["id"]
    )
    assert rows[0] == {"id": 1, **EXPECTED}
    assert rows[1] == {"id": 2, **dict.fromkeys(EXPECTED)}


@pytest.mark.parametrize("name", BAD)
def test_a_value_without_an_exact_form_is_an_error(connector: OdbcConnector, name: str) -> None:
    _, _, declared, said = BAD[name]
    table = VirtualTable("public", "t", "src", "bad", (Column(name, declared),))
    with pytest.raises(DataError) as caught:
        read(connector.scan(table, [name], []).fragment)
    assert said in caught.value.message and "src" in caught.value.message and caught.value.hint


def test_a_type_beyond_the_map(connector: OdbcConnector) -> None:
    table = VirtualTable("public", "t", "src", "edges", (Column("tx", "tsvector"),))
    with pytest.raises(DefinitionError, match="tsvector, which is not carried"):
        connector.scan(table, ["tx"], [])


def test_a_column_of_another_remote_type_is_not_compared_there(connector: OdbcConnector) -> None:
    from sqlglot import parse_one

    table = VirtualTable("public", "t", "src", "edges", (Column("id", "integer"), Column("en", "text"), Column("u8", "text")))
    predicates = [parse_one(text, dialect="postgres") for text in ("\"en\" = 'y'", "\"u8\" = '255'", '"u8" IS NOT NULL')]
    scanned = connector.scan(table, ["id"], predicates)
    assert scanned.left == tuple(predicates[:2]) and {kept.code for kept in scanned.kept} == {"type"}
    assert read(scanned.fragment)["id"].to_pylist() == [1]


@pytest.fixture(scope="module")
def loose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OdbcConnector]:
    """SQLite takes any value in any column."""
    path = tmp_path_factory.mktemp("sqlite") / "loose.db"
    random = np.random.default_rng(1).integers(0, 2**63, 3000).view(np.float64)
    doubles = [float(value) for value in random if np.isfinite(value)] + [1e308, 5e-324, 0.1, 1 / 3, float("inf"), float("-inf")]
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE doubles (x DOUBLE)")
        made.executemany("INSERT INTO doubles VALUES (?)", [(value,) for value in doubles])
        made.execute("CREATE TABLE mixed (i INTEGER, d DATE, t TEXT, n NUMERIC(12,2))")
        made.execute("INSERT INTO mixed VALUES ('abc', '2024-2-9', ?, 1.005)", ("é" * 1000,))
    made.close()
    connector = OdbcConnector(DataSource("src", "odbc", f"odbc:Driver=SQLite3;Database={path}"))
    yield connector
    connector.close()


def test_every_bit_of_a_double_comes_from_sqlite(loose: OdbcConnector, tmp_path: pathlib.Path) -> None:
    table = VirtualTable("public", "t", "src", "doubles", (Column("x", "double precision"),))
    found = read(loose.scan(table, ["x"], []).fragment)["x"].to_pylist()
    random = np.random.default_rng(1).integers(0, 2**63, 3000).view(np.float64)
    assert found == [float(value) for value in random if np.isfinite(value)] + [1e308, 5e-324, 0.1, 1 / 3, float("inf"), float("-inf")]


@pytest.mark.parametrize(("name", "declared", "said"), [("i", "bigint", "column i holds text"), ("d", "date", "column d holds 2024-2-9")])
def test_a_stranger_in_sqlite_is_found_also_where_it_is_only_compared(loose: OdbcConnector, name: str, declared: str, said: str) -> None:
    from sqlglot import parse_one

    table = VirtualTable("public", "t", "src", "mixed", (Column(name, declared), Column("t", "text"), Column("n", "numeric(12,2)")))
    predicate = parse_one("i = 1" if name == "i" else "d = '2024-02-09'", dialect="postgres")
    for columns, predicates in (([name], []), (["t"], [predicate])):
        scanned = loose.scan(table, columns, predicates)
        assert not scanned.left
        with pytest.raises(DataError, match=said):
            read(scanned.fragment)
    assert read(loose.scan(table, ["t", "n"], []).fragment).to_pylist() == [{"t": "é" * 1000, "n": Decimal("1.01")}]
