"""What a shard answers when it can't: one class, whose SQLSTATE says which kind.

ShardError
├── 08P01  the call is not as the protocol has it            ├── 42703, 42804, 22003, 22001, 22P02  the data does not fit the column
├── 28000  ticket (``pools.tickets.TicketError``)            ├── 23502, 23505, 21000  NULL, duplicate key, key twice in an upsert
├── 40001  another load changed the same rows, or the table  ├── 53100, 53200  disk, memory
├── 55000  the load is not in the state for this             ├── 57P01  the shard stops
└── 72000  snapshot too old                                  └── XX001  what is committed is not here
"""

from __future__ import annotations

import json
from typing import Any

import duckdb
import pyarrow as pa

from pools.tickets import TicketError
from virtualization.duckdb_sql.faults import fault
from virtualization.errors import InternalError

MAX_TEXT = 1500
"""Characters of a message: gRPC carries errors in a header of limited size."""


class ShardError(Exception):
    """``message`` says what was wrong; ``hint`` what to do next; none of it holds tickets."""

    def __init__(self, code: str, message: str, *, detail: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.detail = detail
        self.hint = hint

    def json(self) -> str:
        """As it travels."""
        return as_json(self.code, self.message, self.detail, self.hint)


def as_json(code: str, message: str, detail: str | None = None, hint: str | None = None) -> str:
    """One JSON object in ASCII; what is not there is left out."""
    fields = {"message": message, "detail": detail, "hint": hint}
    return json.dumps({"sqlstate": code} | {name: text[:MAX_TEXT] for name, text in fields.items() if text})


def shard_error(error: Exception) -> ShardError:
    """Any error as a ``ShardError``."""
    if isinstance(error, ShardError):
        return error
    if isinstance(error, TicketError):
        return ShardError(error.code, error.message, hint=error.hint)
    if isinstance(error, MemoryError):
        return _memory()
    text = str(error)
    first = text.splitlines()[0] if text else ""
    if isinstance(error, (duckdb.Error, OSError, pa.ArrowException)):  # DuckDB's errors while a result is read come through Arrow
        return _from_engine(text, first) or _from_statement(error, first)
    return ShardError("XX000", f"the shard failed: {type(error).__name__}", detail=first)


def _memory() -> ShardError:
    return ShardError(
        "53200",
        "the shard's memory limit does not suffice for this",
        hint="Read fewer columns or rows, or raise the memory limit of the data pool.",
    )


def _from_engine(text: str, first: str) -> ShardError | None:
    """What concerns the engine, not the statement."""
    if "Out of Memory" in text:
        return _memory()
    if "TransactionContext Error" in text and "onflict" in text:
        return ShardError("40001", "another load changes the same rows", hint="Try again.")
    if "INTERRUPT" in text:
        return ShardError("57014", "the call was cancelled")
    if "No space left" in text:
        return ShardError("53100", "the shard's disk is full", detail=first)
    return None


_DATA = (
    ("out of range", "22003", "a value is out of range for its type"),
    ("Conversion Error", "22P02", "a value does not have the form of its type"),
)


def _from_statement(error: Exception, first: str) -> ShardError:
    for mark, code, message in _DATA:
        if mark in first:
            return ShardError(code, message, detail=first)
    raised = fault(error, cancelled=False)
    if not isinstance(raised, InternalError):
        return ShardError(raised.code, raised.message, detail=raised.detail, hint=raised.hint)
    if isinstance(error, (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)):
        return ShardError("42601", "the shard does not take the statement", detail=first)
    return ShardError("XX000", "the statement failed in the shard", detail=first)


def required(body: dict[str, Any], *names: str) -> list[Any]:
    """The named values of a message; 08P01 names what is missing."""
    missing = [name for name in names if name not in body]
    if missing:
        raise ShardError("08P01", f"the message lacks {', '.join(missing)}")
    return [body[name] for name in names]
