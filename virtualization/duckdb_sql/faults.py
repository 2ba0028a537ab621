"""DuckDB's errors as ours, without the engine's jargon."""

from __future__ import annotations

from virtualization.errors import CancelledError, DataError, InternalError, MemoryLimitError, VirtualizationError

_RAISED = {  # messages that the allow list's renderings raise
    "division by zero": "22012",
    "value out of range: overflow": "22003",
    "value out of range: underflow": "22003",
    "cannot subtract infinite dates": "22008",
    "parts of an infinite date are not supported": "0A000",
}


def fault(error: Exception, cancelled: bool) -> VirtualizationError:
    """The error to raise instead."""
    text = str(error)
    if cancelled or "INTERRUPT" in text:
        return CancelledError("canceling statement due to user request")
    if "Out of Memory" in text or isinstance(error, MemoryError):
        return MemoryLimitError(
            "the query needs more memory than its limit and could not continue on disk",
            hint="Read fewer columns or rows, or raise the memory limit of the compute pool.",
        )
    for message, code in _RAISED.items():
        if message in text:
            return _coded(DataError(message), code)
    if "Out of Range" in text or "Conversion Error" in text:
        return _coded(DataError("a value is out of range for its type"), "22003")
    if "More than one row returned" in text:
        return _coded(DataError("more than one row returned by a subquery used as an expression"), "21000")
    return InternalError("the query failed inside the compute pool", detail=text.splitlines()[0][:300] if text else None)


def _coded(error: DataError, code: str) -> DataError:
    error.code = code  # type: ignore[misc]  # more exact than the class's
    return error
