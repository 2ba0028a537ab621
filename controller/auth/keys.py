"""The Ed25519 keys that sign tokens: PEM files in ``store/keys/``, the newest signs, all verify.

A rotation adds a key; old ones stay until every token they signed has expired, so nobody is logged out. The key id is the RFC 7638
thumbprint of the public key.
"""

from __future__ import annotations

import base64
import hashlib
import json
import pathlib
import threading
import time
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key

from controller.errors import StoreError
from controller.store import FILE_MODE, Store, write_atomic

PREFIX = "jwt-"


@dataclass(frozen=True)
class TokenKey:
    """One key pair. ``created_at``: Unix milliseconds, from the file's name."""

    kid: str
    created_at: int
    private: Ed25519PrivateKey

    @property
    def public(self) -> Ed25519PublicKey:
        """The public half."""
        return self.private.public_key()

    def jwk(self) -> dict[str, str]:
        """The public half as in a JWKS."""
        return {"kty": "OKP", "crv": "Ed25519", "x": _x(self.public), "kid": self.kid, "use": "sig", "alg": "EdDSA"}


class TokenKeys:
    """The keys of one cluster. Loaded once; ``rotate`` and a restart see new files."""

    def __init__(self, store: Store) -> None:
        self.folder = store.folder / "keys"
        self._store = store
        self._mutex = threading.Lock()
        self._keys: tuple[TokenKey, ...] = ()

    def all(self) -> tuple[TokenKey, ...]:
        """Every key, the signing one first. The first call of a new cluster makes one."""
        with self._mutex:
            if not self._keys:
                with self._store.lock("keys"):
                    self._keys = self._load() or (self._make(),)
            return self._keys

    def signing(self) -> TokenKey:
        """The key for new tokens."""
        return self.all()[0]

    def find(self, kid: str) -> TokenKey | None:
        """The key of that id, or None."""
        return next((key for key in self.all() if key.kid == kid), None)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """What ``/.well-known/jwks.json`` serves."""
        return {"keys": [key.jwk() for key in self.all()]}

    def rotate(self, keep_seconds: float) -> TokenKey:
        """A new signing key; keys that were replaced longer than ``keep_seconds`` ago are deleted."""
        with self._mutex, self._store.lock("keys"):
            keys = (self._make(), *self._load_sorted())
            limit = time.time() * 1000 - keep_seconds * 1000
            kept = [keys[0]]
            for key, successor in zip(keys[1:], keys, strict=False):
                if key.kid == keys[0].kid:
                    continue
                if successor.created_at >= limit:
                    kept.append(key)
                else:
                    self._path(key).unlink(missing_ok=True)
            self._keys = tuple(kept)
            return keys[0]

    def _make(self) -> TokenKey:
        private = Ed25519PrivateKey.generate()
        key = TokenKey(thumbprint(private.public_key()), int(time.time() * 1000), private)
        write_atomic(self._path(key), private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), FILE_MODE)
        return key

    def _path(self, key: TokenKey) -> pathlib.Path:
        return self.folder / f"{PREFIX}{key.created_at}.pem"

    def _load(self) -> tuple[TokenKey, ...]:
        return self._load_sorted()

    def _load_sorted(self) -> tuple[TokenKey, ...]:
        keys = [_read(path) for path in self.folder.glob(f"{PREFIX}*.pem")] if self.folder.is_dir() else []
        return tuple(sorted(keys, key=lambda key: key.created_at, reverse=True))


def thumbprint(public: Ed25519PublicKey) -> str:
    """RFC 7638: the hash of the key's required members in their canonical JSON form."""
    members = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": _x(public)}, separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(hashlib.sha256(members.encode()).digest()).decode().rstrip("=")


def _x(public: Ed25519PublicKey) -> str:
    return base64.urlsafe_b64encode(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode().rstrip("=")


def _read(path: pathlib.Path) -> TokenKey:
    hint = "move it away: the controller then makes a new key, and everybody logs in again"
    try:
        private = load_pem_private_key(path.read_bytes(), password=None)
        created_at = int(path.stem.removeprefix(PREFIX))
    except (ValueError, TypeError, UnsupportedAlgorithm, OSError):
        raise StoreError(f"{path} is not a token key", where=str(path), hint=hint) from None
    if not isinstance(private, Ed25519PrivateKey):
        raise StoreError(f"{path} is not an Ed25519 key", where=str(path), hint=hint)
    return TokenKey(thumbprint(private.public_key()), created_at, private)
