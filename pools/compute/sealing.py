"""Opens what the command line sealed: X25519 + HKDF-SHA256 + ChaCha20-Poly1305.

``sealed:v2:`` + base64url(ephemeral public key (32) ‖ nonce (12) ‖ ciphertext); HKDF with salt = ephemeral ‖ recipient's public key
and info = ``openbdc source credential``; associated data: see ``bound_to``. Only the compute pool holds the private key: 32 bytes, raw
or base64, and those before it (``pools/keyring.py``). ``tests/bdc/sealing_vector.json`` binds this and the sealer (``bdc/sealing.py``).
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import pathlib
import urllib.parse

from pools.keyring import KeyFile
from virtualization.errors import DefinitionError

PREFIX = "sealed:v2:"
CONTEXT = b"openbdc source credential"
DEFAULT_PORTS = {"postgresql": 5432, "postgres": 5432, "hdfs": 8020, "mongodb": 27017, "oracle": 1521, "oracles": 2484, "sqlserver": 1433}
KEY_BYTES, NONCE_BYTES, TAG_BYTES = 32, 12, 16


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


def unseal(sealed: str, location: str, user: str | None, key: bytes) -> str:
    """The secret; DefinitionError (which never shows it) when it was sealed for another cluster, server or user, or is damaged."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    if not sealed.startswith(PREFIX):
        raise DefinitionError("the credential is not sealed", hint="Seal it with: bdc source create …")
    try:
        text = sealed.removeprefix(PREFIX)
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if len(raw) < KEY_BYTES + NONCE_BYTES + TAG_BYTES:
            raise DefinitionError("the sealed credential is damaged")
        ephemeral, nonce, ciphertext = raw[:KEY_BYTES], raw[KEY_BYTES : KEY_BYTES + NONCE_BYTES], raw[KEY_BYTES + NONCE_BYTES :]
        private = X25519PrivateKey.from_private_bytes(key)
        shared = private.exchange(X25519PublicKey.from_public_bytes(ephemeral))
        symmetric = derive(shared, ephemeral + private.public_key().public_bytes_raw())
        return ChaCha20Poly1305(symmetric).decrypt(nonce, ciphertext, bound_to(location, user)).decode()
    except (InvalidTag, binascii.Error, ValueError):
        raise DefinitionError(
            "the credential was sealed for another cluster, server or user, or is damaged",
            hint="Seal it for this location and user: bdc source alter NAME",
        ) from None


class Opener:
    """Opens what was sealed for the key in use or for one before it that still holds; all in one file, which may be replaced."""

    def __init__(self, path: pathlib.Path) -> None:
        self._keys = KeyFile(path)

    def __call__(self, sealed: str, location: str, user: str | None) -> str:
        """See ``unseal``."""
        known = self._keys(now=True)
        for key in known[:-1]:
            with contextlib.suppress(DefinitionError):
                return unseal(sealed, location, user, key)
        return unseal(sealed, location, user, known[-1])

    def public(self) -> str:
        """The public half of the key in use, base64."""
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

        return base64.b64encode(X25519PrivateKey.from_private_bytes(self._keys(now=True)[0]).public_key().public_bytes_raw()).decode()

    def resealed(self, sealed: str, location: str, user: str | None) -> str | None:
        """The same for the key in use, as it is sealed for an older one; None where it is for that one already. DefinitionError."""
        newest = self._keys(now=True)[0]
        with contextlib.suppress(DefinitionError):
            unseal(sealed, location, user, newest)
            return None
        return seal(self(sealed, location, user), location, user, newest)


def seal(secret: str, location: str, user: str | None, key: bytes) -> str:
    """For the private ``key``'s owner, as ``bdc/sealing.py`` does with its public half."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    recipient, sender = X25519PrivateKey.from_private_bytes(key).public_key(), X25519PrivateKey.generate()
    ephemeral, nonce = sender.public_key().public_bytes_raw(), os.urandom(NONCE_BYTES)
    symmetric = derive(sender.exchange(recipient), ephemeral + recipient.public_bytes_raw())
    ciphertext = ChaCha20Poly1305(symmetric).encrypt(nonce, secret.encode(), bound_to(location, user))
    return PREFIX + base64.urlsafe_b64encode(ephemeral + nonce + ciphertext).rstrip(b"=").decode()


def derive(shared: bytes, salt: bytes) -> bytes:
    """The symmetric key of a shared secret."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=salt, info=CONTEXT).derive(shared)
