"""One listing of files as a DuckDB SELECT with the declared names and types.

Files whose insides differ (a CSV header in another order, another width of integer) are read in groups, each with its own
conversions, joined by UNION ALL.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass

from virtualization.catalog import Column, VirtualTable
from virtualization.connectors.hdfs.client import RemoteFile
from virtualization.connectors.hdfs.file_system import Listing
from virtualization.connectors.hdfs.layout import Layout
from virtualization.connectors.hdfs.options import FileFormat
from virtualization.connectors.hdfs.types import csv_value, duckdb_type, literal, parquet_value, quoted
from virtualization.errors import DefinitionError, RemoteObjectError
from virtualization.types import pg_type

DATA_MARK = "bdc-data-error:"
"""Begins the messages of our own checks inside the engine."""

_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"


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


def partition_columns(table: VirtualTable, shape: FileFormat) -> tuple[Column, ...]:
    """The declared columns that are folders; DefinitionError for a name that is not declared."""
    by_name = {column.remote_name: column for column in table.columns}
    for name in shape.partitions:
        if name not in by_name:
            raise DefinitionError(f'virtual table "{table.schema}.{table.name}": partition "{name}" is none of its columns')
    return tuple(by_name[name] for name in shape.partitions)


def partition_values(file: RemoteFile, shape: FileFormat) -> list[str | None]:
    """From the folders of a path; RemoteObjectError when one is missing."""
    found = dict(part.split("=", 1) for part in file.path.split("/")[:-1] if "=" in part)
    values: list[str | None] = []
    for name in shape.partitions:
        if name not in found:
            raise RemoteObjectError(f'file {file.path} lies in no folder "{name}=…"', hint="The option partitions names the folders.")
        text = urllib.parse.unquote(found[name])
        values.append(None if text == _NULL_PARTITION else text)
    return values


def pruning_sql(files: Sequence[RemoteFile], scan: Scan, shape: FileFormat) -> str:
    """Gives the numbers of the files whose folders satisfy the predicates."""
    columns = partition_columns(scan.table, shape)
    rows = []
    for number, file in enumerate(files):
        values = ", ".join("NULL" if value is None else literal(value) for value in partition_values(file, shape))
        rows.append(f"({number}, {values})")
    names = ", ".join(f"p{number}" for number in range(len(columns)))
    items = ", ".join(
        f"{csv_value(f'p{number}', pg_type(column.type), FileFormat('csv'), literal(_place(column)))} AS {quoted(column.name)}"
        for number, column in enumerate(columns)
    )
    texts = ", ".join(f"CAST(p{number} AS VARCHAR) AS p{number}" for number in range(len(columns)))
    source = f"SELECT __n, {texts} FROM (VALUES {', '.join(rows)}) AS v(__n, {names})"
    return f"SELECT __n FROM (SELECT __n, {items} FROM ({source})) WHERE {' AND '.join(scan.partition_predicates)} ORDER BY __n"


def scan_sql(listing: Listing, layouts: Sequence[Layout], scan: Scan, shape: FileFormat) -> str:
    """The SELECT; with no file, one that gives no row."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for number, layout in enumerate(layouts):
        if shape.format == "csv" and listing.files[number].size == 0:
            continue  # an empty file has no header and no row
        groups.setdefault((layout.names, layout.types), []).append(number)
    if not groups:
        items = ", ".join(f"CAST(NULL AS {duckdb_type(pg_type(c.type), c.name)}) AS {quoted(c.name)}" for c in scan.columns)
        return f"SELECT {items} WHERE false"
    parts = [_group(listing, numbers, layouts[numbers[0]], scan, shape) for numbers in groups.values()]
    return " UNION ALL ".join(parts)


def _group(listing: Listing, numbers: list[int], layout: Layout, scan: Scan, shape: FileFormat) -> str:
    first = listing.files[numbers[0]].path
    folders = {column.name for column in partition_columns(scan.table, shape)}
    stored = _stored_names(layout, scan.table, shape, folders)
    items = []
    for column in scan.needed:
        place = f"{literal(_place(column) + ' in ')} || {literal(listing.path(0).split('__f=')[0] + '__f=')} || __f || '/x: not a value: '"
        of = pg_type(column.type)
        if column.name in folders:
            value = csv_value(_folder_value(listing, column, shape), of, FileFormat("csv"), place)
        else:
            value = _file_value(column, stored, layout, shape, place, first)
        items.append(f"{value} AS {quoted(column.name)}")
    paths = ", ".join(literal(listing.path(number)) for number in numbers)
    source = _reader(paths, stored, shape)
    made = f"SELECT {', '.join(items)} FROM {source}"
    if not scan.predicates and scan.needed == scan.columns:
        return made
    names = ", ".join(quoted(column.name) for column in scan.columns)
    condition = f" WHERE {' AND '.join(scan.predicates)}" if scan.predicates else ""
    return f"SELECT {names} FROM ({made}){condition}"


def _place(column: Column) -> str:
    return f'{DATA_MARK}column "{column.name}" ({column.type})'


def _stored_names(layout: Layout, table: VirtualTable, shape: FileFormat, folders: set[str]) -> tuple[str, ...]:
    if shape.format == "parquet" or shape.header:
        return layout.names
    return tuple(column.remote_name for column in table.columns if column.name not in folders)


def _file_value(column: Column, stored: tuple[str, ...], layout: Layout, shape: FileFormat, place: str, path: str) -> str:
    if column.remote_name not in stored:
        shown = ", ".join(stored[:20])
        raise RemoteObjectError(
            f'file {path} has no column "{column.remote_name}"',
            hint=f"It has: {shown}. bdc table refresh NAME --columns (CALL bdc.refresh_table(…)) takes over changed columns.",
        )
    of = pg_type(column.type)
    if shape.format == "csv":
        return csv_value(quoted(column.remote_name), of, shape, place)
    kind = layout.types[stored.index(column.remote_name)]
    value = parquet_value(quoted(column.remote_name), kind, of, place)
    if value is None:
        raise RemoteObjectError(
            f'file {path}: column "{column.remote_name}" is {kind}, which is not read as the declared {of}',
            hint="Declare the column as the file has it, or rewrite the file.",
        )
    return value


def _folder_value(listing: Listing, column: Column, shape: FileFormat) -> str:
    place = shape.partitions.index(column.remote_name)
    values = [partition_values(file, shape)[place] for file in listing.files]
    shown = ", ".join("NULL" if value is None else literal(value) for value in values)
    return f"(CAST([{shown}] AS VARCHAR[]))[__f + 1]"


def _reader(paths: str, stored: tuple[str, ...], shape: FileFormat) -> str:
    numbered = "hive_partitioning = true, hive_types = {'__f': 'BIGINT'}"
    if shape.format == "parquet":
        return f"read_parquet([{paths}], {numbered})"
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in stored)
    nulls = "['']" if shape.null is None else f"['', {literal(shape.null)}]"
    return (
        f"read_csv([{paths}], {numbered}, auto_detect = false, strict_mode = true, null_padding = false, allow_quoted_nulls = false, "
        f"header = {str(shape.header).lower()}, skip = {shape.first_row - 1}, delim = {literal(shape.delimiter)}, "
        f"quote = {literal(shape.quote)}, escape = {literal(shape.escape)}, nullstr = {nulls}, encoding = {literal(shape.encoding)}, "
        f"columns = {{{columns}}})"
    )
