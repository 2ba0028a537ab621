"""Statistics of a table of files: exact where all rows are few, else by the first rows and the footers of Parquet files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from virtualization.catalog import VirtualTable
from virtualization.connectors.hdfs.client import Client, RemoteFile
from virtualization.connectors.hdfs.footers import bounds_of_files
from virtualization.connectors.hdfs.fragments import FilesFragment
from virtualization.connectors.hdfs.layout import parquet_layout
from virtualization.errors import VirtualizationError
from virtualization.plan import QueryContext
from virtualization.statistics import SAMPLE_ROWS, ColumnStatistics, sample_statistics, whole_statistics

_FOOTERS = 20


def statistics(client: Client, scan: FilesFragment, table: VirtualTable) -> Mapping[str, ColumnStatistics]:
    """``scan`` reads all columns of ``table``. They only help to plan: rows that can't be read are told to whoever queries them, not to
    whoever makes the table. Large CSV files have none."""
    try:
        sample = _first(scan)
        if sample.num_rows < SAMPLE_ROWS:
            return whole_statistics(sample, table.columns)
        if scan.shape.format not in ("parquet", "delta"):
            return {}
        return sample_statistics(sample, table.columns, table.rows, _bounds(client, scan.files()[:_FOOTERS], table))
    except (VirtualizationError, pa.ArrowException):
        return {}


def _first(scan: FilesFragment) -> pa.Table:
    batches = scan.open(QueryContext())
    taken: list[pa.RecordBatch] = []
    left = SAMPLE_ROWS
    try:
        for batch in batches:
            taken.append(batch.slice(0, left))
            left -= taken[-1].num_rows
            if not left:
                break
    finally:
        batches.close()
    return pa.Table.from_batches(taken, batches.schema)


def _bounds(client: Client, files: Sequence[RemoteFile], table: VirtualTable) -> Mapping[str, tuple[object, object]]:
    """Of the columns whose bounds all these files tell, by name."""
    layouts = [parquet_layout(client, file) for file in files]
    found = {column.name: bounds_of_files(layouts, column.remote_name) for column in table.columns}
    return {name: ends for name, ends in found.items() if ends is not None}
