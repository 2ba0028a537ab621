"""Writing into a local table of the master: each task copies its rows into a staging table of its own, the driver's commit moves the
winners' rows in one transaction and drops all of them.

What a killed driver leaves is called ``bdc_staging_<begun>_<load>_…``, lies beside the table, and goes with the next write into a table
of that schema once it is older than ``LEFT_HOURS``.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa

from pyspark_bdc import session
from pyspark_bdc.addresses import Address
from pyspark_bdc.errors import OptionError, UnreachableError, WriteError
from pyspark_bdc.moving import Target, moving_statements, quoted
from pyspark_bdc.targets import Field, created_columns, matched
from pyspark_bdc.write_options import WriteOptions

STAGING = "bdc_staging_"
LEFT_HOURS = 24
"""A load may take as long; what is older was left behind."""


@dataclass(frozen=True)
class Staged:
    """A task's rows, durable in a table of their own; ``table`` None: there were none."""

    table: str | None
    rows: int


@dataclass(frozen=True)
class LocalLoad:
    """One write; ``prefix`` begins the names of its staging tables. ``ignored``: the table was there, and ``ifExists`` said so."""

    address: Address
    target: Target
    prefix: str
    ignored: bool = False

    def send(self, batches: Iterator[pa.RecordBatch]) -> Staged:
        """All of one task. WriteError; then nothing of it counts."""
        first = next((batch for batch in batches if batch.num_rows), None)
        if first is None or self.ignored:
            return Staged(None, 0)
        name = f"{self.prefix}{secrets.token_hex(6)}"
        schema = pa.schema([pa.field(column.name, of) for column, of in zip(self.target.columns, first.schema.types, strict=True)])
        counted = _Counted(first, batches, schema)
        with writing(self.address) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE UNLOGGED TABLE {quoted(self.target.schema, name)} ({self.target.staging})")
            reader = pa.RecordBatchReader.from_batches(schema, iter(counted))
            cursor.adbc_ingest(name, reader, mode="append", db_schema_name=self.target.schema)
            connection.commit()
        return Staged(name, counted.rows)

    def commit(self, staged: Sequence[Staged]) -> None:
        """One transaction. An answer that got lost is found out: with the rows moved the winners' staging tables are gone. WriteError."""
        if self.ignored:
            return
        winners = [one for one in staged if one.table is not None]
        try:
            self._move(winners)
        except UnreachableError:
            if winners and not {one.table for one in winners} & set(self._left()):
                return
            self._move(winners)

    def _move(self, winners: Sequence[Staged]) -> None:
        with writing(self.address) as connection, connection.cursor() as cursor:
            for one in winners:  # an unlogged table is empty after a crash of the master
                cursor.execute(f"SELECT count(*) FROM {quoted(self.target.schema, str(one.table))}")
                found = cursor.fetchone()
                if found != (one.rows,):
                    raise WriteError(f"the master lost rows that wait to be written: {found} of {one.rows} are there", "write again")
            connection.rollback()
            for statement in moving_statements(self.target, [str(one.table) for one in winners]):
                cursor.execute(statement)
            self._drop(cursor, self._tables(cursor))
            connection.commit()

    def abort(self) -> None:
        """Nothing of it will be there, and nothing is left."""
        with writing(self.address) as connection, connection.cursor() as cursor:
            self._drop(cursor, self._tables(cursor))
            connection.commit()

    def _left(self) -> list[str]:
        with writing(self.address) as connection, connection.cursor() as cursor:
            return self._tables(cursor)

    def _tables(self, cursor: adbc.Cursor, prefix: str | None = None) -> list[str]:
        """Staging tables of this load, or all whose names begin with ``prefix``."""
        condition = f"nspname = {_text(self.target.schema)} AND starts_with(relname, {_text(prefix or self.prefix)}) AND relkind = 'r'"
        owned = "pg_has_role(relowner, 'USAGE')"
        cursor.execute(f"SELECT relname::text FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE {condition} AND {owned}")
        return [str(row[0]) for row in cursor.fetchall()]

    def _drop(self, cursor: adbc.Cursor, names: Sequence[str]) -> None:
        for name in names:
            cursor.execute(f"DROP TABLE IF EXISTS {quoted(self.target.schema, name)}")

    def sweep(self) -> list[str]:
        """Drop what writers that were killed have left in this schema; their names."""
        oldest = f"{STAGING}{int(time.time() - LEFT_HOURS * 3600):010x}"
        with writing(self.address) as connection, connection.cursor() as cursor:
            left = [name for name in self._tables(cursor, STAGING) if name < oldest]
            self._drop(cursor, left)
            connection.commit()
        return left


class _Counted:
    """Batches with the table's names, and how many rows they had."""

    def __init__(self, first: pa.RecordBatch, rest: Iterator[pa.RecordBatch], schema: pa.Schema) -> None:
        self.rows = 0
        self._first, self._rest, self._schema = first, rest, schema

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        yield self._named(self._first)
        for batch in self._rest:
            yield self._named(batch)

    def _named(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        self.rows += batch.num_rows
        return pa.RecordBatch.from_arrays(batch.columns, schema=self._schema)


def begin_local(options: WriteOptions, fields: Sequence[Field]) -> LocalLoad:
    """The driver's first step. OptionError where frame and table don't fit; UnreachableError, ReadError."""
    found = session.local_table(options.address, options.table)
    if found.exists and options.if_exists == "error":
        raise WriteError(f"table {options.table} already exists [42P07]", sqlstate="42P07")
    columns = found.columns or tuple((str(one["name"]), str(one["type"])) for one in created_columns(fields, frozenset()))
    names = matched(fields, columns, checked=options.schema_check)
    if options.mode == "upsert" and not (found.key or options.primary_key):
        raise OptionError(f"table {options.table} has no primary key to upsert by")
    target = Target.of(options, fields, names, replace(found, columns=columns))
    load = LocalLoad(
        options.address, target, f"{STAGING}{int(time.time()):010x}_{secrets.token_hex(4)}_", found.exists and options.if_exists == "ignore"
    )
    load.sweep()
    return load


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


@contextmanager
def writing(address: Address) -> Iterator[adbc.Connection]:
    """A session in a transaction, rolled back unless committed. UnreachableError when it ends early, WriteError in the server's words."""
    try:
        connection = adbc.connect(address.conninfo(read_only=False))
    except adbc_driver_manager.Error as error:
        raise UnreachableError(f"can't log in as {address}: {session.reason(error)}") from None
    try:
        yield connection
    except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
        state = getattr(error, "sqlstate", None)
        if state is None or state.startswith(("08", "57P")):
            raise UnreachableError(f"the session of {address} ended: {session.reason(error)}") from None
        raise WriteError(session.reason(error), sqlstate=state) from None
    finally:
        session.closed(connection)
