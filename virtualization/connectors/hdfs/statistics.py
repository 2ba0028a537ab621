"""Statistics of a table of files: exact where all rows are few, else by the first rows and the footers of Parquet files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from virtualization.catalog import VirtualTable
from virtualization.connectors.hdfs.client import Client, RemoteFile
from virtualization.connectors.hdfs.fragments import FilesFragment
from virtualization.connectors.hdfs.layout import parquet_bounds
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
        if scan.shape.format != "parquet":
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
    told = [parquet_bounds(client, file) for file in files]
    found: dict[str, tuple[Any, Any]] = {}
    for column in table.columns:
        ends = [one.get(column.remote_name) for one in told]
        known = [end for end in ends if end is not None]
        if known and len(known) == len(ends):
            found[column.name] = (min(least for least, _ in known), max(greatest for _, greatest in known))
    return found
