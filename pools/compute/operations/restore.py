"""Restore: tables of a backup, all of them or some, as one load: all of them are there afterwards, or everything is as it was.

A partition of the load is a file of the backup; its rows go where the buckets say now, so the number of shards is free. Each file
is compared with the manifest's digest before its first row is used (it is read twice for that).
"""

from __future__ import annotations

import asyncio
import posixpath
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pools.compute.errors import StatementError
from pools.compute.operations import move
from pools.compute.operations.backup import FORMAT, KIND, MANIFEST, files_of
from pools.compute.operations.files import Files
from pools.compute.operations.work import Work
from virtualization.connectors.hdfs.file_system import RangeFile
from virtualization.errors import RemoteObjectError
from virtualization.types import pg_type

BATCH_ROWS = 65_536

Entry = Mapping[str, Any]
"""A table of the manifest."""


async def restore(work: Work) -> None:
    """request: ``{"folder", "tables"?: names, "as"?: name of the only one, "overwrite"?}``; what the rows of newer loads become is in
    the progress's ``lost``: [[table, load, user, time, rows]]."""
    files = files_of(work)
    folder = posixpath.join("/", str(work.request["folder"]).removeprefix("hdfs:").strip("/"))
    manifest = await asyncio.to_thread(read_manifest, files, folder)
    wanted = chosen(manifest["tables"], work.request.get("tables"))
    if work.request.get("as") is not None and len(wanted) != 1:
        raise StatementError("22023", f"one name was given for {len(wanted)} tables", hint="Name the one table with it.")
    work.progress = {"tables": len(wanted), "rows": 0, "of": sum(entry["rows"] for entry in wanted), "lost": []}
    shards = await move.present_shards(work)
    targets = [await _target(work, manifest, entry, shards) for entry in wanted]
    load = await move.begin(work, [target["id"] for target in targets], shards, f"restore {work.id}")
    if load.state != "committed":
        partitions = [
            move.Partition(target["id"], _names(entry), _Reading(files, folder, file, entry["columns"]))
            for entry, target in zip(wanted, targets, strict=True)
            for file in entry["files"]
        ]
        written = await move.write(work, load, partitions)
        work.progress["rows"] = written


def read_manifest(files: Files, folder: str) -> dict[str, Any]:
    """58030 when the folder holds no backup, or one of a later format."""
    try:
        manifest = files.read_json(posixpath.join(folder, MANIFEST))
    except RemoteObjectError:
        raise StatementError(
            "58030",
            f"hdfs:{folder} holds no backup: there is no {MANIFEST}",
            hint="A backup that was interrupted leaves none: make it again.",
        ) from None
    if manifest.get("kind") != KIND or manifest.get("format") != FORMAT:
        raise StatementError("58030", f"hdfs:{folder} holds no backup that this release reads", detail=f"format {manifest.get('format')}")
    return manifest


def chosen(tables: Sequence[Entry], names: Sequence[str] | None) -> list[Entry]:
    """Those named (``schema.table``, or ``table`` where only one is called so), else all; 42P01."""
    if names is None:
        return list(tables)
    found = []
    for name in names:
        matching = [entry for entry in tables if name in (written(entry), ".".join(entry["name"]), entry["name"][1])]
        if len(matching) != 1:
            known = ", ".join(written(entry) for entry in tables)
            said = f"the backup holds {len(matching)} tables {name}" if matching else f"the backup holds no table {name}"
            raise StatementError("42P01", said, hint=f"It holds {known or 'none'}.")
        found.append(matching[0])
    return found


def written(entry: Entry) -> str:
    """The table's name as SQL writes it."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in entry["name"])


async def _target(work: Work, manifest: Entry, entry: Entry, shards: Sequence[Entry]) -> dict[str, Any]:
    """The table that takes the rows, made when there is none."""
    request = {
        "operation": work.id,
        "name": work.request.get("as") or written(entry),
        "columns": entry["columns"],
        "distribution": distribution(entry["distribution"]),
        "primary_key": entry["primary_key"],
        "shards": list(shards),
        "overwrite": bool(work.request.get("overwrite")),
        "snapshot": manifest["snapshot"],
        "identity": manifest["identity"],
    }
    target = await work.ledger.restore_target(work.who.user, request)
    work.progress["lost"] += [[request["name"], *load] for load in target["lost"]]
    types = {column["name"]: column["type"] for column in target["columns"]}
    for column in entry["columns"]:
        if types.get(column["name"]) != column["type"]:
            present = types.get(column["name"])
            raise StatementError(
                "42804",
                f'column "{column["name"]}" of {request["name"]} is {present or "missing"}, the backup has {column["type"]}',
                hint="Restore under another name (--as), or drop the table first.",
            )
    return target


def distribution(of: Mapping[str, Any]) -> str:
    """As ``create_data_table`` takes it."""
    if of["kind"] != "hash":
        return str(of["kind"]).upper()
    return "HASH(" + ", ".join('"' + name.replace('"', '""') + '"' for name in of["columns"]) + ")"


def _names(entry: Entry) -> tuple[str, ...]:
    return tuple(column["name"] for column in entry["columns"])


def _seekable(file: RangeFile) -> pa.PythonFile:
    return pa.PythonFile(file, mode="r")  # type: ignore[arg-type]  # it has what is asked for


class _Reading:
    """The batches of one file, checked."""

    def __init__(self, files: Files, folder: str, file: Entry, columns: Sequence[Entry]) -> None:
        self._files = files
        self._path = posixpath.join(folder, file["path"])
        self._file = file
        self._schema = pa.schema([pa.field(column["name"], pg_type(column["type"]).arrow) for column in columns])

    def __call__(self, stop: threading.Event) -> Iterator[pa.RecordBatch]:
        """58030 for a file that is not what the manifest says."""
        if self._files.digest(self._path) != self._file["sha256"]:
            raise StatementError("58030", f"hdfs:{self._path} is not the file that the backup wrote: its digest differs")
        source, rows = self._files.open(self._path), 0
        for batch in pq.ParquetFile(_seekable(source)).iter_batches(BATCH_ROWS):
            if stop.is_set():
                raise StatementError("57014", "cancelled")
            rows += batch.num_rows
            yield pa.RecordBatch.from_arrays(
                [column.cast(field.type) for column, field in zip(batch.columns, self._schema, strict=True)], schema=self._schema
            )
        if rows != self._file["rows"]:
            raise StatementError("58030", f"hdfs:{self._path} has {rows} rows, the manifest says {self._file['rows']}")
