"""Tables with every kind of value in every place, as an Oracle would hold them."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tests.services.oracle import Oracle
from virtualization.catalog import Column, VirtualTable
from virtualization.connectors.oracle import OracleConnector

UTC = datetime.UTC
COLUMNS = (
    ("ID", "NUMBER(9,0) NOT NULL"), ("SMALL", "NUMBER(4,0)"), ("I", "NUMBER(9,0)"), ("BIG", "NUMBER(18,0)"), ("HUGE", "NUMBER(19,0)"),
    ("PRICE", "NUMBER(12,2)"), ("RATE", "NUMBER(5,4)"), ("PLAIN", "NUMBER"), ("DBL", "BINARY_DOUBLE"), ("FLT", "BINARY_FLOAT"),
    ("NAME", "VARCHAR2(30)"), ("CODE", "CHAR(4)"), ("MOMENT", "DATE"), ("TS", "TIMESTAMP(6)"), ("TZ", "TIMESTAMP(6) WITH TIME ZONE"),
    ("FLAG", "NUMBER(1,0)"), ("NOTE", "CLOB"), ("BYTES", "RAW(16)"), ("Mixed Name", "VARCHAR2(10)"), ("KEY", "VARCHAR2(10) NOT NULL"),
)  # fmt: skip
_NUMBERS = (0, 1, -1, 2, 3, 7, 9, -3, 42, None)
_NAMES: tuple[Any, ...] = (
    "a", "A", "b", "ab", "abc", "Ab", "ä", "Ä", "ß", "ı", "ſ", "K", "İ", "日本", "😀", "a%b_c", "a\\", "it's", " a ", "a ", "5", "\t",
    "zebra",
    "", None,
)  # fmt: skip
_MOMENTS = (
    datetime.datetime(1, 1, 1), datetime.datetime(1969, 12, 31, 23, 59, 59), datetime.datetime(2024, 2, 29),
    datetime.datetime(2024, 2, 29, 12),
    datetime.datetime(2023, 12, 31, 23, 59, 59), datetime.datetime(9999, 12, 31), datetime.datetime(1995, 3, 15, 7, 30), None,
)  # fmt: skip
_DOUBLES = (0.0, 0.5, -0.5, 1e308, 5e-324, 0.1, -2.25, 3.0, float("inf"), float("-inf"), float("nan"), None)
_PLAIN = (
    Decimal("0.5"),
    Decimal("-0.25"),
    Decimal(7),
    Decimal("1e30"),
    Decimal("1e-30"),
    Decimal("3.3333333333333333333333333333333333"),
    None,
)
ROWS = 75


def _pick(values: tuple[Any, ...], number: int, step: int) -> Any:
    return values[number * step % len(values)]


def rows() -> Iterator[tuple[Any, ...]]:
    """The same each time."""
    for n in range(ROWS):
        i, moment, name = _pick(_NUMBERS, n, 3), _pick(_MOMENTS, n, 5), _pick(_NAMES, n, 1)
        yield (
            n, i, None if n % 11 == 5 else (n * 7919) % 1000 - 500, None if n % 13 == 3 else (n - 30) * 10**16 // 7,
            None if i is None else i * 10**17, None if n % 9 == 2 else Decimal(n * 37 - 900).scaleb(-2),
            Decimal(n * 131 % 99999).scaleb(-4),
            _pick(_PLAIN, n, 1), _pick(_DOUBLES, n, 1), None if i is None else i / 8, name, (None, "x", "ab", "abcd", "A")[n % 5], moment,
            None if moment is None else moment.replace(microsecond=n * 1001 if moment.year < 9000 else 0),
            None if moment is None or moment.year in (1, 9999) else moment.replace(tzinfo=UTC), (0, 1, None)[n % 3],
            None if n % 4 == 0 else f"note {n} ünï", bytes([n]), f"m{n % 6}", f"k{n % 10}",
        )  # fmt: skip


def other_rows() -> Iterator[tuple[Any, ...]]:
    """Keys with and without partners, and NULLs."""
    for n in range(40):
        yield n, None if n % 7 == 1 else n * 3 % 60, f"k{n % 12}", Decimal(n * 11).scaleb(-2), None if n % 5 == 2 else f"label {n % 4}"


def create(oracle: Oracle) -> tuple[VirtualTable, ...]:
    """The tables there, and the virtual tables ``edges`` and ``other`` over them, with the columns that are detected and two more."""
    oracle.database.create("EDGES", COLUMNS, rows())
    columns = (
        ("ID", "NUMBER(9,0) NOT NULL"),
        ("REF", "NUMBER(9,0)"),
        ("KEY", "VARCHAR2(10)"),
        ("PRICE", "NUMBER(12,2)"),
        ("LABEL", "VARCHAR2(20)"),
    )
    oracle.database.create("OTHER", columns, other_rows())
    connector = OracleConnector(oracle.source())
    found = [connector.detect(location, {}).columns for location in ("shop.edges", '"SHOP"."OTHER"')]
    connector.close()
    more = (
        Column("truth", "boolean", True, "FLAG"),
        Column("day", "date", True, "MOMENT"),
        Column("short", "character varying(2)", True, "NAME"),
    )
    return (
        VirtualTable("public", "edges", "src", "SHOP.EDGES", (*found[0], *more)),
        VirtualTable("public", "other", "src", "SHOP.OTHER", found[1]),
    )
