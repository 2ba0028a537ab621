"""What the values of the cluster's secret store are, wherever it lies: keys by their names, everything else random texts. Pure."""

from __future__ import annotations

import base64
import secrets

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from pools.keyring import keys, mapped

SEALING_KEY = "sealing.key"
"""Private key (X25519) with which the compute pool opens the credentials of data sources."""
TICKET_KEY = "ticket.key"
"""Signs (Ed25519) the tickets of the data pool."""
TICKET_KEYS = "ticket.pub"
"""Public halves of ``ticket.key``, for the shards: made from it, never by themselves."""
RANDOM_BYTES = 32


def new_value(name: str) -> bytes:
    """A value for the secret ``name``: printable bytes."""
    if name == SEALING_KEY:
        return base64.b64encode(X25519PrivateKey.generate().private_bytes_raw())
    if name == TICKET_KEY:
        return base64.b64encode(Ed25519PrivateKey.generate().private_bytes_raw())
    return secrets.token_urlsafe(RANDOM_BYTES).encode()


def new_key(name: str) -> bytes:
    """The 32 bytes of another key for SEALING_KEY or TICKET_KEY."""
    return base64.b64decode(new_value(name))


def ticket_public_keys(value: bytes) -> bytes:
    """TICKET_KEYS from ``ticket.key``."""
    return mapped(value, lambda key: Ed25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw())


def sealing_public_key(value: bytes) -> str:
    """The public half of ``sealing.key``: standard base64 of 32 bytes."""
    private = X25519PrivateKey.from_private_bytes(keys(value, SEALING_KEY, 0.0)[0])
    return base64.b64encode(private.public_key().public_bytes_raw()).decode()


def ticket_public_key(value: bytes) -> str:
    """The public half of ``ticket.key``, with which shards verify: standard base64 of 32 bytes."""
    private = Ed25519PrivateKey.from_private_bytes(keys(value, TICKET_KEY, 0.0)[0])
    return base64.b64encode(private.public_key().public_bytes_raw()).decode()
