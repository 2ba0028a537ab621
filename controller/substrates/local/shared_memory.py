"""Shared memory that PostgreSQL servers left: one that is killed (as `bdc delete` does) can't remove its System V segment and its
``/dev/shm/PostgreSQL.*``, and the next server on the same folder, which would, never comes.

Known by their owner: a pool's OS user has nothing else there. Without OS users of their own only the System V segments are known: their
key is the number of the data folder (its inode).
"""

from __future__ import annotations

import ctypes
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SEGMENTS = Path("/proc/sysvipc/shm")
FILES = Path("/dev/shm")  # noqa: S108 (where PostgreSQL puts them)
PATTERN = "PostgreSQL.*"
IPC_RMID = 0
KEY_BITS = 0xFFFFFFFF


@dataclass(frozen=True)
class Segment:
    """A System V segment; ``attached``: so many processes use it; ``changed``: Unix time."""

    key: int
    number: int
    owner: int
    attached: int
    changed: int


def segments() -> Iterator[Segment]:
    """All of the machine."""
    try:
        head, *lines = SEGMENTS.read_text().splitlines()
    except (OSError, ValueError):
        return
    names = head.split()
    for line in lines:
        found = dict(zip(names, map(int, line.split()), strict=False))
        yield Segment(found["key"] & KEY_BITS, found["shmid"], found["uid"], found["nattch"], found["ctime"])


def remove_shared_memory(users: Collection[int], folders: Collection[Path], me: int) -> int:
    """Remove what nobody uses of these users, and the segments of ``me`` that servers on these data folders had; how many there were."""
    keys = {inode & KEY_BITS for inode in map(_inode, folders) if inode is not None}
    libc = ctypes.CDLL(None, use_errno=True)
    removed = 0
    for found in segments():
        ours = found.owner in users or (found.owner == me and found.key in keys)
        if ours and found.attached == 0 and libc.shmctl(found.number, IPC_RMID, None) == 0:
            removed += 1
    for path in FILES.glob(PATTERN):
        with suppress(OSError):  # gone meanwhile
            if path.lstat().st_uid in users:
                path.unlink()
                removed += 1
    return removed


def _inode(folder: Path) -> int | None:
    try:
        return folder.stat().st_ino
    except OSError:
        return None
