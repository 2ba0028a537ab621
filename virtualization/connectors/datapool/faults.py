"""What a shard's error means here. Its message is one JSON object (docs/architecture/load-protocol.md): the SQLSTATE is passed on.

ShardError(SourceError)      any SQLSTATE, as the shard says it: 72000 snapshot too old, 55000 another shard's folder, …
DataError                    22xxx: a value, as the same statement would say in the pool itself
SourceUnreachableError       08001: no answer
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pyarrow import flight

from virtualization.duckdb_sql.faults import fault
from virtualization.errors import (
    CancelledError,
    DataError,
    InternalError,
    MemoryLimitError,
    SourceError,
    SourceUnreachableError,
    VirtualizationError,
)
from virtualization.shard_calls import said

_STATEMENT = frozenset({"XX000", "22000", "22003", "22012", "22P02", "21000"})
"""What a shard says when DuckDB refused a value: the text in ``detail`` tells which."""


class ShardError(SourceError):
    """A shard refused; ``code`` is its SQLSTATE."""

    def __init__(self, code: str, message: str, *, detail: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, detail=detail, hint=hint)
        self.code = code  # type: ignore[misc]  # of the instance


def shard_fault(error: Exception, number: int, cancelled: bool) -> VirtualizationError:
    """``number``: of the shard that was asked."""
    if cancelled:
        return CancelledError("canceling statement due to user request")
    refusal = said(str(error))
    if refusal is not None:
        return _refused(refusal, number)
    why = " ".join(str(error).split("gRPC client debug context")[0].split())[:300]
    away = (flight.FlightUnavailableError, flight.FlightTimedOutError, flight.FlightCancelledError, OSError)
    if isinstance(error, away):
        return SourceUnreachableError(
            f"shard {number} of the data pool does not answer", detail=why, hint="Try again; `bdc status` shows whether it runs."
        )
    if isinstance(error, pa.ArrowException):
        return ShardError("XX000", f"shard {number} of the data pool failed", detail=why)
    return InternalError(f"reading shard {number} of the data pool failed", detail=f"{type(error).__name__}: {why}")


def _refused(told: dict[str, Any], number: int) -> VirtualizationError:
    code, detail = str(told.get("sqlstate", "XX000")), told.get("detail") or ""
    if code in _STATEMENT and detail:
        meant = fault(RuntimeError(detail), cancelled=False)
        if not isinstance(meant, InternalError | CancelledError):
            return meant
    if code.startswith(("22", "21")):
        return _data_error(code, told["message"])
    if code == "57014":
        return CancelledError(told["message"])
    if code == "53200":
        return MemoryLimitError(f"shard {number} of the data pool: {told['message']}", hint=told.get("hint"))
    return ShardError(code, f"shard {number} of the data pool: {told['message']}", detail=detail or None, hint=told.get("hint"))


def _data_error(code: str, message: str) -> DataError:
    error = DataError(message)
    error.code = code  # type: ignore[misc]  # more exact than the class's
    return error
