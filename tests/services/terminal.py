"""A program at a terminal of its own, as somebody who types at it sees it."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from tests.patience import PATIENCE

INTERRUPT = "\x03"
"""What Ctrl-C sends."""


class Terminal:
    """The leader of a session of its own, whose controlling terminal is ours to type at."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._ours, its = pty.openpty()
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *command], stdin=its, stdout=its, stderr=its, env={**environment, "TERM": "dumb"}
        )
        os.close(its)
        self._seen = ""

    def type(self, text: str) -> None:
        """Keys; the echo of what is typed is seen too."""
        os.write(self._ours, text.encode())

    def until(self, text: str, seconds: float = PATIENCE) -> str:
        """What is seen up to ``text``; the next call looks behind it. AssertionError with what was seen instead."""
        deadline = time.monotonic() + seconds
        while text not in self._seen:
            assert time.monotonic() < deadline and self._more(), f"{text!r} was not seen, but:\n{self._seen[-3000:]}"
        before, _, self._seen = self._seen.partition(text)
        return before

    def ended(self, seconds: float = PATIENCE) -> int:
        """Its exit code; what it writes meanwhile is taken off its hands."""
        deadline = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it goes on:\n{self._seen[-3000:]}"
            self._more(0.1)
        return self.process.returncode

    def left(self) -> bool:
        """Does anything of its process group run?"""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def _more(self, seconds: float = 1.0) -> bool:
        """Look for a while; False: nobody has the terminal open any more."""
        if select.select([self._ours], [], [], seconds)[0]:
            try:
                self._seen += os.read(self._ours, 65536).decode(errors="replace")
            except OSError:  # how Linux says that the other side is closed
                return False
        return True

    def close(self) -> None:
        """Hang up: what still runs gets SIGHUP, and is killed if it does not mind."""
        os.close(self._ours)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(PATIENCE)


@contextmanager
def terminal(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[Terminal]:
    """One for a while."""
    made = Terminal(command, environment)
    try:
        yield made
    finally:
        made.close()
