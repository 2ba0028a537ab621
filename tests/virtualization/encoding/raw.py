"""What a real PostgreSQL sends: the raw protocol, spoken just enough to keep DataRow messages byte for byte."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import psycopg
import pyarrow as pa
from psycopg import pq, sql

from tests.services.postgresql import PostgresqlServer
from virtualization.encoding import COPY_HEADER, COPY_TRAILER, copy_rows
from virtualization.types import PgType, pg_type_of


def loaded(server: PostgresqlServer, batch: pa.RecordBatch) -> LoadedTable:
    """``batch`` in a temporary table, by COPY BINARY with our own encoder."""
    connection = server.connect()
    types = [pg_type_of(field) for field in batch.schema]
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(field.name), sql.SQL(of.text)) for field, of in zip(batch.schema, types, strict=True)
    )
    connection.execute(sql.SQL("CREATE TEMP TABLE given (row_number serial, {})").format(columns))
    try:
        _copy(connection, batch, types)
    except BaseException:
        connection.close()
        raise
    return LoadedTable(connection, [field.name for field in batch.schema])


def _copy(connection: psycopg.Connection[tuple[object, ...]], batch: pa.RecordBatch, types: Sequence[PgType]) -> None:
    names = sql.SQL(", ").join(sql.Identifier(field.name) for field in batch.schema)
    with connection.cursor().copy(sql.SQL("COPY given ({}) FROM STDIN (FORMAT binary)").format(names)) as copy:
        copy.write(COPY_HEADER)
        copy.write(bytes(copy_rows(batch, types)))
        copy.write(COPY_TRAILER)


class LoadedTable:
    """The table on its connection."""

    def __init__(self, connection: psycopg.Connection[tuple[object, ...]], names: Sequence[str]) -> None:
        self._connection, self._pgconn, self._names = connection, connection.pgconn, names

    def __enter__(self) -> LoadedTable:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def execute(self, text: str) -> None:
        result = self._pgconn.exec_(text.encode())
        assert result.status in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK), result.error_message

    def data_rows(self, binary: bool) -> bytes:
        """The DataRow messages of all rows in one format."""
        names = ", ".join(f'"{name}"' for name in self._names)
        query = f"SELECT {names} FROM given ORDER BY row_number"
        result = self._pgconn.exec_params(query.encode(), None, result_format=pq.Format.BINARY if binary else pq.Format.TEXT)
        assert result.status == pq.ExecStatus.TUPLES_OK, result.error_message
        return data_rows([[result.get_value(row, column) for column in range(result.nfields)] for row in range(result.ntuples)])


def data_rows(rows: Sequence[Sequence[bytes | None]]) -> bytes:
    """DataRow messages built one by one, as the protocol's documentation says."""
    out = []
    for row in rows:
        fields = b"".join(struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value for value in row)
        out.append(b"D" + struct.pack(">ih", 6 + len(fields), len(row)) + fields)
    return b"".join(out)
