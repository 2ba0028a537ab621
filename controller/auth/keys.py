"""The Ed25519 keys that sign tokens, in ``keys.json`` of the store: the newest that is old enough signs, all verify.

A rotation adds a key, which is published some minutes before it signs (who verifies may keep the JWKS for so long); old ones stay until
every token they signed has expired, so nobody is logged out. After a theft ``rotate(compromised=True)`` leaves the new key alone, at once.
The key id is the RFC 7638 thumbprint of the public key.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key

from controller.errors import StoreError
from controller.store import FolderStore, Store

FILE = "keys.json"
OLD_FOLDER = "keys"
OLD_PREFIX = "jwt-"
AHEAD_SECONDS = 300
"""For so long a new key is published before it signs; also how long the JWKS may be kept."""
LONGEST_TOKEN_SECONDS = 24 * 3600
"""No access token lives longer (the spec's limit), so no replaced key is needed longer."""
LOOK_SECONDS = 5.0
"""Keys are read again after so long: another controller may have rotated, or thrown away, one."""


@dataclass(frozen=True)
class TokenKey:
    """One key pair. ``created_at``, ``signs_from``: Unix milliseconds."""

    kid: str
    created_at: int
    private: Ed25519PrivateKey
    signs_from: int = 0

    @property
    def public(self) -> Ed25519PublicKey:
        """The public half."""
        return self.private.public_key()

    def jwk(self) -> dict[str, str]:
        """The public half as in a JWKS."""
        return {"kty": "OKP", "crv": "Ed25519", "x": _x(self.public), "kid": self.kid, "use": "sig", "alg": "EdDSA"}


class TokenKeys:
    """The keys of one cluster. Kept in memory for LOOK_SECONDS; a key that is not known is looked for in the store at once, since another
    controller may have made it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._mutex = threading.Lock()
        self._keys: tuple[TokenKey, ...] = ()
        self._read_at = float("-inf")

    def all(self) -> tuple[TokenKey, ...]:
        """Every key, the newest first. The first call of a new cluster makes one."""
        with self._mutex:
            if not self._keys or time.monotonic() - self._read_at > LOOK_SECONDS:
                self._look()
            if not self._keys:
                self._keys = self._loaded(self._store.update(FILE, lambda before: before or [_new()]))
            return self._keys

    def signing(self) -> TokenKey:
        """The key for new tokens: the newest that has been published for long enough."""
        now, keys = time.time() * 1000, self.all()
        return next((key for key in keys if key.signs_from <= now), keys[-1])

    def find(self, kid: str) -> TokenKey | None:
        """The key of that id, or None."""
        found = _of(kid, self.all())
        if found is None:
            with self._mutex:
                self._look()
                found = _of(kid, self._keys)
        return found

    def _look(self) -> None:
        """Read the store; called with ``_mutex`` held."""
        self._keys = self._loaded(self._store.read(FILE)) or self._keys
        self._read_at = time.monotonic()

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """What ``/.well-known/jwks.json`` serves."""
        return {"keys": [key.jwk() for key in self.all()]}

    def rotate(self, *, compromised: bool = False) -> TokenKey:
        """A new key, which signs in AHEAD_SECONDS; keys are deleted once nothing that they signed can be valid. ``compromised``: it signs
        at once and is the only one: every token that was given out before is worth nothing."""

        def change(before: Any) -> Any:  # noqa: ANN401 (what the file holds)
            self._loaded(before)  # what can't be understood is not thrown away
            if compromised or not before:
                return [_new()]
            fresh = _new(AHEAD_SECONDS * 1000)
            limit = fresh["created_at"] - LONGEST_TOKEN_SECONDS * 1000
            entries = [fresh, *_sorted(before)]
            kept = [entry for entry, successor in zip(entries[1:], entries, strict=False) if _signs_from(successor) >= limit]
            return [fresh, *kept]

        with self._mutex:
            self._keys = self._loaded(self._store.update(FILE, change))
            self._read_at = time.monotonic()
            return self._keys[0]

    def _loaded(self, content: Any) -> tuple[TokenKey, ...]:  # noqa: ANN401 (what the file holds)
        if content is None:
            return ()
        try:
            return tuple(_key(entry) for entry in _sorted(content))
        except (ValueError, TypeError, KeyError, AttributeError, UnsupportedAlgorithm):
            raise StoreError(
                f"{self._store.where(FILE)} does not hold token keys",
                where=self._store.where(FILE),
                hint="move it away: the controller then makes a new key, and everybody logs in again",
            ) from None


def adopt_key_files(store: FolderStore) -> None:
    """Take over the keys of a cluster that kept them as files of a folder (before keys.json), so that nobody is logged out."""
    folder = store.folder / OLD_FOLDER
    files = sorted(folder.glob(f"{OLD_PREFIX}*.pem")) if folder.is_dir() else []
    if not files:
        return
    try:
        entries = [{"created_at": int(path.stem.removeprefix(OLD_PREFIX)), "pem": path.read_text(encoding="ascii")} for path in files]
    except (ValueError, OSError):
        raise StoreError(f"{folder} holds a file that is no token key", where=str(folder), hint="move the folder away") from None
    store.update(FILE, lambda before: before or _sorted(entries))
    for path in files:
        path.unlink()
    if not any(folder.iterdir()):
        folder.rmdir()


def thumbprint(public: Ed25519PublicKey) -> str:
    """RFC 7638: the hash of the key's required members in their canonical JSON form."""
    members = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": _x(public)}, separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(hashlib.sha256(members.encode()).digest()).decode().rstrip("=")


def _x(public: Ed25519PublicKey) -> str:
    return base64.urlsafe_b64encode(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode().rstrip("=")


def _of(kid: str, keys: tuple[TokenKey, ...]) -> TokenKey | None:
    return next((key for key in keys if key.kid == kid), None)


def _signs_from(entry: Any) -> int:  # noqa: ANN401 (what the file holds)
    return int(entry.get("signs_from", entry["created_at"]))


def _new(ahead: int = 0) -> dict[str, Any]:
    """``ahead``: milliseconds until it signs."""
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    now = int(time.time() * 1000)
    return {"created_at": now, "signs_from": now + ahead, "pem": pem}


def _sorted(entries: Any) -> list[Any]:  # noqa: ANN401 (what the file holds)
    """The newest first; TypeError for what is no list of keys."""
    if not isinstance(entries, list):
        raise TypeError("not a list")
    return sorted(entries, key=lambda entry: int(entry["created_at"]), reverse=True)


def _key(entry: Any) -> TokenKey:  # noqa: ANN401 (what the file holds)
    private = load_pem_private_key(entry["pem"].encode(), password=None)
    if not isinstance(private, Ed25519PrivateKey):
        raise TypeError("not an Ed25519 key")
    return TokenKey(thumbprint(private.public_key()), int(entry["created_at"]), private, _signs_from(entry))
