"""The audit trail of one service: who, from where, what, allowed or not and by which rule. One JSON object per line, in a file of its own.

``note`` writes before it returns, ``later`` within SETTLE_SECONDS (from memory, so that a query pays next to nothing); both reach the disk
(fdatasync) within that time. A service that is killed loses what ``later`` was told in the last second, nothing else; a machine that loses
its power also what was noted in it.

**A trail that can't be written stops nobody**: with a full disk the service goes on, says so in its log, and counts. The first entry that
can be written again is ``audit.lost`` with how many are missing and since when. Refusing instead would lock out the administrator who has
to make room, and let whoever can fill a disk stop the cluster.

Entries have running numbers (``n``), which go on over rotations and restarts: a line that somebody took out leaves a gap.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pathlib
import stat
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pools.audit_entries import Entry, line_of, now

SETTLE_SECONDS = 1.0
MOST_WAITING = 50_000
"""Entries in memory; those beyond are lost, and counted: the disk hangs."""

STRANGERS = 300
TAIL_BYTES = 1 << 16


@dataclass(frozen=True)
class Keep:
    """``size``: bytes of one file; ``files``: how many there are at most, the one that is written included."""

    size: int = 8 << 20
    files: int = 16


class Trail:
    """``file`` None: nothing is kept. ``complain`` hears once when writing begins to fail; ``echo`` gets each line too (where a pod's log
    is what lasts). All methods from any thread; none raises."""

    def __init__(
        self,
        file: pathlib.Path | None,
        service: str,
        complain: Callable[[str], None] = lambda why: None,
        keep: Keep = Keep(),
        echo: Callable[[str], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.file = file
        self.service = service
        self._complain = complain
        self._keep = keep
        self._echo = echo
        self._clock = clock
        self._minute = self._strangers = 0
        self._lock = threading.Lock()
        self._waiting: deque[Callable[[], Entry]] = deque()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._opened: int | None = None
        self._retired: list[int] = []
        """Files that are written no more, to be synced and closed."""
        self._number = 0
        self._unsynced = False
        self._failing: str | None = None
        self.lost = 0
        """Entries that could not be written since this process began."""
        self._untold = 0
        self._since = ""

    def note(self, entry: Entry) -> None:
        """Write it."""
        if self.file is not None:
            self._write([entry])
            self._run()

    def later(self, make: Callable[[], Entry]) -> None:
        """Write what ``make`` gives, soon; it is called on a thread of the trail's own."""
        if self.file is None:
            return
        if len(self._waiting) >= MOST_WAITING:
            self.lost += 1
            self._untold += 1
            return
        self._waiting.append(make)
        self._run()

    def note_later(self, entry: Entry) -> None:
        """``later`` with an entry that is made already."""
        self.later(lambda: entry)

    def note_few(self, entry: Entry) -> None:
        """The refusal of somebody who is not logged in: beyond STRANGERS a minute they are counted only (``audit.left_out``), so that
        nobody pushes other entries out of the files."""
        minute = int(self._clock() // 60)
        with self._lock:
            left_out, self._strangers = (0, self._strangers + 1) if minute == self._minute else (self._strangers - STRANGERS, 1)
            self._minute, few = minute, self._strangers <= STRANGERS
        if left_out > 0:
            self.note(Entry("audit.left_out", "refused", "at most so many a minute", objects=(f"{left_out} refusals",)))
        if few:
            self.note(entry)

    def settle(self) -> None:
        """Write what waits, and have the disk keep it; who notes something meanwhile does not wait for the disk."""
        entries, defects = self._made()
        with self._lock:
            for error in defects:
                self._fail(1, error)
            if entries:
                self._append(entries)
            retired, self._retired = self._retired, []
            if self._unsynced and self._opened is not None:
                self._unsynced = False
                retired.append(os.dup(self._opened))
        for opened in retired:
            try:
                os.fdatasync(opened)
            except OSError as error:
                with self._lock:
                    self._fail(0, error)
            finally:
                os.close(opened)
        with self._lock, contextlib.suppress(OSError):
            if self._opened is not None and self._moved(self._opened):
                self._close()

    def close(self) -> None:
        """Settle, for the last time."""
        self._over.set()
        with self._lock:
            self._close()
        self.settle()

    @property
    def problem(self) -> str | None:
        """Why nothing can be written now; None: it can."""
        return self._failing

    def _run(self) -> None:
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._settle_often, name="audit", daemon=True)
                    self._thread.start()

    def _settle_often(self) -> None:
        while not self._over.wait(SETTLE_SECONDS):
            self.settle()

    def _made(self) -> tuple[list[Entry], list[Exception]]:
        """What waits; one that can't be told is counted, the rest goes on."""
        entries: list[Entry] = []
        defects: list[Exception] = []
        while self._waiting:
            try:
                entries.append(self._waiting.popleft()())
            except Exception as error:  # noqa: BLE001 (see there)
                defects.append(error)
        return entries, defects

    def _write(self, entries: list[Entry]) -> None:
        with self._lock:
            self._append(entries)

    def _append(self, entries: list[Entry]) -> None:
        """All of them in one write, or none; called with the lock held."""
        try:
            opened = self._open()
            told = self._told() + [line_of(entry, self.service) for entry in entries]
            lines = [{"n": self._number + place, **line} for place, line in enumerate(told, 1)]
            data = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode(errors="backslashreplace")
            _all_or_nothing(opened, data)
        except (OSError, ValueError) as error:
            self._fail(len(entries), error)
            return
        self._number += len(lines)
        self._untold, self._failing, self._unsynced = 0, None, True
        if self._echo is not None:
            self._echo(data.decode())
        with contextlib.suppress(OSError):
            if os.fstat(opened).st_size >= self._keep.size:
                self._rotate()

    def _told(self) -> list[dict[str, Any]]:
        """That entries are missing, once they can be written again."""
        if not self._untold:
            return []
        lost = line_of(Entry("audit.lost", "failed", "disk", why=self._since), self.service)
        return [{**lost, "count": self._untold}]

    def _fail(self, lost: int, error: Exception) -> None:
        if not self._untold:
            self._since = now()
        self.lost += lost
        self._untold += lost
        why = getattr(error, "strerror", None) or type(error).__name__
        if self._failing is None:
            self._complain(f"{self.file}: {why}")
        self._failing = why
        self._close()

    def _open(self) -> int:
        if self._opened is None:
            assert self.file is not None
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._opened = os.open(self.file, flags, 0o600)
            if not stat.S_ISREG(os.fstat(self._opened).st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            os.fchmod(self._opened, 0o600)
            self._go_on(self._opened)
        return self._opened

    def _go_on(self, opened: int) -> None:
        """Behind what the last process wrote: its last number, and a line of our own where its last one was cut off."""
        size = os.fstat(opened).st_size
        tail = os.pread(opened, TAIL_BYTES, max(0, size - TAIL_BYTES))
        if not tail and self.file is not None:
            with contextlib.suppress(OSError):
                tail = rotated(self.file, 1).read_bytes()[-TAIL_BYTES:]
        elif not tail.endswith(b"\n"):
            os.write(opened, b"\n")
        for line in reversed(tail.splitlines()):
            with contextlib.suppress(ValueError, TypeError, KeyError):
                self._number = max(self._number, int(json.loads(line)["n"]))
                return

    def _moved(self, opened: int) -> bool:
        """Is the file under its name another one by now, or none?"""
        assert self.file is not None
        try:
            return self.file.stat().st_ino != os.fstat(opened).st_ino
        except FileNotFoundError:
            return True

    def _rotate(self) -> None:
        assert self.file is not None
        self._close()
        for number in range(self._keep.files - 1, 0, -1):
            older = rotated(self.file, number)
            before = rotated(self.file, number - 1)
            if before.exists():
                before.replace(older)

    def _close(self) -> None:
        """``settle`` has the disk keep what was written."""
        if self._opened is not None:
            self._retired.append(self._opened)
            self._opened = None


def rotated(file: pathlib.Path, number: int) -> pathlib.Path:
    """The file itself (0), and those before it: the higher, the older."""
    return file if number == 0 else file.with_name(f"{file.name}.{number}")


def _all_or_nothing(opened: int, data: bytes) -> None:
    """OSError with nothing written: half a line would spoil the next one."""
    before = os.fstat(opened).st_size
    written = 0
    try:
        while written < len(data):
            written += os.write(opened, data[written:])
    except OSError:
        if written:
            os.ftruncate(opened, before)
        raise
