"""The same rows elsewhere: in a DuckDB file of this process, and in a PostgreSQL heap."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq

from tests.services.postgresql import PostgresqlServer

POSTGRESQL_MEMORY = ("shared_buffers=1GB", "work_mem=256MB", "maintenance_work_mem=512MB", "max_wal_size=4GB", "effective_cache_size=8GB")
"""Enough that everything lies in memory and nothing spills."""

_TYPES = {"int64": "bigint", "int32": "integer", "date32[day]": "date", "string": "text"}


@contextmanager
def native(files: Mapping[str, Path], threads: int = 2) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB of this process over a file of its own."""
    with tempfile.TemporaryDirectory(prefix="openbdc-bench-", dir="/var/tmp") as folder:
        connection = duckdb.connect(f"{folder}/native.duckdb", config={"threads": threads})
        try:
            for table, file in files.items():
                connection.execute(f"CREATE TABLE {table} AS SELECT * FROM read_parquet('{file}')")
            connection.execute("CHECKPOINT")
            yield connection
        finally:
            connection.close()


def fill_heap(server: PostgresqlServer, files: Mapping[str, Path]) -> None:
    """Tables without indexes (the pool's have no primary key either), vacuumed and analysed."""
    with server.connect() as session:
        for table, file in files.items():
            columns = ", ".join(f"{field.name} {sql_type(field.type)}" for field in pq.read_schema(file))
            session.execute(f"CREATE TABLE {table} ({columns})".encode())
            with session.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN (FORMAT csv)".encode()) as copy:
                for block in _csv(file):
                    copy.write(block)
            session.execute(f"VACUUM ANALYZE {table}".encode())


def sql_type(of: pa.DataType) -> str:
    """PostgreSQL's type of a column."""
    return _TYPES.get(str(of)) or str(of).replace("decimal128", "numeric")


def _csv(file: Path) -> Iterator[bytes]:
    with pq.ParquetFile(file) as opened:
        for batch in opened.iter_batches(batch_size=65_536):
            block = io.BytesIO()
            csv.write_csv(batch, block, csv.WriteOptions(include_header=False))
            yield block.getvalue()
