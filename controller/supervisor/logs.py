"""Log files of the workloads: opened for appending, so that a process goes on writing when the supervisor dies, and rotated by
copy and truncate, so that it need not reopen. A full disk costs old log lines, never a process."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from controller.supervisor.children import Identity
from controller.supervisor.folder import LOG_BYTES, LOG_FILES

TAIL_BYTES = 256 * 1024
logger = logging.getLogger("supervisor")


def open_log(path: Path, identity: Identity | None) -> int:
    """A file descriptor for appending, mode 0640, owned by the workload's user."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    if identity is not None:
        os.fchown(handle, identity.uid, identity.gid)
    os.fchmod(handle, 0o640)
    return handle


def rotate(path: Path, limit: int = LOG_BYTES, keep: int = LOG_FILES) -> bool:
    """Rotate when larger than ``limit`` bytes; says whether it did. What is written during the copy may be lost."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return False
    if found.st_size <= limit:
        return False
    numbered = [path.with_name(f"{path.name}.{number}") for number in range(1, keep + 1)]
    numbered[-1].unlink(missing_ok=True)
    for older, newer in zip(reversed(numbered), reversed(numbered[:-1]), strict=False):
        if newer.exists():
            newer.replace(older)
    try:
        _copy(path, numbered[0], found)
    except OSError as error:
        numbered[0].unlink(missing_ok=True)
        logger.warning("%s could not be kept while rotating, its lines are dropped: %s", path.name, error)
    os.truncate(path, 0)
    return True


def _copy(path: Path, target: Path, found: os.stat_result) -> None:
    reading = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        writing = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o640)
        try:
            os.fchown(writing, found.st_uid, found.st_gid)
            while os.sendfile(writing, reading, None, 1 << 20):
                pass
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def tail(path: Path, lines: int) -> list[str]:
    """The last ``lines`` lines (at most 256 KiB), oldest first; empty when there is no log yet."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    found = text.splitlines()
    return found[-lines:] if lines > 0 else []


class SteadyHandler(logging.Handler):
    """The supervisor's own log: a full disk is counted and told later, never raised."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self.lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Rotate by size, then write. Opened for each line: there are few, and a disk that is free again is noticed at once."""
        missed = f" ({self.lost} lines before this were lost)" if self.lost else ""
        try:
            rotate(self._path)
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(handle, f"{self.format(record)}{missed}\n".encode(errors="replace"))
            finally:
                os.close(handle)
            self.lost = 0
        except OSError:
            self.lost += 1


def configure(path: Path) -> None:
    """Send the supervisor's own messages to ``path``."""
    handler = SteadyHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.handlers = [handler]
