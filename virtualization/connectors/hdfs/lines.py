"""Which line of a text file a record is in: for messages and lists of rejected rows, not for reading."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from virtualization.connectors.hdfs.client import Client, RemoteFile
from virtualization.connectors.hdfs.file_system import RangeFile
from virtualization.connectors.hdfs.heads import arrow_file
from virtualization.connectors.hdfs.options import FileFormat
from virtualization.errors import VirtualizationError

MOST_BYTES = 256 * 1024 * 1024
"""Of a file (as it is stored) that is looked through."""


def lines_of(
    client: Client, file: RemoteFile, shape: FileFormat, rows: Sequence[int], broken: Sequence[int]
) -> tuple[dict[int, int], dict[int, int]]:
    """By the number of a good row and by that of a broken record (see ``checked_sql.EXTRA``): the line that it begins in. What can't be
    told (a file that is too long, a delimiter of several characters) is left out."""
    if file.size > MOST_BYTES or len(shape.delimiter) > 1 or not (rows or broken):
        return {}, {}
    try:
        return _found(_records(client, file, shape), shape, set(rows), set(broken))
    except (csv.Error, OSError, EOFError, ValueError, zlib.error, VirtualizationError):
        return {}, {}  # the message does without


def _found(
    records: Iterator[tuple[int, bool]], shape: FileFormat, rows: set[int], broken: set[int]
) -> tuple[dict[int, int], dict[int, int]]:
    lines: dict[int, int] = {}
    broken_lines: dict[int, int] = {}
    last, row = max(rows, default=0), 0
    header = shape.first_row if shape.format == "csv" and shape.header else 0
    for number, (line, empty) in enumerate(records, shape.first_row):
        if number in broken:
            broken_lines[number] = line
        elif number > header and (not empty or shape.format == "json"):
            row += 1
            if row in rows:
                lines[row] = line
        if row >= last and len(broken_lines) == len(broken):
            break
    return lines, broken_lines


def _records(client: Client, file: RemoteFile, shape: FileFormat) -> Iterator[tuple[int, bool]]:
    """The line in which each record begins, and is it an empty line?"""
    text = io.TextIOWrapper(_unpacked(client, file), "utf-8-sig" if shape.encoding == "utf-8" else shape.encoding, "replace", newline="")
    skipped = shape.first_row - 1
    for _ in range(skipped):
        text.readline()
    if shape.format == "json":
        yield from ((line, not record.strip()) for line, record in enumerate(text, skipped + 1))
        return
    quoting: Any = csv.QUOTE_MINIMAL if shape.quote else csv.QUOTE_NONE
    escape = shape.escape if shape.escape and shape.escape != shape.quote else None
    reader = csv.reader(
        text, delimiter=shape.delimiter, quotechar=shape.quote or None, quoting=quoting, escapechar=escape, doublequote=escape is None
    )
    line = 0
    for record in reader:
        yield skipped + line + 1, not record
        line = reader.line_num


def _unpacked(client: Client, file: RemoteFile) -> Any:  # noqa: ANN401
    source = _Buffered(RangeFile(client, file))
    name = file.path.lower()
    if name.endswith(".gz"):
        return gzip.GzipFile(fileobj=source)
    return pa.CompressedInputStream(arrow_file(source), "zstd") if name.endswith(".zst") else io.BufferedReader(source)


class _Buffered(io.RawIOBase):
    """A RangeFile as Python's own readers want it."""

    def __init__(self, file: RangeFile) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
