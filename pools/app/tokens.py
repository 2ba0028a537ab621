"""Who calls: the controller's tokens, verified with its published keys, and remembered by digest until they end.

A token is verified once; then a call costs a look into a table. What is revoked is known here when the token ends
(``security.login.accessMinutes`` of the spec), as everywhere but at the controller.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass

import jwt

from pools.app.keys import Keys

ALGORITHM = "EdDSA"
AUDIENCES = ["app", "gateway"]
"""A token for apps, or a login that is good for all that lies behind the gateway."""
REQUIRED = ["iss", "aud", "sub", "iat", "exp"]
MAX_CHARACTERS = 8192
REMEMBERED = 10_000
READERS, OWNERS = frozenset({"admin", "app-owner", "app-reader"}), frozenset({"admin", "app-owner"})


@dataclass(frozen=True)
class Caller:
    """``until``: Unix seconds; ``kid``: the key that vouches."""

    name: str
    roles: frozenset[str]
    until: float
    kid: str


class RefusedError(Exception):
    """No entry; ``status`` is 401 or 403."""

    def __init__(self, message: str, status: int = 401, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.hint = hint


class Tokens:
    """Checks tokens."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._remembered: dict[bytes, Caller] = {}

    async def check(self, authorization: bytes) -> Caller:
        """The caller of an ``Authorization`` header; RefusedError."""
        digest = hashlib.sha256(authorization).digest()
        caller = self._remembered.get(digest)
        if caller is None or not self._keys.known(caller.kid):
            caller = await asyncio.to_thread(self._verified, authorization)
            if len(self._remembered) >= REMEMBERED:
                self._remembered.clear()
            self._remembered[digest] = caller
        if caller.until <= time.time():
            self._remembered.pop(digest, None)
            raise _refused("the token has expired")
        return caller

    def _verified(self, authorization: bytes) -> Caller:
        scheme, _, raw = authorization.decode("latin-1").partition(" ")
        token = raw.strip()
        if scheme.lower() != "bearer" or not token:
            raise _refused("no bearer token was sent")
        if len(token) > MAX_CHARACTERS:
            raise _refused("the token is not valid")
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = self._keys.find(kid) if isinstance(kid, str) else None
            if key is None:
                raise _refused("the token is not signed with a key of this cluster")
            claims = jwt.decode(
                token,
                key,  # type: ignore[arg-type] # an Ed25519 key: only such are kept
                algorithms=[ALGORITHM],
                audience=AUDIENCES,
                options={"require": REQUIRED, "verify_iat": False},
            )
        except jwt.ExpiredSignatureError:
            raise _refused("the token has expired") from None
        except jwt.InvalidAudienceError:
            raise _refused("the token is meant for another service") from None
        except (jwt.PyJWTError, ValueError, TypeError):
            raise _refused("the token is not valid") from None
        roles = claims.get("roles")
        named = frozenset(str(role) for role in roles) if isinstance(roles, list) else frozenset[str]()
        return Caller(str(claims["sub"]), named, float(claims["exp"]), str(kid))


def _refused(message: str) -> RefusedError:
    return RefusedError(message, hint='a token for apps: POST /api/v1/token of the controller with "audience": "app"')


def allow(caller: Caller, roles: frozenset[str]) -> None:
    """RefusedError unless the caller has one of the roles."""
    if not caller.roles & roles:
        wanted = "app-owner" if roles is OWNERS else "app-reader"
        raise RefusedError(
            f"{caller.name!r} lacks the role {wanted!r}", 403, f"ask an admin to grant it: bdc user grant {caller.name} {wanted}"
        )
