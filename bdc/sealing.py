"""Seals a source's password so that only the compute pool can open it.

X25519 with a fresh key per value, HKDF-SHA256 to a key for ChaCha20-Poly1305. Text form: ``sealed:v1:`` + base64url (without padding)
of ephemeral public key (32 bytes) ‖ nonce (12) ‖ ciphertext with tag; associated data ``openbdc source credential``.
HKDF: salt = ephemeral public key ‖ recipient's public key, info = the associated data, 32 bytes.
``tests/bdc/sealing_vector.json`` binds this and the opener (``pools/compute/sealing.py``).
"""

from __future__ import annotations

import base64
import binascii
import os

from bdc.errors import UserError

PREFIX = "sealed:v1:"
ASSOCIATED_DATA = b"openbdc source credential"


def seal(secret: str, public_key: str) -> str:
    """``secret`` sealed for the holder of ``public_key`` (base64, 32 bytes, from ``bdc.sealing_key()``)."""
    return seal_with(secret, public_key, ephemeral=os.urandom(32), nonce=os.urandom(12))


def seal_with(secret: str, public_key: str, *, ephemeral: bytes, nonce: bytes) -> str:
    """The same with given randomness (32 and 12 bytes): for the golden vector only, never twice with the same values."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    try:
        recipient = base64.b64decode(public_key, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UserError("the cluster's sealing key is not base64", where="bdc.sealing_key()") from error
    if len(recipient) != 32:
        raise UserError("the cluster's sealing key is not 32 bytes long", where="bdc.sealing_key()")
    private = X25519PrivateKey.from_private_bytes(ephemeral)
    sender = private.public_key().public_bytes_raw()
    shared = private.exchange(X25519PublicKey.from_public_bytes(recipient))
    key = HKDF(hashes.SHA256(), 32, salt=sender + recipient, info=ASSOCIATED_DATA).derive(shared)
    ciphertext = ChaCha20Poly1305(key).encrypt(nonce, secret.encode(), ASSOCIATED_DATA)
    return PREFIX + base64.urlsafe_b64encode(sender + nonce + ciphertext).rstrip(b"=").decode()
