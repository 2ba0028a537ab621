"""The errors of the controller. Foreign errors (YAML, pydantic, JWT, PostgreSQL, sockets) stop at its border and become one of these.

ControllerError              code: stable word; category: user | service | internal; status: of HTTP
├── SpecError                user      invalid_spec         one or several problems, each with path and line
├── UnknownProfileError      user      unknown_profile
├── StoreError               service   store_unusable       a file of the store is corrupt or can't be written
├── SubstrateError           service   substrate_unreachable
├── RequestError             user      invalid_request
│   ├── PasswordRuleError              password_rules
│   ├── ConflictError                  conflict             exists already, or would remove the last admin
│   ├── UnknownNameError               not_found
│   ├── LoginError                     login_failed         one sentence whatever was wrong
│   ├── TokenError                     invalid_token
│   ├── ForbiddenError                 forbidden
│   ├── TooLargeError                  too_large
│   ├── SlowBodyError                  too_slow
│   └── RateLimitError                 too_many_requests    ``retry_after`` seconds
└── NotReadyError            service   not_ready            the part that answers this is not up yet
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

Category = Literal["user", "service", "internal"]


class ControllerError(Exception):
    """``message`` says what was wrong, ``where`` names the place, ``hint`` the next step; none of them holds a secret."""

    code: ClassVar[str] = "internal"
    category: ClassVar[Category] = "internal"
    status: ClassVar[int] = 500

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def envelope(self) -> dict[str, str | None]:
        """The inner object of ``{"error": …}`` as the REST API and the programs of the CLI print it."""
        return {"code": self.code, "message": self.message, "where": self.where, "hint": self.hint}


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a spec. ``line`` counts from 1; None when the spec did not come from a text."""

    path: str
    message: str
    line: int | None = None
    hint: str | None = None

    def sentence(self, filename: str) -> str:
        """``bdc.yaml:12: spec.pools.compute.replicas: must be … (hint)``."""
        place = f"{filename}:{self.line}" if self.line else filename
        named = f"{self.path}: " if self.path else ""
        return f"{place}: {named}{self.message}" + (f" ({self.hint})" if self.hint else "")


class SpecError(ControllerError):
    """The spec is not valid; ``problems`` lists everything that was found, in the order of the lines."""

    code = "invalid_spec"
    category = "user"
    status = 400

    def __init__(self, problems: tuple[Problem, ...], filename: str = "bdc.yaml") -> None:
        super().__init__(
            "\n".join(problem.sentence(filename) for problem in problems),
            where=filename,
            hint="docs/reference/spec.md lists every field; 'bdc config validate' checks a file",
        )
        self.problems = problems
        self.filename = filename


class UnknownProfileError(ControllerError):
    """No profile of that name."""

    code = "unknown_profile"
    category = "user"
    status = 400


class StoreError(ControllerError):
    """A file of the store is corrupt, unreadable or can't be written."""

    code = "store_unusable"
    category = "service"
    status = 503


class SubstrateError(ControllerError):
    """The substrate (on one machine: the supervisor) does not answer or refused."""

    code = "substrate_unreachable"
    category = "service"
    status = 503


class RoleSyncError(ControllerError):
    """PostgreSQL refused to bring roles or databases in step; the message is its own."""

    code = "roles_not_in_step"
    category = "service"
    status = 503


class NotReadyError(ControllerError):
    """The part of the cluster that answers this is not up yet."""

    code = "not_ready"
    category = "service"
    status = 503


class RequestError(ControllerError):
    """A request that can't be carried out as it stands."""

    code = "invalid_request"
    category = "user"
    status = 400


class PasswordRuleError(RequestError):
    """The new password breaks a rule; the message names it."""

    code = "password_rules"


class ConflictError(RequestError):
    """It exists already, or it would leave the cluster without an admin."""

    code = "conflict"
    status = 409


class UnknownNameError(RequestError):
    """No user, service, resource, endpoint or workload of that name."""

    code = "not_found"
    status = 404


class LoginError(RequestError):
    """Wrong name or password, or a locked user: one sentence for all, so that names can't be found out."""

    code = "login_failed"
    status = 401


class TokenError(RequestError):
    """The bearer token is missing, expired, forged, revoked or meant for another service."""

    code = "invalid_token"
    status = 401


class ForbiddenError(RequestError):
    """The caller is known but lacks the role."""

    code = "forbidden"
    status = 403


class TooLargeError(RequestError):
    """The body is larger than the API takes."""

    code = "too_large"
    status = 413


class SlowBodyError(RequestError):
    """The body did not arrive in time."""

    code = "too_slow"
    status = 408


class RateLimitError(RequestError):
    """Too many attempts; the same may be tried again in ``retry_after`` seconds."""

    code = "too_many_requests"
    status = 429

    def __init__(self, message: str, *, retry_after: int, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, where=where, hint=hint)
        self.retry_after = retry_after
