"""What an app prints during a call: kept up to a limit, counted beyond it, so that a flood costs neither memory nor the answer."""

from __future__ import annotations

import io

LIMIT = 64 * 1024
"""Characters of one call that are kept."""


class Console(io.TextIOBase):
    """Takes the place of standard output and standard error."""

    def __init__(self) -> None:
        self._kept: list[str] = []
        self._room = LIMIT
        self._dropped = 0

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """All of it, as far as anybody can tell."""
        kept = text[: self._room]
        if kept:
            self._kept.append(kept)
            self._room -= len(kept)
        self._dropped += len(text) - len(kept)
        return len(text)

    def take(self) -> str:
        """What was written since the last time."""
        if not self._kept and not self._dropped:
            return ""
        found = "".join(self._kept) + (f"\n… {self._dropped} characters more were left out" if self._dropped else "")
        self._kept, self._room, self._dropped = [], LIMIT, 0
        return found
