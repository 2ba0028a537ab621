"""A collection of documents of every kind of value in every place, and engines that read it with and without pushdown."""

from __future__ import annotations

import datetime
import math
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg
from bson import Binary, Decimal128, Int64, ObjectId

from virtualization.catalog import Column, MemoryCatalog
from virtualization.engine import Engine
from virtualization.errors import VirtualizationError
from virtualization.plan import QueryContext
from virtualization.types import pg_type_by_oid

Answer = tuple[list[str], list[tuple[Any, ...]]]

NUMBERS: tuple[Any, ...] = (
    5, Int64(2**60), Int64(-(2**63)), Int64(2**63 - 1), 5.0, 5.5, math.nan, math.inf, -math.inf, -0.0, 0, 0.1, 1e308, 9007199254740993.0,
    Decimal128("5"), Decimal128("1.50"), Decimal128("1.5"), Decimal128("NaN"), Decimal128("Infinity"), Decimal128("1E+3"),
    Decimal128("-0"), Decimal128("1.005"), Decimal128("99999999999.99"), Decimal128("1E-20"), 7, 7, -3, None,
)  # fmt: skip
TEXTS: tuple[Any, ...] = (
    "", "a", "A", "b", "ä", "日本", "a\nb", "a%b_c", "a\\", "$x", "a.b", " a ", "a ", "5", "😀", "e\u0301", "\u00e9",
    ObjectId("0123456789abcdef01234567"), "0123456789abcdef01234567", None,
)  # fmt: skip
DATES: tuple[Any, ...] = (
    datetime.datetime(1, 1, 1), datetime.datetime(1969, 12, 31, 23, 59, 59, 999000), datetime.datetime(1970, 1, 1),
    datetime.datetime(2024, 2, 29), datetime.datetime(2024, 2, 29, 12, 30), datetime.datetime(9999, 12, 31, 23, 59, 59, 999000),
    datetime.datetime(9999, 12, 31), None,
)  # fmt: skip
STRANGERS: tuple[Any, ...] = (True, "5", [1, 2], [5], [], {"b": 1}, Binary(b"x"), "2024-02-29", ["a"], 5, datetime.datetime(2024, 2, 29))
COLUMNS = (
    Column("id", "bigint", True, "_id"),
    Column("i", "bigint"),
    Column("j", "integer", True, "i"),
    Column("f", "double precision"),
    Column("n", "numeric(12,2)"),
    Column("u", "numeric", True, "n"),
    Column("s", "text"),
    Column("v", "character varying(3)", True, "s"),
    Column("t", "timestamp without time zone"),
    Column("d", "date"),
    Column("b", "boolean"),
    Column("o_x", "bigint", True, "o.x"),
    Column("dotted", "bigint", True, r"p\.q"),
    Column("dollar", "text", True, r"\$r"),
    Column("g", "integer"),
)


FIELDS: dict[str, tuple[tuple[Any, ...], int]] = {
    "i": (NUMBERS, 1), "f": (NUMBERS, 3), "n": (NUMBERS, 5), "s": (TEXTS, 1), "t": (DATES, 1), "d": (DATES, 3),
}  # fmt: skip


def documents(strange: bool) -> list[dict[str, Any]]:
    """Each value once or more, beside values of the other fields; ``strange``: also of types that don't fit."""
    made = []
    for number in range(50):
        document: dict[str, Any] = {"_id": number, "g": number % 5}
        for field, values, step in (
            ("i", NUMBERS, 1),
            ("f", NUMBERS, 3),
            ("n", NUMBERS, 5),
            ("s", TEXTS, 1),
            ("t", DATES, 1),
            ("d", DATES, 3),
        ):
            pool = values + STRANGERS if strange else tuple(value for value in values if fits(field, value))
            value = pool[number * step % len(pool)]
            if number % 11:  # else it is missing
                document[field] = value
        document["b"] = (True, False, None)[number % 3]
        document["o"] = ({"x": number % 4}, {"y": 1}, None, 5, {"x": None})[number % 5]
        document["p.q"] = number % 3
        document["$r"] = f"r{number % 4}"
        made.append(document)
    return made


def fits(field: str, value: Any) -> bool:
    """Is it a value of all columns over the field?"""
    if value is None or field in ("f", "t"):
        return True
    if field == "d":
        return isinstance(value, datetime.datetime) and value.time() == datetime.time()
    if field == "s":
        return isinstance(value, str) and len(value) <= 3
    number = float(value.to_decimal()) if isinstance(value, Decimal128) else float(value)
    if field == "i":
        return math.isfinite(number) and number == int(number) and abs(number) < 2**31
    return (
        math.isfinite(number)
        and abs(number) < 10**10
        and (not isinstance(value, float) or number == int(number))
        and round(number, 2) == number
    )


@dataclass
class Lab:
    """Pushdown on the one side, PostgreSQL over copies of the same rows on the other."""

    engine: Engine
    catalog: MemoryCatalog
    reference: psycopg.Connection[Any]

    def copy(self, table: str) -> None:
        """Read the whole table through the connector, into a table of the same name there."""
        columns = self.catalog.table(None, table).columns
        collated = {"text": ' COLLATE "pg_c_utf8"', "character varying(3)": ' COLLATE "pg_c_utf8"'}
        made = ", ".join(f'"{c.name}" {c.type}{collated.get(c.type, "")}' for c in columns)
        self.reference.execute(f"CREATE TABLE {table} ({made})")
        _, rows = self.rows(f"SELECT * FROM {table}")
        with self.reference.cursor().copy(f"COPY {table} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    def rows(self, sql: str) -> Answer:
        """Types and rows of the engine's answer, as comparable texts and values."""
        plan = self.engine.plan(sql, self.catalog)
        result = self.engine.run(plan, QueryContext())
        try:
            made = [row for batch in result for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)]
        finally:
            result.close()
        return [column.type for column in self.engine.describe(plan)], [tuple(map(_comparable, row)) for row in made]

    def expected(self, sql: str) -> Answer:
        """PostgreSQL's."""
        cursor = self.reference.execute(sql)
        assert cursor.description is not None
        types = [pg_type_by_oid(column.type_code, column._fmod).text for column in cursor.description]
        return types, [tuple(map(_comparable, row)) for row in cursor.fetchall()]

    def texts(self, sql: str) -> list[str]:
        """What the source is asked."""
        return [fragment.text for fragment in self.engine.plan(sql, self.catalog).fragments]

    def is_whole(self, sql: str) -> bool:
        """Is the query one pipeline?"""
        return self.engine.plan(sql, self.catalog).residual is None

    def reasons(self, sql: str) -> set[str]:
        return {kept.code for kept in self.engine.plan(sql, self.catalog).kept}

    def difference(self, sql: str) -> str | None:
        """None: the same types and the same rows."""
        types, expected = self.expected(sql)
        try:
            found_types, found = self.rows(sql)
        except VirtualizationError as error:
            return f"{sql}\n   {error!r}\n   {self.texts(sql)}"
        missing, more = Counter(expected) - Counter(found), Counter(found) - Counter(expected)
        if not missing and not more and types == found_types:
            return None
        return f"{sql}\n   {types} {found_types}\n   missing {list(missing)[:4]}\n   more {list(more)[:4]}\n   {self.texts(sql)}"


def _comparable(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    return f"{value:f}" if isinstance(value, Decimal) else value
