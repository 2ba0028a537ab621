"""Bearer tokens: JWT signed with EdDSA, for one audience each (a login: API and gateway), short-lived, renewed with the refresh token of
their session.

The signature says who somebody was when the token was made; the user file and the sessions say what holds now: a removed user, a changed
password (``stamp``), a lost role and a log-out count at once, here. Other services see only signature, audience and expiry: a revocation
reaches them when the access token ends (``accessMinutes`` of the spec), since a renewal is refused.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any, Literal

import jwt

from controller.auth.keys import TokenKeys
from controller.auth.sessions import Login, Sessions
from controller.auth.users import ROLES, Role, User, Users
from controller.errors import RequestError, TokenError
from controller.identity import issuer
from pools.bearer import ALGORITHM, BadTokenError, key_id, verified
from pools.bearer import REQUIRED as CLAIMS

AUDIENCES = ("controller", "gateway", "compute", "storage", "data", "app")
CONTROLLER = "controller"
GATEWAY = "gateway"
REQUIRED = (*CLAIMS, "jti", "stamp", "sid")
ACCESS_MINUTES = 30


@dataclass(frozen=True)
class Caller:
    """Who sent a request: name, the roles held now, the token's end (Unix seconds), and its session."""

    name: str
    roles: tuple[Role, ...]
    expires_at: int
    session: str = ""

    def has(self, role: Role) -> bool:
        """Whether the caller holds the role."""
        return role in self.roles


@dataclass(frozen=True)
class Pair:
    """What a login or a renewal gives: an access token for ``seconds``, and the refresh token that makes the next, once, within
    ``refresh_seconds``. ``source``: where the user's password is."""

    access: str
    seconds: int
    refresh: str
    refresh_seconds: int
    username: str
    source: Literal["local", "directory"]


class Tokens:
    """Issues and checks the tokens of one cluster."""

    def __init__(self, cluster_id: str, keys: TokenKeys, users: Users, hours: int, minutes: int = ACCESS_MINUTES) -> None:
        self.issuer = issuer(cluster_id)
        self.keys = keys
        self.users = users
        self.sessions = Sessions(users.store)
        self.limit(hours, minutes)

    def limit(self, hours: int, minutes: int) -> None:
        """How long sessions and access tokens last that are issued from now on."""
        self.session_seconds, self.seconds = hours * 3600, minutes * 60

    def begin(self, user: User, audience: str = CONTROLLER) -> Pair:
        """The tokens of a login; RequestError for an audience that no service has."""
        _check_audience(audience)
        return self._pair(user, self.sessions.begin(user, self.session_seconds), audience)

    def renew(self, refresh: str, audience: str = CONTROLLER) -> Pair:
        """The next tokens of a session, with the roles held now. TokenError: see ``Sessions.renew``."""
        _check_audience(audience)
        login = self.sessions.renew(refresh, self._stamp)
        user = self.users.find(login.user)
        if user is None:
            raise TokenError("the session was ended: the user was removed", where="refresh_token", hint="log in again: bdc login")
        return self._pair(user, login, audience)

    def _stamp(self, name: str) -> str | None:
        user = self.users.find(name)
        return None if user is None else user["stamp"]

    def _pair(self, user: User, login: Login, audience: str) -> Pair:
        now = int(time.time())
        seconds = min(self.seconds, max(1, login.until - now))
        access = self._access(user, login.id, audience, seconds)
        source: Literal["local", "directory"] = "directory" if "directory" in user else "local"
        return Pair(access, seconds, login.refresh, max(1, login.until - now), user["name"], source)

    def exchange(self, caller: Caller, audience: str) -> tuple[str, int]:
        """A token of the caller's session for one other service, and its seconds: no more than the caller's own has left."""
        now = int(time.time())
        seconds = min(self.seconds, max(1, caller.expires_at - now))
        return self._access(self.users.get(caller.name), caller.session, audience, seconds), seconds

    def _access(self, user: User, session: str, audience: str, seconds: int) -> str:
        now, key = int(time.time()), self.keys.signing()
        claims = {
            "iss": self.issuer,
            # a login is good for all that lies behind the gateway, the API among it; a token for the gateway alone is not good for the API
            "aud": [CONTROLLER, GATEWAY] if audience == CONTROLLER else audience,
            "sub": user["name"],
            "roles": user["roles"],
            "iat": now,
            "exp": now + seconds,
            "jti": secrets.token_urlsafe(12),
            "sid": session,
            "stamp": user["stamp"],
        }
        return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.kid})

    def check(self, token: str) -> Caller:
        """The caller, or TokenError with the reason that may be told: expired, revoked, or not valid."""
        claims = self._claims(token)
        user = self.users.find(str(claims["sub"]))
        if user is None or not secrets.compare_digest(str(claims["stamp"]).encode(), user["stamp"].encode()):
            raise TokenError("the token was revoked: the user was removed or the password changed", hint="log in again: bdc login")
        if not self.sessions.alive(str(claims["sid"]), user["name"]):
            raise TokenError("the token was revoked: its session has ended", hint="log in again: bdc login")
        named = claims.get("roles")
        now_held = tuple(role for role in ROLES if role in user["roles"] and isinstance(named, list) and role in named)
        return Caller(user["name"], now_held, int(claims["exp"]), str(claims["sid"]))

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            key = self.keys.find(key_id(token))
            return verified(token, None if key is None else key.public, self.issuer, (CONTROLLER,), REQUIRED)
        except BadTokenError as error:
            raise TokenError(str(error), hint="log in again: bdc login") from None


def _check_audience(audience: str) -> None:
    if audience not in AUDIENCES:
        raise RequestError(f"no service is called {audience[:60]!r}", where="audience", hint=f"known: {', '.join(AUDIENCES)}")
