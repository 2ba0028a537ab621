"""The controller's published keys: fetched, kept on disk, so that tokens stay verifiable while the controller is down."""

from __future__ import annotations

import json
import logging
import pathlib
import ssl
import threading
import time
import urllib.error
import urllib.request
from typing import Any

import jwt

PATH = "/.well-known/jwks.json"
FETCH_SECONDS = 5.0
AGAIN_SECONDS = 2.0
"""A key that nobody knows is asked for no more often: tokens that name one cost the sender nothing."""
REFRESH_SECONDS = 300.0
"""For so long the keys may be kept; a new one is published before it signs, and one that was taken back is forgotten here then."""
MAX_BYTES = 256 * 1024
logger = logging.getLogger("keys")


class Keys:
    """Key id → public key. ``find`` may block; it is called in a thread."""

    def __init__(self, controller: str, kept: pathlib.Path, authority: str | None = None) -> None:
        self._url = controller.rstrip("/") + PATH
        self._kept = kept
        self._authority = authority
        self._mutex = threading.Lock()
        self._keys: dict[str, Any] = {}
        self._asked_at = self._fetched_at = float("-inf")
        self._read()

    def find(self, kid: str) -> object | None:
        """The key, or None. Asks the controller where it is not known, or what is known is old."""
        with self._mutex:
            now = time.monotonic()
            wanted = kid not in self._keys or now - self._fetched_at > REFRESH_SECONDS
            if wanted and now - self._asked_at > AGAIN_SECONDS:
                self._asked_at = now
                self._fetch()
            found = self._keys.get(kid)
            return None if found is None else found.key

    def known(self, kid: str) -> bool:
        """Whether it still is one, as far as this process knows."""
        return kid in self._keys

    def _fetch(self) -> None:
        context = ssl.create_default_context(cafile=self._authority) if self._url.startswith("https:") else None
        try:
            with urllib.request.urlopen(self._url, timeout=FETCH_SECONDS, context=context) as answer:  # noqa: S310 (the settings' own)
                content = answer.read(MAX_BYTES)
            self._take(content)
        except (OSError, ValueError, urllib.error.URLError, jwt.PyJWTError) as error:
            logger.warning("the controller's keys can't be had, the known ones stay: %s", error)
            return
        self._fetched_at = time.monotonic()
        half = self._kept.with_suffix(".new")
        half.write_bytes(content)
        half.replace(self._kept)

    def _read(self) -> None:
        try:
            self._take(self._kept.read_bytes())
        except FileNotFoundError:
            return
        except (OSError, ValueError, jwt.PyJWTError) as error:
            logger.warning("the keys that were kept can't be read: %s", error)

    def _take(self, content: bytes) -> None:
        found = jwt.PyJWKSet.from_dict(json.loads(content)).keys
        self._keys = {str(key.key_id): key for key in found if key.key_type == "OKP"}
