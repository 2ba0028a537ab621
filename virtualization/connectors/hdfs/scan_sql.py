"""One listing of files as a DuckDB SELECT with the declared names and types.

Files whose insides differ (a CSV header in another order, another width of integer) are read in groups, each with its own
conversions, joined by UNION ALL. A column that a file does not have is NULL there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from virtualization.catalog import Column, VirtualTable
from virtualization.connectors.hdfs.file_system import Listing
from virtualization.connectors.hdfs.json_lines import json_texts
from virtualization.connectors.hdfs.layout import Layout
from virtualization.connectors.hdfs.options import STREAMED, FileFormat
from virtualization.connectors.hdfs.partitions import partition_columns, partition_values
from virtualization.connectors.hdfs.ranges import Range
from virtualization.connectors.hdfs.types import DATA_MARK, duckdb_type, literal, quoted, text_value, typed_value
from virtualization.errors import RemoteObjectError
from virtualization.types import pg_type

NOT_A_VALUE = ": not a value: "
"""Between the place of a value that could not be read and the value."""


@dataclass(frozen=True)
class Scan:
    """What is asked of one table: columns in their order, predicates as DuckDB SQL over the table's columns."""

    table: VirtualTable
    columns: tuple[Column, ...]
    predicates: tuple[str, ...]
    """Applied to the rows."""

    partition_predicates: tuple[str, ...]
    """Applied to folders before any file is opened; over partition columns only."""

    needed: tuple[Column, ...]
    """``columns`` and those that the predicates look at."""

    ranges: tuple[Range, ...] = ()
    """Outside of which no row satisfies the predicates: files whose statistics lie outside are not opened."""

    lists: tuple[str, ...] = ()
    """Further predicates, that a value is one of many. An engine that joins the rows with those values anyway does better without: it
    carries out such a list as a join of its own."""

    @property
    def conditions(self) -> tuple[str, ...]:
        """All that rows must satisfy."""
        return self.predicates + self.lists


def scan_sql(listing: Listing, layouts: Sequence[Layout], scan: Scan, shape: FileFormat) -> str:
    """The SELECT; with no file, one that gives no row. For a format that is ``STREAMED`` it reads the tables ``streamed_name``."""
    made = groups(listing, layouts, shape)
    if not made:
        items = ", ".join(f"CAST(NULL AS {duckdb_type(pg_type(c.type), c.name)}) AS {quoted(c.name)}" for c in scan.columns)
        return f"SELECT {items} WHERE false"
    return " UNION ALL ".join(_group(listing, numbers, layouts[numbers[0]], scan, shape) for numbers in made)


_MAY_BE_NAN = ("real", "double precision")


def groups(listing: Listing, layouts: Sequence[Layout], shape: FileFormat) -> list[list[int]]:
    """The numbers of the files that are read alike."""
    found: dict[tuple[object, ...], list[int]] = {}
    for number, layout in enumerate(layouts):
        if (shape.is_text or shape.format == "orc") and listing.files[number].size == 0:
            continue  # an empty file has no header and no row; Hive writes such ORC files
        found.setdefault((layout.names, layout.types), []).append(number)
    return list(found.values())


def streamed_name(numbers: Sequence[int]) -> str:
    """What a group of files is called that is streamed into DuckDB."""
    return f"bdc_files_{numbers[0]}"


def _group(listing: Listing, numbers: list[int], layout: Layout, scan: Scan, shape: FileFormat) -> str:
    folders = {column.name for column in partition_columns(scan.table, shape)}
    stored = stored_names(layout, scan.needed, scan.table, shape, folders)
    items = []
    for column in scan.needed:
        if column.name in folders:
            where = value_place(column, listing)
            value = text_value(folder_value(listing, column, shape), pg_type(column.type), FileFormat("csv"), where)
        else:
            value = _file_value(column, stored, layout, shape, listing, numbers[0])
        items.append(f"{value} AS {quoted(column.name)}")
    source = source_sql(listing, numbers, stored, shape)
    made, conditions = f"SELECT {', '.join(items)} FROM {source}", scan.conditions
    inexact = [quoted(column.name) for column in scan.needed if pg_type(column.type).name in _MAY_BE_NAN]
    if inexact and shape.format not in STREAMED and not shape.is_text:
        # Parquet's bounds leave NaN out, but DuckDB 2.0 skips row groups by them, also for joins and ORDER BY … LIMIT: NaN > 1 was lost.
        # OFFSET keeps every condition above the reader but those that name no such column.
        others = [condition for condition in conditions if not any(name in condition for name in inexact)]
        made = f"SELECT * FROM (SELECT * FROM ({made}){_where(others)} OFFSET 0)"
        conditions = tuple(condition for condition in conditions if condition not in others)
    if not conditions and scan.needed == scan.columns:
        return made
    names = ", ".join(quoted(column.name) for column in scan.columns)
    return f"SELECT {names} FROM ({made}){_where(conditions)}"


def _where(conditions: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def value_place(column: Column, listing: Listing) -> str:
    """DuckDB SQL: where the value of this row's ``column`` is."""
    where = f'{DATA_MARK}column "{column.name}" ({column.type}) in '
    return f"{literal(where)} || {file_place(listing)} || {literal(NOT_A_VALUE)}"


def file_place(listing: Listing) -> str:
    """DuckDB SQL: this row's file."""
    return f"{literal(listing.path(0).split('__f=')[0] + '__f=')} || __f || '/x'"


def stored_names(layout: Layout, needed: Sequence[Column], table: VirtualTable, shape: FileFormat, folders: set[str]) -> dict[str, bool]:
    """The columns that are read from a file, as ``source_sql`` takes them."""
    if shape.names_its_columns:
        return dict.fromkeys(layout.names, False)
    columns = needed if shape.format == "json" else table.columns
    return {column.remote_name: pg_type(column.type).name in ("json", "jsonb") for column in columns if column.name not in folders}


def _file_value(column: Column, stored: Mapping[str, bool], layout: Layout, shape: FileFormat, listing: Listing, number: int) -> str:
    of = pg_type(column.type)
    if column.remote_name not in stored:
        return f"CAST(NULL AS {duckdb_type(of, column.name)})"
    if shape.is_text:
        return text_value(quoted(column.remote_name), of, shape, value_place(column, listing))
    kind = layout.types[layout.names.index(column.remote_name)]
    value = typed_value(quoted(column.remote_name), kind, of, value_place(column, listing))
    if value is None:
        raise RemoteObjectError(
            f'file {listing.files[number].path}: column "{column.remote_name}" is {kind}, which is not read as the declared {of}',
            hint="Declare the column as the file has it, or rewrite the file.",
        )
    return value


def folder_value(listing: Listing, column: Column, shape: FileFormat) -> str:
    """DuckDB SQL: the text that this row's folder has for ``column``."""
    at = shape.partitions.index(column.remote_name)
    values = [partition_values(file, shape)[at] for file in listing.files]
    shown = ", ".join("NULL" if value is None else literal(value) for value in values)
    return f"(CAST([{shown}] AS VARCHAR[]))[__f + 1]"


def source_sql(
    listing: Listing, numbers: Sequence[int], stored: Mapping[str, bool], shape: FileFormat, *, more: str = "", checked: bool = False
) -> str:
    """What stands after FROM: the files' own columns and ``__f``, the number of the file. ``stored``: their names, and whether JSON
    is wanted. ``more``: further options of ``read_csv``. ``checked``: number the rows too (``__record``), don't fail at lines that are no
    JSON objects."""
    if shape.format in STREAMED:
        return streamed_name(numbers)
    paths = ", ".join(literal(listing.path(number)) for number in numbers)
    numbered = "hive_partitioning = true, hive_types = {'__f': 'BIGINT'}"
    if not shape.is_text:
        return f"read_parquet([{paths}], {numbered})"
    common = (
        f"{numbered}, auto_detect = false, strict_mode = true, null_padding = false, allow_quoted_nulls = false, "
        f"skip = {shape.first_row - 1}, encoding = {literal(shape.encoding)}{more}"
    )
    read = f"read_csv([{paths}], {common}, {_line() if shape.format == 'json' else _cells(stored, shape)})"
    if checked:
        read = f"(SELECT *, row_number() OVER () AS __record FROM {read})"
    return json_texts(read, stored, None if checked else file_place(listing)) if shape.format == "json" else read


def _line() -> str:
    return "header = false, delim = '\x01', quote = '', escape = '', nullstr = '', columns = {'__line': 'VARCHAR'}"


def _cells(stored: Mapping[str, bool], shape: FileFormat) -> str:
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in stored)
    nulls = "['']" if shape.null is None else f"['', {literal(shape.null)}]"
    return (
        f"header = {str(shape.header).lower()}, delim = {literal(shape.delimiter)}, quote = {literal(shape.quote)}, "
        f"escape = {literal(shape.escape)}, nullstr = {nulls}, columns = {{{columns}}}"
    )
