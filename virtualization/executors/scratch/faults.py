"""What the scratch server's errors become. Its SQLSTATE is the user's: PostgreSQL ran the user's own text."""

from __future__ import annotations

from virtualization.errors import (
    CancelledError,
    DataError,
    InternalError,
    MemoryLimitError,
    SqlError,
    UnknownColumnError,
    UnknownTableError,
    UnsupportedError,
    VirtualizationError,
)

_CLASSES: dict[str, type[VirtualizationError]] = {
    "0A": UnsupportedError,
    "21": DataError,
    "22": DataError,
    "2F": DataError,
    "42": SqlError,
    "53": MemoryLimitError,
    "54": SqlError,
}
_CODES: dict[str, type[VirtualizationError]] = {"42P01": UnknownTableError, "42703": UnknownColumnError, "57014": CancelledError}


def fault(error: Exception) -> VirtualizationError:
    """The error to raise instead, with PostgreSQL's own message, code, detail and hint."""
    code = str(getattr(error, "sqlstate", None) or "")
    told = {_text(name): _text(value) for name, value in getattr(error, "details", None) or ()}
    kind = _CODES.get(code) or _CLASSES.get(code[:2])
    message = told.get("PG_DIAG_MESSAGE_PRIMARY") or _primary(str(error))
    if kind is None:
        return InternalError(f"the scratch PostgreSQL failed: {message}", detail=f"SQLSTATE {code}" if code else None)
    made = kind(message, detail=told.get("PG_DIAG_MESSAGE_DETAIL"), hint=told.get("PG_DIAG_MESSAGE_HINT"))
    made.code = code  # type: ignore[misc]  # more exact than the class's
    return made


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _primary(text: str) -> str:
    text = text.split("\n\nQuery was:")[0]
    return text.split("ERROR:  ", 1)[-1].split("\n")[0].strip()
