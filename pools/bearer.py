"""Bearer tokens of the controller, judged by whoever did not make them: the one place that does.

``verified`` is the judgement, the controller's own too. ``Keys`` are the controller's published ones, ``Tokens`` knows callers by them and
remembers, so that a token is verified once and then costs a look into a table. What is revoked is seen here when the token ends
(``security.login.accessMinutes`` of the spec), a key that was thrown away within ``KEEP_SECONDS``. Without the controller the keys that
were there go on to hold.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import pathlib
import ssl
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ALGORITHM = "EdDSA"
REQUIRED = ("iss", "aud", "sub", "iat", "exp")
JWKS = "/.well-known/jwks.json"
MOST_CHARACTERS = 8192
MOST_BYTES = 256 * 1024
"""Of the published keys."""
FETCH_SECONDS = 5.0
KEEP_SECONDS = 30.0
"""For so long a key that was thrown away still opens."""
AGAIN_SECONDS = 1.0
"""Before a key that is not known is asked for again: anybody can name one."""
REMEMBERED = 10_000

Fetch = Callable[[], bytes]
"""The JWKS; OSError. Blocks; called in a thread."""


class BadTokenError(Exception):
    """Not good here. The message may be told, and holds nothing of the token."""


class KeysAwayError(Exception):
    """No key was ever had, so nobody can be known: the controller does not answer."""


@dataclass(frozen=True)
class Caller:
    """``until``: Unix seconds; ``kid``: the key that vouches; ``session``: the login, as audit trails name it."""

    name: str
    roles: frozenset[str]
    until: float
    kid: str
    session: str | None = None


def bearer(header: bytes | None) -> str:
    """The token of an ``Authorization`` header. BadTokenError."""
    scheme, _, token = (header or b"").decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise BadTokenError("no bearer token was sent")
    return token.strip()


def key_id(token: str) -> str:
    """Of the key that the token says has signed it: nothing to believe yet. BadTokenError."""
    if len(token) > MOST_CHARACTERS:
        raise BadTokenError(f"the token is longer than {MOST_CHARACTERS} characters")
    try:
        kid = jwt.get_unverified_header(token).get("kid")
    except (jwt.PyJWTError, ValueError, TypeError):
        raise BadTokenError("the token is not valid") from None
    return kid if isinstance(kid, str) else ""


def verified(
    token: str, key: Ed25519PublicKey | jwt.PyJWK | None, issuer: str, audiences: Sequence[str], required: Sequence[str] = REQUIRED
) -> dict[str, Any]:
    """Its claims. BadTokenError unless ``key`` has signed it, ``issuer`` made it, it is meant for one of ``audiences``, has not expired,
    and holds all ``required``."""
    if key is None:
        raise BadTokenError("the token is not signed with a key of this cluster")
    try:
        # the list of algorithms is ours, never the token's: no 'none', no HMAC over a public key
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            audience=audiences,
            issuer=issuer,
            options={"require": list(required), "verify_iat": False},  # a clock that was put back must not log everybody out
        )
    except jwt.ExpiredSignatureError:
        raise BadTokenError("the token has expired") from None
    except jwt.InvalidAudienceError:
        raise BadTokenError("the token is meant for another service") from None
    except (jwt.PyJWTError, ValueError, TypeError):
        raise BadTokenError("the token is not valid") from None
    return claims


def fetching(controller: str, context: Callable[[], ssl.SSLContext | None]) -> Fetch:
    """From ``http(s)://host:port``. ``context``: whom to trust, asked each time; never a proxy of the environment."""
    url = controller.rstrip("/") + JWKS

    def fetch() -> bytes:
        handler = urllib.request.HTTPSHandler(context=context() if url.startswith("https:") else None)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), handler)
        with opener.open(url, timeout=FETCH_SECONDS) as answer:
            content: bytes = answer.read(MOST_BYTES + 1)
        return content

    return fetch


class Keys:
    """The controller's public keys by their id; of one event loop. ``kept``: a file that has them after a restart too, or None;
    ``complain`` hears why they could not be had."""

    def __init__(self, fetch: Fetch, kept: pathlib.Path | None = None, complain: Callable[[str], None] = lambda why: None) -> None:
        self._fetch = fetch
        self._kept = kept
        self._complain = complain
        self._known: dict[str, jwt.PyJWK] = {}
        self._asked = float("-inf")
        self._asking = asyncio.Lock()
        try:
            self._known = _keys(kept.read_bytes()) if kept is not None else {}
        except FileNotFoundError:
            pass  # none were kept yet
        except (OSError, ValueError) as error:
            complain(f"the keys that were kept can't be read: {error}")

    async def find(self, kid: str) -> jwt.PyJWK | None:
        """None: no key of the cluster's. KeysAwayError. Who names a known key does not wait while somebody else asks for news."""
        if self._due(kid) and not (kid in self._known and self._asking.locked()):
            async with self._asking:
                if self._due(kid):
                    await self._ask()
        return self._known.get(kid)

    def vouches(self, kid: str) -> bool:
        """Whether it is a key, without asking anybody; False also where it is time to ask."""
        return kid in self._known and (not self._due(kid) or self._asking.locked())

    def _due(self, kid: str) -> bool:
        return time.monotonic() - self._asked > (KEEP_SECONDS if kid in self._known else AGAIN_SECONDS)

    async def _ask(self) -> None:
        try:
            self._known = await asyncio.to_thread(self._news)
        except (OSError, ValueError) as error:
            self._complain(f"the controller's keys can't be had, {'the known ones stay' if self._known else 'none is known'}: {error}")
        finally:
            self._asked = time.monotonic()
        if not self._known:
            raise KeysAwayError("the controller does not answer, so nobody can be known")

    def _news(self) -> dict[str, jwt.PyJWK]:
        content = self._fetch()
        found = _keys(content)
        if self._kept is not None:
            half = self._kept.with_suffix(".new")
            try:
                half.write_bytes(content)
                half.replace(self._kept)
            except OSError as error:
                self._complain(f"the keys can't be kept: {error}")
        return found


class Tokens:
    """Who calls one service, whose ``audiences`` these are."""

    def __init__(self, keys: Keys, issuer: str, audiences: Sequence[str]) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audiences = audiences
        self._remembered: dict[bytes, Caller] = {}

    async def caller(self, authorization: bytes | None) -> Caller:
        """Of an ``Authorization`` header. BadTokenError, KeysAwayError."""
        digest = hashlib.sha256(authorization or b"").digest()
        caller = self._remembered.get(digest)
        if caller is None or not self._keys.vouches(caller.kid):
            self._remembered.pop(digest, None)
            caller = await self._verified(bearer(authorization))
            if len(self._remembered) >= REMEMBERED:
                self._remembered.clear()
            self._remembered[digest] = caller
        if caller.until <= time.time():
            self._remembered.pop(digest, None)
            raise BadTokenError("the token has expired")
        return caller

    async def _verified(self, token: str) -> Caller:
        kid = key_id(token)
        claims = verified(token, await self._keys.find(kid), self._issuer, self._audiences)
        name, roles, session = claims["sub"], claims.get("roles"), claims.get("sid")
        if not name or not name.isprintable():  # a string, else it had not been verified
            raise BadTokenError("the token is not valid")
        held = frozenset(role for role in roles if isinstance(role, str)) if isinstance(roles, list) else frozenset[str]()
        return Caller(name, held, float(claims["exp"]), kid, session if isinstance(session, str) else None)


def _keys(content: bytes) -> dict[str, jwt.PyJWK]:
    """By their id; keys of other kinds than ours are passed over. ValueError."""
    try:
        listed = json.loads(content)["keys"]
        return {str(key["kid"]): jwt.PyJWK(key, ALGORITHM) for key in listed if key["kty"] == "OKP" and key.get("crv") == "Ed25519"}
    except (LookupError, TypeError, jwt.PyJWTError) as error:
        raise ValueError(f"it is no list of keys: {type(error).__name__}") from None
