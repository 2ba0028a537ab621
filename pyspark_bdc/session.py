"""Talking to the server: describe a statement, stream its rows as Arrow (ADBC: PostgreSQL's binary COPY, decoded in C)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import adbc_driver_manager
import adbc_driver_postgresql.dbapi as adbc
import pyarrow as pa

from pyspark_bdc.addresses import Address
from pyspark_bdc.arriving import converted
from pyspark_bdc.columns import Column, described
from pyspark_bdc.errors import ReadError, UnreachableError
from pyspark_bdc.moving import LocalTable
from pyspark_bdc.options import Options

_BATCH_OPTION = "adbc.postgresql.batch_size_hint_bytes"
_BATCH_BYTES = 4 * 1024 * 1024


def describe(options: Options) -> tuple[Column, ...]:
    """The columns of the table or query, from the server's own description; nothing is run."""
    with _session(options.address) as connection, connection.cursor() as cursor:
        schema = cursor.adbc_execute_schema(f"SELECT * FROM {options.relation}")
        return described(schema, options.unconstrained_numeric)


def statement(relation: str, columns: Sequence[Column], conditions: Sequence[str]) -> str:
    """The SELECT that a partition runs."""
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {', '.join(column.selected for column in columns)} FROM {relation}{where}"


def stream(address: Address, sql: str, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
    """The rows as they arrive, in batches of about 4 MB. ReadError where a value has no exact place in Spark."""
    with _session(address) as connection, connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{_BATCH_OPTION: str(_BATCH_BYTES)})
        cursor.execute(sql)
        finished = False
        try:
            for batch in cursor.fetch_record_batch():
                yield converted(columns, batch)
            finished = True
        finally:
            if not finished:  # Spark wanted no more, or a value could not be given: the server should not go on
                cursor.adbc_cancel()


@contextmanager
def _session(address: Address) -> Iterator[adbc.Connection]:
    try:
        connection = adbc.connect(address.conninfo(), autocommit=True)
    except adbc_driver_manager.Error as error:
        raise UnreachableError(f"can't log in as {address}: {reason(error)}") from None
    try:
        yield connection
    except (adbc_driver_manager.Error, pa.ArrowException, OSError) as error:
        raise ReadError(reason(error)) from None
    finally:
        closed(connection)


def closed(connection: adbc.Connection) -> None:
    """End a session, whatever state it is in; what it has not committed is rolled back."""
    with contextlib.suppress(adbc_driver_manager.Error, RuntimeError):  # broken already: nothing is left to free
        connection.close()


def reason(error: Exception) -> str:
    """The server's own words, without the driver's wrapping and the repeated statement."""
    text = str(error).split("\nQuery was:")[0]
    said = re.search(r"(?:ERROR|FATAL): +(.*)", text, re.DOTALL)
    words = " ".join((said[1] if said else text.removeprefix("IO: [libpq] ")).split())
    state = getattr(error, "sqlstate", None)
    return f"{words} [{state}]" if state else words


def data_table(options: Options) -> str | None:
    """The table that the options name, with its schema and quoted, if its rows lie in the data pool; else None."""
    name = "'" + options.relation.replace("'", "''") + "'"
    with _session(options.address) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('bdc.data_tables_view') IS NOT NULL")
        if cursor.fetchone() != (True,):  # a plain PostgreSQL
            return None
        cursor.execute(f"SELECT schema_name, table_name FROM bdc.data_tables_view WHERE relation = CAST({name} AS regclass)")
        found = cursor.fetchone()
    return ".".join('"' + part.replace('"', '""') + '"' for part in found) if found else None


def local_table(address: Address, table: str) -> LocalTable:
    """What the master says about a table of its own, by its quoted name. ReadError where the name is that of something else."""
    name = "'" + table.replace("'", "''") + "'"
    with _session(address) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT parse_ident({name}), current_schema()::text")
        parts, default = cursor.fetchone() or ([], None)
        cursor.execute(
            "SELECT c.oid::int8, n.nspname::text, c.relname::text, c.relkind::text FROM pg_class AS c "
            f"JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = to_regclass({name})"
        )
        found = cursor.fetchone()
        if not found:
            return LocalTable(parts[-2] if len(parts) > 1 else str(default), parts[-1], exists=False)
        if found[3] not in "rp":
            raise ReadError(f"{table} is no local table", "leave the option target away")
        cursor.execute(
            "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute "
            f"WHERE attrelid = {found[0]} AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum"
        )
        columns = tuple((str(column), str(of)) for column, of in cursor.fetchall())
        cursor.execute(
            "SELECT attname::text FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey) "
            f"WHERE indrelid = {found[0]} AND indisprimary ORDER BY array_position(indkey::int2[], attnum)"
        )
        key = tuple(str(column) for (column,) in cursor.fetchall())
    return LocalTable(found[1], found[2], exists=True, columns=columns, key=key)


def is_local(address: Address, table: str) -> bool:
    """Is there a table of that name in the master itself (not a virtual one, nor one of the data pool)?"""
    name = "'" + table.replace("'", "''") + "'"
    with _session(address) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM pg_class WHERE oid = to_regclass({name}) AND relkind IN ('r', 'p')")
        return bool(cursor.fetchone() == (1,))


def flight_address(address: Address) -> str:
    """Where the master says that loads are coordinated: ``host:port`` of a compute replica's Flight endpoint. ReadError."""
    with _session(address) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT bdc.flight_address()")
        found = cursor.fetchone()
    if not found or not found[0]:
        raise ReadError("this cluster has no data pool", "spec.pools.data.shards says how many shards there are")
    return str(found[0])
