"""A key and those before it, in one file: so that a key can be replaced while what the old one made is still good.

One line each: base64 of 32 bytes, and for older ones, after a blank, until when they hold (Unix seconds). The first line is the key in use.
A file of 32 bytes, or of one line without a time, is a key that was never replaced.
"""

from __future__ import annotations

import base64
import binascii
import pathlib
import threading
import time
from collections.abc import Callable

KEY_BYTES = 32
LOOK_SECONDS = 1.0
"""A file that was replaced is read again so soon."""

Clock = Callable[[], float]


def keys(raw: bytes, name: str, now: float) -> tuple[bytes, ...]:
    """The key in use, then the older ones that still hold; ValueError when the first line is none. Other lines that are none are left
    out."""
    if len(raw) == KEY_BYTES:
        return (raw,)
    lines = raw.split(b"\n") if raw.strip() else []
    first = _key(lines[0].split(b" ")[0]) if lines else None
    if first is None:
        raise ValueError(f"{name} holds no key of {KEY_BYTES} bytes")
    older = (line.split(b" ") for line in lines[1:])
    return (first, *(key for parts in older if len(parts) == 2 and _until(parts[1]) > now and (key := _key(parts[0])) is not None))


def added(raw: bytes, fresh: bytes, now: float, seconds: float) -> bytes:
    """``fresh`` (32 bytes) is in use; the one before holds for ``seconds`` more, those before it as long as they were to."""
    lines = [base64.b64encode(raw)] if len(raw) == KEY_BYTES else raw.strip().split(b"\n")
    before = lines[0].split(b" ")[0] + f" {int(now + seconds)}".encode()
    older = [line for line in lines[1:] if len(line.split(b" ")) == 2 and _until(line.split(b" ")[1]) > now]
    return b"\n".join([base64.b64encode(fresh), before, *older])


def dropped(raw: bytes) -> bytes:
    """The key in use alone."""
    return raw if len(raw) == KEY_BYTES else raw.strip().split(b"\n")[0]


def mapped(raw: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Each key replaced by ``change(key)``: private ones by their public halves."""
    lines = [base64.b64encode(raw)] if len(raw) == KEY_BYTES else raw.strip().split(b"\n")
    parts = [line.split(b" ") for line in lines]
    return b"\n".join(b" ".join([base64.b64encode(change(base64.b64decode(first))), *rest]) for first, *rest in parts)


class KeyFile:
    """Such a file, followed. ValueError when it holds no key at first; later ones that can't be read leave the keys that are known."""

    def __init__(self, path: pathlib.Path, clock: Clock = time.time) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._seen = self._stamp()
        self._raw = path.read_bytes()
        self._looked = time.monotonic()
        keys(self._raw, path.name, clock())

    def __call__(self, *, now: bool = False) -> tuple[bytes, ...]:
        """The key in use, then the older ones that hold; ``now``: whatever was looked at a moment ago, the file is looked at."""
        if now or time.monotonic() - self._looked >= LOOK_SECONDS:
            self._look()
        return keys(self._raw, self._path.name, self._clock())

    def _look(self) -> None:
        with self._lock:
            self._looked = time.monotonic()
            try:
                stamp = self._stamp()
                if stamp != self._seen:
                    raw = self._path.read_bytes()
                    keys(raw, self._path.name, self._clock())
                    self._raw, self._seen = raw, stamp
            except (OSError, ValueError):
                pass  # it is being replaced, or damaged: what is known goes on

    def _stamp(self) -> tuple[int, int, int]:
        found = self._path.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size


def _key(text: bytes) -> bytes | None:
    try:
        key = base64.b64decode(text.strip().replace(b"-", b"+").replace(b"_", b"/") + b"==")
    except binascii.Error:
        return None
    return key if len(key) == KEY_BYTES else None


def _until(text: bytes) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
