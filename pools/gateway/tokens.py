"""Who calls: the login's token, checked with the keys that the controller publishes.

Like every service that only verifies signatures the gateway sees a log-out or a lost role when the token ends (``accessMinutes``); what it
passes on to the controller is judged there, at once. Without the controller the keys that were there go on to hold.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt

from pools.gateway.errors import RefusalError

AUDIENCE = "gateway"
ALGORITHM = "EdDSA"
REQUIRED = ["iss", "aud", "sub", "exp", "roles"]
ROLES = frozenset({"admin", "user"})
MOST_CHARACTERS = 8192
KEEP_SECONDS = 30.0
"""For so long a key that was thrown away still opens."""
AGAIN_SECONDS = 1.0
"""Before a key that is not known is asked for again: anybody can name one."""
LOGIN = "log in again: bdc login"

Fetch = Callable[[], dict[str, Any]]
"""The JWKS; OSError or ValueError. Blocks."""


@dataclass(frozen=True)
class Caller:
    """Whose token it is."""

    name: str


class Keys:
    """The controller's public keys by their id."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._known: dict[str, jwt.PyJWK] = {}
        self._asked = float("-inf")
        self._asking = asyncio.Lock()

    async def find(self, kid: str) -> jwt.PyJWK | None:
        """None: no key of the cluster's. RefusalError 503 while none is known at all."""
        if self._due(kid):
            async with self._asking:
                if self._due(kid):
                    await self._ask()
        return self._known.get(kid)

    def _due(self, kid: str) -> bool:
        return time.monotonic() - self._asked > (KEEP_SECONDS if kid in self._known else AGAIN_SECONDS)

    async def _ask(self) -> None:
        try:
            content = await asyncio.to_thread(self._fetch)
            self._known = {str(key["kid"]): jwt.PyJWK(key, ALGORITHM) for key in content["keys"]}
        except (OSError, ValueError, LookupError, TypeError, jwt.PyJWTError):
            if not self._known:
                hint = "'bdc start' on the cluster's machine starts it"
                raise RefusalError(503, "not_ready", "the controller does not answer, so nobody can be known", hint=hint) from None
        finally:
            self._asked = time.monotonic()


def bearer(header: str | None) -> str:
    """The token of an ``Authorization`` header. RefusalError 401."""
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise RefusalError(401, "invalid_token", "no bearer token was sent", where="header Authorization", hint="log in first: bdc login")
    if len(token) > MOST_CHARACTERS:
        raise RefusalError(
            401, "invalid_token", f"the token is longer than {MOST_CHARACTERS} characters", where="header Authorization", hint=LOGIN
        )
    return token.strip()


async def check(keys: Keys, token: str, issuer: str) -> Caller:
    """RefusalError 401 for a token that is not good here, 403 for one without a role."""
    try:
        kid = jwt.get_unverified_header(token).get("kid")
        key = await keys.find(kid) if isinstance(kid, str) else None
        if key is None:
            raise _invalid("the token is not signed with a key of this cluster")
        # the list of algorithms is ours, never the token's
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=issuer or None,
            options={"require": REQUIRED, "verify_iat": False},
        )
    except jwt.ExpiredSignatureError:
        raise _invalid("the token has expired") from None
    except jwt.InvalidAudienceError:
        raise _invalid("the token is meant for another service") from None
    except (jwt.PyJWTError, ValueError, TypeError):
        raise _invalid("the token is not valid") from None
    name, roles = claims["sub"], claims["roles"]
    if not isinstance(name, str) or not isinstance(roles, list) or not name.isprintable():
        raise _invalid("the token is not valid")
    if not ROLES.intersection(role for role in roles if isinstance(role, str)):
        raise RefusalError(403, "forbidden", f"{name!r} has no role here", hint="ask an admin: bdc user grant NAME user")
    return Caller(name)


def _invalid(message: str) -> RefusalError:
    return RefusalError(401, "invalid_token", message, where="header Authorization", hint=LOGIN)
