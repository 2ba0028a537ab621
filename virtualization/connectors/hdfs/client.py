"""I/O with one HDFS: its NameNode asked within a time limit, its files listed, its errors made ours.

hdfs-native retries an unreachable NameNode for minutes. So requests are preceded by a plain TCP connect (when none succeeded in
the last second) and run in a thread that is given up after the time limit. It takes the user's name from the environment whenever
it connects, not only at first: see ``identity``. Where the location is ``https://…``, ``webhdfs`` is in hdfs-native's place.
"""

from __future__ import annotations

import fnmatch
import posixpath
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import hdfs_native

from virtualization.connectors.hdfs import identity
from virtualization.connectors.hdfs.kept_ranges import KeptRanges
from virtualization.connectors.hdfs.options import Settings
from virtualization.connectors.hdfs.reader import NOBODY, NODES, Reader
from virtualization.connectors.hdfs.web_connections import UntrustedError
from virtualization.connectors.hdfs.webhdfs import ReplacedError, WebHdfs
from virtualization.errors import (
    DefinitionError,
    RemoteObjectError,
    SourceCredentialError,
    SourceError,
    SourceTimeoutError,
    SourceUnreachableError,
    VirtualizationError,
)

_GLOB = frozenset("*?[")
LOOK = "Look with: bdc hdfs ls"
"""What to do when a file is not where it should be."""

_FRESH_SECONDS = 1.0
_MOST_SAID = 400
"""Letters of a native error's text."""


@dataclass(frozen=True)
class RemoteFile:
    """A file as it was listed; ``modified`` in milliseconds. A reader that finds another size or time must not go on."""

    path: str
    size: int
    modified: int | None
    """None: not known, and never changed (a file of a Delta table)."""

    partition: tuple[tuple[str, str | None], ...] | None = None
    """Values of partition columns, where something else than the path tells them."""


class Client:
    """One identity at one HDFS. Thread-safe; connects on first use."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.kept = KeptRanges(settings.cache_bytes)
        self._native: Any = None
        self._reached = -_FRESH_SECONDS
        self._lock = threading.Lock()

    def status(self, path: str) -> RemoteFile | None:
        """The file, None for a folder; RemoteObjectError when nothing is there."""
        found = self.call(lambda native: native.get_file_info(path), path)
        return None if found.isdir else RemoteFile(path, found.length, found.modification_time)

    def files(self, location: str) -> list[RemoteFile]:
        """The files of a table: a file itself, a folder's (recursive), or a glob's; in the order of their paths.

        Names that begin with ``_`` or ``.`` are left out, as Hadoop and Spark do.
        """
        path = checked_path(location)
        try:
            single = self.status(path)
        except RemoteObjectError:
            if not _GLOB & set(path):
                raise
            return self._matching(path)
        return [single] if single is not None else self._below(path)

    def entries(self, folder: str) -> list[tuple[str, bool]]:
        """(path, is it a folder) of what lies directly in ``folder``."""
        path = checked_path(folder)
        found = self.call(lambda native: list(native.list_status(path, False)), path)
        return sorted((entry.path, bool(entry.isdir)) for entry in found if not _hidden(entry.path, path))

    def open(self, file: RemoteFile) -> Reader:
        """A reader of exactly the listed state of ``file``; RemoteObjectError when it was replaced since."""
        return Reader(lambda: self._native_reader(file))

    def _native_reader(self, file: RemoteFile) -> Any:  # noqa: ANN401 - hdfs-native gives its classes no types
        def begin(native: Any) -> Any:  # noqa: ANN401
            # the reader first: the blocks it has found belong to the state that is looked at afterwards
            return native.read(file.path), native.get_file_info(file.path)

        reader, now = self.call(begin, file.path)
        modified = now.modification_time if file.modified is not None else None
        if (now.length, modified) != (file.size, file.modified) or len(reader) != file.size:
            raise self.fault(ReplacedError(), file.path)
        return reader

    def call(self, request: Callable[[Any], Any], what: str) -> Any:  # noqa: ANN401
        """Run ``request`` with the native client within the time limit; ``what`` (a path) is for messages."""
        self._reach()
        outcome: list[tuple[Any, BaseException | None]] = []
        native = not self.settings.encrypted  # the other client says who asks in each request
        release = identity.Hold(self.settings.user, self.settings.timeout).release if native else lambda: None

        def run() -> None:
            try:
                outcome.append((request(self._connected()), None))
            except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
                outcome.append((None, error))
            finally:
                release()

        thread = threading.Thread(target=run, name="hdfs-request", daemon=True)
        thread.start()
        thread.join(self.settings.timeout)
        if not outcome:
            self._abandon()
            release()
            raise SourceTimeoutError(
                f'data source "{self.settings.source}": the NameNode did not answer within {self.settings.timeout:g} s ({what})',
                hint="Is the NameNode in trouble? The option timeout sets the seconds.",
            )
        value, error = outcome[0]
        if error is not None:
            raise self.fault(error, what) from None
        return value

    def fault(self, error: BaseException, what: str) -> VirtualizationError:
        """What a native error becomes."""
        where, text = f'data source "{self.settings.source}"', str(error).split("\n")[0].split("\\n")[0]
        if isinstance(error, VirtualizationError):
            return error
        if isinstance(error, ReplacedError):
            return RemoteObjectError(f"{where}: file {what} was replaced during the query", hint="Run the query again.")
        if isinstance(error, UntrustedError):
            return SourceUnreachableError(
                f"{where}: {text}", hint="bdc cert list shows the cluster's certificates, and until when they hold."
            )
        if isinstance(error, FileNotFoundError):
            return RemoteObjectError(f"{where}: {what} does not exist", hint=LOOK)
        if "AccessControlException" in text or isinstance(error, PermissionError):
            hint = "Give the right with: bdc hdfs chmod or chown; or set the source's option user."
            return SourceCredentialError(f'{where}: user "{self.settings.user}" may not read {what}', hint=hint)
        if "StandbyException" in text or "SafeModeException" in text:
            return SourceUnreachableError(
                f"{where}: the NameNode is not serving: {text}", hint="It starts or is short of DataNodes: bdc hdfs status"
            )
        if isinstance(error, (ConnectionError, TimeoutError)) or "onnection" in text:
            return SourceUnreachableError(f"{where} ({self._address}) can't be reached: {text}", hint="Is the NameNode running?")
        if NOBODY in text:  # with all that the NameNode knows of each of them behind it
            nodes = ", ".join(f"{host}:{port}" for host, port in NODES.findall(text)) or "none is known"
            return SourceError(f"{where}: {what}: no DataNode that has it answers ({nodes})", hint="bdc hdfs status shows which ones live.")
        return SourceError(f"{where}: {what}: {text[:_MOST_SAID]}")

    @property
    def _address(self) -> str:
        return f"{self.settings.host}:{self.settings.port}"

    def _reach(self) -> None:
        if time.monotonic() < self._reached + _FRESH_SECONDS:
            return
        try:
            socket.create_connection((self.settings.host, self.settings.port), min(5.0, self.settings.timeout)).close()
        except OSError as error:
            raise SourceUnreachableError(
                f'data source "{self.settings.source}" ({self._address}) can\'t be reached: {error.strerror or error}',
                hint="Is the NameNode running, and are host and port right?",
            ) from None
        self._reached = time.monotonic()

    def _connected(self) -> Any:  # noqa: ANN401
        with self._lock:
            if self._native is None and self.settings.encrypted:
                self._native = WebHdfs(self.settings.host, self.settings.port, self.settings.user, self.settings.timeout)
            elif self._native is None:
                self._native = hdfs_native.Client(f"hdfs://{self._address}")
            return self._native

    def _abandon(self) -> None:
        """Never use this native client again: what it still does in its lost thread may connect as another user."""
        with self._lock:
            self._native = None

    def _below(self, path: str) -> list[RemoteFile]:
        found = self.call(lambda native: list(native.list_status(path, True)), path)
        return _sorted(entry for entry in found if not entry.isdir and not _hidden(entry.path, path))

    def _matching(self, pattern: str) -> list[RemoteFile]:
        """A glob; ``*`` does not cross a slash. The pattern is matched here, so that Hadoop's own braces stay plain characters."""
        parts = pattern.strip("/").split("/")
        fixed = next(number for number, part in enumerate(parts) if _GLOB & set(part))
        base = "/" + "/".join(parts[:fixed])
        try:
            found = self.call(lambda native: list(native.list_status(base, fixed + 1 < len(parts))), base)
        except RemoteObjectError:
            raise RemoteObjectError(f'data source "{self.settings.source}": no file matches {pattern}', hint=LOOK) from None
        kept = [entry for entry in found if not entry.isdir and not _hidden(entry.path, base) and _matches(entry.path, parts)]
        if not kept:
            raise RemoteObjectError(f'data source "{self.settings.source}": no file matches {pattern}', hint=LOOK)
        return _sorted(iter(kept))


def _matches(path: str, patterns: list[str]) -> bool:
    parts = path.strip("/").split("/")
    return len(parts) == len(patterns) and all(fnmatch.fnmatchcase(part, like) for part, like in zip(parts, patterns, strict=True))


def _sorted(entries: Iterator[Any]) -> list[RemoteFile]:
    return sorted((RemoteFile(entry.path, entry.length, entry.modification_time) for entry in entries), key=lambda file: file.path)


def _hidden(path: str, base: str) -> bool:
    inner = path[len(base.rstrip("/")) :] if path != base else posixpath.basename(path)
    return any(part.startswith(("_", ".")) for part in inner.split("/") if part)


def checked_path(location: str) -> str:
    """An absolute path without steps upwards; DefinitionError else."""
    if not location.startswith("/") or ".." in location.split("/") or "\0" in location:
        raise DefinitionError(f'location "{location}" is not an absolute path', hint="Write it as /folder/file.csv, without '..'.")
    return posixpath.normpath("/" + location.lstrip("/"))
