"""SQL on the master: connecting, streaming results as text (the CLI) or as Python values and Arrow (the SDK).

The only module of the SDK that imports psycopg (0.17 s of CPU): import it where SQL is really run.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import generators, pq
from psycopg.abc import PQGen
from psycopg.pq.abc import PGresult

from bdc.contexts import SqlKeys
from bdc.errors import AuthenticationError, BdcError, ForbiddenError, InternalError, ServiceError, SqlError, UnreachableError

Row = list[str | None]
CHUNK_ROWS = 2000
"""Rows that libpq hands over at once; with wide rows of 1 KB this is 2 MB."""

INSUFFICIENT_PRIVILEGE = "42501"
SOURCE_FAILED = ("HV000", "HV001", "HV00L", "HV00M", "HV00N")
"""Of the foreign-data class (HV), those that say that a source failed; the others name something that is not there or is wrong
(HV00R: table or file, HV00Q: schema, HV005: column), which the user can change."""

CANCEL_SECONDS = 5.0
"""How long a cancel may take to reach the server; after it the connection is given up."""
SCRAM_KEYS_LIBPQ = 180000


@dataclass(frozen=True)
class Address:
    """Where to log in and as whom. ``password`` before ``keys``; with neither, libpq looks into PGPASSWORD and ~/.pgpass."""

    host: str
    port: int
    user: str
    database: str = "postgres"
    password: str | None = field(default=None, repr=False)
    keys: SqlKeys | None = field(default=None, repr=False)
    root: str | None = None
    """What the server's certificate is verified with: a file, or ``system``; None: the cluster speaks no TLS."""


@dataclass(frozen=True)
class Column:
    """Name and PostgreSQL type (OID) of a result column."""

    name: str
    oid: int


@dataclass(frozen=True)
class TextResult:
    """One statement's result: its columns and a stream of rows as PostgreSQL wrote them (``None`` is NULL).

    ``columns`` is empty for statements without rows. ``tag`` (``INSERT 0 3``) is there once the rows are read.
    """

    columns: tuple[Column, ...]
    rows: Iterator[Row]
    tags: list[str]

    @property
    def tag(self) -> str:
        """The command tag; empty while rows are left."""
        return self.tags[0] if self.tags else ""


def can_keep_keys() -> bool:
    """Whether this libpq takes SCRAM keys in place of a password (18 and later)."""
    return pq.version() >= SCRAM_KEYS_LIBPQ


def connect(address: Address, *, timeout: int = 10) -> psycopg.Connection[tuple[Any, ...]]:
    """An autocommit connection; AuthenticationError, UnreachableError, SqlError."""
    options: dict[str, object] = {
        "host": address.host, "port": address.port, "user": address.user, "dbname": address.database,
        "connect_timeout": timeout, "application_name": "bdc", "client_encoding": "UTF8",
    }  # fmt: skip
    if address.root is not None:
        options |= {"sslmode": "verify-full", "sslrootcert": address.root}
    if address.password is not None:
        options["password"] = address.password
    elif address.keys is not None and can_keep_keys():
        options["scram_client_key"] = address.keys.client_key
        options["scram_server_key"] = address.keys.server_key
    try:
        return psycopg.connect(autocommit=True, **options)  # type: ignore[arg-type]
    except psycopg.Error as error:
        raise _connect_error(error, address) from None  # the original's text may hold the conninfo


def _connect_error(error: psycopg.Error, address: Address) -> BdcError:
    where = f"{address.host}:{address.port}/{address.database}"
    text = " ".join(str(error).split()) or type(error).__name__
    text = text.rpartition(" failed: ")[2].partition(" Is the server running")[0]  # libpq repeats the address, and asks
    if "certificate" in text or "SSL" in text:
        return ServiceError("the master's certificate is not trusted", where=where, why=text, hint="'bdc login' again", code="untrusted")
    if "no password supplied" in text:
        return AuthenticationError(
            f"the master needs the password of {address.user!r}", where=where,
            hint="run 'bdc login', or set BDC_PASSWORD, PGPASSWORD or ~/.pgpass", code="password_needed",
        )  # fmt: skip
    if "authentication failed" in text or "SCRAM" in text:
        return AuthenticationError(
            f"the master refused {address.user!r}",
            where=where,
            why="name and password don't fit",
            hint="run 'bdc login' again",
            code="28P01",
        )
    if "does not exist" in text and "database" in text:
        return SqlError(f"there is no database {address.database!r}", where=where, hint="bdc sql query 'SELECT datname FROM pg_database'")
    if "FATAL" in text:
        return ServiceError("the master refused the connection", where=where, why=text.partition("FATAL:")[2].strip(), hint="bdc status")
    return UnreachableError("the master does not answer", where=where, why=text, hint="'bdc status' says how it is")


def translate(error: psycopg.Error) -> BdcError:
    """PostgreSQL's error as one of ours: by SQLSTATE class, with its detail and hint."""
    state = error.sqlstate or ""
    if error.diag.message_primary is None:
        return UnreachableError("the connection to the master broke", why=str(error).strip() or None, hint="'bdc status' says how it is")
    details: dict[str, str | None] = {"why": error.diag.message_detail, "hint": error.diag.message_hint, "code": state}
    if error.diag.statement_position:
        details["where"] = f"character {error.diag.statement_position} of the statement"
    return _kind(state)(error.diag.message_primary, **details)


def _kind(state: str) -> type[BdcError]:
    if state == INSUFFICIENT_PRIVILEGE:
        return ForbiddenError
    # connection, resources, operator intervention, system; 57014 is a cancel or a timeout of the statement
    if state in SOURCE_FAILED or (state != "57014" and state[:2] in ("08", "53", "57", "58")):
        return ServiceError
    if state[:2] == "28":
        return AuthenticationError
    return InternalError if state[:2] == "XX" else SqlError


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turns psycopg's errors into ours."""
    try:
        yield
    except psycopg.Error as error:
        raise translate(error) from error


def stream_text(connection: psycopg.Connection[Any], text: str) -> Iterator[TextResult]:
    """Run ``text`` (one or more statements, no parameters) and yield each statement's result as it comes.

    Rows are held one chunk at a time, in PostgreSQL's own text form, so numerics stay exact. Read a result's rows before you ask for
    the next one. Ctrl-C cancels in the server.
    """
    try:
        with translated():
            connection.wait(_start(connection, text))
            while (result := _next(connection)) is not None:
                if result.status in (pq.ExecStatus.TUPLES_CHUNK, pq.ExecStatus.TUPLES_OK):
                    tags: list[str] = []
                    rows = _rows(connection, result, tags)
                    yield TextResult(_columns(result), rows, tags)
                    for _ in rows:  # the caller may have stopped early
                        pass
                else:
                    yield TextResult((), iter(()), [_tag(result)])
    finally:
        _abandon(connection)


def _abandon(connection: psycopg.Connection[Any]) -> None:
    """What was left unread (Ctrl-C, a reader that went away) is cancelled in the server and read off: the connection can go on."""
    if not connection.closed and connection.pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
        with contextlib.suppress(psycopg.Error):
            connection.cancel_safe(timeout=CANCEL_SECONDS)
            _drain(connection)


def _start(connection: psycopg.Connection[Any], text: str) -> PQGen[None]:
    pgconn = connection.pgconn
    pgconn.send_query(text.encode())
    pgconn.set_chunked_rows_mode(CHUNK_ROWS)
    yield from generators.send(pgconn)


def _next(connection: psycopg.Connection[Any]) -> PGresult | None:
    result: PGresult | None = connection.wait(generators.fetch(connection.pgconn))
    if result is None:
        return None
    if result.status == pq.ExecStatus.FATAL_ERROR:
        _drain(connection)
        raise psycopg.errors.error_from_result(result, encoding="utf-8")
    if result.status in (pq.ExecStatus.COPY_IN, pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_BOTH):
        connection.close()
        raise SqlError("COPY from or to the client is not supported here", hint="use psql for COPY, or 'bdc hdfs cp' for files")
    return result


def _drain(connection: psycopg.Connection[Any]) -> None:
    while connection.wait(generators.fetch(connection.pgconn)) is not None:
        pass


def _rows(connection: psycopg.Connection[Any], result: PGresult | None, tags: list[str]) -> Generator[Row, None, None]:
    with translated():
        while result is not None:
            width = result.nfields
            for number in range(result.ntuples):
                yield [_decode(result.get_value(number, column)) for column in range(width)]
            if result.status != pq.ExecStatus.TUPLES_CHUNK:
                tags.append(_tag(result))
                return
            result = _next(connection)


def _decode(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "replace")


def _columns(result: PGresult) -> tuple[Column, ...]:
    return tuple(Column((result.fname(number) or b"?").decode(), result.ftype(number)) for number in range(result.nfields))


def _tag(result: PGresult) -> str:
    return (result.command_status or b"").decode()


def password_from_environment() -> str | None:
    """``BDC_PASSWORD``, or ``AZDATA_PASSWORD`` for scripts of the original."""
    return os.environ.get("BDC_PASSWORD") or os.environ.get("AZDATA_PASSWORD") or None
