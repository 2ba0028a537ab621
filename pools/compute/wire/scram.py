"""SCRAM-SHA-256 (RFC 5802, RFC 7677), server side, against the verifiers that PostgreSQL stores. Pure: no I/O.

A user who does not exist meets the same dialogue, with a salt that stays the same, and fails where a wrong password fails.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

from pools.compute.errors import DIRECTORY_HINT, AuthenticationError, ProtocolError

MECHANISM = "SCRAM-SHA-256"
BOUND = "SCRAM-SHA-256-PLUS"
"""The same, bound to the certificate that the client has seen (RFC 5929, tls-server-end-point): who relays a login fails."""
BINDING = "p=tls-server-end-point"
ITERATIONS = 4096
SALT_BYTES = 16
_VERIFIER = re.compile(
    r"^SCRAM-SHA-256\$(?P<iterations>[1-9]\d{0,8}):(?P<salt>[A-Za-z0-9+/=]+)\$(?P<stored>[A-Za-z0-9+/=]+):(?P<server>[A-Za-z0-9+/=]+)$"
)
_FIRST = re.compile(
    r"^(?P<header>(?P<flag>[ny]|p=[^,]*),(?P<authzid>[^,]*),)(?P<bare>n=[^,]*,r=(?P<nonce>[\x21-\x2b\x2d-\x7e]+)(?:,.*)?)$", re.S
)
_FINAL = re.compile(
    r"^(?P<without>c=(?P<binding>[A-Za-z0-9+/=]+),r=(?P<nonce>[\x21-\x2b\x2d-\x7e]+)(?:,.*)?),p=(?P<proof>[A-Za-z0-9+/=]+)$", re.S
)


@dataclass(frozen=True)
class Verifier:
    """What the server keeps of a password: enough to check it, not enough to use it."""

    iterations: int
    salt: bytes
    stored_key: bytes
    server_key: bytes

    @classmethod
    def parse(cls, text: str) -> Verifier | None:
        """From ``pg_authid.rolpassword`` form; None when it is of another kind."""
        match = _VERIFIER.match(text)
        if match is None:
            return None
        try:
            salt, stored, server = (base64.b64decode(match[name], validate=True) for name in ("salt", "stored", "server"))
        except binascii.Error:
            return None
        return cls(int(match["iterations"]), salt, stored, server) if len(stored) == len(server) == 32 else None

    @classmethod
    def of(cls, password: str, salt: bytes | None = None, iterations: int = ITERATIONS) -> Verifier:
        """Of a password that needs no normalisation (ASCII)."""
        salt = secrets.token_bytes(SALT_BYTES) if salt is None else salt
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
        client = hmac.digest(salted, b"Client Key", "sha256")
        return cls(iterations, salt, hashlib.sha256(client).digest(), hmac.digest(salted, b"Server Key", "sha256"))

    @classmethod
    def pretended(cls, user: str, key: bytes) -> Verifier:
        """For a user who can't log in: the salt depends on the name and on this process' secret ``key``; no password fits."""
        salt = hmac.digest(key, b"salt" + user.encode(), "sha256")[:SALT_BYTES]
        return cls(ITERATIONS, salt, secrets.token_bytes(32), secrets.token_bytes(32))

    def __str__(self) -> str:
        salt, stored, server = (base64.b64encode(part).decode() for part in (self.salt, self.stored_key, self.server_key))
        return f"{MECHANISM}${self.iterations}:{salt}${stored}:{server}"


@dataclass(frozen=True)
class Channel:
    """What the login goes over: ``end_point`` of the server's certificate, None: no TLS; ``bound``: the client chose to be bound to it."""

    end_point: bytes | None = None
    bound: bool = False

    def check(self, flag: str) -> None:
        """The client's flag fits what was offered and chosen; ProtocolError."""
        if self.bound and flag != BINDING:
            raise ProtocolError("the client chose channel binding and does not bind, or binds to another kind")
        if not self.bound and flag.startswith("p="):
            raise ProtocolError("the client asks for channel binding without having chosen it")
        if flag == "y" and self.end_point is not None:
            # it can bind, and thinks that the server can't: somebody between has taken the offer away
            raise ProtocolError("the client supports channel binding but thinks the server does not")

    def expected(self, header: bytes) -> bytes:
        """What the client's last message must repeat."""
        return header + (self.end_point or b"") if self.bound else header


class Dialogue:
    """One login: ``first(client_first) -> server_first``, then ``final(client_final) -> server_final``."""

    def __init__(self, user: str, verifier: Verifier, *, real: bool, nonce: str | None = None, channel: Channel | None = None) -> None:
        self._channel = channel or Channel()
        self._user = user
        self._verifier = verifier
        self._real = real
        self._nonce = nonce or base64.b64encode(secrets.token_bytes(18)).decode()
        self._header = b""
        self._messages = ""

    def first(self, data: bytes) -> bytes:
        """The client's first message; the name in it is ignored, as PostgreSQL does: the start-up packet names the user."""
        match = _FIRST.match(_text(data))
        if match is None:
            raise ProtocolError("malformed SCRAM message")
        self._channel.check(match["flag"])
        if match["authzid"]:
            raise ProtocolError("the client uses an authorization identity, which is not supported")
        self._header = match["header"].encode()
        self._nonce = match["nonce"] + self._nonce
        salt = base64.b64encode(self._verifier.salt).decode()
        answer = f"r={self._nonce},s={salt},i={self._verifier.iterations}"
        self._messages = f"{match['bare']},{answer},"
        return answer.encode()

    def final(self, data: bytes) -> bytes:
        """The client's proof; AuthenticationError when it does not fit."""
        match = _FINAL.match(_text(data))
        if match is None:
            raise ProtocolError("malformed SCRAM message")
        proof = _base64(match["proof"])
        if (
            _base64(match["binding"]) != self._channel.expected(self._header)
            or not hmac.compare_digest(match["nonce"], self._nonce)
            or len(proof) != 32
        ):
            raise ProtocolError("SCRAM message does not fit the dialogue")
        messages = (self._messages + match["without"]).encode()
        signature = hmac.digest(self._verifier.stored_key, messages, "sha256")
        client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
        fits = hmac.compare_digest(hashlib.sha256(client_key).digest(), self._verifier.stored_key)
        if not fits or not self._real:
            raise AuthenticationError(f'password authentication failed for user "{self._user}"', hint=DIRECTORY_HINT)
        server = hmac.digest(self._verifier.server_key, messages, "sha256")
        return b"v=" + base64.b64encode(server)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ProtocolError("malformed SCRAM message") from None


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ProtocolError("malformed SCRAM message") from None
