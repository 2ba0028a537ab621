"""Backup and export: one state of tables as Parquet files in HDFS.

Files are written into a hidden folder beside the wanted one, the manifest last; then the folder gets its name. So a folder that can be
seen is complete, and what a killed backup left is hidden, no backup, and removed by the next try. Memory: one row group per stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import itertools
import posixpath
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pyarrow as pa

from pools.compute.errors import StatementError
from pools.compute.loads.claims import Table, shards_of
from pools.compute.loads.renewal import repeated
from pools.compute.operations.files import Files, ParquetFile, exists_already, folder_of
from pools.compute.operations.rows import State, read_shard, schema_of, sources
from pools.compute.operations.work import Work, all_of
from virtualization.errors import DefinitionError

FORMAT = 1
MANIFEST = "manifest.json"
KIND = "OpenBDC data pool backup"
SOURCE = "hdfs"

FILE_BYTES = 512 << 20
STREAMS = 2
"""Shards read at once."""

HOLD_SECONDS = 300
RENEW_SECONDS = 60.0


def files_of(work: Work) -> Files:
    """The cluster's HDFS, as who asked; 55000 where there is none."""
    try:
        return Files(work.catalog.source(SOURCE), work.who.user)
    except DefinitionError:
        raise StatementError(
            "55000", f'this database has no data source "{SOURCE}", so there is nowhere to write', hint="See spec.pools.storage."
        ) from None


async def backup(work: Work) -> None:
    """request: ``{"folder", "tables"?: names as in SQL}``."""
    files = files_of(work)
    parent, name = folder_of(str(work.request["folder"]))
    async with written_aside(files, parent, name, work.id) as aside:
        state = State.read(await work.ledger.data_set(work.who.user, work.request.get("tables"), "SELECT"))
        work.progress = {"tables": len(state.tables), "done": 0, "rows": 0, "bytes": 0, "snapshot": state.snapshot}
        async with held(work, state):
            described = [await _table(work, files, state, table, posixpath.join(aside, table["id"])) for table in state.tables]
        manifest = {
            "kind": KIND,
            "format": FORMAT,
            "database": state.database,
            "identity": state.identity,
            "snapshot": state.snapshot,
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "rows": sum(table["rows"] for table in described),
            "tables": described,
        }
        await asyncio.to_thread(files.write_json, posixpath.join(aside, MANIFEST), manifest)
    work.progress["folder"] = posixpath.join(parent, name)


async def export(work: Work) -> None:
    """request: ``{"table", "path"}``: one file when the path ends with ``.parquet``, else a folder of them, one or more per shard."""
    files = files_of(work)
    parent, name = folder_of(str(work.request["path"]))
    async with written_aside(files, parent, name, work.id) as aside:
        state = State.read(await work.ledger.data_set(work.who.user, [work.request["table"]], "SELECT"))
        work.progress = {"tables": 1, "done": 0, "rows": 0, "bytes": 0, "snapshot": state.snapshot}
        (table,) = state.tables
        async with held(work, state):
            if name.endswith(".parquet"):
                await asyncio.to_thread(_one_file, work, files, state, table, aside)
            else:
                await _table(work, files, state, table, aside)
    work.progress["path"] = posixpath.join(parent, name)


@contextlib.asynccontextmanager
async def written_aside(files: Files, parent: str, name: str, operation: str) -> AsyncIterator[str]:
    """The hidden path to write; it gets the wanted name at the end of the block, or is removed when that raises. 58P02 when the wanted
    one exists."""
    target, aside = posixpath.join(parent, name), posixpath.join(parent, f"._PART_{operation}_{name}")
    if await asyncio.to_thread(files.exists, target):
        raise exists_already(target)
    await asyncio.to_thread(files.make_folder, parent)
    await asyncio.to_thread(files.remove, aside)  # of a try that was killed
    try:
        yield aside
        await asyncio.to_thread(files.rename, aside, target)
    except BaseException:
        with contextlib.suppress(Exception):  # what was wrong is told; a hidden rest does no harm
            await asyncio.to_thread(files.remove, aside)
        raise


@contextlib.asynccontextmanager
async def held(work: Work, state: State) -> AsyncIterator[None]:
    """Inside the block the shards keep what is visible at the state's snapshot; a shard that forgets it (killed) answers 72000."""
    shards = shards_of(state.tables)

    async def hold(seconds: int = HOLD_SECONDS) -> None:
        body = {"hold": work.id, "snapshot": state.snapshot, "seconds": seconds}
        act = work.coordinator.shards.act
        await asyncio.gather(*(act(shard, state.identity, "hold", body) for shard in shards.values()))

    await hold()
    try:
        async with repeated(RENEW_SECONDS, hold):
            yield
    finally:
        with contextlib.suppress(StatementError):  # it ends by itself, too
            await hold(0)


async def _table(work: Work, files: Files, state: State, table: Table, folder: str) -> dict[str, Any]:
    """Its files written; its entry of the manifest."""
    await asyncio.to_thread(files.make_folder, folder)
    places = asyncio.Semaphore(STREAMS)

    async def one(shard: Mapping[str, Any]) -> list[dict[str, Any]]:
        async with places:
            return await asyncio.to_thread(_shard_files, work, files, (state, table, shard), folder)

    written = [file for found in await all_of([one(shard) for shard in sources(table)], work.stop) for file in found]
    work.progress["done"] += 1
    return {
        "id": table["id"],
        "name": table["relation"],
        "columns": [{key: column[key] for key in ("name", "type", "nullable", "default") if key in column} for column in table["columns"]],
        "distribution": table["distribution"],
        "primary_key": table["key"],
        "shards": table["shards"],
        "grants": table["grants"],
        "rows": sum(file["rows"] for file in written),
        "files": written,
    }


def _shard_files(work: Work, files: Files, of: tuple[State, Table, Mapping[str, Any]], folder: str) -> list[dict[str, Any]]:
    """One table of one shard; at least one file, so that the folder tells the columns."""
    state, table, shard = of
    batches = read_shard(work.coordinator.shards, state, table, shard, work.stop)
    written: list[dict[str, Any]] = []
    for number in itertools.count():
        name = f"{shard['number']}-{number}.parquet"
        file, more = _file(work, files, posixpath.join(folder, name), schema_of(table), batches)
        path = posixpath.join(posixpath.basename(folder), name)
        written.append({"path": path, "shard": shard["number"], "rows": file.rows, "bytes": file.sink.size, "sha256": file.sink.sha256})
        if not more:
            return written
    raise AssertionError


def _one_file(work: Work, files: Files, state: State, table: Table, path: str) -> None:
    shards = work.coordinator.shards
    batches = itertools.chain.from_iterable(read_shard(shards, state, table, shard, work.stop) for shard in sources(table))
    _file(work, files, path, schema_of(table), batches, None)
    work.progress["done"] += 1


def _file(
    work: Work, files: Files, path: str, schema: pa.Schema, batches: Iterator[pa.RecordBatch], most: int | None = FILE_BYTES
) -> tuple[ParquetFile, bool]:
    """One file of at most so many bytes (None: any number), and whether there may be more rows."""
    file, before = ParquetFile(files, path, schema), 0
    for batch in batches:
        file.write(batch)
        work.add(batch.num_rows, file.sink.size - before)
        before = file.sink.size
        if most is not None and file.sink.size >= most:
            file.close()
            return file, True
    file.close()
    work.add(0, file.sink.size - before)
    return file, False
