"""Logins at the Flight endpoint: user and password once, checked as in SQL, then a bearer token that is bound to the password's
verifier: with the password changed or the user removed it is worth nothing within ``KNOWN_SECONDS``. Or the controller's own token, as
the gateway passes it on: its user, with that user's rights at the master, for as long as it holds and he may log in there. Blocks: called
on Flight's threads.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import secrets
import ssl
import threading
import time
from dataclasses import dataclass

import structlog

from pools import bearer
from pools.compute.auditing import Auditing
from pools.compute.catalogs import Catalogs, Identity
from pools.compute.errors import DIRECTORY_HINT, AuthenticationError, StatementError
from pools.compute.settings import ServiceSettings
from pools.master.scram import matches, scram_verifier
from pools.tickets import Signer, TicketError
from pools.tickets import Verifier as TicketVerifier

log = structlog.get_logger()

AUDIENCES = ("gateway",)
ROLES = frozenset({"admin", "user"})
DEFAULT_DATABASE = "bdc"
AGAIN = "Log in again: bdc login"
TOKEN_SECONDS = 12 * 3600.0
KNOWN_SECONDS = 2.0
"""For so long a verifier that the master gave is believed."""

LOGINS_AT_ONCE = 4
"""Each computes PBKDF2; more would take the processor from queries."""

REFUSED_SECONDS = 0.5
"""A wrong password is answered no sooner: guessing is slow."""

WAIT_SECONDS = 15.0


@dataclass(frozen=True)
class _Known:
    digest: str | None
    until: float


class Logins:
    """Of one replica. ``loop``: where the catalogs live, and the ``judge`` of the controller's tokens (None: they are not taken)."""

    def __init__(
        self, catalogs: Catalogs, signer: Signer, loop: asyncio.AbstractEventLoop, audit: Auditing, judge: bearer.Tokens | None = None
    ) -> None:
        self._catalogs = catalogs
        self._judge = judge
        self._signer = signer
        self._tickets = TicketVerifier(signer.public_keys, clock_seconds=0.0)
        self._loop = loop
        self._audit = audit
        self._places = threading.BoundedSemaphore(LOGINS_AT_ONCE)
        self._known: dict[Identity, _Known] = {}
        self._nobody = scram_verifier(secrets.token_hex(16))
        """What the password of a user who does not exist is compared with: it takes as long."""

    def basic(self, encoded: str, database: str) -> str:
        """A token for ``base64(user:password)``; AuthenticationError says nothing that tells a wrong password from an unknown user."""
        try:
            user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise AuthenticationError("the login is malformed") from None
        identity = Identity(user, database, mapping=False)
        stored = self._stored(identity)
        with self._places:
            fits = bool(password) and matches(stored or self._nobody, password) and stored is not None
        if not fits or stored is None:
            time.sleep(REFUSED_SECONDS)
            error = AuthenticationError(f'password authentication failed for user "{user}"', hint=DIRECTORY_HINT)
            self._audit.flight_login(identity if stored is not None else None, error)
            raise error
        self._audit.flight_login(identity)
        return self._signer.sign("bdc-flight", "session", TOKEN_SECONDS, {"sub": user, "db": database, "v": _digest(stored)})

    def bearer(self, token: str, database: str | None) -> Identity:
        """Who it was made for; AuthenticationError when it is over, or ``database`` is another one than at the login."""
        if self._judge is not None and _of_controller(token):
            return self.login(token, database or DEFAULT_DATABASE)
        try:
            claims = self._tickets.verify(token, "bdc-flight", {"session"})
        except TicketError as error:
            raise AuthenticationError(error.message, hint=error.hint) from None
        identity = Identity(str(claims.get("sub", "")), str(claims.get("db", "")), mapping=False)
        if database not in (None, identity.database):
            raise AuthenticationError("the token was made for another database", hint="Log in again with the header bdc-database.")
        if self._current(identity) != claims.get("v"):
            raise AuthenticationError("the login is no longer valid", hint="Log in again.")
        return identity

    def login(self, token: str, database: str) -> Identity:
        """Who logged in at the controller; AuthenticationError."""
        assert self._judge is not None
        asked = asyncio.run_coroutine_threadsafe(self._judge.caller(b"Bearer " + token.encode()), self._loop)
        try:
            caller = asked.result(WAIT_SECONDS)
        except bearer.BadTokenError as error:
            raise AuthenticationError(str(error), hint=AGAIN) from None
        except (bearer.KeysAwayError, TimeoutError):
            asked.cancel()
            raise StatementError("57P03", "the login can't be checked: the controller does not answer", hint="Try again.") from None
        if not caller.roles & ROLES:
            raise AuthenticationError(f"{caller.name!r} has no role here", hint="ask an admin: bdc user grant NAME user")
        identity = Identity(caller.name, database, mapping=False)
        if self._current(identity) is None:
            raise AuthenticationError(f"{caller.name!r} may not log in at the database {database!r}", hint=AGAIN)
        return identity

    def _current(self, identity: Identity) -> str | None:
        now = time.monotonic()
        known = self._known.get(identity)
        if known is None or known.until < now:
            stored = self._stored(identity)
            known = _Known(_digest(stored) if stored else None, now + KNOWN_SECONDS)
            self._known = {who: one for who, one in self._known.items() if one.until > now} | {identity: known}
        return known.digest

    def _stored(self, identity: Identity) -> str | None:
        asked = asyncio.run_coroutine_threadsafe(self._catalogs.verifier(identity), self._loop)
        try:
            return asked.result(WAIT_SECONDS)
        except TimeoutError:
            asked.cancel()
            raise StatementError("57P03", "the login can't be checked: the master does not answer", hint="Try again.") from None


def _of_controller(token: str) -> bool:
    """Its tokens name their key, ours don't."""
    try:
        return bool(bearer.key_id(token))
    except bearer.BadTokenError:
        return False


def judge(settings: ServiceSettings) -> bearer.Tokens | None:
    """Of the controller's tokens, as the settings say; None: they are not taken. Made, and asked, on the event loop."""
    if settings.controller is None:
        return None

    def context() -> ssl.SSLContext | None:
        if settings.controller_file is None:
            return None
        found = ssl.create_default_context(cafile=settings.controller_file)
        if settings.controller_same:
            found.check_hostname = False
            found.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return found

    keys = bearer.Keys(bearer.fetching(settings.controller, context), complain=lambda why: log.warning("keys of logins", why=why))
    return bearer.Tokens(keys, settings.issuer, AUDIENCES)


def _digest(stored: str) -> str:
    """Tells one verifier from another, and nothing about it."""
    return base64.urlsafe_b64encode(hashlib.sha256(b"bdc-flight" + stored.encode()).digest()[:16]).decode()
