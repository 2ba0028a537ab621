"""The beginning of a text file: for a CSV's header, and for finding out columns. Rows of a query are read by the engine."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from virtualization.connectors.hdfs.client import Client, RemoteFile
from virtualization.connectors.hdfs.file_system import RangeFile
from virtualization.connectors.hdfs.options import FileFormat
from virtualization.errors import DataError

_HEAD_BYTES = 256 * 1024


def arrow_file(file: Any) -> pa.PythonFile:  # noqa: ANN401 - Arrow asks for an IOBase and uses its methods only
    """``file`` (a RangeFile) for Arrow."""
    return pa.PythonFile(file, mode="r")


def head(client: Client, file: RemoteFile, shape: FileFormat, limit: int = _HEAD_BYTES) -> str:
    """The beginning of a CSV as text, cut after its last whole line; DataError where the bytes are not in the encoding."""
    data = _first_bytes(client, file, limit)
    if len(data) == limit:
        end = b"\n\0" if shape.encoding == "utf-16" else b"\n"
        data = data[: data.rfind(end) + len(end)] or data
    try:
        return data.decode("utf-8-sig" if shape.encoding == "utf-8" else shape.encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(
            f"file {file.path}, line {line}: its bytes are not {shape.encoding}", hint="Set the option encoding, e.g. latin-1."
        ) from None


def _first_bytes(client: Client, file: RemoteFile, limit: int) -> bytes:
    reader = RangeFile(client, file)
    name = file.path.lower()
    try:
        if name.endswith(".gz"):
            with gzip.GzipFile(fileobj=reader) as packed:
                return packed.read(limit)
        if name.endswith(".zst"):
            found: bytes = pa.CompressedInputStream(arrow_file(reader), "zstd").read(limit)
            return found
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"file {file.path} can't be unpacked: {error}", hint="Was it written to its end?") from None
    return reader.read(limit)


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
