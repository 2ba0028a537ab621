"""Memory of one of our processes: how its allocators are set, what it uses, giving back what it does not."""

from __future__ import annotations

import ctypes
import os
import pathlib

ALLOCATION = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_TRIM_THRESHOLD_": "16777216",
    "MALLOC_MMAP_THRESHOLD_": "8388608",
}
"""Arrow's and glibc's allocators would keep what queries used: these make them give it back when idle. The last line goes with the one
before it: setting any threshold ends glibc's own adjustment, and every column of a batch would then be mapped, zeroed and unmapped by
the kernel, which cost a third of the encoder's time."""

_STATM = pathlib.Path("/proc/self/statm")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    """Resident memory of this process."""
    return int(_STATM.read_text().split()[1]) * _PAGE


def give_back() -> None:
    """Free memory between what is used goes back to the kernel: glibc by itself gives back what lies at the end only. Another C library
    has its own ways: then nothing happens."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
