"""Tables full of traps in a MariaDB and in a SQLite, and virtual tables over them."""

from __future__ import annotations

import pathlib
import random
import sqlite3
from decimal import Decimal
from typing import Any

from tests.services.mariadb import MariadbServer
from virtualization.catalog import Column, DataSource, MemoryCatalog, VirtualTable

TEXTS = (
    "", "a", "A", "a ", " a", "ab", "AB", "b", "ä", "Ä", "é", "e\u0301", "ß", "ss", "日本", "😀", "\uff21", "z%_", "\\", "'q\"", "a\\b",
    "!x", "10", "9", "NULL", None, "i", "I", "ı", "İ", "\ue000", "𝒳", "?", "{x}", ":a", "--", "a\nb",
)  # fmt: skip
DATES = (None, "2024-02-29", "0001-01-01", "9999-12-31", "1969-12-31", "2024-01-01")
TIMES = (None, "2024-02-29 12:30:00.000000", "1969-12-31 23:59:59.999999", "2024-01-01 00:00:00.000000", "2024-01-01 00:00:00.500000")
COLUMNS = (
    Column("id", "bigint"), Column("n", "integer"), Column("b", "bigint"), Column("amount", "numeric(12,2)"),
    Column("ratio", "double precision"), Column("flag", "boolean"), Column("name", "text"), Column("Code", "text"),
    Column("Day Of", "date"), Column("at", "timestamp without time zone"),
)  # fmt: skip
MARIADB = (
    "id bigint PRIMARY KEY, n int, b bigint, amount decimal(12,2), ratio double, flag tinyint, "
    "name varchar(40) COLLATE utf8mb4_general_ci, `Code` varchar(20), `Day Of` date, `at` datetime(6), KEY (name)"
)
SQLITE = (
    'id INTEGER PRIMARY KEY, n INTEGER, b BIGINT, amount NUMERIC(12,2), ratio DOUBLE, flag BOOLEAN, name TEXT COLLATE NOCASE, '
    '"Code" VARCHAR(20) COLLATE RTRIM, "Day Of" DATE, at TIMESTAMP'
)  # fmt: skip


def rows(count: int, seed: int) -> list[tuple[Any, ...]]:
    pick = random.Random(seed).choice
    decimals = (None, *map(Decimal, ("0.00", "1.50", "-2.25", "9999999999.99", "0.01", "7.00")))
    return [
        (
            number,
            pick((None, 0, 1, -1, 5, 2**31 - 1, -(2**31), 7, 7, 12)),
            pick((None, 2**62, -(2**63), 2**63 - 1, 0, 3, number)),
            pick(decimals),
            pick((None, 0.0, 0.5, -1.5, 0.1, 1e300, 1 / 3, 5e-324, 2.0)),
            pick((None, True, False)),
            *(pick(values) for values in (TEXTS, TEXTS, DATES, TIMES)),
        )
        for number in range(count)
    ]  # fmt: skip


def catalog(mariadb: MariadbServer, folder: pathlib.Path) -> MemoryCatalog:
    """Sources ``maria`` and ``lite``, each with tables ``<source>_va`` and ``<source>_vb``; ``folder`` gets the SQLite file."""
    path = folder / "traps.db"
    lite = sqlite3.connect(path)
    mariadb.run("CREATE DATABASE traps CHARACTER SET utf8mb4")
    for name, count in (("va", 60), ("vb", 40)):
        data = rows(count, count)
        lite.execute(f"CREATE TABLE {name} ({SQLITE})")
        lite.executemany(
            f"INSERT INTO {name} VALUES ({', '.join('?' * 10)})",
            [tuple(float(v) if isinstance(v, Decimal) else v for v in row) for row in data],
        )
        mariadb.run(f"CREATE TABLE {name} ({MARIADB})", database="traps")
        with mariadb.connect("traps") as made:
            made.cursor().executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * 10)})", data)
    lite.commit()
    lite.close()
    sources = [mariadb.source("traps", name="maria"), DataSource("lite", "odbc", f"odbc:Driver=SQLite3;Database={path}")]
    return MemoryCatalog.of(sources, [VirtualTable("public", f"{s}_{t}", s, t, COLUMNS) for s in ("maria", "lite") for t in ("va", "vb")])
