"""What a driver's or server's error becomes at the border of this connector."""

from __future__ import annotations

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

_CREDENTIAL_WORDS = (
    "password authentication failed",
    "no password supplied",
    "authentication failed",
    "pg_hba.conf",
    "is not permitted to log in",
)
_NO_SUCH_VALUE = ("22P02", "22007", "22008", "22003", "22001")
_NOT_UTF8 = "22021"
_RETYPED = "If the column has changed its type at the source, bdc table refresh NAME --columns (CALL bdc.refresh_table(…)) takes it over."
_REFRESH = "Look at the table at the source; bdc table refresh NAME --columns (CALL bdc.refresh_table(…)) takes over its columns."


def sqlstate(error: Exception) -> str | None:
    """The server's code, where the server (not the network) spoke."""
    return getattr(error, "sqlstate", None)


def is_lost(error: Exception) -> bool:
    """Did the connection break (as opposed to: the server refused the statement)?"""
    state = sqlstate(error)
    return state is None or state.startswith("08") or state in ("57P01", "57P02", "57P03")


def connect_fault(error: Exception, source: str, address: str) -> VirtualizationError:
    """For an attempt to connect; libpq gives no SQLSTATE there, only text."""
    text = _tail(str(error))
    where = f'data source "{source}" ({address})'
    if any(word in text for word in _CREDENTIAL_WORDS):
        return SourceCredentialError(f"{where} refused the login: {text}", hint="Check user and password of the source's credential.")
    if 'parameter "role"' in text or "permission denied to set role" in text:
        return SourceCredentialError(
            f"{where} does not let the credential's user act as the caller: {text}",
            hint="At the source: CREATE ROLE the user's name, GRANT it TO the credential's user (option impersonation).",
        )
    if "role" in text and "does not exist" in text:
        return SourceCredentialError(f"{where} refused the login: {text}", hint="Check the user of the source's credential.")
    if "database" in text and "does not exist" in text:
        return RemoteObjectError(f"{where}: {text}", hint="Check the database in the source's location.")
    if "timeout expired" in text:
        hint = "Is there a firewall between? The option connect_timeout sets the seconds."
        return SourceUnreachableError(f"{where} did not answer in time", hint=hint)
    return SourceUnreachableError(f"{where} can't be reached: {text}", hint="Is the server running, and are host and port right?")


def statement_fault(error: Exception, source: str, what: str, cancelled: bool) -> VirtualizationError:
    """For a statement that failed. ``what``: the remote objects in it, for the message."""
    state, said = sqlstate(error), _primary(error)
    where = f'data source "{source}", {what}'
    if cancelled:
        return CancelledError("canceling statement due to user request", detail=f"It ran at {where}.")
    if state is None or is_lost(error):
        return SourceUnreachableError(f"{where}: the connection was lost: {said}", hint="Run the query again when the source is up.")
    if state == "57014":
        if "timeout" in said:
            hint = "Ask for less, or raise the option statement_timeout."
            return SourceTimeoutError(f"{where}: the source's time limit ended the statement: {said}", hint=hint)
        return SourceError(f"{where}: the statement was cancelled at the source: {said}")
    if state in ("42P01", "42703", "3F000", "42704"):
        return RemoteObjectError(f"{where}: {said}", hint=_REFRESH)
    if state == "42501":
        hint = "Grant SELECT to the user of the source's credential, at the source."
        return SourceCredentialError(f"{where}: {said}", hint=hint)
    if state.startswith("28"):
        return SourceCredentialError(f"{where}: {said}")
    if state == "42846":  # the declared type can't be cast from the remote one: the column changed its type
        return RemoteObjectError(f"{where}: {said}", hint=_REFRESH)
    return _of_values(state, said, where) or SourceError(f"{where}: {said}", detail=f"SQLSTATE {state}")


def _of_values(state: str, said: str, where: str) -> DataError | None:
    """What the values are to blame for, with the SQLSTATE that PostgreSQL gives wherever it computes."""
    if state == "0A000" and said.startswith("cannot convert"):  # "… NaN to integer"
        return DataError(f"{said} ({where})")
    if not state.startswith(("21", "22")):
        return None
    mend = "Mend the value at the source, declare the column bytea, or leave it out." if state == _NOT_UTF8 else None
    found = DataError(f"{said} ({where})", hint=_RETYPED if state in _NO_SUCH_VALUE else mend)
    found.code = state  # type: ignore[misc]  # more exact than the class's
    return found


def _primary(error: Exception) -> str:
    for name, value in getattr(error, "details", None) or ():
        if name in ("PG_DIAG_MESSAGE_PRIMARY", b"PG_DIAG_MESSAGE_PRIMARY"):
            return bytes(value).decode(errors="replace") if isinstance(value, bytes) else str(value)
    return _tail(str(error))


def _tail(text: str) -> str:
    """One line of a driver's message, without its own prefixes and the statement."""
    text = text.split("\n\nQuery was:")[0]
    for mark in ("FATAL:  ", "ERROR:  "):
        if mark in text:
            return text.split(mark, 1)[1].split("\n")[0].strip()
    text = text.removeprefix("IO: ").removeprefix("[libpq] ").removeprefix("Failed to connect: ")
    return " ".join(text.split())
