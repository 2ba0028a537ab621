"""The errors of the SDK. Foreign errors (sockets, HTTP, PostgreSQL) stop at its border and become one of these.

BdcError                     category: user | service | internal | authentication
├── UserError                user             the request can't be carried out as it is
│   ├── InvalidNameError     user             a name or path that is refused before it goes anywhere
│   ├── NotFoundError        user             no such cluster, context, user, table, file …
│   ├── ConflictError        user             it exists already, or something else stands in the way
│   ├── ForbiddenError       user             logged in, but without the right to do it
│   └── SqlError             user             the SQL text is wrong or was refused; ``code`` is the SQLSTATE
├── AuthenticationError      authentication   not logged in, expired, or wrong name or password
├── ServiceError             service          a service answered that it can't
│   └── UnreachableError     service          nobody answers at the address, or it took too long
└── InternalError            internal         a defect: an answer that breaks the contract
"""

from __future__ import annotations

from typing import ClassVar, Literal

Category = Literal["user", "service", "internal", "authentication"]


class BdcError(Exception):
    """``message`` says what failed, ``where`` at which address or in which file, ``why`` the cause, ``hint`` what to do next.

    None of them ever holds a secret. ``code`` is stable and meant for programs; ``request_id`` finds the request in the
    controller's log.
    """

    category: ClassVar[Category] = "internal"
    default_code: ClassVar[str] = "internal"

    def __init__(
        self,
        message: str,
        *,
        where: str | None = None,
        why: str | None = None,
        hint: str | None = None,
        code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.why = why
        self.hint = hint
        self.code = code or self.default_code
        self.request_id = request_id


class UserError(BdcError):
    """The request can't be carried out as it is; the user can change it."""

    category = "user"
    default_code = "invalid"


class InvalidNameError(UserError):
    """A name or path that is refused before it goes anywhere."""

    default_code = "invalid_name"


class NotFoundError(UserError):
    """What was named does not exist."""

    default_code = "not_found"


class ConflictError(UserError):
    """It exists already, or something else stands in the way."""

    default_code = "conflict"


class ForbiddenError(UserError):
    """Logged in, but without the right to do it."""

    default_code = "forbidden"


class SqlError(UserError):
    """The SQL text is wrong or was refused; ``code`` is PostgreSQL's SQLSTATE."""

    default_code = "42000"


class AuthenticationError(BdcError):
    """Not logged in, the session expired, or name and password don't fit."""

    category = "authentication"
    default_code = "unauthenticated"


class ServiceError(BdcError):
    """A service answered that it can't do it now."""

    category = "service"
    default_code = "service"


class UnreachableError(ServiceError):
    """Nobody answers at the address, or the answer took too long."""

    default_code = "unreachable"


class InternalError(BdcError):
    """A defect: something answered against its contract."""
