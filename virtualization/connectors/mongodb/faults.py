"""What a driver's or server's error becomes at the border of this connector."""

from __future__ import annotations

import re
from typing import Any

from pymongo import errors

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

NO_BRANCH = 40066
"""The server's code for a ``$switch`` without a matching branch: a value that does not fit its column (see ``types``), or a calculated one
that is beyond its type (see ``arithmetic``)."""

_UNAUTHORIZED, _AUTHENTICATION, _NAMESPACE, _TIME_LIMIT = 13, 18, 26, 50
_INTERRUPTED = frozenset({11601, 11600, 11602, 43, 237, 46841})
_TOO_BIG = frozenset({10334, 17419, 17420, 292, 146, 5, 16819, 17276})


def fault(error: errors.PyMongoError, source: str, what: str, cancelled: bool = False) -> VirtualizationError:
    """``what``: the collection, or what was done, for the message."""
    where = f'data source "{source}", {what}'
    code = getattr(error, "code", None)
    if cancelled:
        return CancelledError("canceling statement due to user request", detail=f"It ran at {where}.")
    if isinstance(error, errors.OperationFailure) and code is not None:
        return _refused(error, int(code), where)
    if isinstance(error, errors.ConfigurationError):
        return SourceCredentialError(f"{where}: {said(error)}", hint="Check the parameters of the source's location, and its credential.")
    if isinstance(error, errors.WaitQueueTimeoutError):
        hint = "Options max_connections and pool_timeout of the source set the limits."
        return SourceTimeoutError(f"{where}: no free connection within the time limit", hint=hint)
    if isinstance(error, errors.NetworkTimeout | errors.ExecutionTimeout):
        return SourceTimeoutError(f"{where} did not answer in time", hint="Options connect_timeout and statement_timeout set the seconds.")
    if isinstance(error, errors.ConnectionFailure):
        return SourceUnreachableError(f"{where} can't be reached: {said(error)}", hint=_connection_hint(said(error)))
    return SourceError(f"{where}: {said(error)}")


def _refused(error: errors.OperationFailure, code: int, where: str) -> VirtualizationError:
    text = said(error)
    if code == _AUTHENTICATION or "authentication failed" in text.lower():
        hint = "Check user and password of the source's credential, and authSource in its location."
        return SourceCredentialError(f"{where}: the login was refused: {text}", hint=hint)
    if code == _UNAUTHORIZED:
        hint = "Grant the role read on the database to the user of the source's credential, at the source."
        return SourceCredentialError(f"{where}: {text}", hint=hint)
    if code == _NAMESPACE:
        return RemoteObjectError(f"{where}: {text}", hint="Look at the collection at the source.")
    if code == _TIME_LIMIT:
        hint = "Ask for less, or raise the option statement_timeout."
        return SourceTimeoutError(f"{where}: the source's time limit ended the query: {text}", hint=hint)
    if code == NO_BRANCH:
        beyond = DataError(f"{where}: a number is out of range for its type", hint="Cast one of the values to bigint or numeric first.")
        beyond.code = "22003"  # type: ignore[misc]  # more exact than the class's
        return beyond
    if code in _INTERRUPTED:
        return SourceError(f"{where}: the query was ended at the source: {text}")
    if code in _TOO_BIG:
        return SourceError(f"{where}: the answer is beyond a limit of the source: {text}", detail=f"code {code}")
    return SourceError(f"{where}: {text}", detail=f"code {code}")


def said(error: Exception) -> str:
    """One line of a driver's message, without its topology and without what might be long."""
    details: Any = getattr(error, "details", None)
    text = details["errmsg"] if isinstance(details, dict) and isinstance(details.get("errmsg"), str) else str(error)
    text = re.split(r", Timeout: |, full error: | \(configured timeouts", text)[0]
    return " ".join(text.split())[:400]


def _connection_hint(text: str) -> str:
    if "SSL" in text or "certificate" in text:
        return "Does the server speak TLS, and is its certificate signed by one that is trusted (option tls_ca)?"
    return "Is the server running, and are hosts, ports and replicaSet right? A server that wants TLS closes plain connections: tls=true."
