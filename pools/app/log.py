"""What a version's workers wrote: a file that never grows beyond a limit, and the one before it."""

from __future__ import annotations

import collections
import datetime
import pathlib

LIMIT = 1024 * 1024


class AppLog:
    """Of one version. ``limit``: bytes of one file; there are at most two."""

    def __init__(self, path: pathlib.Path, limit: int = LIMIT) -> None:
        self.path = path
        self.limit = limit
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._size = path.stat().st_size if path.exists() else 0

    def write(self, text: bytes) -> None:
        """Append; a full disk loses the text, not the call."""
        try:
            if self._size + len(text) > self.limit:
                self.path.replace(self.path.with_suffix(".old"))
                self._size = 0
            with self.path.open("ab") as file:
                file.write(text[-self.limit :])
            self._size += len(text)
        except OSError:
            self._size = self.path.stat().st_size if self.path.exists() else 0

    def say(self, text: str) -> None:
        """A line of the proxy's own."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.write(f"{now} {text}\n".encode(errors="replace"))

    def tail(self, lines: int) -> list[str]:
        """The last of them."""
        found: collections.deque[str] = collections.deque(maxlen=lines)
        for path in (self.path.with_suffix(".old"), self.path):
            if path.exists():
                found.extend(path.read_text(errors="replace").splitlines())
        return list(found)

    def remove(self) -> None:
        """No error where there is none."""
        for path in (self.path.with_suffix(".old"), self.path):
            path.unlink(missing_ok=True)
