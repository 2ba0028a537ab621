"""What can go wrong, as one small tree.

    BdcError
    ├── OptionError      an option is missing, unknown, contradicts another one, or is not supported yet
    ├── UnreachableError the server can't be reached, or refuses the login
    ├── ReadError        the server refused a statement, or a value has no exact place in Spark
    ├── ScoreError       a row can't be an app's input, or the app can't be called, or failed
    └── WriteError       a load was refused, or failed; nothing of it is there unless its message says that this is unknown

Spark shows the message of an error that is raised in its Python workers, so each message stands alone, and none holds a password.
"""

from __future__ import annotations


class BdcError(Exception):
    """Base of all errors of this package; ``str`` gives what happened and, where there is one, the next step."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        self.message = message
        self.hint = hint
        super().__init__(message, hint)

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class OptionError(BdcError, ValueError):
    """The options can't be carried out as they are."""


class UnreachableError(BdcError):
    """No session: nobody listens there, or the login is refused."""


class ReadError(BdcError):
    """A statement failed, or a value can't be given to Spark unchanged."""


class ScoreError(BdcError):
    """Rows can't go through an app."""


class WriteError(BdcError):
    """A load was refused or failed; ``sqlstate`` where the server gave one (40003: whether it was committed is not known)."""

    def __init__(self, message: str, hint: str | None = None, sqlstate: str | None = None) -> None:
        super().__init__(message, hint)
        self.sqlstate = sqlstate

    def __reduce__(self) -> tuple[type[WriteError], tuple[str, str | None, str | None]]:
        """Errors travel from task to driver."""
        return (WriteError, (self.message, self.hint, self.sqlstate))
