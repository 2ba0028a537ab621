"""Bearer tokens: JWT signed with EdDSA, for one audience each, checked against the user file on every request.

The signature says who somebody was at log-in; the user file says who they are now: a removed user, a changed password (``stamp``) and a
lost role count at once, here. Other services see only signature, audience and expiry, and the roles of log-in time.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

import jwt

from controller.auth.keys import TokenKeys
from controller.auth.users import ROLES, Role, User, Users
from controller.errors import RequestError, TokenError

ALGORITHM = "EdDSA"
AUDIENCES = ("controller", "compute", "storage", "data", "app")
CONTROLLER = "controller"
REQUIRED = ["iss", "aud", "sub", "iat", "exp", "jti", "stamp"]
MAX_CHARACTERS = 8192


@dataclass(frozen=True)
class Caller:
    """Who sent a request: name, the roles held now, and the token's end (Unix seconds)."""

    name: str
    roles: tuple[Role, ...]
    expires_at: int

    def has(self, role: Role) -> bool:
        """Whether the caller holds the role."""
        return role in self.roles


class Tokens:
    """Issues and checks the tokens of one cluster."""

    def __init__(self, cluster_id: str, keys: TokenKeys, users: Users, hours: int) -> None:
        self.issuer = f"openbdc:{cluster_id}"
        self.keys = keys
        self.users = users
        self.seconds = hours * 3600

    def issue(self, user: User, audience: str = CONTROLLER) -> str:
        """A token for ``audience``; RequestError for an audience that no service has."""
        if audience not in AUDIENCES:
            raise RequestError(f"no service is called {audience[:60]!r}", where="audience", hint=f"known: {', '.join(AUDIENCES)}")
        now = int(time.time())
        key = self.keys.signing()
        claims = {
            "iss": self.issuer,
            "aud": audience,
            "sub": user["name"],
            "roles": user["roles"],
            "iat": now,
            "exp": now + self.seconds,
            "jti": secrets.token_urlsafe(12),
            "stamp": user["stamp"],
        }
        return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.kid})

    def check(self, token: str) -> Caller:
        """The caller, or TokenError with the reason that may be told: expired, revoked, or not valid."""
        claims = self._claims(token)
        user = self.users.find(str(claims["sub"]))
        if user is None or not secrets.compare_digest(str(claims["stamp"]).encode(), user["stamp"].encode()):
            raise TokenError("the token was revoked: the user was removed or the password changed", hint="log in again: bdc login")
        named = claims.get("roles")
        now_held = tuple(role for role in ROLES if role in user["roles"] and isinstance(named, list) and role in named)
        return Caller(user["name"], now_held, int(claims["exp"]))

    def _claims(self, token: str) -> dict[str, Any]:
        if len(token) > MAX_CHARACTERS:
            raise TokenError("the token is not valid", hint="log in again: bdc login")
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = self.keys.find(kid) if isinstance(kid, str) else None
            if key is None:
                raise TokenError("the token is not signed with a key of this cluster", hint="log in to this cluster: bdc login")
            # the list of algorithms is ours, never the token's: no 'none', no HMAC over a public key
            claims: dict[str, Any] = jwt.decode(
                token, key.public, algorithms=[ALGORITHM], audience=CONTROLLER, issuer=self.issuer, options={"require": REQUIRED}
            )
        except jwt.ExpiredSignatureError:
            raise TokenError("the token has expired", hint="log in again: bdc login") from None
        except jwt.InvalidAudienceError:
            raise TokenError("the token is meant for another service", hint="log in again: bdc login") from None
        except (jwt.PyJWTError, ValueError, TypeError):
            raise TokenError("the token is not valid", hint="log in again: bdc login") from None
        return claims
