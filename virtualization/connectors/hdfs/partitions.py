"""Columns that are folders (``year=2024``): their values, and the files that a predicate on them leaves."""

from __future__ import annotations

import urllib.parse
from collections.abc import Sequence

from virtualization.catalog import Column, VirtualTable
from virtualization.connectors.hdfs.client import RemoteFile
from virtualization.connectors.hdfs.options import FileFormat
from virtualization.connectors.hdfs.types import DATA_MARK, literal, quoted, text_value
from virtualization.errors import DefinitionError, RemoteObjectError
from virtualization.types import pg_type

_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"


def partition_columns(table: VirtualTable, shape: FileFormat) -> tuple[Column, ...]:
    """The declared columns that are folders; DefinitionError for a name that is not declared."""
    by_name = {column.remote_name: column for column in table.columns}
    for name in shape.partitions:
        if name not in by_name:
            raise DefinitionError(f'virtual table "{table.schema}.{table.name}": partition "{name}" is none of its columns')
    return tuple(by_name[name] for name in shape.partitions)


def partition_values(file: RemoteFile, shape: FileFormat) -> list[str | None]:
    """From the folders of a path, or as the file was listed with; RemoteObjectError when one is missing."""
    if file.partition is not None:
        told = dict(file.partition)
        return [told.get(name) for name in shape.partitions]
    found = dict(part.split("=", 1) for part in file.path.split("/")[:-1] if "=" in part)
    values: list[str | None] = []
    for name in shape.partitions:
        if name not in found:
            raise RemoteObjectError(f'file {file.path} lies in no folder "{name}=…"', hint="The option partitions names the folders.")
        text = urllib.parse.unquote(found[name])
        values.append(None if text == _NULL_PARTITION else text)
    return values


def pruning_sql(files: Sequence[RemoteFile], table: VirtualTable, predicates: Sequence[str], shape: FileFormat) -> str:
    """Gives the numbers of the files whose folders satisfy the predicates (DuckDB SQL)."""
    columns = partition_columns(table, shape)
    rows = []
    for number, file in enumerate(files):
        values = ", ".join("NULL" if value is None else literal(value) for value in partition_values(file, shape))
        rows.append(f"({number}, {values})")
    names = ", ".join(f"p{number}" for number in range(len(columns)))
    items = ", ".join(
        f"{text_value(f'p{number}', pg_type(column.type), FileFormat('csv'), literal(_place(column)))} AS {quoted(column.name)}"
        for number, column in enumerate(columns)
    )
    texts = ", ".join(f"CAST(p{number} AS VARCHAR) AS p{number}" for number in range(len(columns)))
    source = f"SELECT __n, {texts} FROM (VALUES {', '.join(rows)}) AS v(__n, {names})"
    return f"SELECT __n FROM (SELECT __n, {items} FROM ({source})) WHERE {' AND '.join(predicates)} ORDER BY __n"


def _place(column: Column) -> str:
    return f'{DATA_MARK}column "{column.name}" ({column.type}): not a value of a folder: '
