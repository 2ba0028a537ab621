"""What a driver's or server's error becomes at the border of this connector: one clear error, with what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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

_LOST = frozenset({"DPY-4011", "DPY-1001", "DPY-6005", "DPY-6000"})
_LOGIN: Mapping[int, str] = {
    1017: "Check user and password of the source's credential.",
    1005: "The source's credential has no password.",
    28000: "The account is locked: ALTER USER … ACCOUNT UNLOCK at the source.",
    28001: "The password has expired: set a new one at the source, and in the source's credential.",
    28009: "SYS can't be used: give a plain user with SELECT on the tables.",
    1045: "GRANT CREATE SESSION to the user at the source.",
    28150: "ALTER USER … GRANT CONNECT THROUGH the credential's user, at the source (option proxy_user).",
    1918: "The user named by the option proxy_user does not exist at the source.",
}
_STARTING = frozenset({1033, 1034, 1089, 1090, 12526, 12527, 12528})
_FULL = frozenset({18, 20, 2391, 12516, 12519, 12520})
_LIMITS = frozenset({40, 2392, 2393, 2394, 2395, 56735})
_NO_SERVICE = ("DPY-6001", "DPY-6003", "ORA-12514", "ORA-12505")
"""The driver says them inside of its own DPY-6005."""
_CANCELLED = 1013
_NUMBERS: Mapping[int, str] = {1476: "division by zero", 1426: "a number is out of range", 1438: "a number does not fit its declared type"}
_VALUES = frozenset({1722, 1858, 1861, 1489, 6502, 1401, 12899, 1427, 22835, 932})
_REFRESH = "Look at the table at the source; bdc table refresh NAME --columns (CALL bdc.refresh_table(…)) takes over its columns."
_CONVERSIONS = ("DPY-4036", "DPY-4037", "DPY-4039", "DPY-4042")


def oracle_code(error: Exception) -> int:
    """The number of ORA-nnnnn; 0: the driver spoke, not the server."""
    return int(getattr(_info(error), "code", 0) or 0)


def is_lost(error: Exception) -> bool:
    """Did the connection break (as opposed to: the server refused the statement)?"""
    return bool(getattr(_info(error), "is_session_dead", False)) or _full_code(error) in _LOST or isinstance(error, OSError)


_OTHER_TYPE = "DPY-3038"
"""A column that does not come as what was asked for: it has another type now."""


def connect_fault(error: Exception, source: str, address: str) -> VirtualizationError:
    """For an attempt to connect."""
    where, text, code, full = f'data source "{source}" ({address})', said(error), oracle_code(error), _full_code(error)
    if code in _LOGIN or full == "DPY-4001":
        return SourceCredentialError(f"{where} refused the login: {text}", hint=_LOGIN.get(code, _LOGIN[1005]))
    if full == "DPY-3015":
        hint = "The user's password is stored in a form of before 11g only: set it anew at the source."
        return SourceCredentialError(f"{where} refused the login: {text}", hint=hint)
    everything = " ".join([str(error), *_causes(error)])
    if any(word in everything for word in _NO_SERVICE):
        hint = "Check the service name in the source's location (lsnrctl services shows them); option sid=on where it is a SID."
        return RemoteObjectError(f"{where}: the listener does not know this service", hint=hint)
    if full == "DPY-3010":
        return SourceError(f"{where}: {text}", hint="Oracle 12.1 or later is needed.")
    if code in _STARTING:
        return SourceUnreachableError(f"{where} is not open: {text}", hint="Is the database started and open?")
    if code in _FULL:
        return SourceError(
            f"{where} takes no more sessions: {text}", hint="Lower max_connections, or raise SESSIONS or the profile's limit."
        )
    if any(f"ORA-{number:05d}" in everything for number in _FULL | _STARTING):
        return SourceUnreachableError(f"{where} takes no sessions now: {text}", hint="Is the database open, and not at its limits?")
    reason = " ".join([text, *_causes(error)])
    if "CERTIFICATE" in reason.upper() or "SSL" in reason or "distinguished name" in reason:
        hint = "Does this port speak TLS, and is its certificate signed by one that is trusted (options tls_ca, tls_server_dn)?"
        return SourceUnreachableError(f"{where}: TLS failed: {reason}", hint=hint)
    if "timed out" in reason or "timeout" in reason:
        hint = "Is there a firewall between? The option connect_timeout sets the seconds."
        return SourceUnreachableError(f"{where} did not answer in time", hint=hint)
    return SourceUnreachableError(f"{where} can't be reached: {reason}", hint="Is the listener running, and are host and port right?")


def statement_fault(error: Exception, source: str, what: str, ended: str | None) -> VirtualizationError:
    """For a statement that failed. ``what``: the remote objects in it; ``ended``: ``cancel`` or ``time`` where we ended it."""
    where, text, code, full = f'data source "{source}", {what}', said(error), oracle_code(error), _full_code(error)
    if ended == "cancel":
        return CancelledError("canceling statement due to user request", detail=f"It ran at {where}.")
    if ended == "time" or full == "DPY-4024" or code in _LIMITS:
        hint = "Ask for less, or raise the option statement_timeout (or the profile's limit at the source)."
        return SourceTimeoutError(f"{where}: a time limit ended the statement", hint=hint)
    if is_lost(error):
        return SourceUnreachableError(f"{where}: the connection was lost: {text}", hint="Run the query again when the source is up.")
    return _refused(where, text, code, full)


def _refused(where: str, text: str, code: int, full: str) -> VirtualizationError:
    if code == 942:
        hint = "The table is gone, or the credential's user may no longer SELECT from it: GRANT SELECT at the source."
        return RemoteObjectError(f"{where}: {text}", hint=hint)
    if code in (904, 4063, 980) or full == _OTHER_TYPE:
        return RemoteObjectError(f"{where}: {text}", hint=_REFRESH)
    if code in (1031, 41900):
        return SourceCredentialError(f"{where}: {text}", hint="Grant SELECT to the user of the source's credential, at the source.")
    if code == _CANCELLED:
        return SourceError(f"{where}: the statement was cancelled at the source: {text}")
    if code == 1555:
        hint = "Ask for less at once, or raise UNDO_RETENTION at the source."
        return SourceError(f"{where}: {text}", hint=hint)
    if code in _NUMBERS:
        return DataError(f"{_NUMBERS[code]} ({where})", detail=text)
    if code in _VALUES or 1830 <= code <= 1899 or full in _CONVERSIONS:
        hint = "Another type by now? bdc table refresh NAME --columns (CALL bdc.refresh_table) takes it over; NUMBER can be numeric."
        return DataError(f"{text} ({where})", hint=hint)
    return SourceError(f"{where}: {text}")


def said(error: Exception) -> str:
    """One line of a driver's message, without its links and the statement."""
    info = _info(error)
    text = str(getattr(info, "message", None) or error)
    lines = [line for line in text.splitlines() if line and not line.startswith(("Help:", "https:"))]
    server = next((line for line in lines if line.startswith("ORA-")), None)
    return " ".join((server or (lines[0] if lines else type(error).__name__)).split())[:400]


def _info(error: Exception) -> object:
    return error.args[0] if error.args else None


def _full_code(error: Exception) -> str:
    return str(getattr(_info(error), "full_code", ""))


def _causes(error: BaseException) -> Iterable[str]:
    cause = error.__cause__
    while cause is not None:
        yield " ".join(str(cause).split())[:200]
        cause = cause.__cause__
