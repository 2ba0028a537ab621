"""Seals a source's password so that only the compute pool can open it, and only for the server and the user it was sealed for.

X25519 with a fresh key per value, HKDF-SHA256 to a key for ChaCha20-Poly1305. Text form: ``sealed:v2:`` + base64url (without padding)
of ephemeral public key (32 bytes) ‖ nonce (12) ‖ ciphertext with tag. HKDF: salt = ephemeral public key ‖ recipient's public key, info =
``openbdc source credential``, 32 bytes. Associated data: that text, NUL, host:port, NUL, user (``bound_to``): who has got hold of a sealed
value can't have it sent to a server of his own.
``tests/bdc/sealing_vector.json`` binds this and the opener (``pools/compute/sealing.py``).
"""

from __future__ import annotations

import base64
import binascii
import os
import urllib.parse
from dataclasses import dataclass

from bdc.errors import UserError

PREFIX = "sealed:v2:"
CONTEXT = b"openbdc source credential"
DEFAULT_PORTS = {"postgresql": 5432, "postgres": 5432, "hdfs": 8020, "mongodb": 27017, "oracle": 1521, "oracles": 2484, "sqlserver": 1433}


def bound_to(location: str, user: str | None) -> bytes:
    """What a secret is sealed for: ``host:port`` of the source's location (host in lower case, the port also when it is not written)
    and its user; path and scheme don't count. Any other form of location counts as a whole, in lower case."""
    try:
        url = urllib.parse.urlsplit(location)
        if not url.hostname:
            raise ValueError("no server stands where it does in a URL")
        place = f"{urllib.parse.unquote(url.hostname).lower()}:{url.port or DEFAULT_PORTS.get(url.scheme, 0)}"
    except ValueError:
        place = location.lower()
    return b"\0".join((CONTEXT, place.encode(), (user or "").encode()))


@dataclass(frozen=True)
class Recipient:
    """Who may open a secret, and for what.

    ``public_key``: base64 of 32 bytes, from ``bdc.sealing_key()``; ``location`` and ``user``: the source's.
    """

    public_key: str
    location: str
    user: str | None


def seal(secret: str, recipient: Recipient) -> str:
    """``secret`` sealed for ``recipient``; UserError for a key that is none."""
    return seal_with(secret, recipient, ephemeral=os.urandom(32), nonce=os.urandom(12))


def seal_with(secret: str, recipient: Recipient, *, ephemeral: bytes, nonce: bytes) -> str:
    """The same with given randomness (32 and 12 bytes): for the golden vector only, never twice with the same values."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    try:
        public = base64.b64decode(recipient.public_key, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UserError("the cluster's sealing key is not base64", where="bdc.sealing_key()") from error
    if len(public) != 32:
        raise UserError("the cluster's sealing key is not 32 bytes long", where="bdc.sealing_key()")
    private = X25519PrivateKey.from_private_bytes(ephemeral)
    sender = private.public_key().public_bytes_raw()
    shared = private.exchange(X25519PublicKey.from_public_bytes(public))
    key = HKDF(hashes.SHA256(), 32, salt=sender + public, info=CONTEXT).derive(shared)
    ciphertext = ChaCha20Poly1305(key).encrypt(nonce, secret.encode(), bound_to(recipient.location, recipient.user))
    return PREFIX + base64.urlsafe_b64encode(sender + nonce + ciphertext).rstrip(b"=").decode()
