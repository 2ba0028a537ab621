"""A lake on a real HDFS: what the suites over it share."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlglot import parse_one

from tests.services.hdfs import HdfsServer
from tests.virtualization.connectors.conformance import BIG_ROWS, COLUMNS, ROWS, read
from virtualization.catalog import Column, DataSource, VirtualTable
from virtualization.connectors.hdfs import HdfsConnector

ID, S = Column("id", "bigint"), Column("s", "text")


def parquet(values: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(values, out, **options)
    return out.getvalue()


def csv_text(rows: Sequence[tuple[Any, ...]]) -> str:
    def cell(value: Any) -> str:
        if value is None:
            return ""
        if isinstance(value, bool):
            return str(value).lower()
        return '"' + value.replace('"', '""') + '"' if isinstance(value, str) else str(value)

    return "\n".join([",".join(f'"{c.name}"' for c in COLUMNS), *(",".join(map(cell, row)) for row in rows)]) + "\n"


def as_arrow(rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    types = [pa.int64(), pa.int32(), pa.decimal128(12, 2), pa.float64(), pa.bool_(), pa.string(), pa.date32(), pa.timestamp("us")]
    return pa.table({c.name: pa.array([row[n] for row in rows], types[n]) for n, c in enumerate(COLUMNS)})


@contextmanager
def filled(hdfs: HdfsServer) -> Iterator[HdfsServer]:
    """With the conformance suite's tables as CSV and Parquet; empty again at the end."""
    hdfs.write("/c/rows/a.csv", csv_text(ROWS[:4]))
    hdfs.write("/c/rows/sub/b.csv", csv_text(ROWS[4:]))
    hdfs.write("/c/rows/_SUCCESS", "not a table")
    hdfs.write("/c/rows/.hidden.csv", "not a table")
    hdfs.write("/c/big.csv", "id\n" + "\n".join(map(str, range(BIG_ROWS))) + "\n")
    hdfs.write("/p/rows/a.parquet", parquet(as_arrow(ROWS[:4])))
    hdfs.write("/p/rows/b.parquet", parquet(as_arrow(ROWS[4:])))
    hdfs.write("/p/big.parquet", parquet(pa.table({"id": range(BIG_ROWS)}), row_group_size=20_000))
    with hdfs.superuser() as client:
        client.mkdirs("/empty", 0o755, True)
    yield hdfs
    hdfs.empty()


def source(server: HdfsServer, **options: str) -> DataSource:
    return DataSource("src", "hdfs", server.location, {"user": "nobody", **options})


def rows(connector: HdfsConnector, of: VirtualTable, *predicates: str, columns: Sequence[str] = ()) -> list[tuple[Any, ...]]:
    made = [parse_one(text, dialect="postgres") for text in predicates]
    scanned = connector.scan(of, columns or [c.name for c in of.columns], made)
    assert scanned.left == ()
    return [tuple(row.values()) for row in read(scanned.fragment).to_pylist()]
