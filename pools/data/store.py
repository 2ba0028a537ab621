"""The shard's DuckDB file: opened once, its meta tables, cursors and transactions, free disk space.

Rows of user tables lie in schemas ``db_…``; what the shard knows of them in schema ``meta``, changed in the same transactions.
"""

from __future__ import annotations

import os
import pathlib
import threading
import uuid
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager, suppress
from typing import Any

import duckdb
import structlog

from pools.data.errors import ShardError
from pools.data.holds import Holds
from pools.data.ledger import Generation, Ledger, Segment, TableKey
from pools.data.memory import Memory
from pools.data.settings import Limits
from pools.data.tables import TableSpec, physical_table, quoted, schema_name

log = structlog.get_logger()

FORMAT = 1
"""Of the meta tables."""

FILE = "shard.duckdb"
SEGMENT_BLOCK = 4096
"""Segment numbers are taken from the file in blocks, so that none is used twice whatever dies."""

OWN_COLUMNS = {"seg": "UINTEGER", "dead": "UINTEGER"}

_META = f"""
CREATE SCHEMA IF NOT EXISTS meta;
CREATE TABLE meta.shard AS SELECT ?::VARCHAR AS shard, {FORMAT}::INTEGER AS format, 1::UINTEGER AS next_segment;
CREATE TABLE meta.segments (
    seg UINTEGER NOT NULL, db VARCHAR NOT NULL, load VARCHAR NOT NULL, table_id VARCHAR NOT NULL, generation BIGINT NOT NULL,
    mode VARCHAR NOT NULL, partition BIGINT NOT NULL, attempt BIGINT NOT NULL, savepoint BIGINT NOT NULL, state VARCHAR NOT NULL,
    version BIGINT NOT NULL, rows BIGINT NOT NULL, bytes BIGINT NOT NULL, ended BIGINT NOT NULL, marks BOOLEAN NOT NULL,
    created DOUBLE NOT NULL, published DOUBLE NOT NULL);
CREATE TABLE meta.generations (
    db VARCHAR NOT NULL, table_id VARCHAR NOT NULL, generation BIGINT NOT NULL, load VARCHAR NOT NULL, state VARCHAR NOT NULL,
    version BIGINT NOT NULL, since DOUBLE NOT NULL);
CREATE TABLE meta.horizons (db VARCHAR NOT NULL, table_id VARCHAR NOT NULL, horizon BIGINT NOT NULL);
"""

_MARKS = "CREATE TABLE IF NOT EXISTS meta.marks (mark BIGINT NOT NULL)"
"""One row per seal and publication since the last start; files of before have no such table."""

_SEGMENT_FIELDS = (
    *("number", "db", "load", "table", "generation", "mode", "partition", "attempt", "savepoint", "state"),
    *("version", "rows", "bytes", "ended", "marks", "created", "published"),
)


class Store:
    """The open file with its ledger. Raises duckdb.IOException when another process has it open."""

    def __init__(self, folder: pathlib.Path, limits: Limits) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.limits = limits
        self.ledger = Ledger()
        self.holds = Holds()
        self.memory = Memory(limits.memory_mb << 20)
        self._root = duckdb.connect(str(folder / FILE), config=self._config())
        self._root.execute("SET GLOBAL TimeZone = 'UTC'")
        self.memory.shrink = self._drop_cache
        self._numbers = threading.Lock()
        self._making = threading.Lock()
        self._next_segment = self._block_end = 0
        self.mark = self._last_mark = 0
        """How often the state of a load has changed here for good, as the file says: an older copy of it says less."""

        self.shard = self._open_meta()
        self._open_marks()
        self._read_ledger()

    def _config(self) -> dict[str, Any]:
        return {
            "memory_limit": f"{self.memory.engine}B",
            "threads": self.limits.threads,
            # a row group is packed and written when it is full, while its stream goes on; with DuckDB's 5, COMMIT does most of a small
            # stream's work, one stream of a load after the other
            "write_buffer_row_group_count": 1,
            "temp_directory": str(self.folder / "spill"),
            "default_null_order": "nulls_last_on_asc_first_on_desc",  # PostgreSQL's
            "allow_unsigned_extensions": False,
            "allow_community_extensions": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }

    def _drop_cache(self) -> None:
        """DuckDB frees cached blocks when its limit is lowered; what it can't free it keeps."""
        with self.cursor() as cursor:
            for limit in (self.memory.engine // 2, self.memory.engine):
                with suppress(duckdb.OutOfMemoryException):
                    cursor.execute(f"SET GLOBAL memory_limit = '{limit}B'")

    def close(self) -> None:
        """Checkpoint, so that the next start has nothing to replay, and close."""
        try:
            self._root.execute("CHECKPOINT")
        except duckdb.Error as error:  # a stream or a round of compaction has not ended in time: the write-ahead log holds what is needed
            log.warning("ended without a checkpoint: the next start replays the log", why=str(error).splitlines()[0])
        try:
            self._root.close()
        except duckdb.Error as error:  # a round of compaction is in the middle of a call: the end of the process closes the file
            log.warning("the file is left open", why=str(error).splitlines()[0])

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A session of its own."""
        cursor = self._root.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A session in a transaction: committed at the end of the block, rolled back when it raises."""
        with self.cursor() as cursor:
            cursor.execute("BEGIN TRANSACTION")
            try:
                yield cursor
                cursor.execute("COMMIT")
            except BaseException:
                rollback(cursor)
                raise

    def next_segment(self) -> int:
        """A segment number never used before."""
        with self._numbers:
            if self._next_segment >= self._block_end:
                self._block_end = self._next_segment + SEGMENT_BLOCK
                with self.transaction() as cursor:
                    cursor.execute("UPDATE meta.shard SET next_segment = ?", [self._block_end])
            self._next_segment += 1
            return self._next_segment - 1

    @contextmanager
    def marked(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A transaction after which the file can be told from any older copy of it."""
        with self._numbers:
            self._last_mark += 1
            mark = self._last_mark
        with self.transaction() as cursor:
            yield cursor
            cursor.execute("INSERT INTO meta.marks VALUES (?)", [mark])
        with self._numbers:
            self.mark = max(self.mark, mark)

    def free_bytes(self) -> int:
        """Of the disk, as far as this process may use it."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def check_disk(self, announced: int = 0) -> None:
        """53100 when less than the reserve would be left."""
        free, reserve = self.free_bytes(), self.limits.reserve_mb << 20
        if free < reserve + announced:
            raise ShardError(
                "53100",
                "the shard's disk is nearly full",
                detail=f"{free >> 20} MiB are free, {reserve >> 20} MiB are kept in reserve, {announced >> 20} MiB are wanted.",
                hint="Free disk space, drop tables, or compact them: bdc data compact.",
            )

    def file_bytes(self) -> int:
        """The file and its write-ahead log."""
        return sum(path.stat().st_size for path in self.folder.glob(FILE + "*"))

    def ensure_generation(self, table: TableSpec, number: int, load: str, prose: Set[str] = frozenset()) -> Generation:
        """The physical table with every column of the ticket, made or widened when needed. ``load``: the overwriting one, or empty;
        ``prose``: columns that are packed by Zstandard if the table is made now (docs/decisions/2026-11-21-put-path.md)."""
        state = self.ledger.table((table.db, table.id))
        wanted = {column.physical: column.duckdb for column in table.columns}
        with self.ledger.lock:
            state.order = tuple(column.physical for column in table.key_columns) or state.order
        with state.making:  # a new physical table disturbs no stream
            found = state.generations.get(number)
            if found is None:
                return self._make(table, number, load, prose)

        def fits() -> bool:
            return all(_holds(found.columns.get(name), type_) for name, type_ in wanted.items())

        if not fits():
            with state.schema.exclusive(unless=fits) as mine:
                if mine:
                    return self._widen(table, found, wanted)
        return found

    def _make(self, table: TableSpec, number: int, load: str, prose: Set[str]) -> Generation:
        state = self.ledger.table((table.db, table.id))
        made = Generation(number, load, "open" if load else "published")
        if not load and state.generations:
            raise ShardError("55000", "the shard does not know this generation of the table", hint="Begin the load again.")
        made.columns = {column.physical: column.duckdb for column in table.columns}
        packed = {name: type_ + (" USING COMPRESSION zstd" if name in prose else "") for name, type_ in made.columns.items()}
        columns = ", ".join(f"{name} {type_}" for name, type_ in (packed | OWN_COLUMNS).items())
        with self._making, self.transaction() as cursor:  # DuckDB refuses one of two that make a database's schema at once
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema_name(table.db))}")
            cursor.execute(f"CREATE TABLE {table.physical(number)} ({columns})")
            values = [table.db, table.id, number, load, made.state, 0, 0.0]
            cursor.execute("INSERT INTO meta.generations VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        with self.ledger.lock:
            state.generations[number] = made
        return made

    def _widen(self, table: TableSpec, found: Generation, wanted: dict[str, str]) -> Generation:
        added = [column for column in table.columns if column.physical not in found.columns]
        wider = [column for column in table.columns if not _holds(found.columns.get(column.physical, column.duckdb), column.duckdb)]
        with self.transaction() as cursor:
            for column in added:
                missing = f" DEFAULT (CAST({column.missing} AS {column.duckdb}))" if column.missing else ""
                cursor.execute(f"ALTER TABLE {table.physical(found.number)} ADD COLUMN {column.physical} {column.duckdb}{missing}")
            for column in wider:
                cursor.execute(f"ALTER TABLE {table.physical(found.number)} ALTER COLUMN {column.physical} TYPE {column.duckdb}")
        with self.ledger.lock:
            changed = {column.physical for column in (*added, *wider)}
            found.columns |= {name: type_ for name, type_ in wanted.items() if name in changed}
        return found

    def _open_meta(self) -> str:
        known = self._root.execute("SELECT 1 FROM duckdb_tables() WHERE schema_name = 'meta' AND table_name = 'shard'").fetchone()
        if known is None:
            with self.transaction() as cursor:
                create, *others = (text for text in _META.split(";\n") if text.strip())
                cursor.execute(create)
                cursor.execute(others[0], [str(uuid.uuid4())])
                for text in others[1:]:
                    cursor.execute(text)
        row = self._root.execute("SELECT shard, format, next_segment FROM meta.shard").fetchone()
        assert row is not None
        if row[1] != FORMAT:
            raise ShardError("0A000", f"the shard's file has format {row[1]}, this version reads {FORMAT}")
        self._next_segment = self._block_end = row[2]
        return str(row[0])

    def _open_marks(self) -> None:
        with self.transaction() as cursor:
            cursor.execute(_MARKS)
            row = cursor.execute("SELECT coalesce(max(mark), 0) FROM meta.marks").fetchone()
            assert row is not None
            self.mark = self._last_mark = int(row[0])
            cursor.execute("DELETE FROM meta.marks WHERE mark < ?", [self.mark])

    def _read_ledger(self) -> None:
        ledger = self.ledger
        columns = physical_columns(self._root)
        for db, table, number, *rest in self._root.execute("SELECT * FROM meta.generations").fetchall():
            load, state, version, since = rest
            found = columns.get(physical_table(db, table, number), {})
            ledger.table((db, table)).generations[number] = Generation(number, load, state, version, found, since)
        for db, table, horizon in self._root.execute("SELECT * FROM meta.horizons").fetchall():
            ledger.table((db, table)).horizon = horizon
        for row in self._root.execute("SELECT * FROM meta.segments").fetchall():
            ledger.enter(Segment(**dict(zip(_SEGMENT_FIELDS, row, strict=True))))


def _holds(present: str | None, wanted: str) -> bool:
    """Is the physical type as wide as the wanted one? A ticket from before a change asks for less than there is."""
    return present is not None and (present == wanted or (present, wanted) in _WIDER or _decimal(present) >= _decimal(wanted) > (0, 0))


_WIDER = frozenset(
    {
        *(("BIGINT", one) for one in ("INTEGER", "SMALLINT")),
        ("INTEGER", "SMALLINT"),
        ("DOUBLE", "FLOAT"),
    }
)


def _decimal(type_: str) -> tuple[int, int]:
    """Digits before and after the point; zeros for another type."""
    if not type_.startswith("DECIMAL("):
        return (0, 0)
    precision, scale = (int(part) for part in type_.removeprefix("DECIMAL(").removesuffix(")").split(","))
    return precision - scale, scale


def physical_columns(cursor: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """Columns and types of every physical table, by its qualified name, without the shard's own columns."""
    found: dict[str, dict[str, str]] = {}
    rows = cursor.execute(
        "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() WHERE schema_name LIKE 'db\\_%' ESCAPE '\\' "
        "ORDER BY column_index"
    ).fetchall()
    for schema, table, column, type_ in rows:
        if column not in OWN_COLUMNS:
            found.setdefault(f"{quoted(schema)}.{quoted(table)}", {})[column] = type_
    return found


def pin(cursor: duckdb.DuckDBPyConnection) -> None:
    """Take the transaction's snapshot now: DuckDB takes it at the first look into the file."""
    cursor.execute("SELECT shard FROM meta.shard LIMIT 0")


def rollback(cursor: duckdb.DuckDBPyConnection) -> None:
    """Roll back; nothing to do when the transaction has ended with the error already."""
    try:
        cursor.execute("ROLLBACK")
    except duckdb.TransactionException as error:
        if "no transaction is active" not in str(error):
            raise


def record(cursor: duckdb.DuckDBPyConnection, segment: Segment) -> None:
    """Write a new segment's row."""
    values = [getattr(segment, name) for name in _SEGMENT_FIELDS]
    cursor.execute(f"INSERT INTO meta.segments VALUES ({', '.join('?' * len(values))})", values)


def update(cursor: duckdb.DuckDBPyConnection, numbers: Sequence[int], **values: object) -> None:
    """Change the rows of segments."""
    if numbers:
        sets = ", ".join(f"{name} = ?" for name in values)
        cursor.execute(f"UPDATE meta.segments SET {sets} WHERE seg IN ({_list(numbers)})", list(values.values()))


def delete(cursor: duckdb.DuckDBPyConnection, numbers: Sequence[int]) -> None:
    """Take segments' rows out of the meta table."""
    if numbers:
        cursor.execute(f"DELETE FROM meta.segments WHERE seg IN ({_list(numbers)})")


def set_horizon(cursor: duckdb.DuckDBPyConnection, key: TableKey, horizon: int) -> None:
    """Note the oldest snapshot that the table can still answer."""
    cursor.execute("DELETE FROM meta.horizons WHERE db = ? AND table_id = ?", list(key))
    cursor.execute("INSERT INTO meta.horizons VALUES (?, ?, ?)", [*key, horizon])


def _list(numbers: Sequence[int]) -> str:
    return ", ".join(str(int(number)) for number in numbers)
