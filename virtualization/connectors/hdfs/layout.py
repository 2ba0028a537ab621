"""What is inside each file: a CSV's header, a typed file's schema, a Parquet footer; read once per (path, size, time of change)."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from virtualization import caches
from virtualization.connectors.hdfs.client import Client, RemoteFile
from virtualization.connectors.hdfs.file_system import RangeFile
from virtualization.connectors.hdfs.heads import arrow_file, csv_rows, head
from virtualization.connectors.hdfs.options import STREAMED, FileFormat
from virtualization.connectors.hdfs.typed_files import stored_schema
from virtualization.errors import DataError

_MAX_CACHED = 20_000
_MAX_CACHED_BYTES = 64 * 1024 * 1024
_PARALLEL = 8


@dataclass(frozen=True)
class Layout:
    """``types`` is empty for texts; ``rows`` is None where the file does not say."""

    names: tuple[str, ...]
    types: tuple[pa.DataType, ...] = ()
    rows: int | None = None
    footer: pq.FileMetaData | None = field(default=None, repr=False, compare=False)
    """Of a Parquet file."""

    @property
    def weight(self) -> int:
        """About the bytes that it takes in memory."""
        return 100 + (self.footer.serialized_size if self.footer is not None else 0)


class Layouts:
    """Layouts of files, cached. Thread-safe."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._cache: OrderedDict[tuple[RemoteFile, FileFormat], Layout] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    def of(self, files: Sequence[RemoteFile], shape: FileFormat) -> list[Layout]:
        """In the order of ``files``; DataError names the file that can't be understood."""
        with self._lock:
            found = {file: self._cache[(file, shape)] for file in files if (file, shape) in self._cache}
            missing = [file for file in files if file not in found]
            caches.FILE_LAYOUTS.hits += len(files) - len(missing)
            caches.FILE_LAYOUTS.misses += len(missing)
        if len(missing) == 1:
            made = [self._read(missing[0], shape)]
        else:
            with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="hdfs-layout") as pool:
                made = list(pool.map(lambda file: self._read(file, shape), missing))
        found.update(zip(missing, made, strict=True))
        with self._lock:
            for file in missing:
                self._keep((file, shape), found[file])
        return [found[file] for file in files]

    def _keep(self, key: tuple[RemoteFile, FileFormat], layout: Layout) -> None:
        before = self._cache.pop(key, None)
        self._cache[key] = layout
        self._held += layout.weight - (before.weight if before is not None else 0)
        while len(self._cache) > _MAX_CACHED or self._held > _MAX_CACHED_BYTES:
            self._held -= self._cache.popitem(last=False)[1].weight

    def _read(self, file: RemoteFile, shape: FileFormat) -> Layout:
        if shape.format in STREAMED:
            schema, rows = stored_schema(self._client, file, shape.format)
            return Layout(tuple(schema.names), tuple(schema.types), rows)
        if not shape.is_text:
            return parquet_layout(self._client, file)
        if not shape.names_its_columns or file.size == 0:
            return Layout(())
        names = tuple(next(csv_rows(head(self._client, file, shape), shape, file.path), []))
        doubled = next((name for number, name in enumerate(names) if name in names[:number]), None)
        if doubled is not None:
            raise DataError(f'file {file.path}: its header names "{doubled}" twice', hint="Set the option header to false, or rename it.")
        return Layout(names)


def parquet_layout(client: Client, file: RemoteFile) -> Layout:
    """From the footer."""
    try:
        with pq.ParquetFile(arrow_file(RangeFile(client, file))) as parquet:
            schema = parquet.schema_arrow
            return Layout(tuple(schema.names), tuple(schema.types), parquet.metadata.num_rows, parquet.metadata)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"file {file.path} is not a Parquet file that can be read: {str(error).splitlines()[0]}") from None
