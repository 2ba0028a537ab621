"""Who calls an app: the controller's tokens, as ``pools.bearer`` judges them, and the roles that apps have."""

from __future__ import annotations

from pools.bearer import BadTokenError, Caller, KeysAwayError
from pools.bearer import Tokens as Judge

AUDIENCES = ("app", "gateway")
"""A token for apps, or a login that is good for all that lies behind the gateway."""
READERS, OWNERS = frozenset({"admin", "app-owner", "app-reader"}), frozenset({"admin", "app-owner"})
ADMINS = frozenset({"admin"})


class RefusedError(Exception):
    """No entry; ``status`` is 401, 403, or 503 while nobody can be known."""

    def __init__(self, message: str, status: int = 401, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.hint = hint


class Tokens:
    """Checks tokens."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    async def check(self, authorization: bytes) -> Caller:
        """The caller of an ``Authorization`` header; RefusedError."""
        try:
            return await self._judge.caller(authorization)
        except BadTokenError as error:
            hint = 'a token for apps: POST /api/v1/token of the controller with "audience": "app"'
            raise RefusedError(str(error), hint=hint) from None
        except KeysAwayError as error:
            raise RefusedError(str(error), 503, "'bdc start' on the cluster's machine starts it") from None


def allow(caller: Caller, roles: frozenset[str]) -> None:
    """RefusedError unless the caller has one of the roles."""
    if not caller.roles & roles:
        wanted = least(roles)
        raise RefusedError(
            f"{caller.name!r} lacks the role {wanted!r}", 403, f"ask an admin to grant it: bdc user grant {caller.name} {wanted}"
        )


def least(roles: frozenset[str]) -> str:
    """The role with the fewest rights among them."""
    return next(role for role in ("app-reader", "app-owner", "admin") if role in roles)
