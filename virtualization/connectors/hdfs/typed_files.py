"""Files of Arrow batches that DuckDB does not read itself: ORC by stripes, Avro by blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from pyarrow import orc

from virtualization.connectors.hdfs import avro
from virtualization.connectors.hdfs.client import Client, RemoteFile
from virtualization.connectors.hdfs.file_system import RangeFile
from virtualization.connectors.hdfs.heads import arrow_file
from virtualization.errors import DataError, VirtualizationError


def stored_schema(client: Client, file: RemoteFile, kind: str) -> tuple[pa.Schema, int | None]:
    """Columns, and the number of rows where the file tells it; DataError for a file that is none of this kind."""
    if kind == "orc" and file.size == 0:
        return pa.schema([]), 0  # Hive writes such files
    with _Reading(file, kind):
        if kind == "avro":
            return avro.schema(RangeFile(client, file)), None
        opened = orc.ORCFile(arrow_file(RangeFile(client, file)))
        return opened.schema, opened.nrows


def batches(client: Client, files: Sequence[tuple[int, RemoteFile]], kind: str, columns: pa.Schema) -> Iterator[pa.RecordBatch]:
    """All rows of numbered ``files`` that are stored alike: ``columns``, and last ``__f``, the file's number."""
    for number, file in files:
        with _Reading(file, kind):
            for batch in _one(client, file, kind, columns):
                numbered = pa.repeat(pa.scalar(number, pa.int64()), batch.num_rows)
                yield pa.RecordBatch.from_arrays([*batch.columns, numbered], schema=numbered_schema(columns))


def numbered_schema(columns: pa.Schema) -> pa.Schema:
    """Of what ``batches`` gives."""
    return columns.append(pa.field("__f", pa.int64()))


def _one(client: Client, file: RemoteFile, kind: str, columns: pa.Schema) -> Iterator[pa.RecordBatch]:
    source = RangeFile(client, file)
    if kind == "avro":
        yield from avro.batches(source, columns)
        return
    opened = orc.ORCFile(arrow_file(source))
    for stripe in range(opened.nstripes):
        # a stripe without its columns has no number of rows
        batch: Any = opened.read_stripe(stripe, columns=columns.names or opened.schema.names[:1])
        yield (
            pa.RecordBatch.from_arrays([batch.column(name) for name in columns.names], schema=columns)
            if columns.names
            else batch.select([])
        )


class _Reading:
    """What goes wrong inside is said of ``file``."""

    def __init__(self, file: RemoteFile, kind: str) -> None:
        self._file = file
        self._kind = {"orc": "an ORC", "avro": "an Avro"}[kind]

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is None or isinstance(error, (VirtualizationError, GeneratorExit)) or not isinstance(error, Exception):
            return
        said = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(f"file {self._file.path} is not {self._kind} file that can be read: {said}") from None
