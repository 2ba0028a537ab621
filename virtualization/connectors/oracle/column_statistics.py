"""What Oracle's optimizer knows of a table's columns (ALL_TAB_COL_STATISTICS), in the terms of PostgreSQL's: no more rights than SELECT.

Least and greatest value stand there in the bytes that Oracle stores them in; between them the values are taken for evenly spread, as its
own optimizer does without a histogram.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from virtualization.catalog import Column
from virtualization.statistics import ColumnStatistics, bounded
from virtualization.types import pg_type

QUERY = """
SELECT s.column_name, s.num_distinct, s.num_nulls, s.avg_col_len, RAWTOHEX(s.low_value) AS low, RAWTOHEX(s.high_value) AS high
  FROM all_tab_col_statistics s
 WHERE s.owner = COALESCE(:1, SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA')) AND s.table_name = :2 AND s.num_distinct > 0
"""
_KEPT_BYTES = 32
"""Of a text's bounds: older versions keep no more, so a longer one may be cut off."""

_GROWING = 0.1
"""Above this share of distinct values their number is expected to grow with the table, as ANALYZE has it."""


def column_statistics(found: Sequence[Mapping[str, Any]], columns: Sequence[Column], rows: float | None) -> Mapping[str, ColumnStatistics]:
    """From the rows of ``QUERY``, for a table of ``rows``; columns of whose bounds nothing is known are left out."""
    if not rows:
        return {}
    told = {str(row["column_name"]): row for row in found}
    made = {column.name: _one(told[column.remote_name], column, rows) for column in columns if column.remote_name in told}
    return {name: one for name, one in made.items() if one is not None and one.usable}


def _one(row: Mapping[str, Any], column: Column, rows: float) -> ColumnStatistics | None:
    low, high = (_value(bytes.fromhex(str(row[name])), column) if row[name] else None for name in ("low", "high"))
    if low is None or high is None:
        return None
    nulls = min(1.0, float(row["num_nulls"] or 0) / rows)
    distinct = float(row["num_distinct"])
    share = distinct / rows
    sizes = ColumnStatistics(nulls, max(1, int(row["avg_col_len"] or 1)), -min(1.0, share) if share > _GROWING else distinct)
    return bounded(sizes, column, low, high)


def _value(data: bytes, column: Column) -> object | None:
    """In Python, as the declared type has it; None where that is not certain."""
    of = pg_type(column.type)
    if of.name in ("smallint", "integer", "bigint"):
        value = number(data)
        return int(value) if value == int(value) else None
    shape = of.precision_and_scale
    if of.name == "numeric" and shape is not None:
        return number(data).quantize(Decimal(1).scaleb(-shape[1]))
    if of.name in ("date", "timestamp without time zone"):
        found = moment(data)
        return found.date() if found is not None and of.name == "date" else found
    if of.name in ("text", "character varying") and len(data) < _KEPT_BYTES:
        return _text(data)
    return None


def _text(data: bytes) -> str | None:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None  # another character set


def number(data: bytes) -> Decimal:
    """A NUMBER: an exponent of base 100, then its digits; those of a negative one are turned round."""
    if data == b"\x80":
        return Decimal(0)
    positive = bool(data[0] & 0x80)
    digits = [byte - 1 for byte in data[1:]] if positive else [101 - byte for byte in data[1:] if byte != 102]
    exponent = data[0] - 0xC1 if positive else 0x3E - data[0]
    plain = "".join(f"{digit:02d}" for digit in digits)
    return Decimal((0 if positive else 1, tuple(map(int, plain)), 2 * (exponent - len(digits) + 1)))  # exact: no context rounds it


def moment(data: bytes) -> datetime.datetime | None:
    """A DATE, or a TIMESTAMP with its nanoseconds; None before the year 1."""
    if len(data) not in (7, 11) or data[0] < 100 or (data[0] - 100) * 100 + data[1] - 100 < 1:
        return None
    year, month, day, hour, minute, second = (data[0] - 100) * 100 + data[1] - 100, data[2], data[3], data[4] - 1, data[5] - 1, data[6] - 1
    return datetime.datetime(year, month, day, hour, minute, second, int.from_bytes(data[7:], "big") // 1000)
