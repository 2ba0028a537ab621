"""The errors of the compute pool's service. Those of ``virtualization.errors`` pass through: both carry the same four fields.

ServiceError                 code: SQLSTATE
├── ProtocolError            08P01  the client broke the protocol: the connection ends
├── AuthenticationError      28P01  one sentence for a wrong password and for an unknown user: the connection ends
├── ShutdownError            57P01  the pool stops, or the user was removed: the connection ends
├── StatementError           any    the statement can't be carried out in this session
├── AdmissionError           53300  too many queries for too long
├── MemoryGuardError         53200  cancelled so that the process survives
└── CancelRequestedError     57014  by the user, by a limit on time, because the client left
"""

from __future__ import annotations

from typing import ClassVar


class ServiceError(Exception):
    """``message`` says what was wrong; ``hint`` what to do next; neither holds secrets."""

    code: str = "XX000"
    fatal: ClassVar[bool] = False

    def __init__(self, message: str, *, detail: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.hint = hint


class ProtocolError(ServiceError):
    """The client broke the protocol."""

    code = "08P01"
    fatal = True


class AuthenticationError(ServiceError):
    """The login was refused; says nothing that tells a wrong password from an unknown user. ``DIRECTORY_HINT`` is for everybody alike."""

    code = "28P01"
    fatal = True


DIRECTORY_HINT = "Directory accounts of a cluster with sqlLogin: ldap log in at the master; at Flight with the token of 'bdc login'."


class ShutdownError(ServiceError):
    """The session is ended by the pool."""

    code = "57P01"
    fatal = True


class StatementError(ServiceError):
    """A statement that can't be carried out in this session; ``code`` says which kind."""

    def __init__(self, code: str, message: str, *, detail: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, detail=detail, hint=hint)
        self.code = code


class AdmissionError(ServiceError):
    """The query waited too long for a place."""

    code = "53300"


class MemoryGuardError(ServiceError):
    """The query was cancelled because the pool's process came near its memory limit."""

    code = "53200"


class CancelRequestedError(ServiceError):
    """Cancelled by the user, by a limit on time, or because the client left. ``reason``: a word for the metrics."""

    code = "57014"

    def __init__(self, message: str, *, reason: str = "client", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
