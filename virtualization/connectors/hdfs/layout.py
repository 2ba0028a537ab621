"""What is inside each file: the header of a CSV, the footer of a Parquet file; read once per (path, size, time of change)."""

from __future__ import annotations

import csv
import gzip
import io
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from virtualization.connectors.hdfs.client import Client, RemoteFile
from virtualization.connectors.hdfs.file_system import RangeFile
from virtualization.connectors.hdfs.options import FileFormat
from virtualization.errors import DataError

_MAX_CACHED = 20_000
_HEAD_BYTES = 256 * 1024
_PARALLEL = 8


@dataclass(frozen=True)
class Layout:
    """``types`` is empty for CSV (all text); ``rows`` is None where the file does not say."""

    names: tuple[str, ...]
    types: tuple[pa.DataType, ...] = ()
    rows: int | None = None


class Layouts:
    """Layouts of files, cached. Thread-safe."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._cache: OrderedDict[tuple[RemoteFile, FileFormat], Layout] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, files: Sequence[RemoteFile], shape: FileFormat) -> list[Layout]:
        """In the order of ``files``; DataError names the file that can't be understood."""
        with self._lock:
            missing = [file for file in files if (file, shape) not in self._cache]
        if len(missing) == 1:
            made = [self._read(missing[0], shape)]
        else:
            with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="hdfs-layout") as pool:
                made = list(pool.map(lambda file: self._read(file, shape), missing))
        found = dict(zip(missing, made, strict=True))
        with self._lock:
            for file, layout in found.items():
                self._cache[(file, shape)] = layout
            answer = [found.get(file) or self._cache[(file, shape)] for file in files]
            while len(self._cache) > _MAX_CACHED:
                self._cache.popitem(last=False)
        return answer

    def _read(self, file: RemoteFile, shape: FileFormat) -> Layout:
        if shape.format == "parquet":
            return parquet_layout(self._client, file)
        if not shape.header or file.size == 0:
            return Layout(())
        names = tuple(next(csv_rows(head(self._client, file, shape), shape, file.path), []))
        doubled = next((name for number, name in enumerate(names) if name in names[:number]), None)
        if doubled is not None:
            raise DataError(f'file {file.path}: its header names "{doubled}" twice', hint="Set the option header to false, or rename it.")
        return Layout(names)


def _arrow_file(file: Any) -> pa.PythonFile:  # noqa: ANN401 - Arrow asks for an IOBase and uses its methods only
    return pa.PythonFile(file, mode="r")


def parquet_layout(client: Client, file: RemoteFile) -> Layout:
    """From the footer."""
    try:
        with pq.ParquetFile(_arrow_file(RangeFile(client, file))) as parquet:
            schema = parquet.schema_arrow
            return Layout(tuple(schema.names), tuple(schema.types), parquet.metadata.num_rows)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"file {file.path} is not a Parquet file that can be read: {str(error).splitlines()[0]}") from None


def parquet_bounds(client: Client, file: RemoteFile) -> dict[str, tuple[Any, Any]]:
    """Least and greatest value of the columns for which each row group says so, from the footer."""
    found: dict[str, tuple[Any, Any]] = {}
    with pq.ParquetFile(_arrow_file(RangeFile(client, file))) as parquet:
        footer = parquet.metadata
        for place in range(footer.num_columns):
            told: list[Any] = [footer.row_group(group).column(place).statistics for group in range(footer.num_row_groups)]
            if told and all(one is not None and one.has_min_max for one in told):
                found[footer.schema.column(place).path] = (min(one.min for one in told), max(one.max for one in told))
    return found


def head(client: Client, file: RemoteFile, shape: FileFormat, limit: int = _HEAD_BYTES) -> str:
    """The beginning of a CSV as text, cut after its last whole line; DataError where the bytes are not in the encoding."""
    reader = RangeFile(client, file)
    whole = file.size <= limit
    if file.path.lower().endswith(".gz"):
        with gzip.GzipFile(fileobj=reader) as packed:
            data, whole = packed.read(limit), False
    elif file.path.lower().endswith(".zst"):
        data, whole = pa.CompressedInputStream(_arrow_file(reader), "zstd").read(limit), False
    else:
        data = reader.read(limit)
    if not whole and len(data) == limit:
        end = b"\n\0" if shape.encoding == "utf-16" else b"\n"
        data = data[: data.rfind(end) + len(end)] or data
    try:
        return data.decode("utf-8-sig" if shape.encoding == "utf-8" else shape.encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(
            f"file {file.path}, line {line}: its bytes are not {shape.encoding}", hint="Set the option encoding, e.g. latin-1."
        ) from None


def csv_rows(text: str, shape: FileFormat, path: str) -> Iterator[list[str]]:
    """A head's rows, from ``first_row`` on. For headers and detection only: rows of a query are read by the engine."""
    lines = io.StringIO(text, newline="")
    for _ in range(shape.first_row - 1):
        lines.readline()
    if len(shape.delimiter) > 1:
        yield from (line.rstrip("\r\n").split(shape.delimiter) for line in lines)
        return
    options: dict[str, Any] = {"delimiter": shape.delimiter, "doublequote": shape.escape in ("", shape.quote), "strict": True}
    if shape.quote:
        options["quotechar"] = shape.quote
    else:
        options["quoting"] = csv.QUOTE_NONE
    if shape.escape and shape.escape != shape.quote:
        options["escapechar"] = shape.escape
    reader = csv.reader(lines, **options)
    try:
        yield from (row for row in reader if row)
    except csv.Error as error:
        if len(text) >= _HEAD_BYTES // 4 and "unexpected end" in str(error):
            return  # the head was cut inside a quoted value
        raise DataError(f"file {path}, line {reader.line_num + shape.first_row - 1}: badly quoted CSV: {error}") from None
