"""Tickets: what the coordinator allows at a shard or at a Flight endpoint, as compact JWT signed with Ed25519 (``EdDSA``).

The private key is the cluster's secret ``ticket.key`` (``pools/keyring.py``). Shards get the public half only (``ticket.pub``), so that a
shard can check tickets but never make one. Both files may be replaced while they are in use. Claims:
docs/architecture/load-protocol.md, "Tickets".

    TicketError  28000  forged, damaged, expired, or meant for something else
"""

from __future__ import annotations

import base64
import binascii
import pathlib
import threading
import time
from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar, Literal, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from pools.keyring import KeyFile

ALGORITHM = "EdDSA"
KEY_BYTES = 32


class Keys(Protocol):
    """Keys of 32 bytes, the one in use first."""

    def __call__(self, *, now: bool = False) -> tuple[bytes, ...]:
        """``now``: even where it was looked a moment ago."""
        ...


Audience = Literal["data-shard", "bdc-flight", "app"]

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
    """Signs tickets with the private key in use."""

    def __init__(self, private_key: bytes | KeyFile) -> None:
        self._keys = (lambda: (private_key,)) if isinstance(private_key, bytes) else private_key
        self._loaded: dict[bytes, Ed25519PrivateKey] = {}
        self._marks: dict[str, int] = {}
        self._knowing = threading.Lock()
        self._all()

    @classmethod
    def read(cls, path: pathlib.Path) -> Signer:
        """From the secret's file, which may be replaced while this signs; ValueError when it holds no key."""
        return cls(KeyFile(path))

    @property
    def public_key(self) -> str:
        """What verifies the tickets that are signed now: base64 of 32 bytes."""
        return base64.b64encode(self._all()[0].public_key().public_bytes_raw()).decode()

    def public_keys(self, *, now: bool = False) -> tuple[bytes, ...]:
        """What verifies those that were signed lately too; 32 bytes each."""
        del now  # the file is looked at each second
        return tuple(key.public_key().public_bytes_raw() for key in self._all())

    def _all(self) -> tuple[Ed25519PrivateKey, ...]:
        raw = self._keys()
        if self._loaded.keys() != set(raw):
            self._loaded = {key: Ed25519PrivateKey.from_private_bytes(key) for key in raw}
        loaded = self._loaded
        return tuple(loaded[key] for key in raw if key in loaded)

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
        return jwt.encode(own | {"aud": audience, "op": op, "iat": int(now), "exp": int(now + seconds + 1)}, self._all()[0], ALGORITHM)


class Verifier:
    """Checks tickets with the public key (base64, as ``Signer.public_key`` gives it), or with any of several that are asked for each time:
    a ticket of a key that is dropped is worth nothing at once."""

    def __init__(self, public_key: str | Keys, clock_seconds: float = CLOCK_SECONDS) -> None:
        self._keys = _fixed(public_key) if isinstance(public_key, str) else public_key
        self._leeway = clock_seconds
        self._known: dict[str, dict[str, Any]] = {}
        self._raw: tuple[bytes, ...] = ()
        self._loaded: tuple[Ed25519PublicKey, ...] = ()
        self._follow()

    def _follow(self, *, now: bool = False) -> bool:
        """Whether the keys are others than before."""
        raw = self._keys(now=now)
        if raw == self._raw:
            return False
        self._known = {}
        self._raw, self._loaded = raw, tuple(Ed25519PublicKey.from_public_bytes(key) for key in raw)
        return True

    def verify(self, ticket: str, audience: Audience, ops: Collection[str]) -> dict[str, Any]:
        """Its claims; TicketError when it is not ours, over, or for another audience or operation."""
        self._follow()
        claims = self._known.get(ticket)
        if claims is None or claims["aud"] != audience or claims["exp"] + self._leeway < time.time():
            claims = self._found(ticket, audience)
            if len(self._known) >= KNOWN:
                self._known.clear()
            self._known[ticket] = claims
        if claims["op"] not in ops:
            raise TicketError(f'a ticket for "{claims["op"]}" does not allow "{" or ".join(sorted(ops))}"')
        return claims

    def _found(self, ticket: str, audience: Audience) -> dict[str, Any]:
        """By whichever key signed it; one that is not known may have come this moment."""
        for again in (True, False):
            for key in self._loaded:
                try:
                    return self._decoded(ticket, audience, key)
                except jwt.InvalidSignatureError:
                    continue
            if not again or not self._follow(now=True):
                break
        raise TicketError("the ticket is not one of this cluster, or is damaged")

    def _decoded(self, ticket: str, audience: Audience, key: Ed25519PublicKey) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                ticket,
                key,
                algorithms=[ALGORITHM],
                audience=audience,
                leeway=self._leeway,
                options={"require": ["exp", "aud", "op"], "verify_iat": False},
            )
        except jwt.InvalidSignatureError:
            raise
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


def _fixed(public_key: str) -> Keys:
    key = _key_bytes(public_key.encode(), "the public ticket key")
    return lambda *, now=False: (key,)


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
