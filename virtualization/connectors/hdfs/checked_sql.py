"""Rows of one text file with what is wrong with them, instead of a failure at the first: the basis of rejected rows.

Two SELECTs of the same columns: the rows that could be taken apart, each with the first column that can't be read, then (when the first
was read to its end) the records that could not be taken apart. After the columns that are asked for come ``EXTRA``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from virtualization.catalog import Column
from virtualization.connectors.hdfs.file_system import Listing
from virtualization.connectors.hdfs.layout import Layout
from virtualization.connectors.hdfs.options import FileFormat
from virtualization.connectors.hdfs.partitions import partition_columns
from virtualization.connectors.hdfs.scan_sql import Scan, folder_value, source_sql, stored_names, value_place
from virtualization.connectors.hdfs.types import converted, duckdb_type, quoted, text_value
from virtualization.types import pg_type

_EXTRA: dict[str, pa.DataType] = {"__keep": pa.bool_(), "__record": pa.int64(), "__at": pa.int32(), "__value": pa.string()}
EXTRA = pa.schema(_EXTRA)
"""``__keep``: do the predicates hold? ``__record``: of a row, its number among the good and bad rows; of a broken record, its number among
all records, header and empty lines too. ``__at``: None: nothing is wrong; BROKEN; NO_OBJECT: a line that is no JSON object; else the
place of the column among the table's.
``__value``: what could not be read, or (a broken record) why and its text."""

BROKEN, NO_OBJECT = -1, -2
_SHOWN = 1000


@dataclass(frozen=True)
class CheckedFile:
    """File ``number`` of a listing."""

    listing: Listing
    number: int
    layout: Layout
    scan: Scan
    shape: FileFormat
    most: int = 0
    """Broken records that are kept; 0: all."""

    def queries(self) -> tuple[str, str]:
        """See the module."""
        return self._rows(), self._broken()

    def _rows(self) -> str:
        table, shape = self.scan.table, self.shape
        folders = {column.name for column in partition_columns(table, shape)}
        stored = stored_names(self.layout, table.columns, table, shape, folders)
        texts: list[str] = []
        values: list[str] = []
        bad: list[tuple[int, str]] = []
        for at, column in enumerate(table.columns):
            of = pg_type(column.type)
            if column.name in folders:
                value = text_value(folder_value(self.listing, column, shape), of, FileFormat("csv"), value_place(column, self.listing))
            elif column.remote_name not in stored:
                value = f"CAST(NULL AS {duckdb_type(of, column.name)})"
            else:
                texts.append(f"{quoted(column.remote_name)} AS __bdc_t{at}")
                value = converted(f"__bdc_t{at}", of, shape)
                if value != f"__bdc_t{at}":
                    bad.append((at, f"__bdc_t{at} IS NOT NULL AND {quoted(column.name)} IS NULL"))
            values.append(f"{value} AS {quoted(column.name)}")
        more = f", ignore_errors = true, store_rejects = true, rejects_limit = {self.most}, {self._tables}"
        source = source_sql(self.listing, [self.number], stored, shape, more=more, checked=True)
        line = ", __wrong" if shape.format == "json" else ""
        inner = f"SELECT __f, __record{line}, {', '.join(texts) or '1'} FROM {source}"
        typed = f"SELECT *, {', '.join(values)} FROM ({inner})"
        return self._outer(typed, bad)

    def _outer(self, typed: str, bad: Sequence[tuple[int, str]]) -> str:
        is_json = self.shape.format == "json"
        first = f"WHEN __wrong IS NOT NULL THEN {NO_OBJECT} " if is_json else ""
        shown = f"WHEN __wrong IS NOT NULL THEN left(__wrong, {_SHOWN}) " if is_json else ""
        wrong = "CASE " + first + " ".join(f"WHEN {condition} THEN {at}" for at, condition in bad) + " END" if bad or is_json else "NULL"
        value = "CASE " + shown + " ".join(f"WHEN {condition} THEN left(__bdc_t{at}, {_SHOWN})" for at, condition in bad) + " END"
        keep = " AND ".join(self.scan.conditions) or "true"
        names = "".join(f"{quoted(column.name)}, " for column in self.scan.columns)
        return (
            f"SELECT {names}coalesce({keep}, false) AS __keep, __record, CAST({wrong} AS INTEGER) AS __at, "
            f"CAST({value if bad or is_json else 'NULL'} AS VARCHAR) AS __value FROM ({typed})"
        )

    def _broken(self) -> str:
        names = "".join(f"CAST(NULL AS {_carrying(column)}) AS {quoted(column.name)}, " for column in self.scan.columns)
        why = "min(error_message) || ': ' || left(coalesce(any_value(csv_line), ''), 1000)"
        return (
            f"SELECT {names}false AS __keep, CAST(line AS BIGINT) AS __record, {BROKEN} AS __at, {why} AS __value "
            f"FROM bdc_rejects_{self.number} GROUP BY line ORDER BY line"
        )

    @property
    def _tables(self) -> str:
        return f"rejects_table = 'bdc_rejects_{self.number}', rejects_scan = 'bdc_scans_{self.number}'"


def _carrying(column: Column) -> str:
    return duckdb_type(pg_type(column.type), column.name)
