"""Files in the cluster's HDFS, written and read as the user who asked: what backup, restore and export stand on. Everything blocks.

A file is written under a name that nobody looks at and renamed when it is complete (the caller's part). Memory: one block per open file.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import posixpath
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import hdfs_native
import pyarrow as pa
import pyarrow.parquet as pq

from pools.compute.errors import StatementError
from virtualization.catalog import DataSource
from virtualization.connectors.hdfs.client import Client, checked_path
from virtualization.connectors.hdfs.file_system import RangeFile
from virtualization.connectors.hdfs.options import settings
from virtualization.errors import RemoteObjectError, SourceCredentialError

BLOCK_BYTES = 4 << 20
"""Written to HDFS, and read for digests, at once."""

REQUEST_SECONDS = 60.0
"""For one request to HDFS, a block's write included."""

GROUP_ROWS = 131_072
GROUP_BYTES = 32 << 20
"""Of Arrow data: whichever comes first ends a row group of a Parquet file."""


class Files:
    """The file system of ``source``, as ``user``."""

    def __init__(self, source: DataSource, user: str) -> None:
        self._client = Client(replace(settings(source), user=user, timeout=REQUEST_SECONDS))
        self.user = user

    def exists(self, path: str) -> bool:
        """Is there a file or folder?"""
        try:
            self._client.status(path)
        except RemoteObjectError:
            return False
        return True

    def make_folder(self, path: str) -> None:
        """With its parents."""
        self.call(lambda native: native.mkdirs(path, 0o755, True), path)

    def rename(self, path: str, new: str) -> None:
        """In one step; 58P02 when ``new`` exists."""
        if self.exists(new):
            raise exists_already(new)
        self.call(lambda native: native.rename(path, new), new)

    def remove(self, path: str) -> None:
        """Whatever lies there, if anything does."""
        with contextlib.suppress(RemoteObjectError):
            self.call(lambda native: native.delete(path, True), path)

    def write_json(self, path: str, content: Mapping[str, Any]) -> None:
        """A whole small file."""
        with Sink(self, path) as sink:
            sink.write(json.dumps(content, indent=1, ensure_ascii=False).encode())

    def read_json(self, path: str) -> dict[str, Any]:
        """A whole small file; RemoteObjectError when it is not there."""
        content = json.loads(self.open(path).read())
        if not isinstance(content, dict):
            raise StatementError("58030", f"{path} is no JSON object")
        return content

    def open(self, path: str) -> RangeFile:
        """For reading."""
        found = self._client.status(path)
        if found is None:
            raise StatementError("58030", f"{path} is a folder")
        return RangeFile(self._client, found)

    def digest(self, path: str) -> str:
        """SHA-256 of the file, in hexadecimal."""
        file, digest = self.open(path), hashlib.sha256()
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
        return digest.hexdigest()

    def call(self, request: Any, path: str) -> Any:  # noqa: ANN401 - hdfs-native has no types
        """One request; 42501 where HDFS does not allow it."""
        try:
            return self._client.call(request, path)
        except SourceCredentialError as error:
            hint = "Give the right with: bdc hdfs chmod or chown; or name another folder."
            raise StatementError("42501", f'HDFS does not let user "{self.user}" write {path}', detail=error.message, hint=hint) from None


class Sink(io.RawIOBase):
    """A new file: written in blocks, its size and digest known at the end."""

    def __init__(self, files: Files, path: str) -> None:
        super().__init__()
        self.size = 0
        self._files = files
        self._path = path
        self._waiting = bytearray()
        self._digest = hashlib.sha256()
        options = hdfs_native.WriteOptions(create_parent=True)
        self._file = files.call(lambda native: native.create(path, options), path)

    @property
    def sha256(self) -> str:
        """Of all that was written, in hexadecimal."""
        return self._digest.hexdigest()

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        """Take it; whole blocks go out."""
        view = memoryview(data).cast("B")
        self._digest.update(view)
        self._waiting += view
        self.size += view.nbytes
        if len(self._waiting) >= BLOCK_BYTES:
            self._send()
        return view.nbytes

    def tell(self) -> int:
        """Bytes so far."""
        return self.size

    def close(self) -> None:
        """Complete, at HDFS."""
        if not self.closed:
            try:
                self._send()
                self._files.call(lambda _: self._file.close(), self._path)
            finally:
                super().close()

    def _send(self) -> None:
        block, self._waiting = bytes(self._waiting), bytearray()
        if block:
            self._files.call(lambda _: self._file.write(block), self._path)


class ParquetFile:
    """Rows into one Parquet file, a bounded row group at a time."""

    def __init__(self, files: Files, path: str, schema: pa.Schema) -> None:
        self.rows = 0
        self.sink = Sink(files, path)
        self._writer = pq.ParquetWriter(pa.PythonFile(self.sink, mode="w"), schema, compression="zstd")
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = self._waiting_bytes = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Take a batch of the schema."""
        self._waiting.append(batch)
        self._waiting_rows += batch.num_rows
        self._waiting_bytes += batch.nbytes
        self.rows += batch.num_rows
        if self._waiting_rows >= GROUP_ROWS or self._waiting_bytes >= GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """With the footer; the file is complete then."""
        self._flush()
        self._writer.close()
        self.sink.close()

    def _flush(self) -> None:
        if self._waiting:
            rows = pa.Table.from_batches(self._waiting)
            self._writer.write_table(rows, row_group_size=max(rows.num_rows, 1))
            self._waiting.clear()
            self._waiting_rows = self._waiting_bytes = 0


def folder_of(path: str) -> tuple[str, str]:
    """(parent, name) of an absolute path of HDFS; 22023 else."""
    parent, name = posixpath.split(checked_path(path.removeprefix("hdfs:")))
    if not name:
        raise StatementError("22023", f"{path} names no folder", hint="hdfs:/backups/2026-11-21")
    return parent, name


def exists_already(path: str) -> StatementError:
    """What is never written over."""
    return StatementError("58P02", f"hdfs:{path} exists already", hint="Name another one, or remove it: bdc hdfs rm")
