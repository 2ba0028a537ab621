"""The file system through which DuckDB reads: one protocol for all HDFS sources and identities of this process.

A path is ``bdc-hdfs://<token>/__f=<number>/x.csv``: the token names a *listing* (the files as they were when the query began), the
number one of its files. So no name of a file ever stands in SQL, nobody can name a file that was not listed for this query, and
a file that was replaced since is noticed.

DuckDB (2.0) reads a file from several threads through ONE Python handle, as seek() then read(): here what was sought belongs to
the thread, and every read is a positional one.
"""

from __future__ import annotations

import datetime
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from fsspec import AbstractFileSystem

from virtualization.connectors.hdfs.client import Client, RemoteFile
from virtualization.errors import VirtualizationError

PROTOCOL = "bdchdfs"
_MAX_LISTINGS = 4096
_MAX_OPENED = 64
_MAX_FILES = 500_000
_MAX_AGE_SECONDS = 24 * 3600.0
_PATH = re.compile(rf"{PROTOCOL}://([0-9a-f]+)/__f=(\d+)/x[.\w]*")


class Opened(Protocol):
    """See ``ahead.Ahead``."""

    def opened(self, file: RemoteFile) -> Any:  # noqa: ANN401
        """A reader of ``file``, or None."""
        ...


@dataclass(frozen=True)
class Listing:
    """The files of one query."""

    token: str
    client: Client
    files: Sequence[RemoteFile]
    made: float = field(default_factory=time.monotonic)
    faults: list[VirtualizationError] = field(default_factory=list)
    """Our own errors on the way through the engine, which would wrap their text in its own."""
    ahead: Opened | None = None
    """What was opened before the query came to it."""

    def path(self, number: int) -> str:
        """Of one file, for DuckDB."""
        file = self.files[number].path.lower()
        packed = next((extension for extension in (".gz", ".zst") if file.endswith(extension)), "")
        return f"{PROTOCOL}://{self.token}/__f={number}/x{packed}"


_LISTINGS: OrderedDict[str, Listing] = OrderedDict()
_OPENED: OrderedDict[tuple[str, str], Any] = OrderedDict()
"""Readers of files of listings: DuckDB opens a file three times for one scan, and each opening costs two requests to the NameNode."""
_LOCK = threading.Lock()


def remember(client: Client, files: Sequence[RemoteFile], ahead: Opened | None = None) -> Listing:
    """Make a listing readable. ``forget`` ends it; else it ends by age, or as the oldest of too many."""
    listing = Listing(secrets.token_hex(16), client, files, ahead=ahead)
    with _LOCK:
        _LISTINGS[listing.token] = listing
        old = time.monotonic() - _MAX_AGE_SECONDS
        held = sum(len(one.files) for one in _LISTINGS.values())
        while len(_LISTINGS) > 1 and (len(_LISTINGS) > _MAX_LISTINGS or held > _MAX_FILES or next(iter(_LISTINGS.values())).made < old):
            held -= len(_LISTINGS.popitem(last=False)[1].files)
    return listing


def forget(listing: Listing) -> None:
    """End a listing."""
    with _LOCK:
        _LISTINGS.pop(listing.token, None)
        for file in listing.files if _OPENED else ():
            _OPENED.pop((listing.token, file.path), None)


def _opened(listing: Listing, file: RemoteFile) -> Any:  # noqa: ANN401
    """A reader of ``file``, opened once for a listing (unless many files were since)."""
    key = (listing.token, file.path)
    with _LOCK:
        reader = _OPENED.get(key)
    if reader is None:
        reader = (listing.ahead.opened(file) if listing.ahead is not None else None) or listing.client.open(file)
        with _LOCK:
            _OPENED[key] = reader
            while len(_OPENED) > _MAX_OPENED:
                _OPENED.popitem(last=False)
    return reader


def _find(path: str) -> tuple[Listing, RemoteFile]:
    match = _PATH.search(path)
    listing = _LISTINGS.get(match[1]) if match else None
    if match is None or listing is None or int(match[2]) >= len(listing.files):
        raise FileNotFoundError(path)
    return listing, listing.files[int(match[2])]


def fault_behind(text: str, client: Client) -> VirtualizationError | None:
    """Our own error that an engine's message repeats."""
    with _LOCK:
        told = [fault for listing in _LISTINGS.values() if listing.client is client for fault in listing.faults]
    return next((fault for fault in told if fault.message in text), None)


def place_in(text: str) -> tuple[Listing, int] | None:
    """The file that an engine's message names, while its listing is there."""
    match = _PATH.search(text)
    listing = _LISTINGS.get(match[1]) if match else None
    return (listing, int(match[2])) if match is not None and listing is not None else None


def with_real_paths(text: str) -> str:
    """An engine's message with the names that people know."""

    def real(match: re.Match[str]) -> str:
        try:
            return _find(match[0])[1].path
        except FileNotFoundError:
            return "a file"

    return _PATH.sub(real, text)


class RangeFile:
    """A read-only file that several threads share, in the two ways in which DuckDB uses a handle.

    Threads side by side: each ``read`` follows a ``seek`` of the same thread, which only that read may use. One after the other
    (CSV in another encoding): any thread reads on, without a seek, where the last read ended.
    """

    mode = "rb"

    def __init__(self, client: Client, file: RemoteFile, listing: Listing | None = None) -> None:
        """``listing``: that of a query, to which the file belongs. It hears our own errors, since an engine is between the reader and us
        that repeats their text only, and what was read lately is not asked for again."""
        self._client = client
        self._reader = client.open(file) if listing is None else _opened(listing, file)
        self._file = file
        self._listing = listing
        self._local = threading.local()
        self._position = 0
        self.size = file.size
        self.closed = False

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of any file."""
        self._local.sought = max(0, (0, self.tell(), self.size)[whence] + offset)
        return self.tell()

    def tell(self) -> int:
        """Where this thread's next read begins."""
        sought: int | None = getattr(self._local, "sought", None)
        return self._position if sought is None else sought

    def read(self, length: int = -1) -> bytes:
        """From where this thread sought, else from where the last read of any thread ended."""
        start = self.tell()
        self._local.sought = None
        self._position = start
        length = self.size - start if length is None or length < 0 else min(length, self.size - start)
        if length <= 0:
            return b""
        try:
            if self._listing is None:
                data: bytes = self._reader.read_range(start, length)
            else:
                data = self._client.kept.read(self._file, start, length, self._reader.read_range)
        except Exception as error:  # noqa: BLE001 - whatever the native client raises
            meant = self._client.fault(error, self._file.path)
            if self._listing is None:
                raise meant from None
            self._listing.faults.append(meant)
            raise OSError(meant.message) from None
        self._position = start + len(data)
        return data

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def writable(self) -> bool:
        """No."""
        return False

    def flush(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Let go of the reader's connections."""
        self.closed = True

    def __len__(self) -> int:
        return self.size


class ListedFiles(AbstractFileSystem):  # type: ignore[misc]
    """What DuckDB is given."""

    protocol: ClassVar[str] = PROTOCOL
    cachable = False

    def _open(self, path: str, mode: str = "rb", **_: object) -> RangeFile:
        if mode != "rb":
            raise PermissionError("files of data sources are read only")
        listing, file = _find(f"{PROTOCOL}://{path}" if "://" not in path else path)
        try:
            return RangeFile(listing.client, file, listing)
        except VirtualizationError as error:
            listing.faults.append(error)
            raise OSError(error.message) from None

    def open(self, path: str, mode: str = "rb", **_: object) -> RangeFile:
        """A file of a listing."""
        return self._open(path, mode)

    def glob(self, path: str, **_: object) -> list[str]:
        """Paths hold no patterns."""
        _find(path)
        return [path]

    def info(self, path: str, **_: object) -> dict[str, Any]:
        """As listed."""
        file = _find(path)[1]
        return {"name": path, "size": file.size, "type": "file"}

    def modified(self, path: str) -> datetime.datetime:
        """As listed."""
        return datetime.datetime.fromtimestamp((_find(path)[1].modified or 0) / 1000, datetime.UTC)


def register(connection: Any) -> None:  # noqa: ANN401
    """Give a DuckDB instance the protocol, once."""
    with _LOCK:
        if not connection.filesystem_is_registered(PROTOCOL):
            connection.register_filesystem(ListedFiles())
