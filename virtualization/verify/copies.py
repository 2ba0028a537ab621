"""The local copy: temporary tables on the scratch PostgreSQL, in one session that ends with the run. It answers every statement's very
text by PostgreSQL itself, past our parser, binder and planner: what it says is right."""

from __future__ import annotations

from types import TracebackType

import psycopg
import pyarrow as pa
from psycopg.pq import ExecStatus

from virtualization.encoding import copy_rows
from virtualization.encoding.binary import has_binary
from virtualization.encoding.rows import COPY_HEADER, COPY_TRAILER
from virtualization.errors import InternalError
from virtualization.plan import OutputColumn
from virtualization.types import pg_type_by_oid, pg_type_of
from virtualization.verify.answers import TOO_MANY, TOO_SLOW, Answer, Refusal
from virtualization.verify.kinds import JOINED, Kind, kind_of, literal
from virtualization.verify.sides import MOST_ROWS
from virtualization.verify.tables import TableColumn, quoted

CONSTANTS = 6
"""Values of a column that statements compare with, beside the smallest and the largest."""
SETTINGS = ("timezone = 'UTC'", "jit = off", "max_parallel_workers_per_gather = 0", "extra_float_digits = 1", "datestyle = 'ISO'")


class Copies:
    """``dsn``: of a PostgreSQL in which temporary tables may be made. A side: ``ask``; ``name`` is what reports say."""

    name = "PostgreSQL over a local copy"

    def __init__(self, dsn: str, seconds: float = 30.0) -> None:
        try:
            self._connection = psycopg.connect(dsn, autocommit=True, application_name="bdc verify")
        except psycopg.OperationalError as error:
            raise InternalError("the scratch PostgreSQL can't be reached", hint="Its address is scratch_dsn.") from error
        for setting in SETTINGS:
            self._connection.execute(f"SET {setting}".encode())
        self._seconds = seconds
        self.zone = self._told_zone = "UTC"

    def __enter__(self) -> Copies:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """The copy is gone with the session."""
        self._connection.close()

    def add(self, name: str, rows: pa.Table) -> tuple[TableColumn, ...]:
        """Make table ``name``; what the generator should know of its columns."""
        types = [pg_type_of(field) for field in rows.schema]
        casts = [not has_binary(of) for of in types]
        table = quoted(name if not any(casts) else f"{name} (rows)")
        definitions = ", ".join(
            f"{quoted(field.name)} {'text' if cast else of.text}" for field, of, cast in zip(rows.schema, types, casts, strict=True)
        )
        self._execute(f"CREATE TEMP TABLE {table} ({definitions})")
        with self._connection.cursor().copy(f"COPY pg_temp.{table} FROM STDIN (FORMAT binary)".encode()) as copy:
            copy.write(COPY_HEADER)
            for batch in rows.to_batches():
                copy.write(bytes(copy_rows(batch, types)))
            copy.write(COPY_TRAILER)
        if any(casts):
            items = ", ".join(f"{quoted(field.name)}::{of.text}" for field, of in zip(rows.schema, types, strict=True))
            self._execute(f"CREATE TEMP TABLE {quoted(name)} AS SELECT {items} FROM pg_temp.{table}")
        self._execute(f"ANALYZE pg_temp.{quoted(name)}")
        return tuple(self._column(name, field.name, of.text) for field, of in zip(rows.schema, types, strict=True))

    def finish(self) -> None:
        """No more tables: from now on only questions, each within the time limit."""
        self._execute(f"SET statement_timeout = {int(self._seconds * 1000)}")
        self._execute("SET default_transaction_read_only = on")

    def ask(self, sql: str) -> Answer | Refusal:
        """PostgreSQL's own answer."""
        if self.zone != self._told_zone:
            self._execute(f"SET timezone = '{self.zone}'")
            self._told_zone = self.zone
        result = self._connection.pgconn.exec_params(sql.encode(), None)
        if result.status != ExecStatus.TUPLES_OK:
            code = (result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) or b"XX000").decode()
            message = (result.error_message or b"").decode().strip()
            return Refusal(TOO_SLOW if code == "57014" else code, message)
        if result.ntuples > MOST_ROWS:
            return Refusal(TOO_MANY, f"more than {MOST_ROWS:,} rows")
        names = [(result.fname(at) or b"").decode() for at in range(result.nfields)]
        types = [pg_type_by_oid(result.ftype(at), result.fmod(at)).text for at in range(result.nfields)]
        values = [[_text(result.get_value(row, at)) for at in range(result.nfields)] for row in range(result.ntuples)]
        return Answer(tuple(OutputColumn(name, of) for name, of in zip(names, types, strict=True)), [tuple(row) for row in values])

    def explain(self, sql: str) -> str:
        """Nothing that a report needs."""
        return self.name

    def _execute(self, sql: str) -> None:
        self._connection.execute(sql.encode())

    def _column(self, table: str, name: str, of: str) -> TableColumn:
        kind = kind_of(of)
        if kind is Kind.OTHER:
            return TableColumn(name, of)
        column = quoted(name)
        distinct = f"SELECT DISTINCT {column} AS v FROM pg_temp.{quoted(table)} WHERE {column} IS NOT NULL"
        picked = f"(SELECT v::text FROM ({distinct}) q ORDER BY md5(v::text), v LIMIT {CONSTANTS})"
        ends = (
            "" if kind is Kind.BOOLEAN else f" UNION SELECT min(v)::text FROM ({distinct}) q UNION SELECT max(v)::text FROM ({distinct}) q"
        )
        constants = sorted(value for value in self._values(picked + ends) if len(value) <= 200)
        values = self._values(f"SELECT v::text FROM ({distinct}) q") if kind in JOINED else []
        key = kind is not Kind.NUMERIC or len(self._values(f"SELECT DISTINCT scale(v)::text FROM ({distinct}) q")) <= 1
        return TableColumn(name, of, tuple(literal(value, kind, of) for value in constants), frozenset(values), key)

    def _values(self, sql: str) -> list[str]:
        return [row[0] for row in self._connection.execute(sql.encode()).fetchall() if row[0] is not None]


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()
