"""Tickets: what the coordinator allows at a shard or at a Flight endpoint, as compact JWT signed with Ed25519 (``EdDSA``).

The private key is the cluster's secret ``ticket.key``: 32 bytes, raw or base64. Shards get the public half only (base64 of 32 bytes),
so that a shard can check tickets but never make one. Claims: docs/architecture/load-protocol.md, "Tickets".

    TicketError  28000  forged, damaged, expired, or meant for something else
"""

from __future__ import annotations

import base64
import binascii
import pathlib
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ALGORITHM = "EdDSA"
KEY_BYTES = 32

Audience = Literal["data-shard", "bdc-flight"]

KNOWN = 64
"""Tickets whose signature was checked and need not be again: the streams of a load come with one ticket."""

CLOCK_SECONDS = 900.0
"""How far a shard's clock may be from the signer's."""


class TicketError(Exception):
    """The ticket allows nothing here; ``message`` says why and never holds the ticket."""

    code: ClassVar[str] = "28000"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Signer:
    """Signs tickets with the private key."""

    def __init__(self, private_key: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(private_key)
        self._marks: dict[str, int] = {}
        self._knowing = threading.Lock()

    @classmethod
    def read(cls, path: pathlib.Path) -> Signer:
        """From the secret's file; ValueError when it holds no key."""
        return cls(_key_bytes(path.read_bytes(), path.name))

    @property
    def public_key(self) -> str:
        """What the shards need: base64 of 32 bytes."""
        return base64.b64encode(self._key.public_key().public_bytes_raw()).decode()

    def know(self, marks: Mapping[str, int]) -> None:
        """How far shards have come (identity → mark): their tickets say it from now on, so that an older copy of one refuses itself."""
        with self._knowing:
            self._marks |= {shard: mark for shard, mark in marks.items() if mark > self._marks.get(shard, 0)}

    def marks(self, shards: Iterable[str]) -> dict[str, int]:
        """What is known of these."""
        return {shard: self._marks[shard] for shard in shards if shard in self._marks}

    def sign(self, audience: Audience, op: str, seconds: float, claims: Mapping[str, Any]) -> str:
        """A ticket that is good for ``seconds`` from now; ``claims`` are JSON values (``None`` ones are left out)."""
        now = time.time()
        own = {name: value for name, value in claims.items() if value is not None}
        if (mark := self._marks.get(claims.get("shard", ""))) is not None:
            own.setdefault("mark", mark)
        return jwt.encode(own | {"aud": audience, "op": op, "iat": int(now), "exp": int(now + seconds + 1)}, self._key, ALGORITHM)


class Verifier:
    """Checks tickets with the public key (base64, as ``Signer.public_key`` gives it)."""

    def __init__(self, public_key: str, clock_seconds: float = CLOCK_SECONDS) -> None:
        self._key = Ed25519PublicKey.from_public_bytes(_key_bytes(public_key.encode(), "the public ticket key"))
        self._leeway = clock_seconds
        self._known: dict[str, dict[str, Any]] = {}

    def verify(self, ticket: str, audience: Audience, ops: Collection[str]) -> dict[str, Any]:
        """Its claims; TicketError when it is not ours, over, or for another audience or operation."""
        claims = self._known.get(ticket)
        if claims is None or claims["aud"] != audience or claims["exp"] + self._leeway < time.time():
            claims = self._decoded(ticket, audience)
            if len(self._known) >= KNOWN:
                self._known.clear()
            self._known[ticket] = claims
        if claims["op"] not in ops:
            raise TicketError(f'a ticket for "{claims["op"]}" does not allow "{" or ".join(sorted(ops))}"')
        return claims

    def _decoded(self, ticket: str, audience: Audience) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                ticket,
                self._key,
                algorithms=[ALGORITHM],
                audience=audience,
                leeway=self._leeway,
                options={"require": ["exp", "aud", "op"], "verify_iat": False},
            )
        except jwt.ExpiredSignatureError:
            raise TicketError("the ticket has expired", hint="Begin again: a new ticket is issued.") from None
        except jwt.InvalidAudienceError:
            raise TicketError("the ticket is for another kind of service") from None
        except jwt.PyJWTError:
            raise TicketError("the ticket is not one of this cluster, or is damaged") from None
        return claims


def make_private_key() -> bytes:
    """A new private key, for the cluster's secret store and for tests."""
    return Ed25519PrivateKey.generate().private_bytes_raw()


def public_key_of(private_key: bytes) -> str:
    """The public half (base64 of 32 bytes) of a private key."""
    return Signer(private_key).public_key


def _key_bytes(raw: bytes, name: str) -> bytes:
    if len(raw) == KEY_BYTES:
        return raw
    try:
        key = base64.b64decode(raw.strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(f"{name} holds no Ed25519 key")
    return key
