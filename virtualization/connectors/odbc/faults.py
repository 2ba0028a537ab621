"""What an ODBC error becomes at the border of this connector. Drivers choose SQLSTATEs freely, so some are known by their words."""

from __future__ import annotations

import re

from virtualization.errors import (
    CancelledError,
    DataError,
    RemoteObjectError,
    SourceCredentialError,
    SourceError,
    SourceTimeoutError,
    SourceUnreachableError,
    VirtualizationError,
)

REFRESH = "Look at the table at the source; bdc table refresh NAME --columns (CALL bdc.refresh_table(…)) takes over its columns."
_STATE = re.compile(r"State: (\w{5}), Native error: (-?\d+), Message: (.*)", re.DOTALL)
_MARKS = re.compile(r"^(\[[^\]]*\]\s*)+")
_CREDENTIAL = ("authentication failed", "access denied for user", "login failed", "no password supplied", "pg_hba.conf")
_RIGHTS = ("permission denied", "command denied", "access denied", "permission was denied")
_ACCESS_DENIED, _NO_RIGHT_ON_TABLE, _NO_RIGHT_ON_COLUMN = 1045, 1142, 1143
_LOST = (2006, 2013, 1927, 1053, 4031)  # MariaDB's: gone away, lost, killed, shutting down, idle for too long
_OBJECT_STATES = ("42S02", "42S22", "42P01", "42703", "3F000", "42704", "HV00R")
_OBJECT_WORDS = ("no such table", "no such column", "doesn't exist", "unknown column", "invalid object name", "invalid column name")
_TIME_STATES = ("HYT00", "HYT01")


def parts(error: Exception) -> tuple[str | None, int, str]:
    """(SQLSTATE, native code, message) of either package's error."""
    told = _STATE.search(str(error))
    if told is not None:
        return told[1], int(told[2]), _line(told[3])
    if len(error.args) == 2 and isinstance(error.args[0], str):  # pyodbc
        native = re.search(r"\((-?\d+)\) \(SQL\w+\)$", str(error.args[1]))
        return error.args[0], int(native[1]) if native else 0, _line(re.sub(r"^\[\w{5}\] ?| \(-?\d+\) \(SQL\w+\)$", "", str(error.args[1])))
    return None, 0, _line(str(error))


def _line(text: str) -> str:
    return _MARKS.sub("", " ".join(text.split()))[:400]


def hidden(text: str, secret: str | None) -> str:
    """``text`` without ``secret``, whatever a driver wrote into its message."""
    return text.replace(secret, "…") if secret else text


def is_lost(error: Exception) -> bool:
    """Did the connection break?"""
    state, native, said = parts(error)
    return (state or "").startswith("08") or native in _LOST or "server closed the connection" in said.lower()


def connect_fault(error: Exception, where: str, secret: str | None) -> VirtualizationError:
    """For an attempt to connect. ``where``: source and address."""
    state, native, said = parts(error)
    said, words = hidden(said, secret), said.lower()
    if (state or "").startswith("28") or native == _ACCESS_DENIED or any(one in words for one in _CREDENTIAL):
        return SourceCredentialError(f"{where} refused the login: {said}", hint="Check user and password of the source's credential.")
    if state in _TIME_STATES or "timeout" in words or "timed out" in words:
        hint = "Is there a firewall between? The option connect_timeout sets the seconds."
        return SourceUnreachableError(f"{where} did not answer in time: {said}", hint=hint)
    if "unknown database" in words or ("database" in words and "does not exist" in words):
        return RemoteObjectError(f"{where}: {said}", hint="Check the database in the source's location.")
    hint = "Is the server running, and are the attributes of the location right? Those of each driver are in its own manual."
    return SourceUnreachableError(f"{where} can't be reached: {said}", hint=hint)


def statement_fault(error: Exception, where: str, secret: str | None) -> VirtualizationError:
    """For a statement that failed. ``where``: source and remote objects."""
    state, native, said = parts(error)
    said, words = hidden(said, secret), said.lower()
    if "too large to be written into the allocated buffer" in words:
        hint = "Raise the option max_value_bytes of the source, mend the column's length at the source, or leave the column out."
        why = "a value is longer than the source's max_value_bytes, or than the driver says that its column's may be"
        return DataError(f"{where}: {why}", detail=said, hint=hint)
    if "odbc buffer is limited to a size" in words:
        hint = "Ask for fewer columns, lower the source's option max_value_bytes, or raise fetch_bytes."
        return SourceError(f"{where}: the texts of one row may need more than the source's buffers have", detail=said, hint=hint)
    if is_lost(error):
        return SourceUnreachableError(f"{where}: the connection was lost: {said}", hint="Run the query again when the source is up.")
    if state in _TIME_STATES:
        return SourceTimeoutError(f"{where} did not answer in time: {said}", hint="The option statement_timeout sets the seconds.")
    if native in (_NO_RIGHT_ON_TABLE, _NO_RIGHT_ON_COLUMN) or state == "42501" or any(one in words for one in _RIGHTS):
        hint = "Grant SELECT to the user of the source's credential, at the source."
        return SourceCredentialError(f"{where}: {said}", hint=hint)
    if state in _OBJECT_STATES or any(one in words for one in _OBJECT_WORDS):
        return RemoteObjectError(f"{where}: {said}", hint=REFRESH)
    if (state or "").startswith("22") or "json path error" in words or "invalid utf" in words or "utf-16" in words:
        said = re.sub(r"^JSON path error near '(.*)' \(1\)$", r"\1", said)
        hint = "Declare the column with another type, or mend the value at the source."
        return DataError(f"{where}: a value is not of its column's type: {said}", hint=hint)
    hint = "The text is the source's own: look there. bdc source test NAME asks it for as little as can be."
    return SourceError(f"{where}: {said}", detail=f"SQLSTATE {state}" if state else None, hint=hint)


def cancelled(where: str) -> CancelledError:
    """For a query that was cancelled here."""
    return CancelledError("canceling statement due to user request", detail=f"It ran at {where}.")
