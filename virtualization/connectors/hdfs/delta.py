"""Delta Lake tables: the log of a table replayed to one version's files, columns and statistics.

Read directly (JSON commits after the newest Parquet checkpoint), not by the package ``deltalake``: that one has an HDFS client of its
own, which would know neither the caller's name nor our time limits. Refused by name: deletion vectors, column mapping by id, new
reader features, files outside of the table's folder.
"""

from __future__ import annotations

import json
import posixpath
import re
import threading
import urllib.parse
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from virtualization.connectors.hdfs.client import LOOK, Client, RemoteFile, checked_path
from virtualization.connectors.hdfs.file_system import RangeFile
from virtualization.connectors.hdfs.heads import arrow_file
from virtualization.errors import DataError, RemoteObjectError, UnsupportedError, VirtualizationError

LOG = "_delta_log"
_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint(?:\.(\d{10})\.(\d{10}))?\.parquet")
_ACTIONS = ("protocol", "metaData", "add", "remove")
_FEATURES = frozenset({
    "columnMapping", "deletionVectors", "timestampNtz", "typeWidening", "typeWidening-preview", "v2Checkpoint", "vacuumProtocolCheck",
})  # fmt: skip
"""Reader features that are carried out, or looked at file by file."""

_MAX_CACHED = 16


@dataclass(frozen=True)
class Snapshot:
    """One version of a table."""

    version: int
    files: tuple[RemoteFile, ...]
    fields: tuple[Mapping[str, Any], ...]
    """Of the schema, as the log has them; ``physical_name`` gives the name in the files."""

    partitions: tuple[str, ...]
    """Physical names."""

    statistics: Mapping[str, str] = field(repr=False)
    """By the file's path, as the log has them (JSON)."""


class Snapshots:
    """Of the tables of one source, cached by version. Thread-safe."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._cache: OrderedDict[tuple[RemoteFile, str], Snapshot] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, location: str, version: int | None) -> Snapshot:
        """The newest state, or that of ``version``; errors name the table."""
        folder = checked_path(location)
        log = _log(self._client, folder)
        at = max(log.commits) if version is None else version
        if at not in log.commits:
            raise RemoteObjectError(
                f"Delta table {folder} has no version {at}",
                hint=f"There are {min(log.commits)} to {max(log.commits)}; older ones are gone.",
            )
        key = (log.commits[at], folder)
        with self._lock:
            found = self._cache.get(key)
        if found is None:
            try:
                found = _replay(self._client, folder, log, at)
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(f"Delta table {folder}: its log is not as the protocol says: {error!r}") from None
            with self._lock:
                self._cache[key] = found
                while len(self._cache) > _MAX_CACHED:
                    self._cache.popitem(last=False)
        return found


def is_table(client: Client, location: str) -> bool:
    """Does the folder have a log?"""
    try:
        path = checked_path(location)
        return client.status(path) is None and client.status(posixpath.join(path, LOG)) is None
    except RemoteObjectError:
        return False


def physical_name(column: Mapping[str, Any]) -> str:
    """The name that a field of the schema has in the files."""
    return str((column.get("metadata") or {}).get("delta.columnMapping.physicalName") or column["name"])


@dataclass(frozen=True)
class _Log:
    commits: Mapping[int, RemoteFile]
    checkpoints: Mapping[int, Sequence[RemoteFile]]
    """Whole ones only."""


def _log(client: Client, folder: str) -> _Log:
    where = posixpath.join(folder, LOG)
    try:
        entries = client.call(lambda native: list(native.list_status(where, False)), where)
    except RemoteObjectError:
        raise RemoteObjectError(f"{folder} is not a Delta table: it has no {LOG}", hint=LOOK) from None
    commits: dict[int, RemoteFile] = {}
    parts: dict[tuple[int, int], list[RemoteFile]] = {}
    for entry in sorted(entries, key=lambda one: str(one.path)):
        name, file = posixpath.basename(entry.path), RemoteFile(entry.path, entry.length, entry.modification_time)
        if found := _COMMIT.fullmatch(name):
            commits[int(found[1])] = file
        elif found := _CHECKPOINT.fullmatch(name):
            parts.setdefault((int(found[1]), int(found[3] or 1)), []).append(file)
    if not commits:
        raise RemoteObjectError(f"{folder} is not a Delta table: there is no commit in its {LOG}", hint=LOOK)
    return _Log(commits, {version: files for (version, count), files in parts.items() if len(files) == count})


def _replay(client: Client, folder: str, log: _Log, version: int) -> Snapshot:
    start = max((at for at in log.checkpoints if at <= version), default=-1)
    missing = [at for at in range(start + 1, version + 1) if at not in log.commits]
    if missing:
        raise UnsupportedError(
            f"Delta table {folder}: commit {missing[0]} of its log is gone, and there is no checkpoint after it that is read",
            hint="Checkpoints of the form V2 are not read; write a classic one.",
        )
    state: dict[str, Any] = {}
    files: dict[str, Mapping[str, Any]] = {}
    sources = [_checkpoint(client, file) for file in log.checkpoints.get(start, ())]
    sources += [_commit(client, log.commits[at]) for at in range(start + 1, version + 1)]
    for actions in sources:
        for kind, action in actions:
            if kind == "add":
                files[action["path"]] = action
            elif kind == "remove":
                files.pop(action["path"], None)
            else:
                state[kind] = action
    if "metaData" not in state or "protocol" not in state:
        raise DataError(f"Delta table {folder}: its log has no metadata up to version {version}")
    return _snapshot(folder, version, state, list(files.values()))


def _commit(client: Client, file: RemoteFile) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        for line in RangeFile(client, file).read().decode().splitlines():
            if line.strip():
                yield from ((kind, action) for kind, action in json.loads(line).items() if kind in _ACTIONS and action is not None)
    except (ValueError, AttributeError) as error:
        raise DataError(f"Delta log {file.path} can't be read: {error}") from None


def _checkpoint(client: Client, file: RemoteFile) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        with pq.ParquetFile(arrow_file(RangeFile(client, file))) as opened:
            names = [name for name in ("protocol", "metaData", "add") if name in opened.schema_arrow.names]
            for batch in opened.iter_batches(columns=names):
                for name in names:
                    column = batch.column(name).drop_null()
                    told: list[Any] = column.to_pylist(maps_as_pydicts="strict")
                    yield from ((name, action) for action in told)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"Delta checkpoint {file.path} can't be read: {str(error).splitlines()[0]}") from None


def _snapshot(folder: str, version: int, state: Mapping[str, Any], adds: Sequence[Mapping[str, Any]]) -> Snapshot:
    protocol, about = state["protocol"], state["metaData"]
    refused = sorted(set(protocol.get("readerFeatures") or ()) - _FEATURES)
    if protocol["minReaderVersion"] > 3 or refused:
        raise _refused(folder, f"its reader features {', '.join(refused) or protocol['minReaderVersion']} are not known")
    mapping = dict(about.get("configuration") or {}).get("delta.columnMapping.mode", "none")
    if mapping not in ("none", "name"):
        raise _refused(folder, f"its columns are mapped by {mapping}")
    fields = tuple(json.loads(about["schemaString"])["fields"])
    physical = {one["name"]: physical_name(one) for one in fields}
    files = tuple(sorted((_file(folder, add) for add in adds), key=lambda file: file.path))
    statistics = {_path(folder, add): add["stats"] for add in adds if add.get("stats")}
    return Snapshot(version, files, fields, tuple(physical[name] for name in about["partitionColumns"]), statistics)


def _file(folder: str, add: Mapping[str, Any]) -> RemoteFile:
    if add.get("deletionVector"):
        raise _refused(folder, "it has deletion vectors", "Rewrite it without: REORG TABLE … APPLY (PURGE), or OPTIMIZE.")
    # an empty value stands for NULL
    values = tuple(sorted((name, value or None) for name, value in dict(add["partitionValues"]).items()))
    return RemoteFile(_path(folder, add), add["size"], None, values)


def _path(folder: str, add: Mapping[str, Any]) -> str:
    path = urllib.parse.unquote(add["path"])
    if path.startswith("/") or "://" in path or ".." in path.split("/"):
        raise _refused(folder, "it has files outside of its folder")
    return posixpath.join(folder, path)


def _refused(folder: str, why: str, hint: str | None = None) -> VirtualizationError:
    return UnsupportedError(f"Delta table {folder} can't be read: {why}", hint=hint)
